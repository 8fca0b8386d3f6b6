"""Label Studio's JSON export as VIA entries, read task by task.

Polygons, rectangles, ellipses and brush masks become regions. Results that a relation joins are one
instance, unless `meta` has an `instance` (as the export of this project writes). Of a task that
several people annotated, the first annotation that was not skipped counts.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from fashion.import_brush import brush_mask
from fashion.import_shapes import ImportReport, ellipse, mask_regions, rectangle, region
from fashion.json_stream import JsonStream
from fashion.via_read import attribute_text, is_true
from mrcnn.errors import DatasetError

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # Label Studio names uploaded files so
_KINDS = ("polygon", "rectangle", "ellipse", "brush")


def label_studio_entries(
    path: str | os.PathLike[str], report: ImportReport, *, prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and VIA entry of each task of a Label Studio export ("JSON").

    `prefix` is what stands before the file names in the pictures' addresses, as in the export.
    What VIA has no region for is counted in `report`, what cannot be used is listed in its
    problems. Raises `DatasetError`: no such file, no JSON list of tasks.
    """
    with JsonStream(path) as stream:
        if stream.next_character() != "[":
            stream.value()
            raise DatasetError(f"{path} is no Label Studio export: expected a JSON list of tasks.")
        for number in stream.elements():
            task = stream.value()
            if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                raise DatasetError(
                    f'{path}, task {number + 1}: expected an object with "data" and '
                    '"annotations". Export as "JSON", not "JSON-MIN".'
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
            width, height = int(result["original_width"]), int(result["original_height"])
            made = _regions(result, width, height, groups, report)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            report.problem(filename, f"result {result.get('id')} cannot be read ({error})")
            continue
        size = size or (width, height)
        regions += made
    attributes = {"width": size[0], "height": size[1]} if size else {}
    return {"filename": filename, "size": -1, "regions": regions, "file_attributes": attributes}


def _file_name(task: Mapping[str, Any], prefix: str) -> str:
    """The name by our own export, else what the picture's address says."""
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
    """Result id -> a name that all results share which relations join, for these alone."""
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
    value = result["value"]
    if not isinstance(value, dict):
        raise ValueError("its value is no object")
    attributes = _attributes(result, value, groups)
    if kind == "brush":
        if value.get("format", "rle") != "rle":
            raise ValueError(f'a brush of the format "{value.get("format")}"')
        mask = brush_mask(value["rle"], height, width)
        name = str(attributes.get("instance") or result.get("id"))
        return mask_regions(mask, 0, 0, attributes, name)
    return [region(_shape(kind, value, width, height), attributes)]


def _shape(kind: str, value: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    across, down = width / 100, height / 100
    turned = float(value.get("rotation") or 0)
    if kind == "polygon":
        points = np.array(value["points"], dtype=np.float64).reshape(-1, 2) * (across, down)
        # Percents and back leave dust behind the decimals.
        points = np.round(points, 6)
        return {
            "name": "polygon",
            "all_points_x": [_number(x) for x in points[:, 0].tolist()],
            "all_points_y": [_number(y) for y in points[:, 1].tolist()],
        }
    x, y = float(value["x"]) * across, float(value["y"]) * down
    if kind == "rectangle":
        size = float(value["width"]) * across, float(value["height"]) * down
        return rectangle(x, y, *size, turned, about_centre=False)
    radii = float(value["radiusX"]) * across, float(value["radiusY"]) * down
    return ellipse(x, y, *radii, turned)


def _attributes(
    result: Mapping[str, Any], value: Mapping[str, Any], groups: Mapping[str, str]
) -> dict[str, Any]:
    labels = next((v for k, v in value.items() if k.endswith("labels") and v), None)
    if not isinstance(labels, list):
        raise ValueError("it has no label")
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


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
