"""CVAT's "CVAT for images 1.1": one XML file, and the labels for CVAT's raw label editor.

The parts of an instance are polygons with one `group_id`; an instance with holes is a mask with
run-lengths, which keeps every pixel. Score, crowd, `instance` and further attributes are attributes
of the labels.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from fashion.annotations.annotated import is_true
from fashion.annotations.coco import EXTRA, OWN, extra_text, set_apart
from fashion.annotations.via_shapes import ShapeError, polygon_shape
from fashion.exchange.files import check_xml_text, hex_colour
from fashion.exchange.import_shapes import (
    ImportReport,
    ellipse,
    mask_regions,
    number,
    rectangle,
    region,
    whole,
)
from fashion.exchange.items import ExportImage, ExportObject, ExportReport
from fashion.json_files import check_regular, reading, write_text
from fashion.labels import ClassTable
from fashion.streams.shards import PendingFiles
from mrcnn.errors import DatasetError
from mrcnn.images.reading import MAX_PIXELS

OWN_ATTRIBUTES = ("instance", "score", "crowd")


class CvatExporter:
    """Writes the XML file image by image.

    Args:
        out: the file, opened.
        table: the classes.
        attributes: names of further attributes, which the labels must declare.
        subsets: names of subsets; with subsets the file is that of a CVAT project with a task for
            each, otherwise of a single task.
        report: collects the counts.
    """

    def __init__(
        self,
        out: PendingFiles,
        table: ClassTable,
        attributes: Iterable[str],
        subsets: Iterable[str],
        report: ExportReport,
    ) -> None:
        self._out, self._table, self._report = out, table, report
        self._attributes = list(dict.fromkeys((*OWN_ATTRIBUTES, *attributes)))
        out.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        tasks = "".join(
            f"        <task><name>{_text(name)}</name><subset>{_text(name)}</subset></task>\n"
            for name in subsets
        )
        kind = "project" if tasks else "task"
        tasks = f"      <tasks>\n{tasks}      </tasks>\n" if tasks else ""
        out.write(f"  <version>1.1</version>\n  <meta>\n    <{kind}>\n{tasks}      <labels>\n")
        for row in table:
            out.write(self._label(row.name, row.colour))
        out.write(f"      </labels>\n    </{kind}>\n  </meta>\n")

    def add(self, image: ExportImage) -> None:
        """Write one image."""
        name = _attribute(image.filename, image.filename)
        subset = f" subset={_attribute(image.subset, image.filename)}" if image.subset else ""
        self._out.write(
            f'  <image id="{image.number}" name={name}{subset} width="{image.width}" '
            f'height="{image.height}">\n'
        )
        for thing in image.objects:
            self._out.write("".join(self._shapes(thing, image)))
        self._out.write("  </image>\n")

    def finish(self) -> None:
        """Write the end of the file."""
        self._out.write("</annotations>\n")

    def write_companion(self, out: Path) -> Path:
        """Write the labels for CVAT's label constructor ("Raw") as JSON beside `out`; its path."""
        path = out.with_name(f"{out.stem}.labels.json")
        attributes = [
            {"name": n, "input_type": "text", "mutable": False, "values": [""]}
            for n in self._attributes
        ]
        labels = [
            {
                "name": row.name,
                "color": hex_colour(row.colour),
                "type": "any",
                "attributes": attributes,
            }
            for row in self._table
        ]
        write_text(path, json.dumps(labels, indent=1, ensure_ascii=False) + "\n")
        return path

    def _label(self, name: str, colour: tuple[int, int, int]) -> str:
        attributes = "".join(
            f"<attribute><name>{_text(n)}</name><mutable>False</mutable>"
            "<input_type>text</input_type><default_value></default_value><values></values>"
            "</attribute>"
            for n in self._attributes
        )
        return (
            f"        <label><name>{_text(name)}</name><color>{hex_colour(colour)}</color>"
            f"<type>any</type><attributes>{attributes}</attributes></label>\n"
        )

    def _shapes(self, thing: ExportObject, image: ExportImage) -> list[str]:
        inner = "".join(
            f"      <attribute name={_attribute(key, image.filename)}>"
            f"{escape(check_xml_text(value, image.filename))}</attribute>\n"
            for key, value in self._values(thing).items()
        )
        source = "manual" if thing.score is None else "auto"
        group = f' group_id="{thing.number}"' if len(thing.parts) > 1 and not thing.holes else ""
        common = (
            f'label={_attribute(thing.label, image.filename)} source="{source}" occluded="0" '
            f'z_order="0"{group}'
        )
        if thing.holes:
            self._report.notes["instances with holes written as masks"] += 1
            geometry = self._mask(thing, image)
            if not geometry:
                self._report.losses["instances outside of their image"] += 1
                return []
            return [f"    <mask {common} {geometry}>\n{inner}    </mask>\n"]
        self._report.notes["instances of several parts written as groups"] += bool(group)
        return [
            f'    <polygon {common} points="{_points(part)}">\n{inner}    </polygon>\n'
            for part in thing.parts
        ]

    def _values(self, thing: ExportObject) -> dict[str, str]:
        values = dict(thing.attributes)
        if len(thing.parts) > 1:
            values.setdefault("instance", f"group {thing.number}")
        if thing.score is not None:
            values["score"] = f"{thing.score:g}"
        if thing.crowd:
            values["crowd"] = "1"
        return values

    def _mask(self, thing: ExportObject, image: ExportImage) -> str:
        mask, (top, left) = image.mask(thing)
        if not mask.any():
            return ""
        runs = ", ".join(map(str, run_lengths(mask)))
        return (
            f'rle="{runs}" left="{left}" top="{top}" width="{mask.shape[1]}" '
            f'height="{mask.shape[0]}"'
        )


