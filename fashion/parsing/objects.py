"""Parsed garments as objects: place, size, wearer, and the name of their dominant colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from fashion.labels import ClassTable
from fashion.parsing.detections import Detections
from fashion.polygons.tracing import PolygonPart, mask_to_polygons

# Name and sRGB of common garment colours.
NAMED_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (20, 20, 22),
    "charcoal": (60, 62, 66),
    "grey": (128, 128, 128),
    "light grey": (196, 196, 198),
    "white": (245, 245, 245),
    "cream": (244, 234, 208),
    "beige": (214, 190, 152),
    "camel": (184, 136, 84),
    "brown": (110, 70, 40),
    "dark brown": (62, 40, 28),
    "burgundy": (110, 20, 45),
    "red": (205, 30, 40),
    "coral": (250, 120, 100),
    "orange": (240, 130, 30),
    "mustard": (205, 160, 40),
    "yellow": (248, 222, 70),
    "olive": (110, 112, 50),
    "khaki": (165, 155, 110),
    "lime": (160, 215, 60),
    "green": (40, 145, 65),
    "dark green": (22, 70, 45),
    "mint": (165, 225, 195),
    "teal": (15, 120, 125),
    "turquoise": (60, 200, 205),
    "light blue": (160, 200, 235),
    "denim blue": (85, 120, 160),
    "blue": (35, 85, 190),
    "navy": (24, 32, 74),
    "lavender": (190, 175, 225),
    "purple": (110, 50, 140),
    "magenta": (200, 40, 130),
    "pink": (245, 165, 190),
    "light pink": (248, 215, 220),
}
_BIN = 16  # levels of 8-bit Lab in one bin of the histogram
_REACH = 18.0  # Lab distance within which pixels belong to the dominant colour


class NamedColour(NamedTuple):
    """A colour: its name, CIE Lab (L 0 to 100), sRGB, and the share of pixels that are near it."""

    name: str
    lab: tuple[float, float, float]
    rgb: tuple[int, int, int]
    share: float


def dominant_colour(pixels: np.ndarray) -> NamedColour | None:
    """The colour near which most of the pixels, uint8 RGB [n, 3], are; None without a pixel.

    The fullest cell of a coarse Lab histogram, refined by the mean of all pixels near it: a striped
    shirt gets the colour of its more frequent stripe, not the mean of both.
    """
    pixels = np.ascontiguousarray(pixels, np.uint8).reshape(-1, 1, 3)
    if not len(pixels):
        return None
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, 0]
    cells = np.floor((lab + np.array([0, 128, 128], np.float32)) * (2.55, 1, 1) / _BIN).astype(
        np.int64
    )
    keys = cells @ (1, 64, 64 * 64)
    fullest = np.bincount(keys).argmax()
    centre = lab[keys == fullest].mean(axis=0)
    near = np.linalg.norm(lab - centre, axis=1) <= _REACH
    centre = lab[near].mean(axis=0)
    rgb = cv2.cvtColor(centre[None, None].astype(np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (int(n) for n in np.rint(np.clip(rgb, 0, 1) * 255))
    lightness, a, b = (round(float(n), 1) for n in centre)
    return NamedColour(
        colour_name(centre),
        (lightness, a, b),
        (red, green, blue),
        round(float(near.mean()), 3),
    )


def colour_name(lab: np.ndarray) -> str:
    """The name in `NAMED_COLOURS` that is nearest to a Lab colour, float [3], by CIEDE2000."""
    from skimage.color import deltaE_ciede2000

    table = np.array(list(NAMED_COLOURS.values()), np.float32)[None] / 255
    known = cv2.cvtColor(table, cv2.COLOR_RGB2LAB)[0]
    nearest = deltaE_ciede2000(known, np.broadcast_to(lab, known.shape)).argmin()
    return list(NAMED_COLOURS)[int(nearest)]


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
