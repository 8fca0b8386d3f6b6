"""Masks to polygons: outlines and holes, exact along the pixel edges or smooth with few points.

Coordinates are those of `fashion.polygons.filling`: x, y in continuous pixels, a pixel's centre
half a pixel from its edges.
"""

from typing import NamedTuple

import cv2
import numpy as np

# The automatic tolerance, in pixels: this share of area / perimeter, within these limits.
TOLERANCE_SHARE, LEAST_TOLERANCE, MOST_TOLERANCE = 1 / 10, 0.4, 0.85
# How far a corner may move, in pixels, when the edges beside it are fitted to the outline.
MOST_MOVE = 1.5


class PolygonPart(NamedTuple):
    """One connected part of a mask: its outline and the outlines of its holes, float64 [n, 2]."""

    outline: np.ndarray
    holes: list[np.ndarray]


def mask_to_polygons(
    mask: np.ndarray, tolerance: float | None = None, *, minimum_area: float = 4.0
) -> list[PolygonPart]:
    """The connected parts of a mask as polygons with holes, largest first.

    `mask` is [height, width], bool or numbers (other than 0 is inside). `tolerance` is how far, in
    pixels, the polygon may depart (Douglas and Peucker, 1973) from the smooth outline through the
    middles of the pixel edges between in and out; its edges are then fitted to that outline by
    least squares, so that area is neither lost nor gained. None chooses it by the shape, from 0.4
    pixels for thin and small masks to 0.85. 0 follows the pixel edges instead: `polygons_to_mask`
    gives the mask back bit by bit. Parts and holes under `minimum_area` pixels are dropped. Pixels
    that touch at a corner are connected. An empty mask gives an empty list.
    """
    mask = np.ascontiguousarray(mask)
    mask = mask.view(np.uint8) if mask.dtype == bool else (mask != 0).view(np.uint8)
    left, top, width, height = cv2.boundingRect(mask) if mask.size else (0, 0, 0, 0)
    if not width:
        return []
    crop = mask[top : top + height, left : left + width]
    contours, hierarchy = _contours(crop, minimum_area)
    if tolerance is None:
        tolerance = _fitting_tolerance(cv2.countNonZero(crop), sum(map(len, contours.values())))
    offset = np.array([left, top], dtype=np.float64)
    outlines = {i: _simplify(corners, tolerance) + offset for i, corners in contours.items()}
    parts = {i: PolygonPart(outline, []) for i, outline in outlines.items() if hierarchy[i] < 0}
    for index, hole in outlines.items():
        if hierarchy[index] in parts:
            parts[hierarchy[index]].holes.append(hole)
    return sorted(parts.values(), key=lambda part: -cv2.contourArea(part.outline.astype("f4")))


