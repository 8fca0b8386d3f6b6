"""What the exporters to other tools' formats are given, and what they count."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from fashion.annotations.annotated import AnnotatedImage, attribute_text
from fashion.annotations.coco import foreign_attributes
from fashion.annotations.instances import Instance, image_instances
from fashion.annotations.problems import ProblemLog
from fashion.annotations.vocabulary import OTHER_ATTRIBUTES
from fashion.exchange.files import Pictures
from fashion.labels import ClassTable
from fashion.polygons.filling import polygons_to_crop
from mrcnn.errors import counted

_KNOWN = {*OTHER_ATTRIBUTES, "label", "fashion"}


@dataclass(slots=True)
class ExportObject:
    """One instance: its class, its outlines in pixels, and the rest of its annotation.

    `number` counts the instances of the image from 1. `attributes` are further attributes, as
    strings.
    """

    number: int
    class_id: int
    label: str
    parts: list[np.ndarray]
    holes: list[np.ndarray]
    score: float | None = None
    crowd: bool = False
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ExportImage:
    """One image: file name relative to its folder, size in pixels, subset ("" if none), objects.

    `number` counts the images of the export from 0. `pictures` finds its file.
    """

    number: int
    filename: str
    width: int
    height: int
    subset: str
    objects: list[ExportObject]
    pictures: Pictures

    @property
    def stem(self) -> str:
        """The file name without its ending, with its folders."""
        return str(PurePosixPath(self.filename).with_suffix(""))

    def mask(self, thing: ExportObject) -> tuple[np.ndarray, tuple[int, int]]:
        """An object's mask in its extent, bool [h, w], and the extent's top and left."""
        return polygons_to_crop(thing.parts, thing.holes, self.height, self.width)


@dataclass(slots=True)
class ExportReport:
    """Counts of an export.

    Attributes:
        images, objects: how many.
        losses: how often something was lost because the format has no place for it.
        notes: how often something was written in another way.
        problems: what is wrong with the annotations.
    """

    images: int = 0
    objects: int = 0
    losses: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    problems: ProblemLog = field(default_factory=ProblemLog)

    def lines(self) -> str:
        """A line of totals, one of what was written in another way, one of what was lost."""
        text = f"{counted(self.images, 'image')}, {counted(self.objects, 'instance')}"
        for name, counts in (("written in another way", self.notes), ("lost", self.losses)):
            listed = ", ".join(f"{what} ({count})" for what, count in counts.items() if count)
            text += f"\n{name}: {listed}" if listed else ""
        return text


class FolderExporter(Protocol):
    """Writes an export that is a folder, image by image."""

    def add(self, image: ExportImage) -> None:
        """Write the files of one image."""

    def image_path(self, image: ExportImage) -> PurePosixPath:
        """Where the image file belongs in the folder."""

    def finish(self) -> None:
        """Write what belongs to the export as a whole."""


class FileExporter(Protocol):
    """Writes an export that is one file, image by image."""

    def add(self, image: ExportImage) -> None:
        """Write one image."""

    def finish(self) -> None:
        """Write the end of the file."""

    def write_companion(self, out: Path) -> Path:
        """Write the file that belongs beside `out`; return its path."""


def objects_of(
    image: AnnotatedImage, table: ClassTable, problems: ProblemLog
) -> list[ExportObject]:
    """The instances of an image by `table`; regions that cannot be used are added to `problems`."""
    instances, found = image_instances(image, table)
    problems += found
    by_number = {region.number: region for region in image.regions}
    return [
        ExportObject(
            number,
            instance.class_id,
            table.name_of(instance.class_id),
            instance.parts,
            instance.holes,
            instance.score,
            instance.crowd,
            _attributes(by_number[instance.numbers[0]].attributes, instance),
        )
        for number, instance in enumerate(instances, 1)
    ]


def _attributes(attributes: Mapping[str, Any], instance: Instance) -> dict[str, str]:
    found = {str(k): attribute_text(v) for k, v in attributes.items() if k not in _KNOWN}
    found |= {str(k): attribute_text(v) for k, v in foreign_attributes(attributes).items()}
    if instance.identity:
        found.setdefault("instance", instance.identity)
    return {key: text for key, text in found.items() if text}
