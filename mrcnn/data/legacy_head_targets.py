"""Regions of interest and the heads' targets for them, computed outside the network.

Training without the region proposal network (USE_RPN_ROIS False) uses random regions around the
ground truth; `build_detection_targets` is the NumPy counterpart of the network's target layer, for
debugging and for training the heads alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.config import Config
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import box_refinement, compute_overlaps
from mrcnn.images.resizing import resize

FOREGROUND_IOU = 0.5
# Fraction of the regions around ground truth boxes; the rest are anywhere.
SHARE_AROUND_BOXES = 0.9


def generate_random_rois(
    image_shape: Sequence[int],
    count: int,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    random: Any = np.random,
) -> np.ndarray:
    """Random regions, nine in ten of them around the ground truth boxes.

    Args:
        image_shape: (height, width, ...) in pixels.
        count: how many regions.
        gt_class_ids: not used; part of Matterport's signature.
        gt_boxes: [N, 4] pixels (y1, x1, y2, x2). Regions of a box lie within the box enlarged by
            its size on every side. Without boxes, all regions are anywhere.
        random: the module `numpy.random`, a RandomState or a Generator.

    Returns [count, 4] int32 pixels, every side at least 1. Raises DatasetError for an image with
    a side shorter than 2 pixels, which has no room for random regions.
    """
    height, width = int(image_shape[0]), int(image_shape[1])
    if height < 2 or width < 2:
        raise DatasetError(
            "the image is too small for random regions",
            expected="at least 2 x 2 pixels",
            found=f"{height} x {width}",
            advice="leave it out of the data set",
        )
    per_box = int(SHARE_AROUND_BOXES * count / len(gt_boxes)) if len(gt_boxes) else 0
    rois = []
    for y1, x1, y2, x2 in np.asarray(gt_boxes).tolist():
        rows = max(y1 - (y2 - y1), 0), min(y2 + (y2 - y1), height)
        columns = max(x1 - (x2 - x1), 0), min(x2 + (x2 - x1), width)
        if rows[1] - rows[0] < 2 or columns[1] - columns[0] < 2:
            rows, columns = (0, height), (0, width)
        rois.append(_random_boxes(rows, columns, per_box, random))
    rois.append(_random_boxes((0, height), (0, width), count - per_box * len(gt_boxes), random))
    return np.concatenate(rois).astype(np.int32)


def _random_boxes(rows, columns, count: int, random) -> np.ndarray:
    """Boxes [count, 4] with sides of at least 1 within the given ranges of rows and columns."""
    draw = getattr(random, "integers", None) or random.randint
    while True:
        # Draw twice as many as needed, since those with equal ends are dropped.
        y = draw(rows[0], rows[1], (count * 2, 2))
        x = draw(columns[0], columns[1], (count * 2, 2))
        y = np.sort(y[y[:, 0] != y[:, 1]][:count], axis=1)
        x = np.sort(x[x[:, 0] != x[:, 1]][:count], axis=1)
        if len(y) == count and len(x) == count:
            return np.stack([y[:, 0], x[:, 0], y[:, 1], x[:, 1]], axis=1)


def build_detection_targets(
    rpn_rois: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    gt_masks: np.ndarray,
    config: Config,
    random: Any = np.random,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Choose regions for the heads, and the target class, box and mask of each.

    Args:
        rpn_rois: [R, 4] int32 pixels (y1, x1, y2, x2), R at least 1.
        gt_class_ids: [N] int32; rows that are not positive are left out.
        gt_boxes: [N, 4] int32 pixels.
        gt_masks: [height, width, N] bool, or mini masks if config.USE_MINI_MASK.
        random: the module `numpy.random`, a RandomState or a Generator.

    Returns, with T = TRAIN_ROIS_PER_IMAGE:
        rois: [T, 4], foreground (IoU above 0.5) first, then background (below 0.5); background
            is repeated if there is too little.
        class_ids: [T] int32, 0 for background.
        bboxes: [T, NUM_CLASSES, 4] float32 deltas divided by BBOX_STD_DEV, at the row's class.
        masks: [T, MASK_SHAPE height, width, NUM_CLASSES] float32 from 0 to 1, at the row's class.

    Raises DatasetError if there is no instance or no region.
    """
    instances = np.flatnonzero(gt_class_ids > 0)
    if not len(instances) or not len(rpn_rois):
        raise DatasetError(
            "detection targets cannot be made",
            expected="at least one instance and one region",
            found=f"{len(instances)} and {len(rpn_rois)}",
            advice="leave images without instances out",
        )
    gt_class_ids, gt_boxes = gt_class_ids[instances], gt_boxes[instances]
    gt_masks = gt_masks[:, :, instances]

    overlaps = compute_overlaps(rpn_rois, gt_boxes)
    nearest = np.argmax(overlaps, axis=1)
    best_iou = overlaps[np.arange(len(overlaps)), nearest]
    kept, foreground_count = _choose_rois(best_iou, config, random)
    rois, nearest = rpn_rois[kept], nearest[kept]

    class_ids = gt_class_ids[nearest].astype(np.int32)
    class_ids[foreground_count:] = 0
    bboxes = np.zeros((len(kept), config.NUM_CLASSES, 4), np.float32)
    height, width = config.MASK_SHAPE[0], config.MASK_SHAPE[1]
    masks = np.zeros((len(kept), height, width, config.NUM_CLASSES), np.float32)
    rows = np.arange(foreground_count)
    if foreground_count:
        deltas = box_refinement(rois[rows], gt_boxes[nearest[rows]])
        bboxes[rows, class_ids[rows]] = deltas
        bboxes /= np.asarray(config.BBOX_STD_DEV)
    for row in rows:
        target = nearest[row]
        mask = _mask_in_roi(gt_masks[:, :, target], gt_boxes[target], rois[row], config)
        masks[row, :, :, class_ids[row]] = mask
    return rois, class_ids, bboxes, masks


