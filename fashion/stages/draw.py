"""The command that draws what a stage's model finds in pictures and videos."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from fashion.command_table import with_commands
from fashion.pictures.listing import list_images, output_names
from fashion.stages.arguments import (
    add_model_arguments,
    choose_classes,
    model_choice,
    with_missing_weights,
)
from fashion.stages.models import ModelChoice, WeightFile, detection_model, inference_weights
from fashion.stages.stage import Stage, whole, writable_folder
from fashion.terminal import OPTIONS
from mrcnn.errors import DatasetError, UserError, counted
from mrcnn.images.reading import is_video
from mrcnn.inference.closer_look import InferenceModel

if TYPE_CHECKING:
    from fashion.stages.found import Garment


def add_testing_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of the test scripts."""
    parser.add_argument(
        "--images",
        type=Path,
        default=stage.images,
        metavar="DIR",
        help="folder of pictures, one picture, or a video (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=stage.outputs,
        metavar="DIR",
        help="folder for the drawings; for a folder of pictures also garments.csv, "
        "predictions.json (COCO) and index.html (default: %(default)s)",
    )
    add_model_arguments(
        parser, stage, f"weight file, or last (default: {stage.folder.name}/{stage.weights})"
    )
    parser.add_argument(
        "--logs", type=Path, default=stage.logs, metavar="DIR", help="for --model=last"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    parser.add_argument(
        "--full-size",
        action="store_true",
        help="drawings at the pictures' own size (default: at most 2,048 pixels on the longer "
        "side; a 12-megapixel PNG takes 20 MB)",
    )


@dataclass
class _Drawing:
    """Detects on pictures and frames, draws, and counts what was found."""

    choice: ModelChoice
    model: InferenceModel
    found: Counter[str] = field(default_factory=Counter)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The image, uint8 RGB [H, W, 3], with its detections drawn on it, and the detections."""
        result = self.detect(image)
        return self.draw(image, result), result

    def detect(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The detections on an image, which are counted."""
        result = self.model.detect([image])[0]
        self.found.update(self.choice.stage.class_names[i] for i in result["class_ids"])
        return result

    def draw(self, image: np.ndarray, result: Mapping[str, np.ndarray]) -> np.ndarray:
        """The image with detections drawn on it."""
        from mrcnn.drawing.painting import draw_detections

        stage = self.choice.stage
        colours = {row.id: row.colour for row in stage.table}
        return draw_detections(image, result, stage.class_names, colours)


def draw_pictures(options: argparse.Namespace) -> int:
    """Detect on every picture, or on a video, and write drawings; return 1 if nothing was found."""
    choose_classes(options)
    choice = model_choice(options)
    video = options.images.is_file() and is_video(options.images)
    images = [options.images] if video else _pictures(options, choice)
    choice = replace(choice, weights=inference_weights(choice))
    writable_folder(options.output, "output")
    drawing = _Drawing(choice, detection_model(choice))
    written: list[Path] = []
    if video:
        done = _draw_video(options, drawing)
    else:
        done, written = _draw_all(images, options, drawing)
    counts = ", ".join(f"{name} {count}" for name, count in drawing.found.most_common())
    print(f"{done} in {options.output}; found: {counts or 'nothing'}")
    for path in written:
        print(f"Written: {path}")
    if drawing.found:
        return 0
    print(
        f"Nothing was found. {OPTIONS['min_confidence']}=0.3 shows whether the model is unsure or "
        + with_commands("finds nothing at all; tools/inspect_model.py shows why."),
        file=sys.stderr,
    )
    return 1


def _pictures(options: argparse.Namespace, choice: ModelChoice) -> list[Path]:
    """The pictures of the command line.

    Raises `DatasetError` if there are none; if the weights are missing too, it says so.
    """
    try:
        return list_images(options.images, options.limit)
    except DatasetError as error:
        raise with_missing_weights(error, lambda: inference_weights(choice)) from None


class _Detected(NamedTuple):
    """The detections on a picture, or the error instead of its pixels."""

    path: Path
    image: np.ndarray | UserError
    result: Mapping[str, np.ndarray]


def _draw_all(
    images: list[Path], options: argparse.Namespace, drawing: _Drawing
) -> tuple[str, list[Path]]:
    """Draw each picture; return how many were drawn, and what else was written.

    While the network has a picture, threads read the next ones, and draw and write those before.
    """
    from fashion.pictures.listing import read_or_error
    from fashion.pictures.sheets import save_png
    from fashion.stages.found import THUMBNAIL, FoundFiles, garments_of
    from mrcnn.drawing.painting import smaller, smaller_detections
    from mrcnn.system.background import read_ahead

    stage = drawing.choice.stage
    names = output_names(images)
    weights = drawing.choice.weights
    model = weights.path.name if isinstance(weights, WeightFile) else stage.weights
    subject = f"Pictures: {options.images}. Model: {model}."
    files: FoundFiles | None = None
    if options.images.is_dir():
        files = FoundFiles(options.output, "What was found", subject)

    def detected() -> Iterator[_Detected]:
        for path, image in read_ahead(read_or_error, images, workers=2, ahead=4):
            result = {} if isinstance(image, UserError) else drawing.detect(image)
            yield _Detected(path, image, result)

    def finish(found: _Detected) -> "tuple[list[Garment], Path, np.ndarray] | UserError":
        path, image, result = found
        if isinstance(image, UserError):
            return image
        shown = (image, result) if options.full_size else smaller_detections(image, result)
        picture = drawing.draw(*shown)
        target = save_png(options.output / names[path], picture)
        garments = garments_of(image, result, stage.table) if files else []
        return garments, target, smaller(picture, THUMBNAIL)

    unreadable: list[UserError] = []
    done = read_ahead(finish, detected(), workers=2, ahead=3, finish=True)
    for found, what in tqdm(done, total=len(images), unit="image", desc=stage.name):
        if isinstance(what, UserError):
            unreadable.append(what)
        elif files:
            files.add(found.path.name, *what)
    report_skipped(unreadable)
    drawn = len(images) - len(unreadable)
    return counted(drawn, "picture"), files.write() if files and drawn else []


def _draw_video(options: argparse.Namespace, drawing: _Drawing) -> str:
    """Draw boxes, masks and names on each frame of a video."""
    from fashion.pictures.splash import paint_video

    target = options.output / f"{options.images.stem}.mp4"
    return paint_video(lambda frame: drawing(frame)[0], options.images, target).name


def report_skipped(errors: Iterable[UserError]) -> None:
    """One line on stderr for each picture that was skipped."""
    for error in errors:
        print(f"skipped: {error.sentence(OPTIONS)}", file=sys.stderr)
