"""The truth that parsed clothing is measured against: label maps of VIA or COCO annotations.

Annotations may overlap, while a label map has one label per pixel. The painter's order decides:
instances are painted from the largest to the smallest (by area in pixels; of equal ones the later
in the file is on top), so that a belt stays visible on its dress and a bag on its coat. Pixels that
only a crowd covers have no known label and are not counted.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from fashion.annotations.instances import image_instances
from fashion.annotations.locating import find_annotations, read_annotations
from fashion.dataset import SOURCE, FashionDataset
from fashion.labels import ClassTable
from fashion.parsing.measuring.measures import IGNORED, ParsingMeasures
from fashion.parsing.measuring.tables import write_tables
from fashion.parsing.settings import TOLERANCE
from fashion.pictures.listing import image_size
from mrcnn.errors import DatasetError, counted

PIXEL, JOINT = "pixel level", "joint"


class LabelMaps(Protocol):
    """What is measured about a parsed image (`fashion.parsing.parse.Parsed`): label maps, uint8 [H,
    W]."""

    @property
    def pixel_labels(self) -> np.ndarray:
        """From the masks alone."""

    @property
    def joint_labels(self) -> np.ndarray:
        """From masks and superpixels together."""


class Measured(NamedTuple):
    """The measures of both levels, by name, and the images without a truth."""

    levels: dict[str, ParsingMeasures]
    without_truth: list[str]


def truth_label_map(masks: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Instances painted into one label map, uint8 [height, width], by the painter's order.

    Args:
        masks: bool [height, width, N].
        class_ids: int [N], 1 to 254; negative for crowds, whose pixels become `IGNORED` where no
            other instance covers them.
    """
    labels = np.zeros(masks.shape[:2], dtype=np.uint8)
    areas = masks.sum(axis=(0, 1))
    for index in sorted(range(len(class_ids)), key=lambda i: (class_ids[i] > 0, -areas[i], i)):
        labels[masks[..., index]] = class_ids[index] if class_ids[index] > 0 else IGNORED
    return labels


class Truth:
    """True label maps of pictures, by file name.

    Args:
        path: a VIA or COCO file, or the folder that has one.
        images: the pictures to be measured; others in the annotations are skipped.
        table: the garments' classes.

    Raises:
        DatasetError: the annotations cannot be read, or have none of these pictures.
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
                "the annotations have none of these pictures",
                path=self.path,
                advice="give the pictures the file names of the annotations",
            )

    def summary(self) -> str:
        """Counts, and what was left out, for a terminal."""
        return f"Truth: {self.path}, {self.dataset.summary()}"

    def size(self, image: Path) -> tuple[int, int] | None:
        """Height and width of a picture in the annotations; None if it has no truth."""
        number = self._ids.get(Path(image).name)
        if number is None:
            return None
        info = self.dataset.image_info[number]
        return info["height"], info["width"]

    def labels(self, image: Path) -> np.ndarray:
        """The label map, uint8 [height, width], of a picture that has a truth; else `KeyError`."""
        return truth_label_map(*self.dataset.load_mask(self._ids[Path(image).name]))


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
            except DatasetError:  # reported when the picture itself is read
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


def measure_pictures(
    truth: Truth, parsed: Iterable[tuple[Path, LabelMaps | None]], tolerance: float = TOLERANCE
) -> Measured:
    """Measure parsed pictures, one at a time, at pixel level and at joint level.

    Args:
        truth: the true label maps.
        parsed: pictures and their label maps, of the truth's class table; None if an earlier run
            left no maps.
        tolerance: see `ParsingMeasures`.

    Raises:
        DatasetError: a picture has another size than its annotations, has no maps, or no picture
            at all has a truth.
    """
    names = ("background", *truth.table.names)
    levels = {level: ParsingMeasures(names, tolerance) for level in (PIXEL, JOINT)}
    without = []
    for image, maps in parsed:
        size = truth.size(image)
        if size is None or maps is None:
            without.append(Path(image).name)
            continue
        # Checked before masks are made, which could have any size.
        _check_size(truth, image, size, maps.pixel_labels.shape)
        labels = truth.labels(image)
        levels[PIXEL].add(labels, maps.pixel_labels)
        levels[JOINT].add(labels, maps.joint_labels)
    if not levels[PIXEL].images:
        raise DatasetError("none of the pictures that could be read has a truth", path=truth.path)
    return Measured(levels, without)


def _check_size(
    truth: Truth, image: Path, annotated: tuple[int, int], found: tuple[int, ...]
) -> None:
    if tuple(annotated) != tuple(found):
        raise DatasetError(
            f"the picture does not have the size that {truth.path} says",
            path=image,
            expected=f"{annotated[1]} x {annotated[0]} pixels",
            found=f"{found[1]} x {found[0]}",
            advice="use the pictures that were annotated",
        )


def write_measures(measured: Measured, output: Path) -> str:
    """Write tables and charts of the measures into a folder; return the tables as text.

    Files: measures.csv, confusion_pixel.csv, confusion_joint.csv, measures.png, measures.json.
    Raises `UserError` if they cannot be written.
    """
    text = write_tables(measured.levels, output)
    if measured.without_truth:
        shown = ", ".join(measured.without_truth[:5])
        count = counted(len(measured.without_truth), "picture")
        text += f"\n{count} without truth, not measured: {shown}"
    return text
