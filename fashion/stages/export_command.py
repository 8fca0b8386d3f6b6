"""Write a stage's model as SavedModel, ONNX or LiteRT, for programs without this project.

    %(prog)s --model=FILE.h5 --output=DIR
    %(prog)s --model=FILE.h5 --output=DIR --format saved_model onnx tflite
    %(prog)s --stage=2 --model=FILE.h5 --output=DIR --size=512 --overwrite
    %(prog)s --model=FILE.h5 --output=DIR --format onnx --int8 --calibrate=PHOTOGRAPHS

    DIR/saved_model/   TensorFlow: a picture, or a JPEG or PNG file, in; boxes, names, masks out
    DIR/model.onnx     ONNX Runtime: a picture in; the same out (needs the extra [export])
    DIR/model.tflite   LiteRT, built-in operations only: a picture of the network's size in;
                       boxes and mini masks out

Beside each is a description, such as model.onnx.json. docs/export.md explains how to load them
and how close they come to this project's own detections. The preset `demo` takes less than a minute
for each format on an idle machine, ResNet-101 some minutes.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion.pictures.listing import list_images
from fashion.stages.arguments import (
    add_model_arguments,
    choose_classes,
    model_choice,
)
from fashion.stages.models import (
    inference_model,
    inference_weights,
    names_with_person,
    preset_of,
)
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, writable_folder
from fashion.terminal import command_parser
from mrcnn.config import Config
from mrcnn.errors import ConfigError, DatasetError
from mrcnn.export.exporting import FILES, MASKS, check_exportable, check_free, export_model

CALIBRATED = 64


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog, conflict_handler="resolve")
    stages = {"1": MODANET_STAGE, "2": SEASON_STAGE}
    add = parser.add_argument
    add("--stage", dest="number", choices=list(stages), default="1", help="whose classes")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    add(
        "--format",
        dest="formats",
        nargs="+",
        choices=list(FILES),
        default=["saved_model"],
        help="one or several (default: saved_model)",
    )
    add(
        "--size",
        type=picture_size,
        metavar="PIXELS",
        help="size that pictures are resized to: the side of a square, such as 512, or height x "
        "width, such as 512x384; multiples of 64 (default: the preset's)",
    )
    add("--masks", choices=MASKS, default="full", help="what model.onnx gives")
    add("--int8", action="store_true", help="model.onnx computes in 8-bit integers")
    add(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help=f"for --int8: photographs like those it will see; {CALIBRATED} of them are used",
    )
    add("--overwrite", action="store_true", help="replace what an earlier export wrote to DIR")
    add("--logs", type=Path, metavar="DIR", help="for --model=last (default: the stage's)")
    add_model_arguments(parser, MODANET_STAGE, "weight file, or last (default: the stage's)")
    # Replaces their --resize-mode, since a SavedModel supports more modes.
    add(
        "--resize",
        "--resize-mode",
        dest="resize",
        choices=["square", "shape", "fit64", "pad64", "none"],
        help="square and shape: the network always sees --size; fit64, pad64 and none: the "
        "size depends on the picture, see IMAGE_RESIZE_MODE; saved_model only (default: the "
        "preset's)",
    )
    # The file may be used on another machine, so "auto" would be wrong.
    parser.set_defaults(precision="float32")
    options = parser.parse_args(arguments)
    options.stage = stages[options.number]
    return options


def picture_size(text: str) -> list[int]:
    """An argparse type: `512`, or height x width such as `448x320`."""
    sizes = [int(part) for part in text.split("x")]
    if len(sizes) > 2 or min(sizes) < 64:
        raise argparse.ArgumentTypeError(f"{text} is neither a side of 64 or more nor two of them")
    return sizes


def set_sizes(config: Config, options: argparse.Namespace) -> None:
    """Set the sizes of a Config from the options; the network itself has no fixed size."""
    if options.size and len(options.size) == 2:
        config.IMAGE_RESIZE_MODE = "shape"
        config.IMAGE_HEIGHT, config.IMAGE_WIDTH = options.size
    elif options.size:
        (config.IMAGE_MAX_DIM,) = options.size
        config.IMAGE_MIN_DIM = min(config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM)
        if config.IMAGE_RESIZE_MODE == "shape":
            config.IMAGE_RESIZE_MODE = "square"
    if options.resize:
        config.IMAGE_RESIZE_MODE = options.resize
        if options.resize == "pad64":
            config.IMAGE_MIN_DIM = -(-config.IMAGE_MIN_DIM // 64) * 64
    # Derive and check the other attributes again.
    Config.__init__(config)


def calibration_pictures(folder: Path) -> list[Path]:
    """At most `CALIBRATED` photographs from all over a folder's list, all of them readable.

    Raises:
        DatasetError: there is no such folder, no photograph in it, or one that cannot be read.
    """
    try:
        found = list_images(folder)
    except DatasetError as error:
        advice = "name a folder of photographs, some fifty or more, with {calibrate}"
        raise error.replace(settings=("calibrate",), advice=advice) from None
    places = np.linspace(0, len(found) - 1, min(CALIBRATED, len(found))).round().astype(int)
    chosen = [found[place] for place in places]
    for _ in pictures_of(chosen):
        pass  # what cannot be read is reported now, not after minutes
    return chosen


def pictures_of(paths: list[Path]) -> Iterator[np.ndarray]:
    """The photographs one by one: together they may not fit into memory."""
    from mrcnn.images.reading import read_image

    return map(read_image, paths)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Export, and print what was written."""
    options = parse_arguments(arguments, prog)
    if options.int8 != bool(options.calibrate):
        raise ConfigError(
            "8-bit integers need photographs to choose their ranges by",
            settings=("int8", "calibrate"),
            advice="give both {int8} and {calibrate}, or neither",
        )
    choose_classes(options)
    from fashion.stages.presets import make_config

    stage = options.stage
    choice = replace(model_choice(options), persons=True)
    weights = inference_weights(choice)
    names = names_with_person(stage, weights)
    preset = preset_of(weights, options.preset)
    # Check in a second what would otherwise fail after minutes.
    plan = make_config(preset, stage.name, len(names), inference=True, PRECISION=options.precision)
    set_sizes(plan, options)
    check_exportable(plan, options.formats, names, options.masks, options.int8)
    check_free(options.output, options.formats, options.overwrite)
    paths = calibration_pictures(options.calibrate) if options.int8 else []
    writable_folder(options.output, "output")
    model = inference_model(replace(choice, weights=weights))
    set_sizes(model.config, options)
    written = export_model(
        model,
        options.output,
        options.formats,
        names,
        masks=options.masks,
        calibration=pictures_of(paths) if options.int8 else None,
        overwrite=options.overwrite,
        notes={"weights": weights.path.name, "preset": preset},
        progress=lambda text: print(text, flush=True),
    )
    for path in written:
        print(f"{path.absolute()}: {megabytes(path):.1f} MB; description: {path.name}.json")
    return 0


def megabytes(path: Path) -> float:
    """The size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
