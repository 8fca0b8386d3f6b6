"""Reading VIA files: versions 1.x and 2.x, annotation files and projects.

Strict about what is wrong, forgiving about how it is written: see `read`. The formats are those of
the VGG Image Annotator (`via_region_data.json`, "Save project", "Export annotations as JSON").
"""

import json
import os
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from fashion.annotations.annotated import (
    AnnotatedImage,
    Annotations,
    Region,
    attribute_text,
    is_true,
)
from fashion.annotations.coco import EXTRA
from fashion.annotations.problems import Problem, problem_text, stop_at_first
from fashion.annotations.via_shapes import ShapeError, check_inside, outline
from fashion.annotations.vocabulary import Vocabulary, options_of
from fashion.command_table import with_commands
from fashion.json_files import read_json
from mrcnn.errors import DatasetError

__all__ = [
    "Problem",
    "ViaFile",
    "ViaImage",
    "ViaRegion",
    "attribute_text",
    "is_true",
    "problem_text",
    "read",
]

# The names by which other modules know what both formats are read into.
ViaFile = Annotations
ViaImage = AnnotatedImage
ViaRegion = Region

LONGEST_NAME, LONGEST_PATH = 255, 4000  # bytes of a name, characters of a path
CORRECT = "correct it in VIA"
_KINDS = {list: "a list", dict: "an object", str: "a string", int: "a number", float: "a number"}


def read(path: str | os.PathLike[str], *, strict: bool = False) -> Annotations:
    """Read a VIA annotation or project file, version 1.x or 2.x.

    Regions may be a list or an object; polygon, polyline, rect, circle and ellipse are read; whole
    numbers, floats and numbers in quotes. The keys of the entries are ignored. A region with fewer
    than 3 points, a coordinate that is not a finite number, no area, or no part within the image
    (where `file_attributes` give its size) is left out and listed in `problems`; with `strict` the
    first one raises. What labels mean is not checked here: see
    `fashion.annotations.instances.image_instances`.

    Raises `DatasetError`: no such file, broken JSON (with line and column), a VIA 3, COCO or other
    file, an entry without a file name, and a file name that leaves the folder.
    """
    return from_json(read_json(path), str(path), strict=strict)


def from_json(data: Any, source: str = "the VIA data", *, strict: bool = False) -> Annotations:
    """Like `read`, from parsed JSON; `source` names it in messages."""
    entries, result = via_entries(data, source)
    by_name: dict[str, AnnotatedImage] = {}
    for key, entry in entries.items():
        image = image_of_entry(key, entry, source)
        target = by_name.setdefault(image.filename, image)
        add_regions(target, image, entry, source, result)
        if strict:
            stop_at_first(result.problems, source, CORRECT)
    result.images = list(by_name.values())
    vocabulary = Vocabulary(options_of(result.attribute_definitions))
    for image in result.images:
        for region in image.regions:
            vocabulary.add(region.attributes, image.filename)
            region.vocabulary = vocabulary
    return result


