"""Reading VIA files: versions 1.x and 2.x, annotation files and projects.

Strict about what is wrong, forgiving about how it is written: see `read`. The formats are those of
the VGG Image Annotator (`via_region_data.json`, "Save project", "Export annotations as JSON").
"""

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from fashion.json_files import read_json
from fashion.via_shapes import ShapeError, check_inside, outline
from mrcnn.errors import DatasetError, printable
from mrcnn.images import MAX_PIXELS

LONGEST_NAME, LONGEST_PATH = 255, 4000  # bytes of a name, characters of a path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the image's file name, the region (from 1; None: the whole image).

    A region named so was left out.
    """

    file: str
    region: int | None
    reason: str

    def __str__(self) -> str:
        where = self.file if self.region is None else f"{self.file}, region {self.region}"
        return printable(f"{where}: {self.reason}")


@dataclass(slots=True)
class ViaRegion:
    """One region: `shape` and `attributes` as they stand in the file, `number` counted from 1.

    `points` is the closed outline, float64 [n, 2] x and y (see `via_shapes.outline`).
    """

    shape: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    number: int = 1
    points: np.ndarray = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.points is None:
            self.points = outline(self.shape)

    @property
    def is_hole(self) -> bool:
        """Whether the region is cut out of its instance instead of added to it."""
        return is_true(self.attributes.get("hole"))

    @property
    def instance(self) -> str:
        """The value that regions of one instance share; "" for a region of its own."""
        return attribute_text(self.attributes.get("instance"))


@dataclass(slots=True)
class ViaImage:
    """One image: its file name relative to the annotation file's folder, its bytes, its regions.

    `key` is the file's own name for the entry and means nothing; `size` is -1 when unknown.
    `region_count` counts the bad regions that were left out, too.
    """

    filename: str
    regions: list[ViaRegion] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    size: int = -1
    key: str = ""
    region_count: int = field(default=0, repr=False, compare=False)

    @property
    def width(self) -> int | None:
        """Width in pixels by `file_attributes` (also spelt `widht`); None when not told.

        And None where width and height are those of no image that is read (`MAX_PIXELS`).
        """
        return _size(self.attributes)[0]

    @property
    def height(self) -> int | None:
        """Height in pixels by `file_attributes`; None when not told, as `width`."""
        return _size(self.attributes)[1]


@dataclass(slots=True)
class ViaFile:
    """What a VIA file holds, in the order of the file, and what is wrong with it.

    `version` is "1", "2" or "2 project". `region_count` counts all regions of the file, the bad
    ones too. `attribute_definitions` and `settings` are a project's own, else empty.
    """

    images: list[ViaImage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    version: str = "2"
    region_count: int = 0
    attribute_definitions: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ViaImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def summary(self, limit: int = 5) -> str:
        """One line of totals, then up to `limit` of the problems, for a terminal or a log."""
        good = sum(len(image.regions) for image in self.images)
        text = f"{len(self.images)} images, {good} regions"
        return text + problem_text(self.problems, limit)


def problem_text(problems: list[Problem], limit: int = 5) -> str:
    """`problems` as text behind a line of totals: how many, and the first `limit` of them."""
    if not problems:
        return ""
    lines = [f"; {len(problems)} problem{'s' if len(problems) > 1 else ''}:"]
    lines += [f"  {problem}" for problem in problems[:limit]]
    if len(problems) > limit:
        lines.append(f"  and {len(problems) - limit} more")
    return "\n".join(lines)


def read(path: str | os.PathLike[str], *, strict: bool = False) -> ViaFile:
    """Read a VIA annotation or project file, version 1.x or 2.x.

    Taken are regions as a list or as an object; polygon, polyline, rect, circle and ellipse; whole
    numbers, floats and numbers in quotes. The keys of the entries are never looked into. A region
    with fewer than 3 points, a coordinate that is no finite number, no area, or no part within the
    image (where `file_attributes` tell its size) is left out and listed in `problems`; with
    `strict` the first one raises. What labels mean is not looked at here: see
    `fashion.instances.image_instances`.

    Raises `DatasetError`: no such file, broken JSON (with line and column), a VIA 3, COCO or other
    file, an entry without a file name, and a file name that leaves the folder.
    """
    return from_json(read_json(path), str(path), strict=strict)


def from_json(data: Any, source: str = "the VIA data", *, strict: bool = False) -> ViaFile:
    """Like `read`, from parsed JSON; `source` names it in messages."""
    entries, result = via_entries(data, source)
    by_name: dict[str, ViaImage] = {}
    for key, entry in entries.items():
        image = image_of_entry(key, entry, source)
        target = by_name.setdefault(image.filename, image)
        add_regions(target, image, entry, source, result)
        if strict and result.problems:
            raise DatasetError(f"{source}: {result.problems[0]}. Correct it in VIA.")
    result.images = list(by_name.values())
    return result


def add_regions(
    target: ViaImage, image: ViaImage, entry: Mapping[str, Any], source: str, result: ViaFile
) -> None:
    """Add the regions of `entry` to `target`: to `image`, or to the first entry of that file name.

    What is wrong is added to the problems of `result`, and all regions to its count; so a target's
    regions must come one entry after the other. Raises `DatasetError`.
    """
    filename = image.filename
    if target is not image:
        reason = "is named twice; the regions of all its entries are taken together"
        result.problems.append(Problem(filename, None, reason))
    for region_entry in _region_list(entry, filename, source):
        target.region_count += 1
        result.region_count += 1
        try:
            region = _region(region_entry, target, target.region_count)
        except ShapeError as error:
            result.problems.append(Problem(filename, target.region_count, str(error)))
            continue
        if target is not image and region.instance:
            # Another annotator's numbering: the same number is not the same instance.
            region.attributes["instance"] = f"{region.instance} of {image.key}"
        target.regions.append(region)


def is_true(value: Any) -> bool:
    """Whether an attribute value says yes: "1", 1, true, "yes", or a ticked box {"1": true}."""
    if isinstance(value, Mapping):
        return any(is_true(key) and is_true(ticked) for key, ticked in value.items())
    return str(value).strip().casefold() in ("1", "true", "yes", "1.0")


def attribute_text(value: Any) -> str:
    """An attribute value as text: a ticked box gives its name, a whole float no point, None ""."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(str(key) for key, ticked in value.items() if ticked not in (False, None))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def via_entries(data: Any, source: str) -> tuple[dict[str, Any], ViaFile]:
    """The image entries by key, and an empty result that knows version and settings.

    Raises `DatasetError` for what is no VIA file.
    """
    if not isinstance(data, dict):
        raise DatasetError(f"{source} is no VIA file: expected a JSON object of images.")
    if "_via_img_metadata" in data:
        entries = data["_via_img_metadata"]
        if not isinstance(entries, dict):
            raise DatasetError(f"{source}: _via_img_metadata must be an object of images.")
        result = ViaFile(version="2 project")
        result.attribute_definitions = data.get("_via_attributes") or {}
        result.settings = data.get("_via_settings") or {}
        return entries, result
    if {"metadata", "file"} <= data.keys() and ("project" in data or "view" in data):
        raise DatasetError(
            f"{source} was saved by VIA 3, which is not read: annotate with VIA 2 "
            "(https://www.robots.ox.ac.uk/~vgg/software/via/) and export as JSON."
        )
    if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        raise DatasetError(
            f"{source} is a COCO file, not a VIA file: convert it with tools/coco_to_via.py."
        )
    old = any(isinstance(e, dict) and isinstance(e.get("regions"), dict) for e in data.values())
    return data, ViaFile(version="1" if old else "2")


