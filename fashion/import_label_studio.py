"""Label Studio's JSON export as VIA entries, read task by task.

Polygons, rectangles, ellipses and brush masks become regions. Results that a relation joins are one
instance, unless `meta` has an `instance` (as this project exports it). Of a task that several
people annotated, the first annotation that was not skipped counts.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from fashion.annotations.annotated import attribute_text, is_true
from fashion.annotations.via_shapes import ShapeError, polygon_shape
from fashion.import_brush import brush_mask
from fashion.import_shapes import (
    ImportReport,
    ellipse,
    mask_regions,
    number,
    rectangle,
    region,
    whole,
)
from fashion.streams.json_reading import JsonStream
from mrcnn.errors import DatasetError

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # how Label Studio names uploaded files
_KINDS = ("polygon", "rectangle", "ellipse", "brush")


def label_studio_entries(
    path: str | os.PathLike[str], report: ImportReport, *, prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and VIA entry of each task of a Label Studio export ("JSON").

    `prefix` is what precedes the file names in the pictures' addresses, as in the export. Results
    that VIA has no region for are counted in `report`; those that cannot be used are listed in its
    problems. Raises `DatasetError` for a missing file, and for one without a JSON list of tasks.
    """
    with JsonStream(path) as stream:
        if stream.next_character() != "[":
            stream.value()
            raise DatasetError(
                "it is not an export of Label Studio", path=path, expected="a JSON list of tasks"
            )
        for index in stream.elements():
            task = stream.value()
            if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                raise DatasetError(
                    f"malformed task {index + 1}",
                    path=path,
                    expected='an object with "data" and "annotations"',
                    advice='export as "JSON", not "JSON-MIN"',
                )
            entry = _entry(task, prefix, report)
            report.images += 1
            yield f"{entry['filename']}-1", entry
        stream.finish()


def _entry(task: Mapping[str, Any], prefix: str, report: ImportReport) -> dict[str, Any]:
    filename = _file_name(task, prefix)
    given = task.get("annotations")
    annotations = [a for a in given if isinstance(a, dict)] if isinstance(given, list) else []
    annotations = [a for a in annotations if not a.get("was_cancelled")]
    report.skipped["annotations of further people"] += max(0, len(annotations) - 1)
    results = annotations[0].get("result") if annotations else []
    results = [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []
    groups = _groups(results)
    regions: list[dict[str, Any]] = []
    size: tuple[int, int] | None = None
    for result in results:
        if result.get("type") == "relation":
            continue
        try:
            width, height = whole(result, "original_width"), whole(result, "original_height")
            made = _regions(result, width, height, groups, report)
        except ShapeError as error:
            report.problem(filename, f"result {result.get('id')} cannot be read ({error})")
            continue
        size = size or (width, height)
        regions += made
    attributes = {"width": size[0], "height": size[1]} if size else {}
    return {"filename": filename, "size": -1, "regions": regions, "file_attributes": attributes}


def _file_name(task: Mapping[str, Any], prefix: str) -> str:
    """The name in our own export, else that in the picture's address."""
    data = task["data"]
    if isinstance(data.get("file_name"), str):
        return data["file_name"]
    texts = [data.get("image"), *data.values()]
    address = next((text for text in texts if isinstance(text, str)), "")
    if prefix and address.startswith(prefix):
        return unquote(address[len(prefix) :])
    parts = urlsplit(address)
    if "d" in parse_qs(parts.query):
        return parse_qs(parts.query)["d"][0]
    name = unquote(parts.path).rsplit("/", 1)[-1]
    uploaded = _UPLOADED.fullmatch(name) if "/upload/" in parts.path else None
    return uploaded[1] if uploaded else name


def _groups(results: list[dict[str, Any]]) -> dict[str, str]:
    """Result id -> a name that is common to results joined by relations, for these only."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.get(name, name) != name:
            name = leader[name]
        return name

    for result in results:
        if result.get("type") == "relation":
            first, second = str(result.get("from_id")), str(result.get("to_id"))
            leader.setdefault(first, first)
            leader[find(second)] = find(first)
    return {name: find(name) for name in leader}


def _regions(
    result: Mapping[str, Any],
    width: int,
    height: int,
    groups: Mapping[str, str],
    report: ImportReport,
) -> list[dict[str, Any]]:
    kind = str(result.get("type")).removesuffix("labels")
    if kind not in _KINDS:
        report.skipped[f"results of the type {result.get('type')}"] += 1
        return []
    if result.get("image_rotation"):
        report.skipped["results on turned pictures"] += 1
        return []
    value = result.get("value")
    if not isinstance(value, dict):
        raise ShapeError("its value is not an object")
    attributes = _attributes(result, value, groups)
    if kind == "brush":
        if value.get("format", "rle") != "rle":
            raise ShapeError(f'its brush has the format "{value.get("format")}"')
        mask = brush_mask(value.get("rle"), height, width)
        name = str(attributes.get("instance") or result.get("id"))
        return mask_regions(mask, 0, 0, attributes, name)
    return [region(_shape(kind, value, width, height), attributes)]


def _shape(kind: str, value: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    across, down = width / 100, height / 100
    if kind == "polygon":
        # From pixels to percent and back leaves rounding errors.
        return polygon_shape(np.round(_points(value.get("points")) * (across, down), 6))
    turned = number(value, "rotation") if value.get("rotation") else 0.0
    x, y = number(value, "x") * across, number(value, "y") * down
    if kind == "rectangle":
        size = number(value, "width") * across, number(value, "height") * down
        return rectangle(x, y, *size, turned, about_centre=False)
    radii = number(value, "radiusX") * across, number(value, "radiusY") * down
    return ellipse(x, y, *radii, turned)


def _points(given: Any) -> np.ndarray:
    """The points [[x, y], ..] as float64 [n, 2]."""
    try:
        return np.array(given, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise ShapeError("its points are not pairs of numbers") from None


def _attributes(
    result: Mapping[str, Any], value: Mapping[str, Any], groups: Mapping[str, str]
) -> dict[str, Any]:
    labels = next((v for k, v in value.items() if k.endswith("labels") and v), None)
    if not isinstance(labels, list):
        raise ShapeError("it has no label")
    attributes: dict[str, Any] = {"label": str(labels[0])}
    meta = result.get("meta")
    if isinstance(meta, dict):
        texts = {k: attribute_text(v) for k, v in meta.items() if not isinstance(v, list | dict)}
        attributes |= {k: v for k, v in texts.items() if v and k not in ("crowd", "label")}
        if is_true(meta.get("crowd")):
            attributes["iscrowd"] = "1"
    if isinstance(result.get("score"), int | float):
        attributes["score"] = str(result["score"])
    group = groups.get(str(result.get("id")))
    if group is not None:
        attributes.setdefault("instance", f"result {group}")
    return attributes
