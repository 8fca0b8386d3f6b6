"""Draw what the garment model and the season model find on the same pictures, side by side.

    %(prog)s
    %(prog)s --images=DIR --output=DIR
    %(prog)s --model1=FILE.h5 --model2=FILE.h5 --original

One PNG per picture, the garments on the left, the season labels on the right, and contact_sheet.png
of the first sixty. Without options: model1/mask_rcnn_Modanet.h5 and model2/mask_rcnn_Season.h5 on
model2/images into model2/outputs/compared. ResNet-101 takes some ten seconds a picture on two
cores, the `demo` preset a third of one.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fashion.stages.arguments import with_missing_weights
from fashion.stages.models import ModelChoice, detection_model, inference_weights
from fashion.stages.stage import (
    MODANET_STAGE,
    SEASON_STAGE,
    Stage,
    fraction,
    whole,
    writable_folder,
)
from fashion.terminal import command_parser
from mrcnn.errors import DatasetError, counted


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("--images", type=Path, default=SEASON_STAGE.images, metavar="DIR", help="pictures")
    add("--output", type=Path, default=SEASON_STAGE.outputs / "compared", metavar="DIR")
    for number, stage in ((1, MODANET_STAGE), (2, SEASON_STAGE)):
        default = f"{stage.folder.name}/{stage.weights}"
        add(
            f"--model{number}", metavar="FILE.h5", help=f"weight file, or last (default: {default})"
        )
        add(f"--preset{number}", metavar="NAME", help="its preset, if the file does not name it")
        add(f"--logs{number}", type=Path, default=stage.logs, metavar="DIR", help="for last")
    add(
        "--classes",
        metavar="CLASSES",
        help="the season model's labels, if the file does not name them",
    )
    add("--class-table", dest="classes", help=argparse.SUPPRESS)
    add("--min-confidence", type=fraction, metavar="0..1", help="drop detections scored lower")
    add("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    add("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    add("--original", action="store_true", help="put the original picture first")
    return parser.parse_args(arguments)


def chosen_model(options: argparse.Namespace, number: int, stage: Stage) -> ModelChoice:
    """One of the two models."""
    return ModelChoice(
        stage,
        weights=getattr(options, f"model{number}"),
        preset=getattr(options, f"preset{number}"),
        precision=options.precision,
        min_confidence=options.min_confidence,
        logs=getattr(options, f"logs{number}"),
        settings=(f"model{number}", f"preset{number}"),
    )


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Draw, and say what was found; exit code 1 if nothing could be drawn."""
    options = parse_arguments(arguments, prog)
    from tqdm import tqdm

    from fashion.pictures.comparing import ComparedModel, compare_pictures
    from fashion.pictures.listing import list_images
    from fashion.stages.draw import report_skipped
    from fashion.stages.training_labels import with_labels

    def find_weights() -> list[ModelChoice]:
        choices = [
            with_labels(chosen_model(options, 1, MODANET_STAGE), None),
            with_labels(chosen_model(options, 2, SEASON_STAGE), options.classes),
        ]
        return [replace(choice, weights=inference_weights(choice)) for choice in choices]

    try:
        images = list_images(options.images, options.limit)
    except DatasetError as error:
        raise with_missing_weights(error, find_weights) from None
    writable_folder(options.output, "output")
    choices = find_weights()
    models = [
        ComparedModel(title, _one_by_one(detection_model(choice)), choice.stage.table)
        for choice, title in zip(choices, ("garments", "seasons"), strict=True)
    ]
    with tqdm(total=len(images), unit="image", desc="comparing") as bar:
        done = compare_pictures(
            images, models, options.output, original=options.original, progress=bar.update
        )
    report_skipped(done.unreadable)
    for model, found in zip(models, done.found, strict=True):
        counts = ", ".join(f"{name} {count}" for name, count in found.most_common())
        print(f"{model.title}: {counts or 'nothing'}")
    print(f"{counted(done.pictures, 'picture')} in {options.output.absolute()}")
    return 0 if done.written else 1


def _one_by_one(model):
    return lambda image: model.detect([image])[0]
