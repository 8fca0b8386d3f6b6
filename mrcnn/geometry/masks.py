"""Instance masks: resizing with their image, mini masks for training, pasting predictions.

Masks are bool [height, width, instances]; boxes are [y1, x1, y2, x2] in pixels with (y2, x2)
exclusive.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.images.resizing import resize

# A predicted pixel belongs to the instance if its probability is at least this.
MASK_THRESHOLD = 0.5
STRIP = 50  # a picture whose sides differ by more than this factor is a strip
RESAMPLES = ("exact", "fast", "aligned", "guided")  # how `box_mask` enlarges


class MaskSettings(Protocol):
    """The part of a Config that `mold_mask` uses."""

    @property
    def MASK_SHAPE(self) -> Sequence[int]:
        """(height, width) of a predicted mask in pixels."""


def resize_mask(
    mask: np.ndarray,
    scale: float,
    padding: Sequence[tuple[int, int]],
    crop: Sequence[int] | None = None,
) -> np.ndarray:
    """Resize masks along with their image; scale, padding and crop are `resize_image`'s.

    Takes the nearest pixel on a grid whose corners coincide with the mask's (like
    `scipy.ndimage.zoom(order=0)`): not quite the image's grid, but what Matterport trains on.

    Args:
        mask: [height, width, instances].
        scale: resize factor.
        padding: [(top, bottom), (left, right), (0, 0)] in pixels of zeros.
        crop: (y, x, height, width) in the scaled mask, cropped before padding; or None.

    Returns:
        [new height, new width, instances] of the mask's dtype.
    """
    strip = is_strip(mask.shape)
    rows, rows_inside = nearest_indices(mask.shape[0], scale, strip)
    columns, columns_inside = nearest_indices(mask.shape[1], scale, strip)
    if crop is not None:
        y, x, height, width = crop
        rows, rows_inside = rows[y : y + height], rows_inside[y : y + height]
        columns, columns_inside = columns[x : x + width], columns_inside[x : x + width]
    (top, bottom), (left, right) = padding[:2]
    shape = (top + len(rows) + bottom, left + len(columns) + right, *mask.shape[2:])
    out = np.zeros(shape, mask.dtype)
    inside = out[top : top + len(rows), left : left + len(columns)]
    inside[:] = mask[rows].take(columns, axis=1)
    inside[~rows_inside] = 0
    inside[:, ~columns_inside] = 0
    return out


def is_strip(shape: Sequence[int]) -> bool:
    """Whether a picture (height, width, ...) is so elongated that its short side may be lost."""
    return max(shape[:2]) > STRIP * min(shape[:2])


def nearest_indices(size: int, scale: float, strip: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Source index of each resized pixel along one side, and whether scipy considers it inside.

    At some sizes the last position exceeds the last index by one rounding unit; scipy then reads a
    zero there.

    The short side of a strip keeps at least one pixel, like that of its image. One or two pixels
    are sampled from its middle or its quarters: at its ends, where scipy samples, instances are
    rare.
    """
    new_size = round(size * scale)
    if strip and new_size <= 2:
        new_size = max(1, new_size)
        indices = (np.arange(new_size) * 2 + 1) * size // (2 * new_size)
        return indices, np.ones(new_size, bool)
    step = (size - 1) / (new_size - 1) if new_size > 1 else 1.0
    position = np.arange(new_size) * step
    indices = np.floor(position + 0.5).astype(np.intp)
    return np.minimum(indices, max(size - 1, 0)), position <= size - 1


def minimize_mask(bbox: np.ndarray, mask: np.ndarray, mini_shape: Sequence[int]) -> np.ndarray:
    """Crop each mask to its box and shrink it: a small array of nearly the same shape.

    Args:
        bbox: [instances, >=4] in pixels.
        mask: [height, width, instances].
        mini_shape: (height, width) of the result in pixels.

    Returns:
        bool [mini height, mini width, instances].

    Raises:
        DatasetError: a box has zero area.
    """
    mini_mask = np.zeros((*mini_shape, mask.shape[-1]), dtype=bool)
    for i in range(mask.shape[-1]):
        y1, x1, y2, x2 = bbox[i][:4]
        # Cast to bool first: any nonzero value is set.
        cropped = mask[y1:y2, x1:x2, i].astype(bool)
        if cropped.size == 0:
            raise DatasetError(
                f"instance {i} has the box {[int(n) for n in (y1, x1, y2, x2)]}, which has no area",
                advice="leave out instances whose mask is empty",
            )
        mini_mask[:, :, i] = np.around(resize(cropped, mini_shape)).astype(bool)
    return mini_mask


