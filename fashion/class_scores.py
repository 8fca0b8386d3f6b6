"""Evidence for each garment class at each pixel, and the labels that follow from it alone."""

from dataclasses import dataclass

import numpy as np

from fashion.detected import Detections
from mrcnn.geometry.masks import box_probabilities


@dataclass(frozen=True)
class ClassScores:
    """Evidence at each pixel of an image, for the classes that were found on it.

    Attributes:
        class_ids: int [C], ascending.
        support: float32 [C, H, W]: the greatest product of an instance's score and its mask's
            probability.
        foreground: float32 [H, W], 0 to 1: the masks' greatest probability of a garment. Scores do
            not matter here: they are about the class, not the outline.
        labels: uint8 [H, W], the pixel-level labels; 0 the background.
    """

    class_ids: np.ndarray
    support: np.ndarray
    foreground: np.ndarray
    labels: np.ndarray


def scores_of_labels(labels: np.ndarray) -> ClassScores:
    """Finished labels, uint8 [H, W], as certain evidence."""
    labels = np.asarray(labels).astype(np.uint8, copy=False)
    class_ids = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)[1:]) + 1
    support = (labels[None] == class_ids[:, None, None]).astype(np.float32)
    return ClassScores(class_ids, support, (labels > 0).astype(np.float32), labels)


def scores_of_instances(garments: Detections, on_top: frozenset[int] = frozenset()) -> ClassScores:
    """Evidence and pixel-level labels of detected garments.

    Soft masks are used where the detector gave them; otherwise a mask is certain within its pixels.
    A pixel belongs to the class of the greatest support among the masks that contain it, but
    classes of `on_top` win over all others: a belt is small beside the trousers under it.
    """
    height, width = garments.masks.shape[:2]
    class_ids = np.unique(garments.class_ids)
    support = np.zeros((len(class_ids), height, width), np.float32)
    foreground = np.zeros((height, width), np.float32)
    labels = np.zeros((height, width), np.uint8)
    best = np.zeros((height, width), np.float32)
    rows = np.searchsorted(class_ids, garments.class_ids)
    for index, row in enumerate(rows):
        box, probability = _probability(garments, index)
        weighted = probability * garments.scores[index]
        np.maximum(support[row][box], weighted, out=support[row][box])
        np.maximum(foreground[box], probability, out=foreground[box])
        class_id = int(garments.class_ids[index])
        rank = weighted + 2.0 * (class_id in on_top)
        wins = garments.masks[..., index][box] & (rank > best[box])
        labels[box][wins] = class_id
        best[box][wins] = rank[wins]
    return ClassScores(class_ids, support, foreground, labels)


def _probability(garments: Detections, index: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where an instance lies, as slices, and its probability there, float32 [h, w]."""
    mask = garments.masks[..., index]
    if garments.soft_masks is None:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return box, mask[box].astype(np.float32)
    y1, x1, y2, x2 = (int(n) for n in garments.rois[index])
    box = np.s_[y1:y2, x1:x2]
    return box, box_probabilities(garments.soft_masks[index], (y2 - y1, x2 - x1))