def add_regions(
    target: AnnotatedImage,
    image: AnnotatedImage,
    entry: Mapping[str, Any],
    source: str,
    result: Annotations,
) -> None:
    """Add the regions of `entry` to `target`: to `image`, or to the first entry of that file name.

    What is wrong is added to the problems of `result`, and all regions to its count; so a target's
    regions must be added entry by entry. Raises `DatasetError`.
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
            if isinstance(region_entry, Mapping) and _can_be_written(region_entry):
                target.unusable[target.region_count] = region_entry
            continue
        if target is not image and region.instance:
            # Another annotator's numbering: the same number is not the same instance.
            region.attributes["instance"] = f"{region.instance} of {image.key}"
        target.regions.append(region)


def _can_be_written(region_entry: Mapping[str, Any]) -> bool:
    try:
        json.dumps(region_entry, allow_nan=False)
    except ValueError:  # NaN or infinity
        return False
    return True


def via_entries(data: Any, source: str) -> tuple[dict[str, Any], Annotations]:
    """The image entries by key, and an empty result with the version and the project's settings.

    Raises `DatasetError` for what is not a VIA file.
    """
    if not isinstance(data, dict):
        raise DatasetError(
            "it is not a VIA file",
            path=source,
            expected="a JSON object of images",
            found=_kind(data),
        )
    if "_via_img_metadata" in data:
        entries = data["_via_img_metadata"]
        if not isinstance(entries, dict):
            raise DatasetError(
                "its _via_img_metadata is wrong",
                path=source,
                expected="an object of images",
                found=_kind(entries),
            )
        result = Annotations(version="2 project")
        result.attribute_definitions = data.get("_via_attributes") or {}
        result.settings = data.get("_via_settings") or {}
        return entries, result
    if {"metadata", "file"} <= data.keys() and ("project" in data or "view" in data):
        raise DatasetError(
            "it was saved by VIA 3, which is not read",
            path=source,
            advice="annotate with VIA 2 (https://www.robots.ox.ac.uk/~vgg/software/via/) and "
            "export as JSON",
        )
    if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        raise DatasetError(
            "it is a COCO file, not a VIA file",
            path=source,
            advice=with_commands("convert it with tools/coco_to_via.py"),
        )
    old = any(isinstance(e, dict) and isinstance(e.get("regions"), dict) for e in data.values())
    return data, Annotations(version="1" if old else "2")


def _kind(data: Any) -> str:
    return _KINDS.get(type(data), str(data))


def image_of_entry(key: str, entry: Any, source: str) -> AnnotatedImage:
    """The image of an entry of a VIA file, without its regions. Raises `DatasetError`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        raise DatasetError(
            f'its entry "{key}" is not an image',
            path=source,
            expected='an object with "filename" and "regions"',
            advice="check that it is a VIA annotation file",
        )
    filename = entry["filename"]
    check_filename(filename, source)
    filename = posix_name(filename)
    attributes = entry.get("file_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    return AnnotatedImage(filename, [], attributes, _bytes(entry.get("size", -1)), str(key))


def _bytes(size: Any) -> int:
    try:
        return size if isinstance(size, int) else int(str(size))
    except ValueError:
        return -1


def check_filename(filename: str, source: str) -> None:
    """Raise `DatasetError` unless `filename` is a relative path that stays within its folder.

    It must also be one that a file can have: no control characters, no part of over 255 bytes.
    """
    if len(filename) > LONGEST_PATH or max(map(_name_bytes, filename.split("/"))) > LONGEST_NAME:
        raise DatasetError(
            f'it names a file "{filename[:40]}..", whose name is too long',
            path=source,
            advice="correct it",
        )
    if any(map(_is_control, filename)):
        raise DatasetError(
            f"it names the file {filename!a}, which has control characters in its name",
            path=source,
            advice="rename the file and correct the annotations",
        )
    posix, windows = PurePosixPath(filename), PureWindowsPath(filename)
    leaves = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if leaves or "://" in filename or "\0" in filename or not posix.name:
        raise DatasetError(
            f'it names the file "{filename}", which is not in the folder of its images: file '
            "names must be relative to that folder and must not leave it",
            path=source,
        )


def posix_name(filename: str) -> str:
    """A checked file name with / between folders, which tools on Windows do not write."""
    return filename.replace("\\", "/")


def _is_control(character: str) -> bool:
    """Whether a character controls a terminal, or is half of a surrogate pair.

    Not "\\0", which gets another message.
    """
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
    raise DatasetError(
        f'the "regions" of {filename} are wrong',
        path=source,
        expected="a list (VIA 2) or an object (VIA 1)",
        found=_kind(regions),
    )


def _region(entry: Any, image: AnnotatedImage, number: int) -> Region:
    if not isinstance(entry, Mapping):
        raise ShapeError("it is not an object with shape_attributes")
    shape: Any = entry.get("shape_attributes")
    points = outline(shape)
    check_inside(points, image.width, image.height)
    attributes = entry.get("region_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    shape = dict(shape)
    if EXTRA in shape:  # where VIA does not show it, see `via_writing`
        attributes[EXTRA] = shape.pop(EXTRA)
    return Region(shape, attributes, number, points)
