"""Annotations of LabelMe and of Ultralytics' YOLO, a file for each picture, as VIA entries."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from fashion.annotations.locating import IMAGE_SUFFIXES
from fashion.annotations.via_shapes import ShapeError, polygon_shape
from fashion.exchange.import_shapes import ImportReport, point_pairs, region
from fashion.json_files import read_json
from fashion.pictures.listing import image_size
from mrcnn.errors import DatasetError, counted

Entries = Iterator[tuple[str, dict[str, Any]]]
_NAME = re.compile(r"\s*(?:-|\d+\s*:)\s*(\S.*?)\s*")


def labelme_entries(folder: Path, report: ImportReport) -> Entries:
    """Key and VIA entry of each LabelMe file in a folder and below, or of the one file.

    Shapes of one `group_id` become one instance. Names of pictures are relative to the folder, each
    picture beside its file. Other JSON files are counted in `report`; shapes that cannot be used
    are listed in its problems. Raises `DatasetError` for a file that is not JSON, and if there is
    none.
    """
    files = sorted(folder.rglob("*.json")) if folder.is_dir() else [folder]
    if not files:
        raise _nothing(folder, "LabelMe's JSON files")
    root = folder if folder.is_dir() else folder.parent
    for path in files:
        data = read_json(path)
        if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
            report.skipped["files that are not LabelMe's"] += 1
            continue
        # LabelMe on Windows writes backslashes.
        name = PureWindowsPath(str(data.get("imagePath") or path.with_suffix(".jpg").name)).name
        filename = (path.parent / name).relative_to(root).as_posix()
        regions = []
        for number, shape in enumerate(data["shapes"], 1):
            try:
                made = _labelme_region(shape, report)
            except ShapeError as error:
                report.problem(filename, f"shape {number} cannot be read ({error})")
                continue
            regions += [made] if made else []
        width, height = data.get("imageWidth"), data.get("imageHeight")
        known = isinstance(width, int) and isinstance(height, int)
        yield _entry(filename, regions, (width, height) if known else None, report)


def _labelme_region(shape: Any, report: ImportReport) -> dict[str, Any] | None:
    """The VIA region of a shape; None if VIA has none for its kind."""
    if not isinstance(shape, dict):
        raise ShapeError("it is not an object")
    kind = shape.get("shape_type") or "polygon"
    if kind not in ("polygon", "rectangle", "circle"):
        report.skipped[f"shapes of the type {kind}"] += 1
        return None
    points = point_pairs(shape.get("points"))
    if kind != "polygon" and len(points) != 2:
        raise ShapeError(f"a {kind} has {counted(len(points), 'point')} instead of 2")
    attributes: dict[str, Any] = {"label": str(shape.get("label") or "")}
    more = shape.get("attributes")
    if isinstance(more, dict):
        attributes |= {k: str(v) for k, v in more.items() if isinstance(v, str | int | float)}
    flags = shape.get("flags")
    if isinstance(flags, dict) and flags.get("crowd"):
        attributes["iscrowd"] = "1"
    if isinstance(shape.get("score"), int | float):
        attributes["score"] = str(shape["score"])
    if shape.get("group_id") is not None:
        attributes.setdefault("instance", f"group {shape['group_id']}")
    return region(_labelme_shape(kind, points), attributes)


def _labelme_shape(kind: str, points: np.ndarray) -> dict[str, Any]:
    if kind == "polygon":
        return polygon_shape(points)
    (x1, y1), (x2, y2) = points.tolist()
    if kind == "circle":  # its centre, and a point on it
        return {"name": "circle", "cx": x1, "cy": y1, "r": math.hypot(x2 - x1, y2 - y1)}
    width, height = abs(x2 - x1), abs(y2 - y1)
    return {"name": "rect", "x": min(x1, x2), "y": min(y1, y2), "width": width, "height": height}


def yolo_entries(folder: Path, report: ImportReport, *, subset: str | None = None) -> Entries:
    """Key and VIA entry of each label file of a YOLO folder: `labels/`, `images/`, `data.yaml`.

    A line is a class and an outline, or a class and a box, in shares of the picture. Names of
    pictures are relative to `images/`. Lines that cannot be used are listed in the report's
    problems. Raises `DatasetError`: no label files, no class names, a picture that is missing.

    subset: read `labels/SUBSET` only.
    """
    names = _class_names(folder)
    labels = folder / "labels"
    files = sorted((labels / subset if subset else labels).rglob("*.txt"))
    if not files:
        raise _nothing(labels, "label files (.txt)")
    for path in files:
        stem = path.relative_to(labels).with_suffix("")
        picture = _picture(folder / "images" / stem)
        filename = picture.relative_to(folder / "images").as_posix()
        size = image_size(picture)
        regions = []
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                regions.append(_yolo_region(line, size, names))
            except ShapeError as error:
                report.problem(filename, f"line {number} cannot be read ({error})")
        yield _entry(filename, regions, size, report)


def _yolo_region(line: str, size: tuple[int, int], names: Mapping[int, str]) -> dict[str, Any]:
    first, *rest = line.split()
    try:
        class_number, shares = int(first), np.array(rest, dtype=np.float64)
    except (ValueError, OverflowError):
        raise ShapeError("it is not a class and numbers") from None
    if class_number not in names:
        raise ShapeError(f"class {class_number} has no name")
    attributes = {"label": names[class_number]}
    if len(shares) == 4:
        x, y, width, height = (shares * (*size, *size)).tolist()
        shape = {"name": "rect", "x": x - width / 2, "y": y - height / 2}
        return region({**shape, "width": width, "height": height}, attributes)
    if len(shares) < 6 or len(shares) % 2:
        raise ShapeError(f"it has {counted(len(shares), 'number')}, neither a box nor an outline")
    return region(polygon_shape(np.round(shares.reshape(-1, 2) * size, 4)), attributes)


def _class_names(folder: Path) -> dict[int, str]:
    """Class number -> name, by data.yaml or classes.txt."""
    plain = folder / "classes.txt"
    yaml = next(iter(sorted(folder.glob("*.y*ml"))), None)
    if yaml is not None:
        lines = yaml.read_text("utf-8", "replace").splitlines()
    elif plain.is_file():
        lines = ["names:", *(f"- {line}" for line in plain.read_text("utf-8").splitlines() if line)]
    else:
        raise DatasetError(
            "the folder has no class names", path=folder, expected="data.yaml or classes.txt"
        )
    start = next((n for n, line in enumerate(lines) if line.startswith("names:")), len(lines))
    inline = lines[start].partition(":")[2].strip() if start < len(lines) else ""
    if inline.startswith("["):
        found = [_unquoted(text) for text in inline.strip("[]").split(",")]
        return dict(enumerate(found))
    names: dict[int, str] = {}
    for line in lines[start + 1 :]:
        match = _NAME.fullmatch(line)
        if match is None:
            break
        key = line.strip().partition(":")[0]
        names[int(key) if key.isdecimal() else len(names)] = _unquoted(match[1])
    if not names:
        raise DatasetError("it lists no class names", path=yaml or plain, expected="names: ...")
    return names


def _unquoted(text: str) -> str:
    text = text.strip()
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text


def _picture(stem: Path) -> Path:
    """The picture of a label file. Raises `DatasetError` if it is missing."""
    found = (p for p in sorted(stem.parent.glob("*")) if p.stem == stem.name)
    picture = next((p for p in found if p.suffix.lower() in IMAGE_SUFFIXES), None)
    if picture is None:
        raise DatasetError(
            "the picture of a label file is missing",
            path=stem,
            advice="put it there: without its size the labels cannot be read",
        )
    return picture


def _entry(
    filename: str, regions: list, size: tuple[Any, Any] | None, report: ImportReport
) -> tuple[str, dict[str, Any]]:
    report.images += 1
    attributes = {"width": size[0], "height": size[1]} if size else {}
    entry = {"filename": filename, "size": -1, "regions": regions, "file_attributes": attributes}
    return f"{filename}-1", entry


def _nothing(folder: Path, what: str) -> DatasetError:
    return DatasetError("there is nothing to import", path=folder, expected=what)
