"""Masks within their boxes, from an annotation to the mini masks used in training.

If a data set rasterises each mask within its box, full-size masks are never needed: `resized_crops`
and `shrink_masks` give bit for bit what `mrcnn.geometry.masks.resize_mask`,
`mrcnn.geometry.boxes.extract_bboxes` and `mrcnn.geometry.masks.minimize_mask` give for full-size
masks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.masks import is_strip, nearest_indices


class MaskCrop(NamedTuple):
    """The part of a mask that contains all its set pixels.

    Attributes:
        mask: bool [h, w]; of size 0 if the mask is empty.
        top, left: position of its corner in the image, in pixels.
    """

    mask: np.ndarray
    top: int
    left: int


def resized_crops(
    crops: Sequence[MaskCrop],
    image_shape: Sequence[int],
    scale: float,
    padding: Sequence[tuple[int, int]],
    window: Sequence[int] | None = None,
) -> list[MaskCrop]:
    """Resize masks as `mrcnn.geometry.masks.resize_mask` does, and crop them to their boxes.

    Args:
        crops: of masks of one image, within it.
        image_shape: (height, width, ...) of that image in pixels.
        scale, padding, window: as `mrcnn.images.resizing.resize_image` returns them; `window` is
            its crop.

    Returns:
        One crop per mask, tight around the set pixels; of size 0 if there are none.
    """
    strip = is_strip(image_shape)
    rows = _source_indices(image_shape[0], scale, strip, padding[0], window and window[0::2])
    columns = _source_indices(image_shape[1], scale, strip, padding[1], window and window[1::2])
    return [_tight(_resized(crop, *rows, *columns)) for crop in crops]


def _source_indices(size, scale, strip, padding, window):
    """Source index of each resized pixel, ascending, and the offset of the first one."""
    indices, inside = nearest_indices(size, scale, strip)
    if window is None:
        return indices[inside], padding[0]
    start, length = window
    stop = min(start + length, int(np.count_nonzero(inside)))  # positions outside come last
    return indices[start:stop], padding[0]


def _resized(crop: MaskCrop, rows, down, columns, right) -> MaskCrop:
    height, width = crop.mask.shape
    top, bottom = rows.searchsorted((crop.top, crop.top + height))
    left, end = columns.searchsorted((crop.left, crop.left + width))
    # Rasterised polygons are stored column by column, so whole columns are contiguous.
    picked = crop.mask.T.take(columns[left:end] - crop.left, axis=0)
    picked = picked.take(rows[top:bottom] - crop.top, axis=1)
    return MaskCrop(picked.T, down + int(top), right + int(left))


def _tight(crop: MaskCrop) -> MaskCrop:
    import cv2

    turned = crop.mask.T
    # The array is transposed, so x and y are swapped.
    y, x, height, width = cv2.boundingRect(turned.view(np.uint8)) if turned.size else (0, 0, 0, 0)
    return MaskCrop(crop.mask[y : y + height, x : x + width], crop.top + y, crop.left + x)


def crop_boxes(crops: Sequence[MaskCrop]) -> np.ndarray:
    """Boxes of tight crops: int32 [N, 4] pixels (y1, x1, y2, x2), zeros for crops of size 0."""
    boxes = [
        (top, left, top + mask.shape[0], left + mask.shape[1]) if mask.size else (0, 0, 0, 0)
        for mask, top, left in crops
    ]
    return np.array(boxes, np.int32).reshape(-1, 4)


def flipped_crops(
    crops: Sequence[MaskCrop], image_shape: Sequence[int], vertically: bool, horizontally: bool
) -> list[MaskCrop]:
    """The crops in the mirrored image, which is (height, width, ...) pixels large."""
    flipped = []
    for mask, top, left in crops:
        if vertically:
            mask, top = mask[::-1], image_shape[0] - top - mask.shape[0]
        if horizontally:
            mask, left = mask[:, ::-1], image_shape[1] - left - mask.shape[1]
        flipped.append(MaskCrop(mask, top, left))
    return flipped


def shrink_masks(crops: Sequence[np.ndarray], mini_shape: Sequence[int]) -> np.ndarray:
    """Each mask (bool [h, w], any sizes above 0), resampled to `mini_shape`: bool [N, *mini_shape].

    Equals `mrcnn.geometry.masks.minimize_mask` bit for bit for masks that fill their boxes:
    bilinear with half-pixel centres, zeros outside the box, more than half counts as set; a full
    crop stays full. Only the source pixels that are needed are read, so the time hardly depends on
    the size.
    """
    if not len(crops):
        return np.zeros((0, *mini_shape), dtype=bool)
    # All crops in one flat array, each with a one-pixel border of zeros, column by column.
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
    # This order of summation is bit-identical to the plain computation.
    total = line.take(upper_left) * (above * before)
    total += line.take(upper_left + right) * (above * after)
    upper_left += 1
    total += line.take(upper_left) * (below * before)
    total += line.take(upper_left + right) * (below * after)
    minis = total > 0.5
    minis[[index for index, crop in enumerate(crops) if crop.all()]] = True
    return minis


def _neighbours(sizes: np.ndarray, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each new pixel's first neighbour in the bordered crops, and both weights: [N, new_size]."""
    position = (np.arange(new_size) + 0.5) * (sizes / new_size)[:, None] - 0.5
    first = np.floor(position)
    weight = 1.0 - (position - first)
    return first.astype(np.intp) + 1, weight, 1.0 - weight
