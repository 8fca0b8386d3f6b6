"""Label Studio's tasks: one JSON list, and the labelling interface for it.

A result is one polygon, in percent of the picture. The parts of an instance are joined by
relations, from the first to each of the others; a hole is joined to the outline of its part by a
bridge of no width. Score, crowd, `instance` and further attributes are in `meta`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from fashion.annotations.annotated import attribute_text, is_true
from fashion.annotations.coco import EXTRA, OWN, extra_text, set_apart
from fashion.annotations.locating import IMAGE_SUFFIXES
from fashion.annotations.via_shapes import ShapeError, polygon_shape
from fashion.exchange.brush import brush_mask
from fashion.exchange.files import check_xml_text, hex_colour
from fashion.exchange.import_shapes import (
    ImportReport,
    ellipse,
    mask_regions,
    number,
    point_pairs,
    rectangle,
    region,
    whole,
)
from fashion.exchange.items import ExportImage, ExportObject, ExportReport
from fashion.exchange.rings import split
from fashion.json_files import json_text, write_text
from fashion.labels import ClassTable
from fashion.streams.json_reading import JsonStream
from fashion.streams.shards import PendingFiles
from mrcnn.errors import DatasetError

LOCAL_FILES = "/data/local-files/?d="
# The label of the relations between the parts of one instance.
SAME_INSTANCE = "same instance"


class LabelStudioExporter:
    """Writes the list of tasks image by image.

    Args:
        out: the file, opened.
        table: the classes.
        report: collects the counts.
        prefix: what precedes each file name in the address of its picture; the name itself is
            quoted. For pictures on Label Studio's own machine: `LOCAL_FILES` and a folder.
    """

    def __init__(
        self,
        out: PendingFiles,
        table: ClassTable,
        report: ExportReport,
        *,
        prefix: str = LOCAL_FILES,
    ) -> None:
        self._out, self._table, self._report, self._prefix = out, table, report, prefix
        self._any = False
        out.write("[")

    def add(self, image: ExportImage) -> None:
        """Write one task."""
        results: list[dict[str, Any]] = []
        for thing in image.objects:
            results += self._results(thing, image)
        data = {
            "image": self._prefix + quote(image.filename, safe="/"),
            "file_name": image.filename,
        }
        if image.subset:
            data["subset"] = image.subset
        task = {"id": image.number + 1, "data": data, "annotations": [{"result": results}]}
        self._out.write(f"{',' if self._any else ''}\n{json_text(task, self._out.path)}")
        self._any = True

    def finish(self) -> None:
        """Write the end of the file."""
        self._out.write("\n]\n")

    def write_companion(self, out: Path) -> Path:
        """Write the labelling interface beside `out`; return its path."""
        path = out.with_name(f"{out.stem}.interface.xml")
        write_text(path, interface(self._table))
        return path

    def _results(self, thing: ExportObject, image: ExportImage) -> list[dict[str, Any]]:
        size = (image.width, image.height)
        rings = split(thing.parts, thing.holes, *size) if thing.holes else thing.parts
        self._report.notes["holes joined to their outline"] += len(thing.holes)
        self._report.losses["instances outside of their image"] += not rings
        names = [f"i{thing.number}" + (f"p{n}" if n > 1 else "") for n in range(1, len(rings) + 1)]
        results = [
            {
                "id": name,
                "type": "polygonlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": image.width,
                "original_height": image.height,
                "image_rotation": 0,
                "value": {
                    "points": (100 * ring / size).tolist(),
                    "closed": True,
                    "polygonlabels": [thing.label],
                },
                **_more(thing),
            }
            for name, ring in zip(names, rings, strict=True)
        ]
        self._report.notes["instances of several parts joined by relations"] += len(rings) > 1
        relations = [
            {
                "type": "relation",
                "from_id": names[0],
                "to_id": name,
                "direction": "right",
                "labels": [SAME_INSTANCE],
            }
            for name in names[1:]
        ]
        return results + relations


def interface(table: ClassTable) -> str:
    """The labelling interface (XML) of the tasks, with the classes and their colours."""
    rows = []
    for row in table:
        name = quoteattr(check_xml_text(row.name, "The class table"))
        rows.append(f'    <Label value={name} background="{hex_colour(row.colour)}"/>\n')
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        '  <PolygonLabels name="label" toName="image">\n'
        f"{''.join(rows)}  </PolygonLabels>\n</View>\n"
    )


def _more(thing: ExportObject) -> dict[str, Any]:
    meta: dict[str, Any] = dict(thing.attributes)
    if thing.crowd:
        meta["crowd"] = "1"
    more: dict[str, Any] = {"meta": meta} if meta else {}
    if thing.score is not None:
        more["score"] = thing.score
    return more


# A task's lists of annotations; the last is that of versions before 1.0.
TAKEN = ("annotations", "predictions", "completions")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # how Label Studio names uploaded files
_KINDS = ("polygon", "rectangle", "ellipse", "brush")


def label_studio_entries(
    path: str | os.PathLike[str],
    report: ImportReport,
    *,
    prefix: str = "",
    take: str = "annotations",
    join: bool = False,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and VIA entry of each task of a Label Studio export ("JSON").

    `take` is one of `TAKEN`. `join` makes one instance of results that any relation joins, not only
    those of our export. `prefix` is what precedes the file names in the pictures' addresses, as in
    the export. Results that VIA has no region for are counted in `report`; those that cannot be
    used are listed in its problems. Raises `DatasetError` for a missing file, and for one without a
    JSON list of tasks.
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
            entry = _entry(task, prefix, report, take, join)
            report.images += 1
            yield f"{entry['filename']}-1", entry
        stream.finish()


def _entry(
    task: Mapping[str, Any], prefix: str, report: ImportReport, take: str, join: bool
) -> dict[str, Any]:
    filename = _file_name(task, prefix)
    results = _results(task, report, take)
    labels = {r.get("id"): r for r in results if r.get("type") == "labels"}
    groups = _groups(results, join)
    regions: list[dict[str, Any]] = []
    size: tuple[int, int] | None = None
    for result in results:
        kind = str(result.get("type"))
        if kind in ("relation", "labels"):
            continue
        if kind in _KINDS and result.get("id") in labels:
            # A shape and its label may be in two results with the same id.
            result = _labelled(result, labels[result.get("id")])
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


def _results(task: Mapping[str, Any], report: ImportReport, take: str) -> list[dict[str, Any]]:
    """The results of the annotation that counts: the ground truth, else the first."""
    lists = {name: _annotations(task.get(name)) for name in TAKEN}
    annotations = lists[take]
    if not any(annotation.get("result") for annotation in annotations):
        for other in TAKEN:
            if other != take and task.get(other):
                what = f"tasks without {take} but with {other} (--take={other} imports them)"
                report.skipped[what] += 1
    report.skipped["annotations of further people"] += max(0, len(annotations) - 1)
    annotations.sort(key=lambda annotation: not is_true(annotation.get("ground_truth")))
    results = annotations[0].get("result") if annotations else []
    return [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []


def _annotations(given: Any) -> list[dict[str, Any]]:
    found = [a for a in given if isinstance(a, dict)] if isinstance(given, list) else []
    return [annotation for annotation in found if not annotation.get("was_cancelled")]


def _labelled(result: dict[str, Any], label: Mapping[str, Any]) -> dict[str, Any]:
    value, labels = result.get("value"), label.get("value")
    if not isinstance(value, dict) or not isinstance(labels, dict):
        return result
    return {**result, "value": {"labels": labels.get("labels"), **value}}


def _file_name(task: Mapping[str, Any], prefix: str) -> str:
    """The name in our own export, else that in the picture's address."""
    data = task["data"]
    if isinstance(data.get("file_name"), str):
        return data["file_name"]
    texts = [data.get("image"), data.get("img"), *data.values()]
    names = [_name_in(text, prefix) for text in texts if isinstance(text, str)]
    pictures = (name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES)
    return next(pictures, names[0] if names else "")