def _contours(mask: np.ndarray, minimum_area: float) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Pixel corners of the contours that are large enough, by number; the parent of each contour.

    A parent of -1 says that the contour is an outline, else it is a hole of that contour.
    """
    # In the mask at twice its size every border pixel is one corner of a pixel of the mask, so that
    # the contour through pixel centres gives the outline along the edges exactly.
    doubled = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    found = {}
    for index, contour in enumerate(contours):
        if _largest_area(contour) >= minimum_area:
            corners = _pixel_corners(contour)
            if cv2.contourArea(corners) >= minimum_area:
                found[index] = corners
    return found, hierarchy[0, :, 3]


def _largest_area(contour: np.ndarray) -> float:
    """A quick upper bound, in pixels of the mask, for the area in a contour of the doubled mask."""
    _, _, width, height = cv2.boundingRect(contour)
    return (width + 1) * (height + 1) / 4


def _pixel_corners(contour: np.ndarray) -> np.ndarray:
    """The pixel corners along a contour of the doubled mask: int32 [n, 2], unit steps, closed."""
    points = (contour.reshape(-1, 2) + 1) >> 1
    both = points.view(np.int64).ravel()  # x and y compared at once
    moved = np.empty(len(both), dtype=bool)
    np.not_equal(both[1:], both[:-1], out=moved[1:])
    moved[0] = both[0] != both[-1]
    return points[moved]


def _fitting_tolerance(area: int, perimeter: int) -> float:
    if not perimeter:
        return LEAST_TOLERANCE
    return min(max(TOLERANCE_SHARE * area / perimeter, LEAST_TOLERANCE), MOST_TOLERANCE)


def _simplify(corners: np.ndarray, tolerance: float) -> np.ndarray:
    """The outline through pixel `corners` with fewer points: float64 [n, 2], n >= 3."""
    if tolerance <= 0:
        step = np.roll(corners, -1, axis=0) - corners
        turns = (step != np.roll(step, 1, axis=0)).any(axis=1)
        return corners[turns].astype(np.float64)
    middles = np.empty_like(corners)  # of the pixel edges, doubled to stay whole
    np.add(corners[1:], corners[:-1], out=middles[:-1])
    np.add(corners[0], corners[-1], out=middles[-1])
    chosen = cv2.approxPolyDP(middles[:, None], 2 * tolerance, closed=True)[:, 0]
    if len(chosen) < 3:
        return middles * 0.5
    return _fit_edges(middles, chosen)


def _fit_edges(middles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The polygon of the lines that fit best to the stretches of `middles` between the `chosen`.

    Both are int32 [n, 2] in doubled pixels, `chosen` some of `middles` in cyclic order. The
    result is float64 [len(chosen), 2] in pixels. Points are complex numbers x + iy in between:
    the real part of conj(a) * b is their dot product, the imaginary part their cross product.
    """
    starts = _positions(middles, chosen)
    ring = (middles * 0.5).view(np.complex128).ravel()
    path = np.concatenate([ring[starts[0] :], ring[: starts[0] + 1]])
    starts = starts - starts[0]
    corner = path[starts]
    origin, direction = _fitted_lines(path, starts, np.append(starts[1:], len(middles)))
    previous = np.arange(-1, len(corner) - 1)
    before, direction_before = origin[previous], direction[previous]
    # Where the lines of the edges before and after a corner cross.
    turn = (direction_before.conj() * direction).imag
    with np.errstate(divide="ignore", invalid="ignore"):
        along = ((origin - before).conj() * direction).imag / turn
        crossing = before + along * direction_before
        good = (np.abs(turn) > 0.1) & (np.abs(crossing - corner) <= MOST_MOVE)
    # Nearly parallel, they cross anywhere: then the middle between the corner's feet on both.
    feet = 0.5 * (_foot(corner, before, direction_before) + _foot(corner, origin, direction))
    return np.where(good, crossing, feet).view(np.float64).reshape(-1, 2)


def _positions(middles: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Ascending indices in `middles` of the points in `chosen`; no point occurs there twice."""
    width = int(middles[:, 0].max()) + 1
    places = middles[:, 1] * width + middles[:, 0]
    marked = np.zeros(int(places.max()) + 1, dtype=bool)
    marked[chosen[:, 1] * width + chosen[:, 0]] = True
    return np.flatnonzero(marked[places])


def _fitted_lines(
    path: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A point and a unit direction, complex [k] each, of the total least squares line of stretches.

    Stretch i is `path[starts[i] : ends[i] + 1]`. The second moment of complex points about their
    mean points, as a complex number, at twice the angle of the line.
    """
    sums = np.zeros((2, len(path) + 1), dtype=np.complex128)
    np.cumsum(path, out=sums[0, 1:])
    np.cumsum(path * path, out=sums[1, 1:])
    mean, square = (sums[:, ends + 1] - sums[:, starts]) / (ends - starts + 1)
    return mean, np.exp(0.5j * np.angle(square - mean * mean))


def _foot(point: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return origin + ((point - origin).conj() * direction).real * direction
