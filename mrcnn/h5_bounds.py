"""What a weight file may declare at most, before any of it is read into memory."""

import math
import mmap
from pathlib import Path

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
            f"{path} declares more than {most:,} {what}, as no weight file of such a network does; "
            "do not use it."
        )


def require_little_text(file, attributes) -> None:
    """Raise ValueError where text attributes would be many, or much when they are read.

    A text of variable length stands in a heap, and any number of names may refer to one place.

    Args:
        file: the open h5py.File.
        attributes: h5py's low-level attributes of it, not read yet.
    """
    counts = [math.prod(attribute.shape or ()) for attribute in attributes]
    count = sum(counts)
    worst = sum(n * a.dtype.itemsize for n, a in zip(counts, attributes, strict=True))
    if any(attribute.dtype.kind == "O" for attribute in attributes):
        path = Path(file.filename)
        whole = count * path.stat().st_size
        # Heaps are looked for in all of the file, so only where they could matter.
        worst = max(worst, whole if whole <= MOST_TEXT else count * _largest_heap(path))
    if count > MOST_NAMES or worst > MOST_TEXT:
        raise ValueError(f"{count:,} texts are listed in an attribute")


def _largest_heap(path):
    """The greatest number of bytes that one text of variable length can have in a file."""
    largest = 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_HEAP)
        while place >= 0:
            start = place + len(_HEAP)
            largest = max(largest, int.from_bytes(data[start : start + 8], "little"))
            place = data.find(_HEAP, start)
    return min(largest, path.stat().st_size)
