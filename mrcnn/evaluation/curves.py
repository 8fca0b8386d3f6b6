"""The details behind an average precision: curves, calibration, overlaps, a ranking of images.

Everything is computed from `mrcnn.evaluation.matches.Matches`. A figure is None if there is no data
for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.matches import IGNORED, RIGHT, THRESHOLDS, ImageQuality, Matches

# COCO samples precision at these recalls.
RECALLS = np.linspace(0.0, 1.0, 101)
CALIBRATION_BINS = 10
IOU_BINS = 20


class OperatingPoint(NamedTuple):
    """Precision, recall and F1 of the detections with at least `score`; all from 0 to 1."""

    score: float
    precision: float
    recall: float
    f1: float


class Curve(NamedTuple):
    """Precision over recall for one class, or for all detections together.

    Attributes:
        instances, detections: how many there are, without ignored detections.
        precision: float64 [101], the maximum precision at each of `RECALLS` or beyond; 0 beyond
            the highest recall.
        scores: float64 [101], the score at which each recall is reached; 0 likewise.
        ap: the mean of `precision`, COCO's average precision at one IoU; None without instances.
        best: at the score with the highest F1; None if no detection is right.
        at_score: at the score of the evaluation; None without instances and detections.
    """

    instances: int
    detections: int
    precision: np.ndarray
    scores: np.ndarray
    ap: float | None
    best: OperatingPoint | None
    at_score: OperatingPoint | None


def class_curve(matches: Matches, class_id: int, iou: float) -> Curve:
    """The curve of one class at an IoU of `THRESHOLDS`."""
    return _curve(matches, matches.class_ids == class_id, int(matches.instances[class_id]), iou)


def pooled_curve(matches: Matches, iou: float) -> Curve:
    """The curve of all detections pooled, whatever their class: frequent classes weigh more.

    Its best score is the one to choose as a threshold for all classes.
    """
    everything = np.ones(len(matches.class_ids), dtype=bool)
    return _curve(matches, everything, int(matches.instances.sum()), iou)


def mean_precision(curves: Sequence[Curve]) -> np.ndarray | None:
    """The mean precision at `RECALLS` over the classes that have instances: float64 [101]."""
    measured = [curve.precision for curve in curves if curve.instances]
    return np.mean(measured, axis=0) if measured else None


def _curve(matches: Matches, chosen: np.ndarray, instances: int, iou: float) -> Curve:
    verdicts = matches.verdicts[:, THRESHOLDS.index(iou)]
    chosen = np.flatnonzero(chosen & (verdicts != IGNORED))
    order = chosen[np.argsort(-matches.scores[chosen], kind="stable")]
    scores = matches.scores[order]
    right = np.cumsum(verdicts[order] == RIGHT)
    precision = right / np.arange(1, len(order) + 1)
    recall = right / max(instances, 1)
    at_recalls = np.zeros((2, len(RECALLS)))
    places = np.searchsorted(recall, RECALLS, side="left")
    reached = places < len(order)
    if instances:
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        at_recalls[:, reached] = envelope[places[reached]], scores[places[reached]]
    points = _operating_points(scores, right, instances)
    return Curve(
        instances,
        len(order),
        at_recalls[0],
        at_recalls[1],
        float(at_recalls[0].mean()) if instances else None,
        _best(points),
        _at(points, matches.score, instances),
    )


def _operating_points(scores: np.ndarray, right: np.ndarray, instances: int) -> np.ndarray:
    """Float64 [thresholds, 4], as `OperatingPoint`, by descending score; one for each score."""
    counts = np.arange(1, len(scores) + 1)
    # A threshold cannot separate detections with equal scores.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    values = scores, right / counts, right / max(instances, 1), 2 * right / (counts + instances)
    return np.stack(values, axis=1)[last]


def _best(points: np.ndarray) -> OperatingPoint | None:
    if not len(points) or not points[:, 3].max():
        return None
    return OperatingPoint(*(float(value) for value in points[points[:, 3].argmax()]))


def _at(points: np.ndarray, score: float, instances: int) -> OperatingPoint | None:
    sure = points[points[:, 0] >= score]
    if len(sure):
        return OperatingPoint(score, *(float(value) for value in sure[-1, 1:]))
    # Without detections precision is undefined (0 here), and recall is 0.
    return OperatingPoint(score, 0.0, 0.0, 0.0) if instances else None


class Calibration(NamedTuple):
    """Whether scores are probabilities: how often detections with a given score are right.

    Attributes:
        edges: float64 [bins + 1], of the scores.
        counts: int64 [bins]; mean_scores, shares_right: float64 [bins], NaN in empty bins.
        error: the expected calibration error: the mean difference between a bin's score and its
            share of right detections, weighted by detections; None without detections.
        bias: the mean score minus the share of right detections: above 0, scores are overconfident.
    """

    edges: np.ndarray
    counts: np.ndarray
    mean_scores: np.ndarray
    shares_right: np.ndarray
    error: float | None
    bias: float | None


def calibration(matches: Matches, iou: float = 0.5, bins: int = CALIBRATION_BINS) -> Calibration:
    """How well the detections' scores predict that they are right, at an IoU of `THRESHOLDS`."""
    verdicts = matches.verdicts[:, THRESHOLDS.index(iou)]
    counted = verdicts != IGNORED
    scores, right = matches.scores[counted], verdicts[counted] == RIGHT
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_scores = np.bincount(places, scores, bins) / counts
        shares = np.bincount(places, right, bins) / counts
    if not len(scores):
        return Calibration(edges, counts, mean_scores, shares, None, None)
    used = counts > 0
    distances = np.abs(mean_scores - shares)[used]
    error = float(np.average(distances, weights=counts[used]))
    bias = float(scores.mean() - right.mean())
    return Calibration(edges, counts, mean_scores, shares, error, bias)


class IouHistogram(NamedTuple):
    """How accurately instances are segmented: the IoUs of `Matches.ious`.

    Attributes:
        edges: float64 [bins + 1]; counts: int64 [bins].
        untouched: number of instances that no confident detection of their class overlaps.
        mean_matched: the mean IoU of those that match; None if none do.
    """

    edges: np.ndarray
    counts: np.ndarray
    untouched: int
    mean_matched: float | None


def iou_histogram(matches: Matches, bins: int = IOU_BINS) -> IouHistogram:
    """Count the IoUs of instances with the detections of their class."""
    counts, edges = np.histogram(matches.ious, bins=bins, range=(0.0, 1.0))
    matched = matches.ious[matches.ious >= matches.iou]
    return IouHistogram(
        edges,
        counts,
        int(matches.instances.sum()) - len(matches.ious),
        float(matched.mean()) if len(matched) else None,
    )


def rank_images(
    images: Sequence[ImageQuality], count: int
) -> tuple[list[ImageQuality], list[ImageQuality]]:
    """The best and the worst images, at most `count` each, none twice.

    The first list starts with the best, ties broken by more instances; the second with the worst,
    ties broken by more mistakes. Images with neither instances nor detections are left out.
    """
    measured = [image for image in images if image.quality is not None]
    worst = sorted(measured, key=lambda i: (i.quality or 0, -i.wrong - i.missed, i.image_id))
    best = sorted(measured, key=lambda i: (-(i.quality or 0), -i.right, i.image_id))
    worst = worst[: min(count, (len(worst) + 1) // 2)]
    return [image for image in best if image not in worst][:count], worst