def expand_mask(bbox: np.ndarray, mini_mask: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Expand mini masks to full-size masks: the inverse of `minimize_mask`, up to resampling.

    Args:
        bbox: [instances, >=4] in pixels, inside the image.
        mini_mask: [mini height, mini width, instances].
        image_shape: (height, width, ...) in pixels.

    Returns:
        bool [height, width, instances].
    """
    mask = np.zeros((*image_shape[:2], mini_mask.shape[-1]), dtype=bool)
    for i in range(mask.shape[-1]):
        y1, x1, y2, x2 = bbox[i][:4]
        resized = resize(mini_mask[:, :, i], (y2 - y1, x2 - x1))
        mask[y1:y2, x1:x2, i] = np.around(resized).astype(bool)
    return mask


def unmold_mask(
    mask: np.ndarray,
    bbox: Sequence[int],
    image_shape: Sequence[int],
    resample: str = "exact",
) -> np.ndarray:
    """Convert a predicted mask to a full-size mask of the image.

    Args:
        mask: float [mask height, mask width], probabilities within the box.
        bbox: (y1, x1, y2, x2) in pixels, inside the image, with positive area.
        image_shape: (height, width, ...) in pixels.
        resample: see `box_mask`.

    Returns:
        bool [height, width].
    """
    full_mask = np.zeros(image_shape[:2], dtype=bool)
    paste_mask(mask, bbox, full_mask, resample)
    return full_mask


def paste_mask(
    mask: np.ndarray, bbox: Sequence[int], out: np.ndarray, resample: str = "exact"
) -> None:
    """Write a predicted mask into its box in `out`, and nothing outside the box.

    Args:
        mask, bbox, resample: as for `unmold_mask`.
        out: bool [height, width], changed in place; it may be a view of a larger array.
    """
    y1, x1, y2, x2 = bbox
    out[y1:y2, x1:x2] = box_mask(mask, (y2 - y1, x2 - x1), resample)


def box_mask(mask: np.ndarray, shape: Sequence[int], resample: str = "exact") -> np.ndarray:
    """Enlarge a predicted mask to its box and threshold it.

    The interpolation is bilinear with zeros outside the mask, so that it fades towards the box's
    border; pixels of at least `MASK_THRESHOLD` are set.

    Args:
        mask: float [mask height, mask width], probabilities.
        shape: (height, width) of the box in pixels, each above 0.
        resample: "exact" equals Matterport's masks to the bit. "fast" computes the same in
            float32, several times faster on large boxes; a pixel may differ where the
            probability is within 1e-5 of the threshold. "aligned" places the mask where RoIAlign
            sampled it, see `aligned_probabilities`: closer to the truth than Matterport's.
            "guided" is the same here; where the photograph is known, outlines then follow its edges
            (`mrcnn.inference.guided_masks`).

    Returns:
        bool [height, width].

    Raises:
        ConfigError: an unknown `resample`.
    """
    if resample == "exact":
        return resize(mask, shape) >= MASK_THRESHOLD
    if resample in ("aligned", "guided"):
        return aligned_probabilities(mask, shape) >= MASK_THRESHOLD
    if resample != "fast":
        raise ConfigError(
            "{MASK_RESAMPLE} is not valid",
            settings=("MASK_RESAMPLE",),
            expected=" or ".join(map(repr, RESAMPLES)),
            found=repr(resample),
        )
    if mask.min() >= MASK_THRESHOLD:
        # "exact" clips to the mask's range, which undoes the fading here.
        return np.ones(shape, dtype=bool)
    return box_probabilities(mask, shape) >= MASK_THRESHOLD


def box_probabilities(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Enlarge a predicted mask to its box, as the probabilities that `box_mask` thresholds.

    Args:
        mask: float [mask height, mask width], probabilities.
        shape: (height, width) of the box in pixels, each above 0.

    Returns:
        float32 [height, width], 0 to 1; bilinear, fading to 0 outside the mask.
    """
    import cv2

    height, width = (int(n) for n in shape)
    enlarged = cv2.resize(
        mask.astype(np.float32, copy=False), (width, height), interpolation=cv2.INTER_LINEAR
    )
    # OpenCV repeats the border pixels where zeros are wanted. Since each weight is the product of a
    # row weight and a column weight, scaling the outermost rows and columns corrects that.
    _fade_border(enlarged, mask.shape[0])
    _fade_border(enlarged.T, mask.shape[1])
    return enlarged


def aligned_probabilities(mask: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Enlarge a predicted mask so that its outermost values lie on the box's borders.

    RoIAlign (`crop_and_resize`) takes its first and last samples there, both from the features and
    from the target masks. Matterport pastes a mask as if its values were at the centres of a grid
    of cells over the box and everything outside were 0, so each mask comes out too small: by 8 % of
    its area where this was measured (docs/matterport_users.md).

    Args:
        mask: float [mask height, mask width], probabilities.
        shape: (height, width) of the box in pixels, each above 0.

    Returns:
        float32 [height, width], 0 to 1; bilinear.
    """
    rows, columns = (_between_ends(*sizes) for sizes in zip(shape, mask.shape, strict=True))
    return rows @ mask.astype(np.float32, copy=False) @ columns.T


def _between_ends(size, values):
    """Weights, float32 [size, values], of values spaced evenly from end to end."""
    if values == 1:
        return np.ones((size, 1), np.float32)
    position = (np.arange(size) + 0.5) * ((values - 1) / size)
    left = position.astype(np.intp)
    weights = np.zeros((size, values), np.float32)
    weights[np.arange(size), left] = left + 1 - position
    weights[np.arange(size), left + 1] = position - left
    return weights


def _fade_border(enlarged, size):
    position = (np.arange(len(enlarged)) + 0.5) * (size / len(enlarged)) - 0.5
    outside = int(np.searchsorted(position, 0.0))
    if outside:
        weights = (1.0 + position[:outside]).astype(enlarged.dtype)[:, None]
        enlarged[:outside] *= weights
        enlarged[-outside:] *= weights[::-1]


def resize_detections(
    rois: np.ndarray, masks: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Resize boxes and masks along with their image, to the size of a drawing, say.

    Args:
        rois: int [N, 4] in pixels, with positive area.
        masks: bool [H, W, N].
        height, width: the new size in pixels.

    Returns:
        int32 [N, 4], each box at least one pixel in size, and bool [height, width, N] by nearest
        neighbour: a mask thinner than a pixel may become empty.
    """
    old = masks.shape[:2]
    most = np.array([height, width] * 2)
    boxes = np.rint(rois * (most / np.array([*old, *old]))).astype(np.int32)
    boxes[:, :2] = np.minimum(boxes[:, :2], most[:2] - 1)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    new = np.zeros((masks.shape[-1], height, width), bool)
    for mask, one in zip(np.moveaxis(masks, -1, 0), new, strict=True):
        one[:] = nearest_pixels(np.ascontiguousarray(mask, bool).view(np.uint8), height, width)
    return boxes, np.moveaxis(new, 0, -1)


def nearest_pixels(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize labels, uint8 or int32 [H, W], to another size in pixels, by nearest neighbour."""
    import cv2

    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def mold_mask(
    mask: np.ndarray, config: MaskSettings, bbox: Sequence[int] | None = None
) -> np.ndarray:
    """Reduce a full-size mask to what the mask head should predict for its box.

    The inverse of `unmold_mask`, up to resampling. Matterport declares it without a body.

    Args:
        mask: bool [height, width].
        config: its MASK_SHAPE is the size of the result.
        bbox: (y1, x1, y2, x2) in pixels; None uses the mask's tight box.

    Returns:
        float32 [mask height, mask width], 0 to 1; all 0 for an empty mask.
    """
    if bbox is None:
        bbox = extract_bboxes(mask[..., None])[0]
    y1, x1, y2, x2 = bbox
    cropped = mask[y1:y2, x1:x2]
    if cropped.size == 0:
        return np.zeros(tuple(config.MASK_SHAPE), np.float32)
    return resize(cropped.astype(bool), config.MASK_SHAPE).astype(np.float32)
