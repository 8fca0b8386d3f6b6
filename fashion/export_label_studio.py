"""Label Studio's tasks: one JSON list, and the labelling interface for it.

A result is one polygon, in percent of the picture. The parts of an instance are joined by
relations, from the first to each of the others; a hole is joined to the outline of its part by a
bridge of no width. Score, crowd, `instance` and further attributes are in `meta`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from fashion.export_files import check_xml_text, hex_colour
from fashion.export_items import ExportImage, ExportObject, ExportReport
from fashion.export_outlines import split
from fashion.json_files import json_text, write_text
from fashion.labels import ClassTable
from fashion.streams.shards import PendingFiles

LOCAL_FILES = "/data/local-files/?d="


class LabelStudioExporter:
    """Writes the list of tasks image by image.

    Args:
        out: the file, opened.
        table: the classes.
        report: takes the counts.
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
        """Write the labelling interface beside `out`; its path."""
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
            {"type": "relation", "from_id": names[0], "to_id": name, "direction": "right"}
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
