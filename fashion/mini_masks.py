"""Mini masks made of box crops, all of an image at once."""

from collections.abc import Sequence

import numpy as np


def shrink_masks(crops: Sequence[np.ndarray], mini_shape: tuple[int, int]) -> np.ndarray:
    """Each mask (bool [h, w], any sizes above 0), resampled to `mini_shape`: bool [N, *mini_shape].

    Bit by bit what `mrcnn.masks.minimize_mask` makes of masks that fill their boxes: bilinear with
    half-pixel centres, nothing outside the box, more than half counts as set; a full crop stays
    full. Only the pixels that count are looked at, so that size does not matter.
    """
    if not len(crops):
        return np.zeros((0, *mini_shape), dtype=bool)
    # All crops in one line, each with a pixel of nothing around it, column by column.
    heights, widths = np.array([crop.shape for crop in crops]).T
    sizes = (heights + 2) * (widths + 2)
    starts = np.cumsum(sizes) - sizes
    line = np.zeros(int(sizes.sum()), dtype=np.uint8)
    for crop, start, size in zip(crops, starts.tolist(), sizes.tolist(), strict=True):
        columns = line[start : start + size].reshape(crop.shape[1] + 2, crop.shape[0] + 2)
        columns[1:-1, 1:-1] = crop.T
    row, above, below = _neighbours(heights, mini_shape[0])
    column, before, after = _neighbours(widths, mini_shape[1])
    down = (heights + 2)[:, None]
    row, column = row[:, :, None], (column * down + starts[:, None])[:, None]
    above, below, before, after = (
        above[:, :, None],
        below[:, :, None],
        before[:, None],
        after[:, None],
    )
    upper_left = row + column
    right = down[:, :, None]
    # Summed in this order, no bit differs from the plain way.
    total = line.take(upper_left) * (above * before)
    total += line.take(upper_left + right) * (above * after)
    upper_left += 1
    total += line.take(upper_left) * (below * before)
    total += line.take(upper_left + right) * (below * after)
    minis = total > 0.5
    minis[[index for index, crop in enumerate(crops) if crop.all()]] = True
    return minis


def _neighbours(sizes: np.ndarray, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First neighbour of each new pixel in the bordered crops, weights of both: [N, new_size]."""
    position = (np.arange(new_size) + 0.5) * (sizes / new_size)[:, None] - 0.5
    first = np.floor(position)
    weight = 1.0 - (position - first)
    return first.astype(np.intp) + 1, weight, 1.0 - weight
