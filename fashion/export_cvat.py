"""CVAT's "CVAT for images 1.1": one XML file, and the labels for CVAT's raw label editor.

The parts of an instance are polygons with one `group_id`; an instance with holes is a mask with
run-lengths, which keeps every pixel. Score, crowd, `instance` and further attributes are attributes
of the labels.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from fashion.export_files import check_xml_text, hex_colour
from fashion.export_items import ExportImage, ExportObject, ExportReport
from fashion.json_files import write_text
from fashion.labels import ClassTable
from fashion.streams.shards import PendingFiles

OWN_ATTRIBUTES = ("instance", "score", "crowd")


class CvatExporter:
    """Writes the XML file image by image.

    Args:
        out: the file, opened.
        table: the classes.
        attributes: names of further attributes, which the labels must declare.
        subsets: names of subsets; with subsets the file is that of a CVAT project with a task for
            each, otherwise that of a task.
        report: takes the counts.
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
        """Write the labels beside `out` as JSON for CVAT's label constructor ("Raw"); its path."""
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
    """CVAT's run-lengths of a mask, bool [h, w]: row by row, outside and inside in turn."""
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
