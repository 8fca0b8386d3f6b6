"""What a weight file may declare at most, before any of it is read into memory."""

import math
import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mrcnn.errors import WeightsError

# Four times as many as the largest ResNet Mask R-CNN has; 1 GB as float32.
MOST_NUMBERS = 1 << 28
MOST_NAMES = 10_000
MOST_TEXT = 1 << 30  # bytes of names and notes, at worst

# A collection of texts of variable length: signature, version 1, three bytes of 0, its size.
_HEAP = b"GCOL\x01\x00\x00\x00"


def require_bounded(path: Path, what: str, count: int, most: int) -> None:
    """Raise `WeightsError` where a file declares more of something than any network has."""
    if count > most:
        raise WeightsError(
            f"declares more than {most:,} {what}, as no weight file of such a network does",
            path=path,
            advice="do not use it",
        )


def require_little_text(
    path: Path, attributes: Iterable[tuple[tuple[int, ...] | None, np.dtype]]
) -> None:
    """Raise `WeightsError` where text attributes would be many, or long when they are read.

    A text of variable length stands in a heap, and any number of names may refer to one place.

    Args:
        path: the weight file.
        attributes: shape (None for an empty one) and dtype of each.
    """
    counts, worst = 0, 0
    has_heap = False
    for shape, dtype in attributes:
        count = math.prod(shape or ())
        counts += count
        worst += count * dtype.itemsize
        has_heap = has_heap or dtype.kind == "O"
    if has_heap:
        whole = counts * path.stat().st_size
        # Heaps are looked for in all of the file, so only where they could matter.
        worst = max(worst, whole if whole <= MOST_TEXT else counts * _largest_heap(path))
    if counts > MOST_NAMES or worst > MOST_TEXT:
        raise WeightsError(
            f"is damaged or cut short ({counts:,} texts are listed in an attribute)",
            path=path,
            advice="copy or download it again",
        )


def _largest_heap(path: Path) -> int:
    """The greatest number of bytes that one text of variable length can have in a file."""
    largest = 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_HEAP)
        while place >= 0:
            start = place + len(_HEAP)
            largest = max(largest, int.from_bytes(data[start : start + 8], "little"))
            place = data.find(_HEAP, start)
    return min(largest, path.stat().st_size)
