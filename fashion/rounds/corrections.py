"""Pictures corrected in another program: files in the folder `corrections/`.

VIA and COCO files are read as they are; CVAT's XML and Label Studio's JSON through
`fashion.exchange`; LabelMe's JSON here, one file per picture. A picture in a file counts as
decided, with the labels in the file. If several files contain it, the one changed last counts.
"""

import tempfile
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.locating import read_annotations
from fashion.annotations.problems import problem_text
from fashion.annotations.via_reading import from_json, read
from fashion.annotations.via_shapes import polygon_shape
from fashion.exchange.run import import_annotations
from fashion.json_files import read_json
from mrcnn.errors import DatasetError

PREFIX = "/data/local-files/?d="  # Label Studio's, before the names of local files


def read_corrections(folder: Path) -> tuple[dict[str, AnnotatedImage], list[str]]:
    """The corrected pictures by name, and a note for each file with regions left out.

    Raises `DatasetError` for a file that cannot be read.
    """
    images: dict[str, AnnotatedImage] = {}
    notes = []
    files = (path for path in folder.rglob("*") if path.suffix.lower() in (".json", ".xml"))
    for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        found = _read(path)
        if found.problems:
            notes.append(f"{path}{problem_text(found.problems)}")
        images |= {_bare(image).filename: image for image in found}
    return images, notes


def _bare(image: AnnotatedImage) -> AnnotatedImage:
    """The image with its bare name, without the folders of another program."""
    image.filename = PureWindowsPath(image.filename).name
    return image


def _read(path: Path) -> Annotations:
    if path.suffix.lower() == ".xml":
        return _imported(path, "cvat")
    data = read_json(path)
    if isinstance(data, list):
        return _imported(path, "label-studio")
    if isinstance(data, dict) and isinstance(data.get("shapes"), list):
        return from_json(_labelme(data, path), str(path))
    return read_annotations(path)


def _imported(path: Path, form: str) -> Annotations:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "imported.json"
        report, _ = import_annotations(path, out, form, prefix=PREFIX)
        found = read(out)
    found.problems = [*report.problems, *found.problems]
    return found


def _labelme(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """A LabelMe file as a VIA object."""
    regions = []
    for number, shape in enumerate(data["shapes"], 1):
        try:
            kind = shape["shape_type"]
            points = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
            label, group = str(shape["label"]), shape.get("group_id")
        except (KeyError, TypeError, ValueError):
            raise DatasetError(f"its shape {number} is damaged", path=path) from None
        if kind == "rectangle" and len(points) == 2:
            (x1, y1), (x2, y2) = points
            points = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        elif kind != "polygon":
            raise DatasetError(
                f"its shape {number} is a {kind}", path=path, expected="polygons and rectangles"
            )
        instance = f"shape {number}" if group is None else f"group {group}"
        regions.append(
            {
                "shape_attributes": polygon_shape(points),
                "region_attributes": {"label": label, "instance": instance},
            }
        )
    name = PureWindowsPath(str(data.get("imagePath") or f"{path.stem}.jpg")).name
    size = {"width": data.get("imageWidth"), "height": data.get("imageHeight")}
    return {name: {"filename": name, "size": -1, "regions": regions, "file_attributes": size}}
