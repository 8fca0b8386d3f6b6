"""COCO annotation files as they are, and what VIA files carry of them.

What VIA has no place for (annotation bbox and area as the file gives them, image ids, licences,
further fields) travels in one attribute `coco` with JSON text, of the image and of the first region
of each instance. Bbox and area come with a checksum of the outlines, so that they are computed
afresh if somebody has corrected the outline in VIA.

Reading into annotated images is `fashion.annotations.coco_reading`, writing
`fashion.annotations.coco_writing`.
"""

import json
import os
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion.annotations.vocabulary import OTHER_ATTRIBUTES
from fashion.json_files import read_json
from fashion.labels import MODANET_TABLE, fashion_code, parse_file_name
from mrcnn.errors import DatasetError

EXTRA = "coco"  # the attribute that carries what VIA has no place for
OWN = "own"  # the field in it for attributes named like ours
OUR_NAMES = ("label", "fashion", *OTHER_ATTRIBUTES)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a COCO annotation file as it is, checked for `images` and `annotations`.

    Raises `DatasetError` for a missing or broken file, and one that is not COCO.
    """
    data = read_json(path)
    check(data, str(path))
    return data


def is_coco(data: Any) -> bool:
    """Whether parsed JSON looks like a COCO annotation file."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("images"), list)
        and isinstance(data.get("annotations"), list)
    )


def check(data: Any, source: str = "the COCO data") -> None:
    """Raise `DatasetError` unless the parts that everything relies on are there, and unique."""
    if not is_coco(data) or not isinstance(data.get("categories"), list):
        raise DatasetError(
            "it is not a COCO annotation file",
            path=source,
            expected='lists "images", "annotations" and "categories"',
        )
    for annotation in data["annotations"]:
        check_annotation(annotation, source)
    for part, keys in (("images", ("id", "file_name")), ("categories", ("id", "name"))):
        seen: dict[str, set[Any]] = {key: set() for key in keys}
        for entry in data[part]:
            for key in keys:
                value = own_value(entry, key, part, source)
                same = identity(value) if key == "id" else str(value)
                if same in seen[key]:
                    raise not_unique(value, key, part, source)
                seen[key].add(same)


def check_annotation(annotation: Any, source: str) -> None:
    """Raise `DatasetError` unless an entry of `annotations` is an object."""
    if not isinstance(annotation, dict):
        raise DatasetError(
            'an entry of "annotations" is not an object', path=source, found=repr(annotation)
        )


def identity(value: Any) -> Any:
    """An id as it is compared: "7" and 7.0 are 7."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def own_value(entry: Any, key: str, part: str, source: str) -> Any:
    """The value that identifies an entry of the list `part`; `DatasetError` if it has none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if value is None or isinstance(value, list | dict):
        raise DatasetError(f'an entry of "{part}" has no "{key}"', path=source, found=repr(entry))
    return value


def not_unique(value: Any, key: str, part: str, source: str) -> DatasetError:
    """The error that two entries of the list `part` have the same value."""
    return DatasetError(
        f'two entries of "{part}" have the {key} {value!r}', path=source, advice="make it unique"
    )


def extra_text(extra: Mapping[str, Any]) -> str:
    """The value of the attribute `coco` that carries these fields."""
    return json.dumps(extra, ensure_ascii=False)


def extra_fields(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the attribute `coco`; none if it is absent or has been spoilt."""
    text = attributes.get(EXTRA)
    if not isinstance(text, str):
        return {}
    try:
        extra = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return extra if isinstance(extra, dict) else {}


def set_apart(
    attributes: Mapping[str, Any], ours: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes of a foreign file: those that VIA can have, and those named like ours.

    The latter would change the class or the shape; they travel in the attribute `coco`, as `own`.
    `ours` are names that mean the same in the file as here.
    """
    theirs = {k: v for k, v in attributes.items() if k in OUR_NAMES and k not in ours}
    return {key: value for key, value in attributes.items() if key not in theirs}, theirs


def foreign_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What `set_apart` took out of the attributes of a region's instance."""
    own = extra_fields(attributes).get(OWN)
    return own if isinstance(own, dict) else {}


def outline_checksum(outlines: Iterable[np.ndarray]) -> int:
    """A number that changes with any point of `outlines` (each [n, 2]) or their order.

    Points count to a hundredth of a pixel: VIA rounds to thousandths when it saves.
    """
    checksum = 0
    for points in outlines:
        hundredths = np.round(np.asarray(points, dtype=np.float64) * 100)
        checksum = zlib.crc32(np.ascontiguousarray(hundredths + 0.0, "<f8").tobytes(), checksum)
    return checksum


@dataclass(frozen=True, slots=True)
class Category:
    """A COCO category: its name, and the `fashion` code and id that follow from the name alone."""

    name: str
    code: str | None
    modanet_id: int | None
    is_season: bool

    @classmethod
    def named(cls, name: str) -> "Category":
        """The category with this name, ModaNet's, a season label, or any other."""
        row = MODANET_TABLE.find(name)
        if row is not None:
            return cls(name, row.code, row.id, False)
        parsed = parse_file_name(name)
        if isinstance(parsed, str):
            return cls(name, None, None, False)
        code = fashion_code(*parsed)
        return cls(name, None if code is None else str(code), None, True)

    def code_of(self, identity: Any) -> str:
        """The `fashion` code, if the file gives the category this id."""
        return str(identity) if self.code is None else self.code

    def implies(self, identity: Any) -> bool:
        """Whether the category's id follows from name and code."""
        if self.modanet_id is not None:
            return identity == self.modanet_id
        # A season label's code is the garment's and the season's, never the category's.
        return isinstance(identity, int) and not self.is_season
