"""The command that draws what a stage's model finds on pictures."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from fashion.pictures.listing import list_images, output_names
from fashion.stages.arguments import add_model_arguments, model_choice
from fashion.stages.models import inference_model, inference_weights
from fashion.stages.stage import Stage, whole, writable_folder
from fashion.terminal import OPTIONS
from mrcnn.errors import DatasetError, UserError


def add_testing_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of the test scripts."""
    parser.add_argument(
        "--images",
        type=Path,
        default=stage.images,
        metavar="DIR",
        help="folder of pictures, or one picture (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=stage.outputs,
        metavar="DIR",
        help="folder for the PNGs (default: %(default)s)",
    )
    add_model_arguments(
        parser, stage, f"weight file, or last (default: {stage.folder.name}/{stage.weights})"
    )
    parser.add_argument("--logs", type=Path, default=stage.logs, metavar="DIR", help="for last")
    parser.add_argument("--limit", type=whole(1), metavar="N", help="at most this many pictures")


def draw_pictures(options: argparse.Namespace) -> int:
    """Detect on every picture and write PNGs; 1 where nothing could be drawn."""
    choice = model_choice(options)
    images = list_images(options.images, options.limit)
    names = output_names(images)
    choice = replace(choice, weights=inference_weights(choice))
    writable_folder(options.output, "output")
    model = inference_model(choice)
    from fashion.pictures.sheets import save_detections_png
    from mrcnn.images.reading import read_image

    class_names = choice.stage.class_names
    colours = {row.id: row.colour for row in choice.stage.table}
    unreadable: list[UserError] = []
    found: Counter[str] = Counter()
    for path in tqdm(images, unit="image", desc=choice.stage.name):
        try:
            image = read_image(path)
        except DatasetError as error:
            unreadable.append(error)
            continue
        result = model.detect([image])[0]
        save_detections_png(options.output / names[path], image, result, class_names, colours)
        found.update(class_names[i] for i in result["class_ids"])
    drawn = len(images) - len(unreadable)
    report_skipped(unreadable)
    counts = ", ".join(f"{name} {count}" for name, count in found.most_common()) or "nothing"
    print(f"{drawn} pictures in {options.output}; found: {counts}")
    return 0 if drawn else 1


def report_skipped(errors: Iterable[UserError]) -> None:
    """One line on stderr for each picture that was skipped."""
    for error in errors:
        print(f"skipped: {error.sentence(OPTIONS)}", file=sys.stderr)
