"""Polygons to masks and masks to polygons.

Coordinates are x, y in continuous pixels with (0, 0) at the outer corner of the top left pixel: a
pixel belongs to a polygon when its centre, at (column + 0.5, row + 0.5), lies inside. This is what
VIA and COCO files mean, and how pycocotools fills; OpenCV and scikit-image count from pixel
centres instead and are half a pixel off. Several outlines are united; within one outline that
crosses itself the even-odd rule holds. What is outside the image is cut off.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from fashion.polygons.run_lengths import RunLengthError, decode_counts, fills, plain_runs
from fashion.polygons.tracing import PolygonPart, mask_to_polygons
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.images.reading import MAX_PIXELS

__all__ = [
    "PolygonPart",
    "exact_polygons",
    "mask_to_polygons",
    "polygons_to_crop",
    "polygons_to_mask",
    "rle_to_mask",
    "run_lengths_of",
]

FAR = 4096  # pixels; outlines that reach farther out of the image are cut before they are filled
LIMIT = 1e9  # pixels; farther out every coordinate counts as this one, so that no sum overflows


def polygons_to_mask(
    polygons: Sequence[np.ndarray], holes: Sequence[np.ndarray], height: int, width: int
) -> np.ndarray:
    """Bool mask [height, width] of the union of `polygons`, less the union of `holes`.

    Each outline is [n, 2], x and y in the image's pixels. No polygon gives an empty mask.
    """
    mask = np.zeros((max(height, 0), max(width, 0)), dtype=bool)
    crop, (top, left) = polygons_to_crop(polygons, holes, height, width)
    mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return mask


def polygons_to_crop(
    polygons: Sequence[np.ndarray], holes: Sequence[np.ndarray], height: int, width: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of `polygons_to_mask` that can hold something: bool [h, w], and its top and left.

    The crop is the extent of the polygons within the image, at most a pixel wider than the mask's
    own box; h or w is 0 when nothing is in the image. Full-size masks are never built. Raises
    `DatasetError` for a crop of more than `MAX_PIXELS`, larger than any image that is read.
    """
    nothing = np.zeros((0, 0), dtype=bool), (0, 0)
    outlines = _with_area(polygons)
    if not outlines:
        return nothing
    x1, y1, x2, y2 = _extent(outlines)
    if _is_far(x1, y1, x2, y2, height, width):
        return polygons_to_crop(_cut_to_frame(outlines, height, width), holes, height, width)
    left, top = max(0, math.floor(x1)), max(0, math.floor(y1))
    right, bottom = min(width, math.ceil(x2)), min(height, math.ceil(y2))
    if right <= left or bottom <= top:
        return nothing
    if (right - left) * (bottom - top) > MAX_PIXELS:
        raise DatasetError(
            f"an outline covers {right - left} x {bottom - top} pixels, more than any image that "
            "is read",
            advice="correct the annotation, or give the image's size",
        )
    mask = _fill(outlines, left, top, bottom - top, right - left)
    if len(holes):
        cut = _with_area(holes)
        if cut and _is_far(*_extent(cut), height, width):
            cut = _cut_to_frame(cut, height, width)
        mask &= ~_fill(cut, left, top, bottom - top, right - left)
    return mask, (top, left)


def exact_polygons(mask: np.ndarray) -> list[PolygonPart]:
    """Polygons from which `polygons_to_mask` makes `mask`, bool [height, width], bit by bit.

    Those along the pixel edges of `mask_to_polygons`, unless something is within a hole, which
    would be cut out with it: then those of the upper and the lower half.
    """
    parts = mask_to_polygons(mask, 0, minimum_area=0)
    holes = [hole for part in parts for hole in part.holes]
    outlines = [part.outline for part in parts]
    if not holes or (polygons_to_mask(outlines, holes, *mask.shape) == mask).all():
        return parts
    rows = np.flatnonzero(mask.any(axis=1))
    middle = int(rows[0] + rows[-1] + 1) // 2
    upper, lower = mask.copy(), mask.copy()
    upper[middle:], lower[:middle] = False, False
    return exact_polygons(upper) + exact_polygons(lower)


