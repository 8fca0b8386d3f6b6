"""Pictures of what a stage's model finds, from the command line."""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fashion.links import VARIABLE, leads_out
from fashion.locating import IMAGE_SUFFIXES
from fashion.remote_files import RemoteFolder, RemotePicture, list_remote, read_remote
from fashion.stages import (
    Stage,
    add_model_arguments,
    inference_model,
    inference_weights,
    whole,
    writable_folder,
)
from mrcnn.errors import DatasetError, printable


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


def read_or_reason(path: Path | RemotePicture) -> np.ndarray | str:
    """A picture, uint8 RGB [height, width, 3], or the sentence that says why it cannot be read."""
    if isinstance(path, RemotePicture):
        return read_remote(path)
    from mrcnn.images import read_image

    try:
        return read_image(path)
    except DatasetError as error:
        return str(error)


def list_images(
    folder: Path | RemoteFolder, limit: int | None = None
) -> list[Path] | list[RemotePicture]:
    """The pictures of a folder in the order of their names; or the one picture.

    Links that lead out of the folder are left out, which is said on stderr.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    if isinstance(folder, RemoteFolder):
        return list_remote(folder, IMAGE_SUFFIXES, limit)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DatasetError(
            f"The image folder {folder} does not exist: make it and put photographs there, or "
            f"name another with --images."
        )
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    leaving = [path for path in found if leads_out(folder, path.name)]
    if leaving:
        print(
            f"left out: {len(leaving)} links that lead out of {folder} (the first is "
            f"{printable(leaving[0].name)}); {VARIABLE}=1 in the environment takes them",
            file=sys.stderr,
        )
        found = [path for path in found if path not in set(leaving)]
    if not found:
        raise DatasetError(
            f"There is no picture in {folder}: put {', '.join(sorted(IMAGE_SUFFIXES))} files "
            f"there, or name another folder with --images."
        )
    return found[:limit]


def output_names(images: list[Path]) -> dict[Path, str]:
    """A PNG name for each picture; the ending stays where two would get the same name."""
    # Folded, because some file systems take a.png and A.png for one.
    count = Counter(image.stem.casefold() for image in images)
    # "a.jpg.gif" without its ending is the whole name of another picture.
    count.update(image.name.casefold() for image in images)
    return {p: f"{p.stem if count[p.stem.casefold()] == 1 else p.name}.png" for p in images}


def draw_pictures(options: argparse.Namespace) -> int:
    """Detect on every picture and write PNGs; 1 where nothing could be drawn."""
    stage: Stage = options.stage
    images = list_images(options.images, options.limit)
    names = output_names(images)
    inference_weights(options, stage)
    writable_folder(options.output, "--output")
    model = inference_model(options, stage)
    from fashion.report import save_detections_png
    from mrcnn.images import read_image

    class_names = ["background", *stage.table.names]
    colours = {row.id: row.colour for row in stage.table}
    unreadable, found, drawn = [], Counter(), 0
    for path in tqdm(images, unit="image", desc=stage.name):
        try:
            image = read_image(path)
        except DatasetError as error:
            unreadable.append(str(error))
            continue
        result = model.detect([image])[0]
        save_detections_png(options.output / names[path], image, result, class_names, colours)
        found.update(class_names[i] for i in result["class_ids"])
        drawn += 1
    _summarise(drawn, found, unreadable, options.output)
    return 0 if drawn else 1


def _summarise(drawn: int, found: Counter, unreadable: list[str], output: Path) -> None:
    for sentence in unreadable:
        print(f"left out: {sentence}", file=sys.stderr)
    counts = ", ".join(f"{name} {count}" for name, count in found.most_common()) or "nothing"
    print(f"{drawn} pictures in {output}; found: {counts}")
