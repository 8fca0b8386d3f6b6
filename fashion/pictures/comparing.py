"""What two models find on the same pictures, side by side."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.labels import ClassTable
from fashion.pictures.listing import output_names, read_or_error
from fashion.pictures.sheets import contact_sheet, save_png, side_by_side
from mrcnn.drawing.painting import draw_detections
from mrcnn.errors import UserError
from mrcnn.system.background import read_ahead

SHEET = "contact_sheet.png"
SHEET_PICTURES = 60  # more would make a sheet that no viewer opens
TILE = 480


@dataclass(frozen=True)
class ComparedModel:
    """One of the models.

    Attributes:
        title: shown above its picture.
        detect: an image, uint8 RGB [H, W, 3], to one result of `MaskRCNN.detect`.
        table: its classes.
    """

    title: str
    detect: Callable[[np.ndarray], Mapping[str, Any]]
    table: ClassTable


@dataclass
class ComparisonPictures:
    """What a comparison wrote and found.

    Attributes:
        pictures: how many were compared.
        written: the PNGs: one for each of them, and the sheet.
        found: the count of each class, for each model.
        unreadable: an error for each picture that was skipped.
    """

    pictures: int = 0
    written: list[Path] = field(default_factory=list)
    found: list[Counter[str]] = field(default_factory=list)
    unreadable: list[UserError] = field(default_factory=list)


def draw_models(
    image: np.ndarray, models: Sequence[ComparedModel], *, original: bool = False
) -> tuple[np.ndarray, list[Counter[str]]]:
    """The image with each model's detections, side by side under the models' titles.

    image: uint8 RGB [height, width, 3]. With `original` the plain image comes first. Returns the
    picture and each model's count of classes.
    """
    panels, titles, found = [image] * original, ["picture"] * original, []
    for model in models:
        names = ["background", *model.table.names]
        result = model.detect(image)
        colours = {row.id: row.colour for row in model.table}
        panels.append(draw_detections(image, result, names, colours))
        titles.append(model.title)
        found.append(Counter(names[int(class_id)] for class_id in result["class_ids"]))
    return side_by_side(panels, titles), found


def compare_pictures(
    images: Sequence[Path],
    models: Sequence[ComparedModel],
    folder: Path,
    *,
    original: bool = False,
    progress: Callable[[], object] = lambda: None,
) -> ComparisonPictures:
    """Write one PNG for each picture, and a contact sheet of the first sixty.

    Pictures that cannot be read are skipped and listed. Raises `UserError` if `folder` cannot be
    written to.
    """
    done = ComparisonPictures(found=[Counter() for _ in models])
    names = output_names(images)
    tiles: list[np.ndarray] = []
    titles: list[str] = []
    for path, image in read_ahead(read_or_error, images, workers=2, ahead=4):
        progress()
        if isinstance(image, UserError):
            done.unreadable.append(image)
            continue
        picture, found = draw_models(image, models, original=original)
        done.written.append(save_png(folder / names[path], picture))
        done.pictures += 1
        for total, counts in zip(done.found, found, strict=True):
            total.update(counts)
        if len(tiles) < SHEET_PICTURES:
            tiles.append(_small(picture))
            titles.append(path.name)
    if tiles:
        done.written.append(save_png(folder / SHEET, contact_sheet(tiles, titles, tile=TILE)))
    return done


def _small(picture: np.ndarray) -> np.ndarray:
    """The picture at the size it has on the sheet, so that sixty large ones are not kept."""
    return contact_sheet([picture], tile=TILE)
