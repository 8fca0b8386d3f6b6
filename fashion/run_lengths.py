"""Segmentations of any COCO file as compressed run-lengths, checked.

pycocotools does not check whether the runs fill the image, and reads beyond the end of a text that
is cut off, so that is checked here first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_BITS, _MORE, _OFFSET = 5, 0x20, 48


class RunLengthError(ValueError):
    """Why a segmentation cannot be used, as the predicate of a sentence: "has ..."."""


def run_lengths_of(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Compressed run-lengths {"size": [height, width], "counts": str} of any COCO segmentation.

    Args:
        segmentation: polygons (a list of [x, y, x, y, ..]), or run-lengths, compressed (text) or
            not (a list of numbers). Compressed ones come back as they are.
        height, width: of the image in pixels.

    Raises:
        RunLengthError: none of these, of another size, or the runs do not fill the image.
    """
    if isinstance(segmentation, list):
        return _of_polygons(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise RunLengthError(
            "has a segmentation that is neither polygons nor run-lengths with size and counts"
        )
    if segmentation.get("size") != [height, width]:
        raise RunLengthError(
            f"has a segmentation of the size {segmentation.get('size')}, but its image has "
            f"[height, width] {[height, width]}"
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


def decode_counts(counts: str) -> np.ndarray:
    """The runs, int64 [n], of COCO's compressed text: 5 bits a character, the least first.

    From the fourth on, a run is told by its difference to the one two before it.

    Raises:
        RunLengthError: other characters, a run of more than 50 bits, or the text ends in one.
    """
    codes = np.frombuffer(counts.encode("utf-8"), np.uint8).astype(np.int64) - _OFFSET
    if not len(codes):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero((codes & _MORE) == 0)
    lengths = np.diff(ends, prepend=-1)
    is_text = codes.min() >= 0 and codes.max() < 64 and len(ends) and ends[-1] == len(codes) - 1
    if not is_text or lengths.max() > 10:
        raise RunLengthError("has malformed run-lengths: their counts are no compressed text")
    starts = ends - lengths + 1
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 0x1F) << (_BITS * place), starts)
    negative = (codes[ends] & 0x10) != 0
    values[negative] -= np.int64(1) << (_BITS * lengths[negative])
    # The first three stand for themselves; then each adds to the one two before.
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def plain_runs(counts: Any) -> np.ndarray:
    """The runs, int64 [n], of a list of whole numbers. Raises `RunLengthError` for another."""
    whole = isinstance(counts, list) and all(type(count) is int for count in counts)
    if not whole or any(abs(count) > 2**40 for count in counts):
        raise RunLengthError(
            "has malformed run-lengths: expected counts as text or whole numbers of pixels"
        )
    return np.array(counts, dtype=np.int64)


def fills(runs: np.ndarray, pixels: int) -> bool:
    """Whether runs, int64 [n], cover so many pixels, each once."""
    # Each run is checked first: enough large ones have any sum at all, modulo 2**64.
    return bool(((runs >= 0) & (runs <= pixels)).all()) and int(runs.sum()) == pixels


def _of_polygons(polygons: Sequence[Any], height: int, width: int) -> dict[str, Any]:
    from fashion.polygons import polygons_to_mask
    from mrcnn.coco_evaluation import encode_mask

    outlines = []
    for flat in polygons:
        try:
            points = np.array(flat, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            points = np.zeros(0)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
            raise RunLengthError(
                "has a polygon that is no list of at least three points x, y, x, y, .."
            )
        outlines.append(points.reshape(-1, 2))
    return encode_mask(polygons_to_mask(outlines, [], height, width))


def _compressed(run_lengths: dict, height: int, width: int) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    packed = coco_mask.frPyObjects(run_lengths, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}
