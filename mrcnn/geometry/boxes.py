"""Boxes as NumPy arrays: overlap, suppression, regression deltas, normalised coordinates.

A box is [y1, x1, y2, x2]; in pixels, (y2, x2) is the first row and column outside. Normalised
boxes divide by (height - 1, width - 1) after moving (y2, x2) to the last pixel inside, so that
0..1 spans the pixel centres of the image.
"""

from collections.abc import Sequence

import numpy as np

# Pairs of boxes processed at once: few enough for their temporaries to stay in the cache.
_PAIRS_AT_ONCE = 1 << 16
# Of each mask, for the same reason.
_MASK_PIXELS_AT_ONCE = 1 << 16


def extract_bboxes(mask: np.ndarray) -> np.ndarray:
    """Tight boxes around the masks' set pixels.

    Args:
        mask: [height, width, instances], bool or 0/1.

    Returns:
        int32 [instances, 4] in pixels, (y2, x2) exclusive; all zero for an empty mask.
    """
    height, width, count = mask.shape
    if mask.size == 0:
        return np.zeros((count, 4), dtype=np.int32)
    mask = mask.astype(bool, copy=False)
    rows = _any_in_row(mask)
    columns = np.asarray(mask.any(axis=0))
    boxes = np.stack(
        [
            rows.argmax(axis=0),
            columns.argmax(axis=0),
            height - rows[::-1].argmax(axis=0),
            width - columns[::-1].argmax(axis=0),
        ],
        axis=1,
    )
    return np.where(rows.any(axis=0)[:, None], boxes, 0).astype(np.int32)


def _any_in_row(mask):
    """[height, width, instances] -> [height, instances]; ten times faster than any(axis=1)."""
    while mask.shape[1] > 1:
        half = mask.shape[1] // 2
        folded = mask[:, :half] | mask[:, half : 2 * half]
        folded[:, 0] |= mask[:, -1]
        mask = folded
    return mask[:, 0]


def compute_iou(
    box: np.ndarray, boxes: np.ndarray, box_area: float, boxes_area: np.ndarray
) -> np.ndarray:
    """Intersection over union of one box with many, given their areas.

    Args:
        box: [4]; boxes: [count, 4], in the same coordinates.
        box_area: area of `box`; boxes_area: [count], those of `boxes`.

    Returns:
        [count]; NaN where both boxes have zero area.
    """
    heights = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    widths = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    intersection = np.maximum(widths, 0) * np.maximum(heights, 0)
    with np.errstate(invalid="ignore"):
        return intersection / (box_area + boxes_area - intersection)


