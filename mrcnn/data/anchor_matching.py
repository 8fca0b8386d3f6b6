"""The region proposal network's targets: matching anchors to ground truth boxes.

An anchor is positive if it has the highest IoU with some box, or an IoU of at least 0.7 with any
box; negative if its IoU is below 0.3 with every box; otherwise neutral (Ren et al. 2015, Faster
R-CNN, section 3.1.2). Nearly all of the 262 thousand anchors of a large image touch no box, so
`AnchorIndex` visits only the anchors around each box; `build_rpn_targets` visits all of them if
they are not laid out in grids. Both give the same labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mrcnn.geometry.boxes import compute_iou

POSITIVE_IOU = 0.7
NEGATIVE_IOU = 0.3
CROWD_IOU = 0.001
# Upper bounds of IoUs are compared with a margin far above float64 rounding.
BOUND_MARGIN = 1 + 1e-6


class RpnTargetSettings(Protocol):
    """The part of a Config that `build_rpn_targets` uses."""

    @property
    def RPN_TRAIN_ANCHORS_PER_IMAGE(self) -> int:
        """Positive and negative anchors together."""

    @property
    def RPN_BBOX_STD_DEV(self) -> np.ndarray:
        """float [4], by which the deltas are divided."""


@dataclass(frozen=True)
class AnchorFamily:
    """The anchors of one pyramid level and one aspect ratio: equal boxes on a grid.

    The edges are float64 pixels: `y1` and `y2` of each grid row, `x1` and `x2` of each column.
    The anchor of row r and column c is number `first + (r * columns + c) * step`.
    """

    first: int
    step: int
    y1: np.ndarray
    y2: np.ndarray
    x1: np.ndarray
    x2: np.ndarray

    def overlaps(self, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """IoU [rows, columns] with the anchors that touch `box`, and the anchors' numbers."""
        top, left, bottom, right = box
        rows = slice(self.y2.searchsorted(top, "right"), self.y1.searchsorted(bottom, "left"))
        columns = slice(self.x2.searchsorted(left, "right"), self.x1.searchsorted(right, "left"))
        y1, y2, x1, x2 = self.y1[rows], self.y2[rows], self.x1[columns], self.x2[columns]
        height = np.minimum(bottom, y2) - np.maximum(top, y1)
        width = np.minimum(right, x2) - np.maximum(left, x1)
        intersection = np.multiply.outer(height, width)
        areas = np.multiply.outer(y2 - y1, x2 - x1)
        # Same operations in the same order as in compute_iou, for identical rounding.
        union = ((bottom - top) * (right - left) + areas) - intersection
        numbers = np.add.outer(
            self.first + np.arange(rows.start, rows.start + len(y1)) * (len(self.x1) * self.step),
            np.arange(columns.start, columns.start + len(x1)) * self.step,
        )
        return intersection / union, numbers


class AnchorIndex:
    """Finds the anchors around a box without visiting the others."""

    def __init__(self, families: list[AnchorFamily], count: int):
        self.families = families
        self.count = count
        self.heights = np.array([np.max(family.y2 - family.y1) for family in families])
        self.widths = np.array([np.max(family.x2 - family.x1) for family in families])

    @classmethod
    def build(cls, anchors: np.ndarray, feature_shapes: np.ndarray) -> "AnchorIndex | None":
        """Index `anchors` [A, 4] (pixels) laid out on grids of `feature_shapes` [levels, 2].

        The order is that of `generate_pyramid_anchors`: level, row, column, ratio. Returns None
        if the anchors are not laid out that way.
        """
        cells = [int(rows) * int(columns) for rows, columns in feature_shapes]
        if not len(anchors) or not sum(cells) or len(anchors) % sum(cells):
            return None
        per_cell = len(anchors) // sum(cells)
        families, first = [], 0
        for (rows, columns), size in zip(feature_shapes, cells, strict=True):
            level = anchors[first : first + size * per_cell]
            level = level.reshape(int(rows), int(columns), per_cell, 4)
            if size:
                if not _is_grid(level):
                    return None
                families += _families(level, first)
            first += size * per_cell
        return cls(families, len(anchors))

    def by_best_iou(self, box: np.ndarray) -> tuple[np.ndarray, list[AnchorFamily]]:
        """Upper bounds of each family's IoU with `box`, and the families, best bound first."""
        height, width = box[2] - box[0], box[3] - box[1]
        largest = np.minimum(self.heights, height) * np.minimum(self.widths, width)
        bounds = largest / (self.heights * self.widths + height * width - largest) * BOUND_MARGIN
        order = np.argsort(-bounds, kind="stable")
        return bounds[order], [self.families[i] for i in order]


