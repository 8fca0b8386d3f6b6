"""What the exporters to other tools' formats are given, and what they count."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from fashion.instances import OTHER_ATTRIBUTES, Instance, image_instances
from fashion.labels import ClassTable
from fashion.polygons import polygons_to_crop
from fashion.via_read import Problem, ViaImage, attribute_text

_TOLD = {*OTHER_ATTRIBUTES, "label", "fashion"}


@dataclass(slots=True)
class ExportObject:
    """One instance: its class, its outlines in pixels, and what else its annotation says.

    `number` counts the instances of the image from 1. `attributes` are further attributes, as
    texts.
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

    `number` counts the images of the export from 0.
    """

    number: int
    filename: str
    width: int
    height: int
    subset: str
    objects: list[ExportObject]

    @property
    def stem(self) -> str:
        """The file name without its ending, with its folders."""
        return str(PurePosixPath(self.filename).with_suffix(""))

    def mask(self, thing: ExportObject) -> tuple[np.ndarray, tuple[int, int]]:
        """An object's mask in its extent, bool [h, w], and the extent's top and left."""
        return polygons_to_crop(thing.parts, thing.holes, self.height, self.width)


@dataclass(slots=True)
class ExportReport:
    """What was written, and `losses`: how often something could not be said, by what it is."""

    images: int = 0
    objects: int = 0
    losses: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def lines(self) -> str:
        """One line of totals, one of how things were said, one of what could not be said."""
        text = f"{self.images} images, {self.objects} instances"
        for name, counts in (("said otherwise", self.notes), ("not said", self.losses)):
            told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            text += f"\n{name}: {told}" if told else ""
        return text


def objects_of(image: ViaImage, table: ClassTable, problems: list[Problem]) -> list[ExportObject]:
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


def _attributes(attributes: dict, instance: Instance) -> dict[str, str]:
    found = {str(k): attribute_text(v) for k, v in attributes.items() if k not in _TOLD}
    if instance.identity:
        found["instance"] = instance.identity
    return {key: text for key, text in found.items() if text}
