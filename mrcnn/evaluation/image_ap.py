"""Matterport's metrics: matches and AP of one image, and the mean AP over a data set.

The mean differs from COCO's AP50 (`mrcnn.evaluation.coco_ap`). COCO ranks the detections of one
class over the whole data set and averages over classes; here detections are ranked within each
image, all classes together, and all images count equally.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mrcnn.geometry.boxes import compute_overlaps, compute_overlaps_masks


def trim_zeros(x: np.ndarray) -> np.ndarray:
    """The rows of an array [rows, columns] that are not all zero."""
    return x[~np.all(x == 0, axis=1)]


def compute_matches(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match detections to ground truth, best score first, each to the best unmatched mask.

    Of equal scores, and of equal overlaps, the later one comes first.

    Args:
        gt_boxes: [n, 4]; gt_class_ids: [n]; gt_masks: [height, width, n].
        pred_boxes: [m, 4]; pred_class_ids: [m]; pred_scores: [m];
            pred_masks: [height, width, m].
        iou_threshold: minimum mask IoU of a match.
        score_threshold: candidates with a smaller *IoU* are skipped: as in Matterport's code, it is
            compared with the overlap, not with the score.

    Returns:
        gt_match: float64 [n], for each ground truth the rank of its detection, or -1.
        pred_match: float64 [m], for each detection by descending score its ground truth, or -1.
        overlaps: [m, n], mask IoU, detections by descending score.
    """
    overlaps, pred_class_ids = _overlaps_by_score(
        gt_boxes, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks
    )
    matches = _match(overlaps, pred_class_ids, gt_class_ids, iou_threshold, score_threshold)
    return *matches, overlaps


def _overlaps_by_score(gt_boxes, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks):
    """Mask IoU [detections by descending score, ground truths], and the detections' classes."""
    gt_masks = gt_masks[..., : len(trim_zeros(gt_boxes))]
    pred_scores = pred_scores[: len(trim_zeros(pred_boxes))]
    ranks = np.argsort(pred_scores, kind="stable")[::-1]
    overlaps = compute_overlaps_masks(pred_masks, gt_masks)[ranks]
    return overlaps, np.asarray(pred_class_ids)[ranks]


