"""Instances as outlines for other formats: one ring without holes, within the image.

Coordinates are x, y in continuous pixels, (0, 0) the outer corner of the top left pixel.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from fashion.polygons.filling import polygons_to_crop
from fashion.polygons.tracing import mask_to_polygons

# A ring that differs from its mask in more than this share of the pixels is traced.
MOST_DIFFERENCE = 0.005


def clipped(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """The part of an outline [n, 2] within the image: float64 [m, 2], m = 0 for nothing.

    It is clipped at the four edges (Sutherland and Hodgman, 1974); a part that leaves and returns
    is joined along the edge. An outline inside the image is returned unchanged.
    """
    points = np.asarray(points, dtype=np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    if (low >= 0).all() and high[0] <= width and high[1] <= height:
        return points
    for axis, limit in ((0, width), (1, height)):
        points = _side(points, axis, 0.0, 1.0)
        points = _side(points, axis, float(limit), -1.0)
    return points if len(points) >= 3 else np.zeros((0, 2))


def _side(points: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    """The part of the polygon where `sign * (coordinate - limit)` is not below 0."""
    kept: list[np.ndarray] = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        before, behind = sign * (start[axis] - limit), sign * (end[axis] - limit)
        if before >= 0:
            kept.append(start)
        if (before >= 0) != (behind >= 0):
            crossing = start + before / (before - behind) * (end - start)
            crossing[axis] = limit
            kept.append(crossing)
    return np.array(kept).reshape(-1, 2)


def joined(
    parts: Sequence[np.ndarray], holes: Sequence[np.ndarray], width: int, height: int
) -> np.ndarray:
    """Parts and holes as one ring, float64 [n, 2], whose even-odd filling is their mask.

    The parts, the largest first, and then the holes are attached to the ring by a bridge of no
    width from its nearest corner; holes run in the opposite direction, so that filling by winding
    number leaves them empty, too. Where the result is not the mask (parts overlap, a hole leaves
    its part), the mask's own outlines along the pixel edges are joined instead. One part without a
    hole is only clipped to the image. Empty where nothing is in the image.
    """
    parts = [p for p in (clipped(part, width, height) for part in parts) if len(p)]
    holes = [h for h in (clipped(hole, width, height) for hole in holes) if len(h)]
    if not parts:
        return np.zeros((0, 2))
    if len(parts) == 1 and not holes:
        return parts[0]
    ring = _ring(parts, holes)
    mask, (top, left) = polygons_to_crop(parts, holes, height, width)
    if _is_mask(ring, mask, top, left, width, height):
        return ring
    traced = mask_to_polygons(mask, 0, minimum_area=0)
    if not traced:
        return np.zeros((0, 2))
    offset = np.array((left, top), dtype=np.float64)
    return _ring(
        [part.outline + offset for part in traced],
        [hole + offset for part in traced for hole in part.holes],
    )


def split(
    parts: Sequence[np.ndarray], holes: Sequence[np.ndarray], width: int, height: int
) -> list[np.ndarray]:
    """Each part as a separate ring, with the holes that begin within it; see `joined`."""
    rings = []
    for part in parts:
        outline = np.asarray(part, dtype=np.float32).reshape(-1, 1, 2)
        own = [h for h in holes if cv2.pointPolygonTest(outline, _point(h[0]), False) >= 0]
        ring = joined([part], own, width, height)
        if len(ring):
            rings.append(ring)
    return rings


def _point(corner: np.ndarray) -> tuple[float, float]:
    return float(corner[0]), float(corner[1])


def _is_mask(
    ring: np.ndarray, mask: np.ndarray, top: int, left: int, width: int, height: int
) -> bool:
    own, (own_top, own_left) = polygons_to_crop([ring], [], height, width)
    canvas = np.zeros_like(mask)
    rows, columns = own_top - top, own_left - left
    if rows < 0 or columns < 0 or own.shape[0] + rows > mask.shape[0]:
        return False
    if own.shape[1] + columns > mask.shape[1]:
        return False
    canvas[rows : rows + own.shape[0], columns : columns + own.shape[1]] = own
    different = np.count_nonzero(canvas != mask)
    return different <= max(1, MOST_DIFFERENCE * np.count_nonzero(mask))


def _ring(parts: Sequence[np.ndarray], holes: Sequence[np.ndarray]) -> np.ndarray:
    parts = sorted(parts, key=lambda part: -abs(_signed_area(part)))
    ring = _turned(parts[0], 1)
    for part in parts[1:]:
        ring = _attached(ring, _turned(part, 1))
    for hole in holes:
        ring = _attached(ring, _turned(hole, -1))
    return ring


def _attached(ring: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`ring` with a bridge to `other` and back at the two nearest corners."""
    from scipy.spatial import cKDTree

    distances, places = cKDTree(ring).query(other)
    there = int(np.argmin(distances))
    here = int(places[there])
    around = np.concatenate([other[there:], other[: there + 1]])
    return np.concatenate([ring[: here + 1], around, ring[here:]])


def _turned(points: np.ndarray, sign: int) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    return points if _signed_area(points) * sign >= 0 else points[::-1]


def _signed_area(points: np.ndarray) -> float:
    """Positive where x, y run clockwise on a screen."""
    x, y = np.asarray(points, dtype=np.float64).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
