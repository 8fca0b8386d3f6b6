"""Segmentations of any COCO file as compressed run-lengths, checked.

pycocotools does not check whether the runs fill the image, and reads beyond the end of a text that
is cut off, so that is checked here first.
"""

from typing import Any

import numpy as np

_BITS, _MORE, _OFFSET = 5, 0x20, 48


class RunLengthError(ValueError):
    """Why a segmentation cannot be used, as the predicate of a sentence: "has ..."."""


def decode_counts(counts: str) -> np.ndarray:
    """The runs, int64 [n], of COCO's compressed text: 5 bits per character, the least first.

    From the fourth on, a run is stored as its difference to the one two before it.

    Raises:
        RunLengthError: other characters, a run of more than 50 bits, or the text ends within one.
    """
    codes = np.frombuffer(counts.encode("utf-8"), np.uint8).astype(np.int64) - _OFFSET
    if not len(codes):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero((codes & _MORE) == 0)
    lengths = np.diff(ends, prepend=-1)
    is_text = codes.min() >= 0 and codes.max() < 64 and len(ends) and ends[-1] == len(codes) - 1
    if not is_text or lengths.max() > 10:
        raise RunLengthError("has malformed run-lengths: their counts are not compressed text")
    starts = ends - lengths + 1
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 0x1F) << (_BITS * place), starts)
    negative = (codes[ends] & 0x10) != 0
    values[negative] -= np.int64(1) << (_BITS * lengths[negative])
    # The first three are stored as they are; then each adds to the one two before.
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def plain_runs(counts: Any) -> np.ndarray:
    """The runs, int64 [n], of a list of whole numbers. Else raises `RunLengthError`."""
    whole = isinstance(counts, list) and all(type(count) is int for count in counts)
    if not whole or any(abs(count) > 2**40 for count in counts):
        raise RunLengthError(
            "has malformed run-lengths: expected counts as text or whole numbers of pixels"
        )
    return np.array(counts, dtype=np.int64)


def fills(runs: np.ndarray, pixels: int) -> bool:
    """Whether runs, int64 [n], cover exactly `pixels` pixels, each once."""
    # Each run is checked first: enough large ones have any sum at all, modulo 2**64.
    return bool(((runs >= 0) & (runs <= pixels)).all()) and int(runs.sum()) == pixels
