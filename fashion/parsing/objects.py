"""Parsed garments as objects: place, size, wearer, and the name of their dominant colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion.labels import ClassTable
from fashion.parsing.detections import Detections
from fashion.pictures.colours import NamedColour, dominant_colour
from fashion.polygons.tracing import PolygonPart, mask_to_polygons


@dataclass(frozen=True)
class ClothingObject:
    """One garment or person.

    Attributes:
        kind: "garment" or "person".
        number: its index among the objects of its kind, from 0.
        class_id, name: its class; COCO's for a person.
        score: the detector's, 0 to 1.
        box: y1, x1, y2, x2 in pixels, exclusive at y2 and x2: that of the mask.
        area: pixels of the mask.
        polygons: outlines with holes, x and y in pixels; see `fashion.polygons.filling`.
        colour: the dominant one.
        worn_by: the number of the person who wears it; None for persons and unworn garments.
    """

    kind: str
    number: int
    class_id: int
    name: str
    score: float
    box: tuple[int, int, int, int]
    area: int
    polygons: list[PolygonPart]
    colour: NamedColour | None
    worn_by: int | None = None

    @property
    def title(self) -> str:
        """The object's name for files: `garment_03_scarf-tie`."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.name)
        return f"{self.kind}_{self.number + 1:02d}_{name}"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, coordinates to a hundredth of a pixel; see docs/parsing.md."""
        colour = self.colour
        return {
            "number": self.number,
            "class_id": self.class_id,
            "class": self.name,
            "score": round(self.score, 4),
            "box": list(self.box),
            "area": self.area,
            "polygons": [
                {"outline": _points(part.outline), "holes": [_points(h) for h in part.holes]}
                for part in self.polygons
            ],
            "colour": colour and {key: _plain(value) for key, value in colour._asdict().items()},
            **({"worn_by": self.worn_by} if self.kind == "garment" else {}),
        }


def take_apart(
    image: np.ndarray,
    garments: Detections,
    persons: Detections,
    worn_by: np.ndarray,
    table: ClassTable,
) -> list[ClothingObject]:
    """All garments, then all persons, each in the order of their detection."""
    names = {row.id: row.name for row in table}
    objects = []
    for number in range(len(garments)):
        wearer = int(worn_by[number]) if worn_by[number] >= 0 else None
        objects.append(_object(image, garments, number, "garment", names, wearer))
    for number in range(len(persons)):
        objects.append(_object(image, persons, number, "person", {1: "person"}, None))
    return objects


def _object(
    image: np.ndarray,
    instances: Detections,
    number: int,
    kind: str,
    names: Mapping[int, str],
    wearer: int | None,
) -> ClothingObject:
    mask = instances.masks[..., number]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y1, x1, y2, x2 = (int(n) for n in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
    inside = mask[y1:y2, x1:x2]
    class_id = int(instances.class_ids[number])
    return ClothingObject(
        kind=kind,
        number=number,
        class_id=class_id,
        name=names.get(class_id, f"class {class_id}"),
        score=float(instances.scores[number]),
        box=(y1, x1, y2, x2),
        area=int(np.count_nonzero(inside)),
        polygons=mask_to_polygons(mask),
        colour=dominant_colour(image[y1:y2, x1:x2][inside]),
        worn_by=wearer,
    )


def _points(outline: np.ndarray) -> list[list[float]]:
    return np.round(outline, 2).tolist()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