def run_lengths(mask: np.ndarray) -> list[int]:
    """CVAT's run-lengths of a mask, bool [h, w]: row by row, alternately outside and inside."""
    flat = np.concatenate([[False], mask.ravel()])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def _points(part: np.ndarray) -> str:
    return ";".join(f"{_number(x)},{_number(y)}" for x, y in part.tolist())


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _text(text: str) -> str:
    return escape(check_xml_text(text, "The class table"))


def _attribute(text: str, source: str) -> str:
    return quoteattr(check_xml_text(text, source))


CHUNK = 1 << 20
SHAPES = ("polygon", "box", "ellipse", "mask")
OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")


def cvat_entries(
    path: str | os.PathLike[str],
    report: ImportReport,
    *,
    subset: str | None = None,
    join: bool = False,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and VIA entry of each image of a CVAT file; `subset` keeps the images of one.

    `join` makes one instance of the shapes of a group that have the same label.

    Shapes that VIA does not have are counted in `report`; those that cannot be used are listed in
    its problems. Raises `DatasetError` for a missing file, for one that is not XML or not CVAT's,
    and for one with a document type.
    """
    path = Path(path)
    reader = _Reader(str(path), report, subset, join)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # Entities of a document type could grow to any size, or name files of this machine.
    parser.StartDoctypeDeclHandler = reader.refuse
    with reading(path):
        check_regular(path)
        stream = path.open("rb")
    with stream:
        while True:
            with reading(path):
                data = stream.read(CHUNK)
            try:
                parser.Parse(data, not data)
            except expat.ExpatError as error:
                raise DatasetError(
                    f"it is not valid XML ({error})", path=path, advice="export it again"
                ) from None
            yield from reader.take()
            if not data:
                break
    if not reader.is_cvat:
        raise DatasetError(
            "it is not a CVAT file", path=path, expected="XML of <annotations> with images"
        )


class _Reader:
    """Collects the entries of the images that have been read completely."""

    def __init__(self, source: str, report: ImportReport, subset: str | None, join: bool) -> None:
        self._join = join
        self.is_cvat = False
        self._source, self._report, self._subset = source, report, subset
        self._ready: list[tuple[str, dict[str, Any]]] = []
        self._depth = 0
        self._image: dict[str, str] | None = None
        self._shape: tuple[str, dict[str, str]] | None = None
        self._attributes: dict[str, str] = {}
        self._attribute: str | None = None
        self._text: list[str] = []
        self._regions: list[dict[str, Any]] = []
        self._shapes = 0

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        ready, self._ready = self._ready, []
        return ready

    def refuse(self, *_: object) -> None:
        raise DatasetError("it has a document type, which no CVAT file has", path=self._source)

    def start(self, name: str, values: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            if name != "annotations":
                raise DatasetError(
                    "it is not a CVAT file",
                    path=self._source,
                    expected="XML that begins with <annotations>",
                    found=f"<{name}>",
                )
            self.is_cvat = True
        elif self._depth == 2 and name == "track":
            raise DatasetError(
                "it has tracks of a video",
                path=self._source,
                advice='export as "CVAT for images 1.1"',
            )
        elif self._depth == 2 and name == "image":
            self._image, self._regions, self._shapes = values, [], 0
        elif self._depth == 3 and self._image is not None:
            self._shape, self._attributes = (name, values), {}
        elif self._depth == 4 and self._shape is not None and name == "attribute":
            self._attribute, self._text = values.get("name", ""), []

    def text(self, text: str) -> None:
        if self._attribute is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        if self._depth == 4 and self._attribute is not None:
            self._attributes[self._attribute] = "".join(self._text).strip()
            self._attribute = None
        elif self._depth == 3 and self._shape is not None:
            self._add_shape(*self._shape)
            self._shape = None
        elif self._depth == 2 and self._image is not None:
            self._end_image(self._image)
            self._image = None
        self._depth -= 1

    def _end_image(self, image: dict[str, str]) -> None:
        if self._subset is not None and image.get("subset", "") != self._subset:
            return
        entry = {
            "filename": image.get("name"),
            "size": -1,
            "regions": self._regions,
            "file_attributes": {
                key: int(image[key]) for key in ("width", "height") if image.get(key, "").isdigit()
            },
        }
        self._report.images += 1
        self._ready.append((f"{image.get('name')}-1", entry))

    def _add_shape(self, kind: str, values: dict[str, str]) -> None:
        self._shapes += 1
        if kind not in SHAPES:
            self._report.skipped[kind if kind in OTHERS else "shapes of other kinds"] += 1
            return
        attributes: dict[str, Any] = {"label": values.get("label", "")}
        given = {k: v for k, v in self._attributes.items() if v and k != "crowd"}
        own, theirs = set_apart(given, ours=("instance", "score"))
        attributes |= own | ({EXTRA: extra_text({OWN: theirs})} if theirs else {})
        if is_true(self._attributes.get("crowd")):
            attributes["iscrowd"] = "1"
        group = values.get("group_id", "0")
        if self._join and "instance" not in attributes and group not in ("", "0"):
            attributes["instance"] = f"group {group} {attributes['label']}"
        try:
            self._regions += _regions(kind, values, attributes, f"mask {self._shapes}")
        except ShapeError as error:
            reason = f"its {kind} {self._shapes} cannot be read ({error})"
            self._report.problem(str((self._image or {}).get("name")), reason)


def _regions(
    kind: str, values: dict[str, str], attributes: dict[str, Any], name: str
) -> list[dict[str, Any]]:
    if kind == "mask":
        left, top, width, height = (
            whole(values, key) for key in ("left", "top", "width", "height")
        )
        mask = _mask(values.get("rle", ""), width, height)
        return mask_regions(mask, left, top, attributes, str(attributes.get("instance") or name))
    turned = number(values, "rotation") if "rotation" in values else 0.0
    if kind == "box":
        x1, y1, x2, y2 = (number(values, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        shape = rectangle(x1, y1, x2 - x1, y2 - y1, turned, about_centre=True)
    elif kind == "ellipse":
        cx, cy, rx, ry = (number(values, key) for key in ("cx", "cy", "rx", "ry"))
        shape = ellipse(cx, cy, rx, ry, turned)
    else:
        shape = polygon_shape(_read_points(values.get("points", "")))
    return [region(shape, attributes)]


def _read_points(text: str) -> np.ndarray:
    """The points "x,y;x,y" as float64 [n, 2]."""
    try:
        pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
        points = [(float(x), float(y)) for x, y in pairs]
    except ValueError:
        raise ShapeError("its points are not pairs of numbers") from None
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _mask(text: str, width: int, height: int) -> np.ndarray:
    """The bool mask [height, width] of CVAT's run-lengths."""
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise ShapeError(f"it has {width} x {height} pixels")
    try:
        runs = np.array([int(run) for run in text.split(",")], dtype=np.int64)
    except (ValueError, OverflowError):
        raise ShapeError("its run-lengths are not whole numbers") from None
    if (runs < 0).any() or (runs > width * height).any() or runs.sum() != width * height:
        raise ShapeError(f"its run-lengths do not add up to {width} x {height} pixels")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
