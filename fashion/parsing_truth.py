"""The truth that parsed clothing is measured by: label maps out of VIA or COCO annotations.

Annotations may lie on top of one another, a label map holds one label a pixel. The painter's order
decides: instances are painted from the largest to the smallest (area in pixels; of equal ones the
later in the file is on top), so that a belt stays visible on its dress and a bag on its coat. What
a crowd covers and nothing else does has no known label and counts nowhere.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from fashion.dataset import SOURCE, FashionDataset
from fashion.instances import image_instances
from fashion.labels import ClassTable
from fashion.listing import image_size
from fashion.locating import find_annotations, read_annotations
from fashion.parsing_measures import IGNORED, TOLERANCE, ParsingMeasures
from fashion.parsing_tables import write_tables
from mrcnn.errors import DatasetError

PIXEL, JOINT = "pixel level", "joint"


class LabelMaps(Protocol):
    """What is measured of a parsed image (`fashion.parsing.Parsed`): label maps, uint8 [H, W]."""

    pixel_labels: np.ndarray
    joint_labels: np.ndarray


class Measured(NamedTuple):
    """The measures of both levels, by name, and the images without a truth."""

    levels: dict[str, ParsingMeasures]
    without_truth: list[str]


def add_truth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --truth and --tolerance."""
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="VIA or COCO annotations of the pictures, or their folder: measure the result by "
        "them and write tables",
    )
    parser.add_argument(
        "--tolerance",
        type=_share,
        default=TOLERANCE,
        metavar="SHARE",
        help="how far an outline may be off to count as right, as a share of the picture's "
        "diagonal (%(default)s)",
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to below 1")
    return value


def truth_label_map(masks: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Instances painted into one label map, uint8 [height, width], by the painter's order.

    masks: bool [height, width, N]. class_ids: int [N], 1 to 254, negative for crowds, whose pixels
    become `IGNORED` where no other instance covers them.
    """
    labels = np.zeros(masks.shape[:2], dtype=np.uint8)
    areas = masks.sum(axis=(0, 1))
    for index in sorted(range(len(class_ids)), key=lambda i: (class_ids[i] > 0, -areas[i], i)):
        labels[masks[..., index]] = class_ids[index] if class_ids[index] > 0 else IGNORED
    return labels


class Truth:
    """True label maps of pictures, by file name.

    path: a VIA or COCO file, or the folder of one. images: the pictures to be measured; what the
    annotations name besides is passed over. Raises `DatasetError` when the annotations cannot be
    read or have none of these pictures.
    """

    def __init__(self, path: Path, images: Iterable[Path], table: ClassTable) -> None:
        path = Path(path)
        self.path = find_annotations(path) if path.is_dir() else path
        self.table = table
        self.dataset = _dataset(self.path, {image.name: image for image in images}, table)
        infos = enumerate(self.dataset.image_info)
        self._ids = {Path(info["path"]).name: number for number, info in infos}
        if not self._ids:
            raise DatasetError(
                f"{self.path} has the truth of none of these pictures: its file names must be "
                "theirs."
            )

    def summary(self) -> str:
        """Counts, and what was left out, for a terminal."""
        return f"Truth: {self.path}, {self.dataset.summary()}"

    def size(self, image: Path) -> tuple[int, int] | None:
        """Height and width that the annotations give a picture; None where it has no truth."""
        number = self._ids.get(Path(image).name)
        if number is None:
            return None
        info = self.dataset.image_info[number]
        return info["height"], info["width"]

    def labels(self, image: Path) -> np.ndarray | None:
        """The label map of a picture, uint8 [height, width]; None where it has no truth."""
        number = self._ids.get(Path(image).name)
        if number is None:
            return None
        return truth_label_map(*self.dataset.load_mask(number))


def _dataset(path: Path, images: dict[str, Path], table: ClassTable) -> FashionDataset:
    dataset, via = FashionDataset(), read_annotations(path)
    dataset.problems += via.problems
    dataset.add_classes(table)
    for entry in via:
        name = Path(entry.filename).name
        if name not in images:
            continue
        width, height = entry.width, entry.height
        if width is None or height is None:
            try:
                width, height = image_size(images[name])
            except DatasetError:  # the run itself tells of it, and goes on
                continue
        instances, problems = image_instances(entry, table)
        dataset.problems += problems
        dataset.add_image(
            SOURCE,
            image_id=entry.filename,
            path=images[name],
            width=width,
            height=height,
            instances=instances,
        )
    dataset.prepare()
    return dataset


def measure(
    truth: Truth, parsed: Iterable[tuple[Path, LabelMaps]], tolerance: float = TOLERANCE
) -> Measured:
    """Measure parsed pictures, one at a time, at pixel level and at joint level.

    parsed: pictures and their label maps, of the truth's class table. Raises `DatasetError` where
    a picture is of another size than its annotations, and when not one picture has a truth.
    """
    names = ("background", *truth.table.names)
    levels = {level: ParsingMeasures(names, tolerance) for level in (PIXEL, JOINT)}
    without = []
    for image, maps in parsed:
        size = truth.size(image)
        if size is None:
            without.append(Path(image).name)
            continue
        # Before masks of that size are made, which may be any.
        _check_size(truth, image, size, maps.pixel_labels.shape)
        labels = truth.labels(image)
        levels[PIXEL].add(labels, maps.pixel_labels)
        levels[JOINT].add(labels, maps.joint_labels)
    if not levels[PIXEL].images:
        raise DatasetError(f"Not one picture was measured: none has a truth in {truth.path}.")
    return Measured(levels, without)


def _check_size(truth: Truth, image: Path, told: tuple[int, int], found: tuple[int, ...]) -> None:
    if tuple(told) != tuple(found):
        raise DatasetError(
            f"{image} is {found[1]} x {found[0]} pixels, but {truth.path} says "
            f"{told[1]} x {told[0]}: use the pictures that were annotated."
        )


def write_measures(measured: Measured, output: Path) -> str:
    """Write tables and charts of the measures into a folder, and give them as text.

    Files: measures.csv, confusion_pixel.csv, confusion_joint.csv, measures.png, measures.json.
    Raises `UserError` where they cannot be written.
    """
    text = write_tables(measured.levels, output)
    if measured.without_truth:
        shown = ", ".join(measured.without_truth[:5])
        text += f"\n{len(measured.without_truth)} pictures without truth, not measured: {shown}"
    return text
