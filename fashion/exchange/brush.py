"""Label Studio's brush strokes, packed as the browser's `rle` encoder packs an RGBA picture."""

from typing import Any

import numpy as np

from fashion.annotations.via_shapes import ShapeError
from mrcnn.images.reading import MAX_PIXELS

_HEAD = 32 + 5 + 4 * 4
_CHANNELS, _ALPHA = 4, 3


def brush_mask(runs: Any, height: int, width: int) -> np.ndarray:
    """The bool mask [height, width] of the bytes `runs`. Raises `ShapeError`."""
    if not isinstance(runs, list) or not all(type(b) is int and 0 <= b < 256 for b in runs):
        raise ShapeError("a brush must be a list of bytes")
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise ShapeError(f"its picture would have {width} x {height} pixels")
    bits = np.unpackbits(np.array(runs, dtype=np.uint8))
    values = _values(bits, height * width * _CHANNELS)
    return values.reshape(height, width, _CHANNELS)[..., _ALPHA] > 0


def _values(bits: np.ndarray, wanted: int) -> np.ndarray:
    if len(bits) < _HEAD:
        raise ShapeError("its brush is truncated")
    count, word = _whole(bits, 0, 32), _whole(bits, 32, 5) + 1
    sizes = [_whole(bits, 37 + 4 * n, 4) + 1 for n in range(4)]
    if count != wanted:
        raise ShapeError(f"its brush has {count} values instead of {wanted}")
    values = np.zeros(count, dtype=np.int64)
    weights = 1 << np.arange(word - 1, -1, -1, dtype=np.int64)
    at, done = _HEAD, 0
    while done < count:
        again, size = _whole(bits, at, 1), sizes[_whole(bits, at + 1, 2)]
        end = done + 1 + _whole(bits, at + 3, size)
        at += 3 + size
        written = 1 if again else end - done
        block = bits[at : at + written * word]
        if end > count or len(block) < written * word:
            raise ShapeError("its brush is truncated")
        values[done:end] = block.reshape(written, word) @ weights
        at, done = at + written * word, end
    return values


def _whole(bits: np.ndarray, start: int, count: int) -> int:
    part = bits[start : start + count]
    if len(part) < count:
        raise ShapeError("its brush is truncated")
    return int(part.astype(np.int64) @ (1 << np.arange(count - 1, -1, -1, dtype=np.int64)))