def image_of_entry(key: str, entry: Any, source: str) -> ViaImage:
    """The image of an entry of a VIA file, without its regions. Raises `DatasetError`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        raise DatasetError(
            f'{source}, entry "{key}": expected an object with "filename" and "regions". '
            "Is this a VIA annotation file?"
        )
    filename = entry["filename"]
    check_filename(filename, source)
    attributes = entry.get("file_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    return ViaImage(filename, [], attributes, _bytes(entry.get("size", -1)), str(key))


def _bytes(size: Any) -> int:
    try:
        return size if isinstance(size, int) else int(str(size))
    except ValueError:
        return -1


def check_filename(filename: str, source: str) -> None:
    """Raise `DatasetError` unless `filename` is a relative path that stays within its folder.

    And one that a file can have: no control characters, no part of more than 255 bytes.
    """
    if len(filename) > LONGEST_PATH or max(map(_name_bytes, filename.split("/"))) > LONGEST_NAME:
        raise DatasetError(
            f'{source} names a file "{filename[:40]}..", whose name is longer than any file\'s: '
            "correct it."
        )
    if any(map(_is_control, filename)):
        raise DatasetError(
            f"{source} names the file {filename!a}, which has control characters in its name: "
            "rename the file and correct the annotations."
        )
    posix, windows = PurePosixPath(filename), PureWindowsPath(filename)
    leaves = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if leaves or "://" in filename or "\0" in filename or not posix.name:
        raise DatasetError(
            f'{source} names the file "{filename}", which is not in the folder of its images: '
            "file names must be relative to that folder and must not leave it."
        )


def _is_control(character: str) -> bool:
    """Whether a character steers a terminal or is none; \\0 is refused as no part of any name."""
    return character != "\0" and unicodedata.category(character) in ("Cc", "Cs")


def _name_bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _region_list(entry: Mapping[str, Any], filename: str, source: str) -> list[Any]:
    regions = entry.get("regions")
    if regions is None:
        return []
    if isinstance(regions, Mapping):
        return list(regions.values())
    if isinstance(regions, list):
        return regions
    raise DatasetError(f'{source}, {filename}: "regions" must be a list (VIA 2) or object (VIA 1).')


def _region(entry: Any, image: ViaImage, number: int) -> ViaRegion:
    if not isinstance(entry, Mapping):
        raise ShapeError("it is no object with shape_attributes")
    shape = entry.get("shape_attributes")
    points = outline(shape)
    check_inside(points, image.width, image.height)
    attributes = entry.get("region_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    return ViaRegion(dict(shape), attributes, number, points)


def _size(attributes: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Width and height; the image file will tell where nobody could have an image of this size."""
    width = _pixels(attributes, "width", "widht")
    height = _pixels(attributes, "height", "heigth")
    return (None, None) if (width or 1) * (height or 1) > MAX_PIXELS else (width, height)


def _pixels(attributes: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        try:
            value = float(attributes.get(name))
        except (TypeError, ValueError, OverflowError):
            continue
        if value >= 1 and value.is_integer():
            return int(value)
    return None