def _with_area(outlines: Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [np.asarray(points, dtype=np.float64).reshape(-1, 2) for points in outlines]
    return [points for points in arrays if len(points) >= 3]


def _extent(outlines: list[np.ndarray]) -> tuple[float, float, float, float]:
    """Smallest x and y, largest x and y."""
    xs, ys = (outlines[0] if len(outlines) == 1 else np.concatenate(outlines)).T
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _is_far(x1: float, y1: float, x2: float, y2: float, height: int, width: int) -> bool:
    """Whether something reaches so far out of the image that filling it would cost too much.

    The filling walks along every edge: one point at a billion would use all the memory.
    """
    return min(x1, y1) < -FAR or x2 > width + FAR or y2 > height + FAR


def _fill(outlines: list[np.ndarray], left: int, top: int, height: int, width: int) -> np.ndarray:
    """Bool [height, width], the union of `outlines` in the window whose corner is left, top."""
    if not outlines:
        return np.zeros((height, width), dtype=bool)
    offset = np.array((left, top), dtype=np.float64)
    flat = [(points - offset).ravel() for points in outlines]
    rles = coco_mask.frPyObjects(flat, height, width)
    rle = rles[0] if len(rles) == 1 else coco_mask.merge(rles)
    return coco_mask.decode(rle).view(bool)


def _cut_to_frame(outlines: list[np.ndarray], height: int, width: int) -> list[np.ndarray]:
    """The outlines, cut to a frame one pixel outside the image."""
    cut = []
    for points in outlines:
        points = np.clip(points, -LIMIT, LIMIT)
        for axis, limit in ((0, width), (1, height)):
            points = _cut(points, axis, -1.0, 1.0)
            points = _cut(points, axis, limit + 1.0, -1.0)
        cut.append(points)
    return _with_area(cut)


def _cut(points: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    """The polygon on the side `sign * (x - limit) >= 0` (Sutherland and Hodgman, 1974)."""
    if not len(points):
        return points
    distance = sign * (points[:, axis] - limit)
    following = np.roll(points, -1, axis=0)
    next_distance = np.roll(distance, -1)
    inside, crosses = distance >= 0, (distance >= 0) != (next_distance >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = (distance / (distance - next_distance))[:, None]
        crossing = points + fraction * (following - points)
    crossing[:, axis] = limit  # exactly, however far the ends of the edge are
    # Each vertex that stays, followed by the crossing of its edge: two slots per vertex, then pick.
    slots = np.stack([points, crossing], axis=1).reshape(-1, 2)
    return slots[np.stack([inside, crosses], axis=1).ravel()]


def rle_to_mask(rle: Mapping[str, Any]) -> np.ndarray:
    """The bool mask [h, w] of a COCO run-length segmentation, compressed or not.

    Raises `ValueError` when the runs do not fill the size, or that is more than `MAX_PIXELS`.
    """
    height, width = (int(n) for n in rle["size"])
    if min(height, width) < 0 or height * width > MAX_PIXELS:
        raise ValueError(f"it has {height} x {width} pixels, more than any image that is read")
    counts = rle["counts"]
    counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
    # pycocotools itself would read and write beyond its memory if the runs are wrong.
    runs = decode_counts(counts) if isinstance(counts, str) else plain_runs(counts)
    if not fills(runs, height * width):
        raise ValueError(f"its runs do not add up to {height} x {width} pixels")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape((width, height)).T


def run_lengths_of(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Compressed run-lengths {"size": [height, width], "counts": str} of any COCO segmentation.

    Args:
        segmentation: polygons (a list of [x, y, x, y, ..]), or run-lengths, compressed (text) or
            not (a list of numbers). Compressed ones come back as they are.
        height, width: of the image in pixels.

    Raises:
        RunLengthError: it is neither, is of another size, or its runs do not fill the image.
    """
    if isinstance(segmentation, list):
        return _of_polygons(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise RunLengthError(
            "has a segmentation that is neither polygons nor run-lengths with size and counts"
        )
    if segmentation.get("size") != [height, width]:
        raise RunLengthError(
            f"has a segmentation of the size {segmentation.get('size')}, but its image, upright, "
            f"has [height, width] {[height, width]}"
        )
    counts = segmentation["counts"]
    is_text = isinstance(counts, str)
    runs = decode_counts(counts) if is_text else plain_runs(counts)
    if not fills(runs, height * width):
        raise RunLengthError(
            f"has malformed run-lengths: they do not add up to its image's {height} x {width} "
            "pixels"
        )
    if is_text:
        return {"size": [height, width], "counts": counts}
    return _compressed({"size": [height, width], "counts": runs.tolist()}, height, width)


def _of_polygons(polygons: Sequence[Any], height: int, width: int) -> dict[str, Any]:
    outlines = []
    for flat in polygons:
        try:
            points = np.array(flat, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            points = np.zeros(0)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
            raise RunLengthError(
                "has a polygon that is not a list of at least three points x, y, x, y, .."
            )
        outlines.append(points.reshape(-1, 2))
    return encode_mask(polygons_to_mask(outlines, [], height, width))


def _compressed(run_lengths: dict, height: int, width: int) -> dict[str, Any]:
    packed = coco_mask.frPyObjects(run_lengths, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}
