"""What parsing found on a folder of photographs, collected from the records of its pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion.json_files import read_json
from fashion.parsing.files import OutputJob
from fashion.parsing.run import folder_names
from fashion.polygons.filling import polygons_to_mask
from fashion.polygons.tracing import PolygonPart
from fashion.stages.found import THUMBNAIL, FoundFiles, Garment
from mrcnn.drawing.painting import smaller
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.images.reading import read_image
from mrcnn.system.background import read_ahead


@dataclass
class ParsedFound(FoundFiles):
    """`FoundFiles` that also counts persons.

    Attributes:
        objects: garments and persons in all.
    """

    objects: int = 0


def found_files(images: Iterable[Path], job: OutputJob, subject: str) -> ParsedFound:
    """The files for the photographs that are finished, whichever run parsed them.

    Args:
        images: the photographs.
        job: where their records are.
        subject: the folder of photographs and the model, for the page.

    Raises:
        DatasetError: a record cannot be read.
    """
    found = ParsedFound(job.folder, "Parsed clothing", subject)
    names = folder_names(images)
    records = read_ahead(lambda path: _recorded(job, names[path]), names, workers=2, ahead=4)
    for path, picture in records:
        if picture is None:
            continue  # it could not be parsed, which the run has reported
        found.objects += len(picture.garments) + picture.persons
        if picture.drawing is not None:
            found.add(path.name, picture.garments, *picture.drawing)
    return found


class _Recorded(NamedTuple):
    """What a picture's record says, and its drawing: the file, and its pixels made small."""

    garments: list[Garment]
    persons: int
    drawing: tuple[Path, np.ndarray] | None


def _recorded(job: OutputJob, name: str) -> _Recorded | None:
    try:
        record = read_json(job.folder / name / job.record_name)
    except DatasetError:
        return None
    size = record["image"]["height"], record["image"]["width"]
    garments = [_garment(row, size) for row in record["garments"]]
    path = _drawing(job, name, record["files"])
    drawing = None if path is None else (path, smaller(read_image(path), THUMBNAIL))
    return _Recorded(garments, len(record["persons"] or ()), drawing)


def _drawing(job: OutputJob, name: str, files: list[str]) -> Path | None:
    """The picture that shows the garments best; None if the stage draws none."""
    wanted = (f"{name}/clothing.png", f"{name}.png", f"{name}/body.png", f"{name}/joint.png")
    found = next((file for file in (*wanted, *files) if file in files), None)
    return None if found is None else job.folder / found


def _garment(row: dict[str, Any], size: tuple[int, int]) -> Garment:
    parts = [
        PolygonPart(np.array(part["outline"]), [np.array(hole) for hole in part["holes"]])
        for part in row["polygons"]
    ]
    outlines = [part.outline for part in parts]
    holes = [hole for part in parts for hole in part.holes]
    y1, x1, y2, x2 = row["box"]
    wearer = row["worn_by"]
    return Garment(
        row["class_id"],
        row["class"],
        row["score"],
        (y1, x1, y2, x2),
        row["area"],
        row["colour"]["name"] if row["colour"] else "",
        encode_mask(polygons_to_mask(outlines, holes, *size)),
        None if wearer is None else wearer + 1,
    )
