"""What the importers from other tools share: numbers, shapes as VIA regions, and counts."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.annotations.problems import Problem, ProblemLog, problem_text
from fashion.annotations.via_shapes import ShapeError, polygon_shape
from fashion.polygons.filling import exact_polygons
from mrcnn.errors import counted


@dataclass(slots=True)
class ImportReport:
    """The result of an import; `skipped` counts by kind what cannot be a VIA region."""

    images: int = 0
    regions: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: ProblemLog = field(default_factory=ProblemLog)

    def problem(self, file: str, reason: str) -> None:
        """Record a shape of an image that cannot be used."""
        self.problems.append(Problem(file, None, reason))

    def summary(self, limit: int = 5) -> str:
        """A line of totals, and the first problems."""
        text = f"{counted(self.images, 'image')}, {counted(self.regions, 'region')}"
        skipped = ", ".join(f"{kind} ({count})" for kind, count in self.skipped.items() if count)
        text += f"\nskipped: {skipped}" if skipped else ""
        return text + problem_text(self.problems, limit)


def number(values: Mapping[str, Any], key: str) -> float:
    """A number of a shape, given as a number or a string. Raises `ShapeError`."""
    if key not in values:
        raise ShapeError(f"there is no {key}")
    try:
        return float(values[key])
    except (TypeError, ValueError, OverflowError):
        raise ShapeError(f"its {key} is not a number") from None


def whole(values: Mapping[str, Any], key: str) -> int:
    """A number of a shape without its decimals. Raises `ShapeError`."""
    value = number(values, key)
    if not math.isfinite(value):
        raise ShapeError(f"its {key} is not finite")
    return int(value)


def point_pairs(given: Any) -> np.ndarray:
    """The points [[x, y], ..] of a shape as float64 [n, 2]. Raises `ShapeError`."""
    try:
        return np.array(given, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise ShapeError("its points are not pairs of numbers") from None


def region(shape: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A VIA region."""
    return {"shape_attributes": dict(shape), "region_attributes": dict(attributes)}


def mask_regions(
    mask: np.ndarray, left: int, top: int, attributes: Mapping[str, Any], instance: str
) -> list[dict[str, Any]]:
    """The exact VIA regions of a mask, bool [h, w], whose corner is at left, top, with holes.

    They get the `instance` value if there are several.
    """
    parts = exact_polygons(mask)
    offset = np.array((left, top), dtype=np.float64)
    several = len(parts) + sum(len(part.holes) for part in parts) > 1
    own = {**attributes, "instance": instance} if several else dict(attributes)
    made = [region(polygon_shape(part.outline + offset), own) for part in parts]
    for part in parts:
        made += [region(polygon_shape(hole + offset), {**own, "hole": "1"}) for hole in part.holes]
    return made


def rectangle(
    x: float, y: float, width: float, height: float, degrees: float, *, about_centre: bool
) -> dict[str, Any]:
    """The VIA shape of a rectangle turned clockwise about its centre or its top left corner."""
    if not degrees:
        return {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    pivot = np.array((width, height)) / 2 if about_centre else np.zeros(2)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = (corners - pivot) @ np.array([[cosine, sine], [-sine, cosine]])
    return polygon_shape(turned + pivot + (x, y))


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float) -> dict[str, Any]:
    """The VIA shape of an ellipse turned clockwise."""
    return {
        "name": "ellipse",
        "cx": cx,
        "cy": cy,
        "rx": rx,
        "ry": ry,
        "theta": math.radians(degrees),
    }