def _choose_rois(best_iou: np.ndarray, config: Config, random: Any) -> tuple[np.ndarray, int]:
    """Row numbers [TRAIN_ROIS_PER_IMAGE], and how many of the first are foreground."""
    total = config.TRAIN_ROIS_PER_IMAGE
    foreground = np.flatnonzero(best_iou > FOREGROUND_IOU)
    limit = int(total * config.ROI_POSITIVE_RATIO)
    if len(foreground) > limit:
        foreground = random.choice(foreground, limit, replace=False)
    background = np.flatnonzero(best_iou < FOREGROUND_IOU)
    if not len(foreground) and not len(background):
        background = np.arange(len(best_iou))
    room = total - len(foreground)
    if len(background) > room:
        background = random.choice(background, room, replace=False)
    kept = np.concatenate([foreground, background])
    missing = total - len(kept)
    if missing > 0 and not len(background):
        # Matterport's code fails here; repeating foreground is the nearest correct choice.
        return np.concatenate([kept, random.choice(foreground, missing, replace=True)]), total
    if missing > 0:
        kept = np.concatenate([kept, random.choice(background, missing, replace=True)])
    return kept, len(foreground)


def _mask_in_roi(mask: np.ndarray, box: np.ndarray, roi: np.ndarray, config: Config) -> np.ndarray:
    """The part of a mask inside `roi`, resized to MASK_SHAPE; float, 0 outside the box."""
    if config.USE_MINI_MASK:
        y1, x1, y2, x2 = (int(edge) for edge in box)
        whole = np.zeros(tuple(config.IMAGE_SHAPE[:2]), bool)
        whole[y1:y2, x1:x2] = np.round(resize(mask, (y2 - y1, x2 - x1))).astype(bool)
        mask = whole
    y1, x1, y2, x2 = (int(edge) for edge in roi)
    return resize(mask[y1:y2, x1:x2], tuple(config.MASK_SHAPE))
