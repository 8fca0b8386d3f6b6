"""Which class is mistaken for which: the confusion matrix of instance segmentation."""

from collections.abc import Iterable, Mapping

import numpy as np

from mrcnn.geometry.boxes import compute_overlaps_masks

BACKGROUND = 0


def confusion_matrix(
    truth: Iterable[Mapping[str, np.ndarray]],
    found: Iterable[Mapping[str, np.ndarray]],
    num_classes: int,
    iou: float = 0.5,
    score: float = 0.5,
) -> np.ndarray:
    """Count the instances of each true class (rows) by the class they were found as (columns).

    Each detection is matched with at most one true instance of its image by mask IoU, the greatest
    first: first within classes, so that the diagonal counts what precision and recall count, then
    the rest across classes. Row 0 counts detections that match nothing, column 0 missed instances;
    [0, 0] stays 0.

    Args:
        truth: one mapping an image: `class_ids` int [N], `masks` bool [height, width, N]. A
            negative class id is a crowd: it is not counted, nor are detections within it.
        found: the same for the same images, with `scores` float [N] besides, as
            `MaskRCNN.detect` gives them.
        num_classes: background included; class ids are 1 to `num_classes` - 1.
        iou: least mask IoU of a match.
        score: detections below it are ignored.

    Returns:
        int64 [num_classes, num_classes].

    Raises:
        ValueError: not as many results as images.
    """
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for image, result in zip(truth, found, strict=True):
        _count_image(matrix, image, result, iou, score)
    return matrix


def _count_image(matrix, image, result, iou, score) -> None:
    sure = np.asarray(result["scores"]) >= score
    found_ids = np.asarray(result["class_ids"], dtype=int)[sure]
    found_masks = np.asarray(result["masks"])[..., sure]
    ids = np.asarray(image["class_ids"], dtype=int)
    masks, crowds = image["masks"][..., ids > 0], image["masks"][..., ids < 0]
    ids = ids[ids > 0]
    pairs = match_instances(compute_overlaps_masks(masks, found_masks), ids, found_ids, iou)
    for row, column in pairs:
        matrix[ids[row], found_ids[column]] += 1
    missed = np.setdiff1d(np.arange(len(ids)), [row for row, _ in pairs])
    np.add.at(matrix, (ids[missed], BACKGROUND), 1)
    unmatched = np.setdiff1d(np.arange(len(found_ids)), [column for _, column in pairs])
    alone = [i for i in unmatched if not _within(found_masks[..., i], crowds, iou)]
    np.add.at(matrix, (BACKGROUND, found_ids[alone]), 1)


def match_instances(
    overlaps: np.ndarray, true_ids: np.ndarray, found_ids: np.ndarray, iou: float
) -> list[tuple[int, int]]:
    """Pairs (row, column) of instances that match; see `confusion_matrix`.

    overlaps: float [truth, found] IoUs. true_ids, found_ids: the classes of its rows and columns.
    """
    rows, columns = np.nonzero((overlaps >= iou) & (overlaps > 0))
    other_class = true_ids[rows] != found_ids[columns]
    free_rows, free_columns, pairs = set(rows), set(columns), []
    for index in np.lexsort((columns, rows, -overlaps[rows, columns], other_class)):
        row, column = int(rows[index]), int(columns[index])
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((row, column))
    return pairs


def _within(mask: np.ndarray, crowds: np.ndarray, share: float) -> bool:
    """Whether at least that share of the mask lies in one crowd."""
    inside = (mask[..., None] & crowds).sum(axis=(0, 1))
    return bool(inside.size) and bool(inside.max() >= max(1, share * mask.sum()))