def _is_grid(level: np.ndarray) -> bool:
    """Whether y depends on row and ratio only, x on column and ratio only, both ascending."""
    y, x = level[..., [0, 2]], level[..., [1, 3]]
    return bool(
        np.array_equal(y, np.broadcast_to(y[:, :1], y.shape))
        and np.array_equal(x, np.broadcast_to(x[:1], x.shape))
        and np.all(np.diff(y[:, 0], axis=0) >= 0)
        and np.all(np.diff(x[0], axis=0) >= 0)
        and np.all(level[..., 2:] - level[..., :2] >= 1)
    )


def _families(level: np.ndarray, first: int) -> list[AnchorFamily]:
    per_cell = level.shape[2]
    edges = np.ascontiguousarray(level[:, 0].transpose(1, 2, 0), dtype=np.float64)
    side_edges = np.ascontiguousarray(level[0].transpose(1, 2, 0), dtype=np.float64)
    return [
        AnchorFamily(
            first=first + ratio,
            step=per_cell,
            y1=edges[ratio, 0],
            y2=edges[ratio, 2],
            x1=side_edges[ratio, 1],
            x2=side_edges[ratio, 3],
        )
        for ratio in range(per_cell)
    ]


def build_rpn_targets(
    image_shape: Sequence[int],
    anchors: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    config: RpnTargetSettings,
    random: Any = np.random,
    index: AnchorIndex | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The labels and deltas that the region proposal network is trained to predict.

    Args:
        image_shape: not used; part of Matterport's signature.
        anchors: [A, 4] float64 pixels (y1, x1, y2, x2).
        gt_class_ids: [N] int; a negative id marks a crowd, which makes no anchor positive and
            prevents anchors that touch it from being negative.
        gt_boxes: [N, 4] int32 pixels, exclusive at y2, x2.
        config: RPN_TRAIN_ANCHORS_PER_IMAGE and RPN_BBOX_STD_DEV are used.
        random: decides which surplus anchors become neutral. The module `numpy.random` and a
            RandomState draw Matterport's numbers; a Generator draws which to keep instead of which
            to drop, which is equally random and faster.
        index: `AnchorIndex.build(anchors, ...)`, to visit only the anchors around the boxes.

    Returns:
        rpn_match: [A] int32, 1 positive, -1 negative, 0 neutral.
        rpn_bbox: [RPN_TRAIN_ANCHORS_PER_IMAGE, 4] float64 (dy, dx, log dh, log dw) divided by
            RPN_BBOX_STD_DEV; row i belongs to the i-th positive anchor, unused rows are zero.

    As in Matterport's code, a box that no anchor touches makes every anchor positive. Without
    boxes, all anchors outside crowds are negative.
    """
    is_crowd = gt_class_ids < 0
    crowd_boxes = gt_boxes[is_crowd].astype(np.float64)
    wanted = gt_class_ids > 0 if is_crowd.any() else np.ones(len(gt_class_ids), bool)
    boxes = gt_boxes[wanted].astype(np.float64)

    if index is not None and index.count == len(anchors) and _are_plain(boxes, crowd_boxes):
        match = _match_near(index, boxes, crowd_boxes)
    else:
        match = _match_all(anchors, boxes, crowd_boxes)

    total = config.RPN_TRAIN_ANCHORS_PER_IMAGE
    _neutralise_surplus(match, 1, total // 2, random)
    positives = np.flatnonzero(match == 1)
    _neutralise_surplus(match, -1, total - len(positives), random)

    rpn_bbox = np.zeros((total, 4))
    if len(positives):
        deltas = _anchor_deltas(anchors[positives], boxes) / config.RPN_BBOX_STD_DEV
        rpn_bbox[: len(positives)] = deltas
    return match.astype(np.int32), rpn_bbox


def _are_plain(*box_arrays: np.ndarray) -> bool:
    """Whether all sides are at least one pixel long, so that the IoU bounds hold."""
    return all(
        bool(np.isfinite(boxes).all() and (boxes[:, 2:] - boxes[:, :2] >= 1).all())
        for boxes in box_arrays
    )


def _match_near(index: AnchorIndex, boxes: np.ndarray, crowd_boxes: np.ndarray) -> np.ndarray:
    """Labels [A] int8 before subsampling, from the anchors around the boxes."""
    match = np.full(index.count, -1, np.int8)
    for box in crowd_boxes:
        for bound, family in zip(*index.by_best_iou(box), strict=True):
            if bound < CROWD_IOU:
                break
            iou, numbers = family.overlaps(box)
            match[numbers[iou >= CROWD_IOU]] = 0
    positives = []
    for box in boxes:
        best = 0.0
        best_numbers: list[np.ndarray] = []
        for bound, family in zip(*index.by_best_iou(box), strict=True):
            if bound < min(best, NEGATIVE_IOU):
                break
            iou, numbers = family.overlaps(box)
            match[numbers[iou >= NEGATIVE_IOU]] = 0
            positives.append(numbers[iou >= POSITIVE_IOU])
            highest = iou.max(initial=0.0)
            if highest > best:
                best, best_numbers = highest, []
            if highest == best:
                best_numbers.append(numbers[iou == best])
        if best == 0:
            match[:] = 1
            return match
        positives += best_numbers
    for numbers in positives:
        match[numbers] = 1
    return match


def _match_all(anchors: np.ndarray, boxes: np.ndarray, crowd_boxes: np.ndarray) -> np.ndarray:
    """Labels [A] int8 before subsampling, by comparing each box with every anchor."""
    anchor_areas = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
    best_iou = np.zeros(len(anchors))
    is_best = np.zeros(len(anchors), bool)
    for box in boxes:
        iou = compute_iou(box, anchors, _area(box), anchor_areas)
        is_best |= iou == iou.max(initial=0.0)
        np.maximum(best_iou, iou, out=best_iou)
    in_crowd = np.zeros(len(anchors), bool)
    for box in crowd_boxes:
        in_crowd |= compute_iou(box, anchors, _area(box), anchor_areas) >= CROWD_IOU
    match = np.zeros(len(anchors), np.int8)
    match[(best_iou < NEGATIVE_IOU) & ~in_crowd] = -1
    match[is_best | (best_iou >= POSITIVE_IOU)] = 1
    return match


def _area(box: np.ndarray) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _neutralise_surplus(match: np.ndarray, label: int, keep: int, random) -> None:
    """Set randomly chosen anchors of `label` to 0, in place, so that `keep` remain."""
    numbers = np.flatnonzero(match == label)
    surplus = len(numbers) - keep
    if surplus <= 0:
        return
    if isinstance(random, np.random.Generator):
        kept = numbers[random.choice(len(numbers), keep, replace=False, shuffle=False)]
        match *= match != label
        match[kept] = label
    else:
        match[random.choice(numbers, surplus, replace=False)] = 0


def _anchor_deltas(anchors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(dy, dx, log dh, log dw) [P, 4] from each anchor to the box it overlaps most."""
    areas = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
    overlaps = np.stack([compute_iou(box, anchors, _area(box), areas) for box in boxes], axis=1)
    matched = boxes[np.argmax(overlaps, axis=1)]
    box_sizes = matched[:, 2:] - matched[:, :2]
    sizes = anchors[:, 2:] - anchors[:, :2]
    offsets = (matched[:, :2] + 0.5 * box_sizes) - (anchors[:, :2] + 0.5 * sizes)
    return np.concatenate([offsets / sizes, np.log(box_sizes / sizes)], axis=1)
