"""Curves and shapes of the drawn pictures: smooth lines, limbs, outlines to be filled.

Points are x, y in continuous pixels with (0, 0) at the outer corner of the top left pixel, float64
[n, 2]; y grows downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Points = np.ndarray
# A point, or a colour.
Vector = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Shape:
    """An area to fill: the union of `polygons` and `discs` (x, y, radius), less the `holes`."""

    polygons: list[Points] = field(default_factory=list)
    discs: list[tuple[float, float, float]] = field(default_factory=list)
    holes: list[Points] = field(default_factory=list)

    def __add__(self, other: "Shape") -> "Shape":
        return Shape(
            self.polygons + other.polygons, self.discs + other.discs, self.holes + other.holes
        )

    def extent(self) -> tuple[float, float, float, float]:
        """Smallest x and y, largest x and y of the filled area."""
        corners = [np.vstack([p.min(axis=0), p.max(axis=0)]) for p in self.polygons]
        corners += [np.array([[x - r, y - r], [x + r, y + r]]) for x, y, r in self.discs]
        stacked = np.vstack(corners)
        (x1, y1), (x2, y2) = stacked.min(axis=0).tolist(), stacked.max(axis=0).tolist()
        return x1, y1, x2, y2


def outline(*curves: Sequence[Vector] | Points) -> Shape:
    """The shape inside curves that follow each other; corners are where two of them meet."""
    return Shape([np.vstack([np.asarray(curve, dtype=np.float64) for curve in curves])])


def smooth(points: Sequence[Vector] | Points, steps: int = 7, *, closed: bool = False) -> Points:
    """A curve through all `points` (Catmull and Rom, 1974), `steps` points for each segment."""
    given = np.asarray(points, dtype=np.float64)
    if len(given) < 3:
        return given
    if closed:
        around = np.vstack([given[-1:], given, given[:2]])
    else:
        around = np.vstack([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    t = (np.arange(steps) / steps)[:, None, None]
    before, start, end, after = (around[i : len(around) - 3 + i] for i in range(4))
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.vstack([curve, given[-1:]])


def along(curve: Points, share: float | np.ndarray) -> Points:
    """The point or points of a polyline at `share` of its length, 0 to 1."""
    lengths = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    position = np.concatenate([[0.0], np.cumsum(lengths)])
    place = np.asarray(share) * position[-1]
    columns = [np.interp(place, position, curve[:, i]) for i in range(2)]
    return np.stack(columns, axis=-1)


def normals(curve: Points) -> Points:
    """Unit vectors to the right of the direction of travel at each point of a polyline."""
    tangent = np.gradient(curve, axis=0)
    length = np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / length


def tube(curve: Points, half_widths: Vector, *, round_ends: str = "") -> Shape:
    """A limb along `curve` with half widths spread evenly over its length.

    Discs along it fill the hole that its outline makes where it bends sharply. `round_ends` is "",
    "start", "end" or "both".
    """
    shares = np.linspace(0, 1, min(max(len(curve), 8), 24))
    curve = along(curve, shares)
    widths = np.interp(shares, np.linspace(0, 1, len(half_widths)), half_widths)
    side = normals(curve) * widths[:, None]
    left, right = curve - side, curve + side
    first = 0 if round_ends in ("start", "both") else 1
    last = len(curve) if round_ends in ("end", "both") else len(curve) - 1
    from_start = np.linalg.norm(curve - curve[0], axis=1)
    from_end = np.linalg.norm(curve - curve[-1], axis=1)
    # A disc near a flat end would stick out of it.
    discs = [
        (*curve[i].tolist(), float(widths[i]) * 0.999)
        for i in range(first, last)
        if round_ends in ("start", "both") or from_start[i] > widths[i]
        if round_ends in ("end", "both") or from_end[i] > widths[i]
    ]
    return Shape([np.vstack([left, right[::-1]])], discs)


def ellipse(
    centre: Vector,
    radius_x: float,
    radius_y: float,
    turn: float = 0.0,
    start: float = 0.0,
    end: float = 360.0,
) -> Points:
    """Points of an ellipse, or of an arc of it; angles in degrees, clockwise from the right."""
    angle = np.radians(np.linspace(start, end, 33))
    points = np.stack([radius_x * np.cos(angle), radius_y * np.sin(angle)], axis=1)
    return turned(points, turn) + np.asarray(centre)


def turned(
    points: Sequence[Vector] | Points, degrees: float, centre: Vector = (0.0, 0.0)
) -> Points:
    """`points` turned clockwise about `centre`."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pivot = np.asarray(centre, dtype=np.float64)
    around = np.asarray(points, dtype=np.float64) - pivot
    return around @ np.array([[cosine, sine], [-sine, cosine]]) + pivot


def by(dx: float, dy: float) -> Points:
    """A displacement, to be added to points."""
    return np.array([dx, dy], dtype=np.float64)


def mixed(start: Vector, end: Vector, share: float | np.ndarray) -> Points:
    """The point at `share` of the way from `start` to `end`."""
    return np.asarray(start) * (1 - share) + np.asarray(end) * share