def compute_overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """Intersection over union of every box in one set with every box in another.

    Temporary memory does not grow with the number of boxes.

    Args:
        boxes1: [n1, 4]; boxes2: [n2, 4], in the same coordinates.

    Returns:
        float64 [n1, n2]; NaN where both boxes have zero area.
    """
    boxes1, boxes2 = _without_overflow(boxes1), _without_overflow(boxes2)
    overlaps = np.empty((len(boxes1), len(boxes2)))
    if overlaps.size == 0:
        return overlaps
    # Contiguous edges [4, n2] and areas: the inner loops run along boxes2.
    edges2 = np.ascontiguousarray(boxes2.T)
    area1, area2 = _areas(boxes1), _areas(boxes2)
    step = max(1, _PAIRS_AT_ONCE // len(boxes2))
    for start in range(0, len(boxes1), step):
        part = slice(start, start + step)
        overlaps[part] = _iou_table(boxes1[part], edges2, area1[part], area2)
    return overlaps


def _iou_table(boxes1, edges2, area1, area2):
    y1, x1, y2, x2 = (boxes1[:, k, None] for k in range(4))
    intersection = np.minimum(x2, edges2[3]) - np.maximum(x1, edges2[1])
    heights = np.minimum(y2, edges2[2]) - np.maximum(y1, edges2[0])
    np.maximum(intersection, 0, out=intersection)
    np.maximum(heights, 0, out=heights)
    intersection *= heights
    union = area1[:, None] + area2
    union -= intersection
    with np.errstate(invalid="ignore"):
        return np.divide(intersection, union, out=union)


def _areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _without_overflow(boxes):
    boxes = np.asarray(boxes)
    return boxes if boxes.dtype.kind == "f" else boxes.astype(np.float64)


def compute_overlaps_masks(masks1: np.ndarray, masks2: np.ndarray) -> np.ndarray:
    """Intersection over union of every mask in one set with every mask in another.

    Temporary memory grows with the number of masks, but not with their size.

    Args:
        masks1: [height, width, n1]; masks2: [height, width, n2]; pixels above 0.5 are set.

    Returns:
        float32 [n1, n2] (float64 if one set is empty); NaN where both masks are empty.
    """
    counts = masks1.shape[-1], masks2.shape[-1]
    if 0 in counts:
        return np.zeros(counts)
    intersections = np.zeros(counts, np.int64)
    areas1, areas2 = (np.zeros((count, 1), np.int64) for count in counts)
    rows = max(1, _MASK_PIXELS_AT_ONCE // max(1, masks1.shape[1]))
    for start in range(0, masks1.shape[0], rows):
        set1, set2 = (_set_pixels(m[start : start + rows]) for m in (masks1, masks2))
        intersections += [[np.count_nonzero(a & b) for b in set2] for a in set1]
        areas1 += [[np.count_nonzero(a)] for a in set1]
        areas2 += [[np.count_nonzero(b)] for b in set2]
    unions = (areas1 + areas2.T - intersections).astype(np.float32)
    with np.errstate(invalid="ignore"):
        return intersections.astype(np.float32) / unions


def _set_pixels(masks):
    """Masks [height, width, n] as bool [n, height * width], each mask contiguous."""
    masks = np.moveaxis(masks, -1, 0)
    masks = masks if masks.dtype == bool else masks > 0.5
    return np.ascontiguousarray(masks).reshape(len(masks), -1)


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep the boxes that do not overlap a higher-scoring one by more than `threshold`.

    Args:
        boxes: [count, 4]; scores: [count]; of equal scores the later box wins.
        threshold: maximum IoU (0 to 1) of two kept boxes.

    Returns:
        int32 indices of the kept boxes, best score first; empty for no boxes.
    """
    boxes = np.asarray(boxes)
    if boxes.dtype.kind in "iu":
        boxes = boxes.astype(np.float32)
    order = np.argsort(scores, kind="stable")[::-1]
    area = _areas(boxes) if len(boxes) else np.zeros(0)
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        iou = compute_iou(boxes[best], boxes[order], area[best], area[order])
        # "not above" rather than "at most": keeps boxes whose IoU is NaN (both have zero area).
        order = order[~(iou > threshold)]
    return np.array(kept, dtype=np.int32)


def apply_box_deltas(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Move and scale boxes by regression deltas (Faster R-CNN, section 3.1.2, inverted).

    Args:
        boxes: [count, 4] in any unit.
        deltas: [count, 4], (dy, dx, log dh, log dw): centre shift in units of the box size, log of
            the size ratio; already multiplied by the standard deviations.

    Returns:
        float32 [count, 4] in the unit of `boxes`.
    """
    boxes = np.asarray(boxes).astype(np.float32)
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + 0.5 * sizes
    # In place, so that the result stays float32 whatever the dtype of the deltas.
    centres += deltas[:, :2] * sizes
    sizes *= np.exp(deltas[:, 2:])
    corners = centres - 0.5 * sizes
    return np.concatenate([corners, corners + sizes], axis=1)


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """Regression deltas that turn each box into its ground truth (Faster R-CNN, section 3.1.2).

    Args:
        box, gt_box: [count, 4] in the same unit, with positive heights and widths.

    Returns:
        float32 [count, 4], (dy, dx, log dh, log dw), not divided by standard deviations.
    """
    box = np.asarray(box).astype(np.float32)
    gt_box = np.asarray(gt_box).astype(np.float32)
    sizes = box[:, 2:] - box[:, :2]
    gt_sizes = gt_box[:, 2:] - gt_box[:, :2]
    centres = box[:, :2] + 0.5 * sizes
    gt_centres = gt_box[:, :2] + 0.5 * gt_sizes
    return np.concatenate([(gt_centres - centres) / sizes, np.log(gt_sizes / sizes)], axis=1)


def clip_boxes(boxes: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Clip boxes to a window.

    Args:
        boxes: [count, 4]; window: (y1, x1, y2, x2) in the same coordinates.

    Returns:
        [count, 4] of the boxes' float dtype; a box outside the window becomes one of zero area on
        its border.
    """
    y1, x1, y2, x2 = window
    dtype = boxes.dtype if boxes.dtype.kind == "f" else None
    low = np.array([y1, x1, y1, x1], dtype)
    high = np.array([y2, x2, y2, x2], dtype)
    return np.maximum(np.minimum(boxes, high), low)


def norm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Convert pixel boxes to normalised boxes.

    Args:
        boxes: [count, 4] in pixels, (y2, x2) exclusive.
        shape: (height, width) of the image in pixels, each above 1.

    Returns:
        float32 [count, 4]; (y2, x2) inclusive, 1 is the last pixel.
    """
    scale, shift = _normalisation(shape)
    return np.divide(boxes - shift, scale).astype(np.float32)


def denorm_boxes(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Convert normalised boxes to whole pixels: the inverse of `norm_boxes`.

    A normalised box of zero area becomes a box of one pixel.

    Args:
        boxes: [count, 4], normalised, (y2, x2) inclusive.
        shape: (height, width) of the image in pixels.

    Returns:
        int32 [count, 4] in pixels, (y2, x2) exclusive, rounded half to even.
    """
    scale, shift = _normalisation(shape)
    return np.around(np.multiply(boxes, scale) + shift).astype(np.int32)


def _normalisation(shape):
    height, width = shape
    scale = np.array([height - 1, width - 1, height - 1, width - 1])
    return scale, np.array([0, 0, 1, 1])
