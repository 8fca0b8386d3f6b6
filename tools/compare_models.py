#!/usr/bin/env python3
"""Draw what the garment model and the season model find on the same pictures, side by side.

    python3 tools/compare_models.py
    python3 tools/compare_models.py --images=DIR --output=DIR
    python3 tools/compare_models.py --model1=FILE.h5 --model2=FILE.h5 --original

One PNG a picture, the garments on the left, the season labels on the right, and contact_sheet.png
of the first sixty. Without options: model1/mask_rcnn_Modanet.h5 and model2/mask_rcnn_Season.h5 on
model2/images into model2/outputs/compared. ResNet-101 takes some ten seconds a picture on two
cores, the `demo` preset a third of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run
from fashion.stages import (
    MODANET_STAGE,
    SEASON_STAGE,
    fraction,
    inference_model,
    whole,
    writable_folder,
)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--images", type=Path, default=SEASON_STAGE.images, metavar="DIR", help="pictures")
    add("--output", type=Path, default=SEASON_STAGE.outputs / "compared", metavar="DIR")
    for number, stage in ((1, MODANET_STAGE), (2, SEASON_STAGE)):
        default = f"{stage.folder.name}/{stage.weights}"
        add(f"--model{number}", metavar="FILE.h5", help=f"weight file, or last ({default})")
        add(f"--preset{number}", metavar="NAME", help="its preset, where the file does not tell")
        add(f"--logs{number}", type=Path, default=stage.logs, metavar="DIR", help="for last")
    add(
        "--class-table", metavar="FILE", help="the season model's labels, if the file does not tell"
    )
    add("--min-confidence", type=fraction, metavar="0..1", help="drop detections scored lower")
    add("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    add("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    add("--original", action="store_true", help="the bare picture before them")
    return parser.parse_args(arguments)


def model_options(options: argparse.Namespace, number: int, stage) -> argparse.Namespace:
    """What `inference_model` takes, for one of the two models."""
    return argparse.Namespace(
        model=getattr(options, f"model{number}"),
        preset=getattr(options, f"preset{number}"),
        logs=getattr(options, f"logs{number}"),
        precision=options.precision,
        min_confidence=options.min_confidence,
        class_table=options.class_table if number == 2 else None,
        stage=stage,
    )


def main(arguments: list[str] | None = None) -> int:
    """Draw, and say what was found; 1 where nothing could be drawn."""
    options = parse_arguments(arguments)
    from tqdm import tqdm

    from fashion.class_tables import choose_class_table
    from fashion.compare import ComparedModel, compare_pictures
    from fashion.picture_stage import list_images

    images = list_images(options.images, options.limit)
    writable_folder(options.output, "--output")
    models = []
    for number, stage, title in ((1, MODANET_STAGE, "garments"), (2, SEASON_STAGE, "seasons")):
        own = model_options(options, number, stage)
        if number == 2:
            choose_class_table(own)
        model = inference_model(own, own.stage)
        models.append(ComparedModel(title, _one_by_one(model), own.stage.table))
    with tqdm(total=len(images), unit="image", desc="comparing") as bar:
        done = compare_pictures(
            images, models, options.output, original=options.original, progress=bar.update
        )
    for sentence in done.unreadable:
        print(f"left out: {sentence}", file=sys.stderr)
    for model, found in zip(models, done.found, strict=True):
        counts = ", ".join(f"{name} {count}" for name, count in found.most_common())
        print(f"{model.title}: {counts or 'nothing'}")
    print(f"{len(done.written)} pictures in {options.output.absolute()}")
    return 0 if done.written else 1


def _one_by_one(model):
    return lambda image: model.detect([image])[0]


if __name__ == "__main__":
    sys.exit(run(main))
