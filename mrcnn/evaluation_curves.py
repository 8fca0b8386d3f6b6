"""What stands behind one average precision: curves, calibration, overlaps, the ranking of images.

All of it is computed from `mrcnn.evaluation_matches.Matches`. None stands where there is nothing
to measure by.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation_matches import IGNORED, RIGHT, THRESHOLDS, ImageQuality, Matches

# COCO reads precision at these recalls.
RECALLS = np.linspace(0.0, 1.0, 101)
CALIBRATION_BINS = 10
IOU_BINS = 20


class OperatingPoint(NamedTuple):
    """What a class gives when detections below `score` are dropped; all from 0 to 1."""

    score: float
    precision: float
    recall: float
    f1: float


class Curve(NamedTuple):
    """Precision over recall of one class, or of all detections together.

    Attributes:
        instances, detections: how many there are; detections that are ignored do not count.
        precision: float64 [101], the greatest that is reached at `RECALLS` or beyond; 0 from where
            none is reached.
        scores: float64 [101], the score at which each recall is reached; 0 likewise.
        ap: the mean of `precision`, COCO's average precision at one IoU; None without instances.
        best: the score with the greatest F1; None where no detection is right.
        at_score: what the score of the evaluation gives; None without instances and detections.
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
    """The curve of all detections in one list, whatever their class: frequent classes weigh more.

    Its best score is the one to take where all classes share one.
    """
    everything = np.ones(len(matches.class_ids), dtype=bool)
    return _curve(matches, everything, int(matches.instances.sum()), iou)


def mean_precision(curves: Sequence[Curve]) -> np.ndarray | None:
    """The mean precision at `RECALLS` of the classes that have instances: float64 [101]."""
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
        *at_recalls,
        float(at_recalls[0].mean()) if instances else None,
        _best(points),
        _at(points, matches.score, instances),
    )


def _operating_points(scores: np.ndarray, right: np.ndarray, instances: int) -> np.ndarray:
    """Float64 [thresholds, 4], as `OperatingPoint`, by falling score; one for each score."""
    counts = np.arange(1, len(scores) + 1)
    # A threshold cannot part detections of one score.
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
    # Nothing said, nothing wrong: there is no precision to tell, but there is a recall of 0.
    return OperatingPoint(score, 0.0, 0.0, 0.0) if instances else None


class Calibration(NamedTuple):
    """Whether scores can be taken at their word: how often detections of a score are right.

    Attributes:
        edges: float64 [bins + 1], of the scores.
        counts: int64 [bins]; mean_scores, shares_right: float64 [bins], NaN in empty bins.
        error: the expected calibration error, the mean distance of a bin's score from its share of
            right ones, weighted by detections; None without detections.
        bias: the mean score less the share of right ones: above 0 the scores promise too much.
    """

    edges: np.ndarray
    counts: np.ndarray
    mean_scores: np.ndarray
    shares_right: np.ndarray
    error: float | None
    bias: float | None


def calibration(matches: Matches, iou: float = 0.5, bins: int = CALIBRATION_BINS) -> Calibration:
    """The scores of all detections against their being right at an IoU of `THRESHOLDS`."""
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
    """How exactly instances are outlined: the IoUs of `Matches.ious`.

    Attributes:
        edges: float64 [bins + 1]; counts: int64 [bins].
        untouched: instances that no sure detection of their class overlaps with.
        mean_matched: of those that match; None without any.
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

    The best first, of equals those with more instances; the worst first, of equals those with more
    mistakes. Images on which there was nothing to find and nothing was found are left out.
    """
    measured = [image for image in images if image.quality is not None]
    worst = sorted(measured, key=lambda i: (i.quality, -i.wrong - i.missed, i.image_id))
    best = sorted(measured, key=lambda i: (-i.quality, -i.right, i.image_id))
    worst = worst[: min(count, (len(worst) + 1) // 2)]
    return [image for image in best if image not in worst][:count], worst
