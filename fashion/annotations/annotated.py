"""Annotated images: what VIA and COCO files are read into.

A file is read into `Annotations`: one `AnnotatedImage` per image, whose regions are outlines with
attributes. The regions with one `instance` value are one garment; a class table makes them a
`fashion.annotations.instances.Instance`. Attributes are those of VIA, whichever format they come
from:

    label, class, name, fashion   what names the class (`fashion` by its code)
    instance                      the same value for all regions of one garment
    hole                          whether the region is cut out of its garment
    score                         of an automatic label
    iscrowd                       whether the garment stands for several
    coco                          what COCO has and VIA has no place for, see
    `fashion.annotations.coco`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.annotations.problems import Problem, Problems, problem_text
from fashion.annotations.via_shapes import ShapeError, check_inside, outline
from fashion.annotations.vocabulary import Vocabulary, attribute_text, is_true
from mrcnn.errors import counted
from mrcnn.images.reading import MAX_PIXELS


def _not_outlined() -> np.ndarray:
    return np.zeros((0, 2))


@dataclass(slots=True)
class Region:
    """One outline: VIA's `shape_attributes`, its attributes, and its number in the image, from 1.

    `points` is the closed outline, float64 [n, 2] x and y (see `via_shapes.outline`, which makes it
    of `shape` where it is not given, and raises `ShapeError`). `vocabulary` is that of its file.
    """

    shape: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    number: int = 1
    points: np.ndarray = field(default_factory=_not_outlined, repr=False, compare=False)
    vocabulary: Vocabulary | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not len(self.points):
            self.points = outline(self.shape)

    @property
    def is_hole(self) -> bool:
        """Whether the region is cut out of its instance instead of added to it."""
        return is_true(self.attributes.get("hole"))

    @property
    def instance(self) -> str:
        """The value that regions of one instance share; "" for a region by itself."""
        return attribute_text(self.attributes.get("instance"))


@dataclass(slots=True)
class AnnotatedImage:
    """One image: its file name relative to the annotation file's folder, and its regions.

    `attributes` are VIA's `file_attributes`. `size` is the file's size in bytes, -1 when unknown.
    `key` is the annotation file's own name for the entry and means nothing. `region_count` counts
    the bad regions that were left out, too. `unusable` holds those as they are in the file, by
    number, for files in which they will be corrected.
    """

    filename: str
    regions: list[Region] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    size: int = -1
    key: str = ""
    region_count: int = field(default=0, repr=False, compare=False)
    unusable: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def width(self) -> int | None:
        """Width in pixels by `attributes` (also spelt `widht`); None when they do not say.

        Also None if no image of that size is read (`MAX_PIXELS`).
        """
        return _size(self.attributes)[0]

    @property
    def height(self) -> int | None:
        """Height in pixels by `attributes`, as `width`."""
        return _size(self.attributes)[1]

    def leave_out_outside(self, width: int, height: int) -> list[Problem]:
        """Remove the regions outside an image of this size; return a problem for each."""
        problems = []
        for region in list(self.regions):
            try:
                check_inside(region.points, width, height)
            except ShapeError as error:
                problems.append(Problem(self.filename, region.number, str(error)))
                self.regions.remove(region)
        return problems


@dataclass(slots=True)
class Annotations:
    """What an annotation file holds, in the order of the file, and what is wrong with it.

    `region_count` counts all regions of the file, the bad ones too. Of VIA files: `version` is "1",
    "2" or "2 project"; `attribute_definitions` and `settings` are a project's own, else empty.
    """

    images: list[AnnotatedImage] = field(default_factory=list)
    problems: Problems = field(default_factory=list)
    version: str = "2"
    region_count: int = 0
    attribute_definitions: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def summary(self, limit: int = 5) -> str:
        """One line of totals, then up to `limit` of the problems, for a terminal or a log."""
        good = sum(len(image.regions) for image in self.images)
        text = f"{counted(len(self.images), 'image')}, {counted(good, 'region')}"
        return text + problem_text(self.problems, limit)


def _size(attributes: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Width and height; None for both if no image with so many pixels is read."""
    width = _pixels(attributes, "width", "widht")
    height = _pixels(attributes, "height", "heigth")
    return (None, None) if (width or 1) * (height or 1) > MAX_PIXELS else (width, height)


def _pixels(attributes: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        try:
            value = float(attributes.get(name, ""))
        except (TypeError, ValueError, OverflowError):
            continue
        if value >= 1 and value.is_integer():
            return int(value)
    return None