def _match(overlaps, pred_class_ids, gt_class_ids, iou_threshold, score_threshold):
    pred_match = np.full(overlaps.shape[0], -1.0)
    gt_match = np.full(overlaps.shape[1], -1.0)
    for i, candidates in enumerate(overlaps):
        order = np.argsort(candidates, kind="stable")[::-1]
        too_low = np.flatnonzero(candidates[order] < score_threshold)
        if len(too_low):
            order = order[: too_low[0]]
        for j in order:
            if gt_match[j] > -1:
                continue
            if candidates[j] < iou_threshold:
                break
            if pred_class_ids[i] == gt_class_ids[j]:
                gt_match[j] = i
                pred_match[i] = j
                break
    return gt_match, pred_match


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Average precision of one image at one IoU threshold, over all classes together.

    The area under the precision-recall curve with monotone precision (PASCAL VOC 2010).

    Args:
        as for `compute_matches`.

    Returns:
        average precision (NaN for detections without any ground truth),
        precisions [m + 2], recalls [m + 2], overlaps [m, n].
    """
    gt_match, pred_match, overlaps = compute_matches(
        gt_boxes,
        gt_class_ids,
        gt_masks,
        pred_boxes,
        pred_class_ids,
        pred_scores,
        pred_masks,
        iou_threshold,
    )
    return *_precision_recall(pred_match, len(gt_match)), overlaps


def _precision_recall(pred_match, gt_count):
    found = np.cumsum(pred_match > -1)
    precisions = found / (np.arange(len(pred_match)) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls = found.astype(np.float32) / gt_count
    precisions = np.concatenate([[0], precisions, [0]])
    recalls = np.concatenate([[0], recalls, [1]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    steps = np.flatnonzero(recalls[:-1] != recalls[1:]) + 1
    average_precision = np.sum((recalls[steps] - recalls[steps - 1]) * precisions[steps])
    return average_precision, precisions, recalls


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | None = None,
    verbose: int = 1,
) -> float:
    """Mean of `compute_ap` over several IoU thresholds.

    Args:
        the first seven as for `compute_matches`.
        iou_thresholds: None: 0.5, 0.55, ... 0.95, as in COCO.
        verbose: 1 prints a line per threshold, and the mean.

    Returns:
        mean average precision of the image.
    """
    thresholds = np.arange(0.5, 1.0, 0.05) if iou_thresholds is None else iou_thresholds
    overlaps, pred_class_id = _overlaps_by_score(
        gt_box, gt_mask, pred_box, pred_class_id, pred_score, pred_mask
    )
    precisions = []
    for iou_threshold in thresholds:
        gt_match, pred_match = _match(overlaps, pred_class_id, gt_class_id, iou_threshold, 0.0)
        precision = _precision_recall(pred_match, len(gt_match))[0]
        if verbose:
            print(f"AP @{iou_threshold:.2f}:\t {precision:.3f}")
        precisions.append(precision)
    mean = np.array(precisions).mean()
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return float(mean)


def compute_recall(
    pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float
) -> tuple[float, np.ndarray]:
    """Fraction of ground truth boxes found by a predicted box, each of which finds at most one.

    Args:
        pred_boxes: [m, 4]; gt_boxes: [n, 4], in the same coordinates.
        iou: minimum box IoU for a box to be found.

    Returns:
        recall, 0 to 1 (NaN without ground truth);
        indices of the predicted boxes that find one.
    """
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    if overlaps.size == 0:
        return (0.0 if len(gt_boxes) else np.nan), np.zeros(0, dtype=np.int64)
    positive_ids = np.flatnonzero(overlaps.max(axis=1) >= iou)
    matched = np.unique(overlaps.argmax(axis=1)[positive_ids])
    return len(matched) / len(gt_boxes), positive_ids


@dataclass(frozen=True)
class ImageAveragePrecision:
    """The mean of `compute_ap` over images, and how many images it covers.

    Attributes:
        mean_image_ap: 0 to 1; -1 if no image has an instance.
        iou: minimum mask IoU of a match.
        images: number of images with instances, over which the mean is taken.
        images_without_truth: number of other images, which are left out.
        images_without_truth_but_detections: how many of those have detections. `compute_ap` is NaN
            there: every detection is wrong, but this metric does not notice.
    """

    mean_image_ap: float
    iou: float
    images: int
    images_without_truth: int
    images_without_truth_but_detections: int

    def to_dict(self) -> dict[str, float | int]:
        """All attributes by name."""
        return asdict(self)


def mean_image_average_precision(
    truth: Iterable[Mapping[str, np.ndarray]],
    found: Iterable[Mapping[str, np.ndarray]],
    iou: float = 0.5,
) -> ImageAveragePrecision:
    """Mean of Matterport's `compute_ap` over the images with instances.

    As in Matterport's `load_image_gt`, crowds and instances with empty masks are left out, so a
    detection of a crowd counts as wrong here.

    Args:
        truth: one mapping per image: `class_ids` int [N], `masks` bool [height, width, N]. A
            negative class id is a crowd.
        found: the same for the same images, plus `scores` float [N], as from `MaskRCNN.detect`.
        iou: minimum mask IoU of a match.

    Raises:
        ValueError: the numbers of results and images differ.
    """
    precisions, without_truth, wrong = [], 0, 0
    for image, result in zip(truth, found, strict=True):
        precision = _one_image(image, result, iou)
        if precision is None:
            without_truth += 1
            wrong += bool(len(result["class_ids"]))
        else:
            precisions.append(precision)
    mean = float(np.mean(precisions)) if precisions else -1.0
    return ImageAveragePrecision(mean, iou, len(precisions), without_truth, wrong)


def _one_image(image: Mapping, result: Mapping, iou: float) -> float | None:
    ids, masks = np.asarray(image["class_ids"]), np.asarray(image["masks"])
    true = (ids > 0) & masks.any(axis=(0, 1))
    if not true.any():
        return None
    # compute_ap uses boxes only to find padding rows, of which there are none here.
    true_boxes, found_boxes = (np.ones((n, 4)) for n in (true.sum(), len(result["class_ids"])))
    return compute_ap(
        true_boxes,
        ids[true],
        masks[..., true],
        found_boxes,
        np.asarray(result["class_ids"]),
        np.asarray(result["scores"]),
        np.asarray(result["masks"]),
        iou,
    )[0]