def _name_in(address: str, prefix: str) -> str:
    """The file name in a picture's address."""
    if prefix and address.startswith(prefix):
        return unquote(address[len(prefix) :])
    try:
        parts = urlsplit(address)
    except ValueError:  # a text that only looks like an address
        return ""
    if "d" in parse_qs(parts.query):
        return parse_qs(parts.query)["d"][0]
    name = unquote(parts.path).rsplit("/", 1)[-1]
    uploaded = _UPLOADED.fullmatch(name) if "/upload/" in parts.path else None
    return uploaded[1] if uploaded else name


def _groups(results: list[dict[str, Any]], join: bool) -> dict[str, str]:
    """Result id -> a name that is common to results of one instance, for these only.

    Those are joined by relations of our export, or with `join` by any.
    """
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.get(name, name) != name:
            name = leader[name]
        return name

    for result in results:
        ours = SAME_INSTANCE in (result.get("labels") or ())
        if result.get("type") == "relation" and (join or ours):
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
        return polygon_shape(np.round(point_pairs(value.get("points")) * (across, down), 6))
    turned = number(value, "rotation") if value.get("rotation") else 0.0
    x, y = number(value, "x") * across, number(value, "y") * down
    if kind == "rectangle":
        size = number(value, "width") * across, number(value, "height") * down
        return rectangle(x, y, *size, turned, about_centre=False)
    radii = number(value, "radiusX") * across, number(value, "radiusY") * down
    return ellipse(x, y, *radii, turned)


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
        texts, theirs = set_apart({k: v for k, v in texts.items() if v}, ours=("instance", "score"))
        attributes |= {key: text for key, text in texts.items() if key != "crowd"}
        attributes |= {EXTRA: extra_text({OWN: theirs})} if theirs else {}
        if is_true(meta.get("crowd")):
            attributes["iscrowd"] = "1"
    if isinstance(result.get("score"), int | float):
        attributes["score"] = str(result["score"])
    group = groups.get(str(result.get("id")))
    if group is not None:
        attributes.setdefault("instance", f"result {group}")
    return attributes
