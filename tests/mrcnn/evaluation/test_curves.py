import numpy as np
import pytest

from mrcnn.evaluation.coco_ap import average_precision
from mrcnn.evaluation.curves import (
    calibration,
    class_curve,
    iou_histogram,
    mean_precision,
    pooled_curve,
    rank_images,
)
from mrcnn.evaluation.matches import ImageQuality, match_dataset
from tests.mrcnn.coco_rows import random_case, results, truth

A, B, C, NOWHERE = (0, 0, 20, 20), (0, 30, 20, 50), (0, 60, 20, 80), (80, 80, 99, 99)
NAMES = ("bag", "boots", "top")


def matches_of(there, found, score=0.5):
    return match_dataset(truth([there]), results([found]), 4, score)


@pytest.mark.parametrize("seed", range(4))
def test_areas_are_cocos_average_precisions(seed):
    there, found = random_case(seed)
    figures = average_precision(there, found)["segm"]
    matches = match_dataset(there, found, 4)
    curves = [class_curve(matches, class_id, 0.5) for class_id in (1, 2, 3)]
    for name, curve in zip(NAMES, curves, strict=True):
        assert curve.ap == pytest.approx(figures["per_class"][name]["AP50"], abs=1e-9)
    assert mean_precision(curves).mean() == pytest.approx(figures["AP50"], abs=1e-9)
    strict = mean_precision([class_curve(matches, class_id, 0.75) for class_id in (1, 2, 3)])
    assert strict.mean() == pytest.approx(figures["AP75"], abs=1e-9)


def test_the_best_score_and_that_of_the_evaluation():
    found = [(1, A, 0.9), (1, B, 0.6), (1, NOWHERE, 0.4), (1, C, 0.3), (1, NOWHERE, 0.2)]
    curve = class_curve(matches_of([(1, A), (1, B), (1, C)], found), 1, 0.5)
    assert curve.best == pytest.approx((0.3, 3 / 4, 1, 6 / 7))
    assert curve.at_score == pytest.approx((0.5, 1, 2 / 3, 4 / 5))
    assert curve.precision[[0, 66, 67, 100]] == pytest.approx([1, 1, 3 / 4, 3 / 4])
    assert curve.scores[[0, 33, 34, 66, 67]] == pytest.approx([0.9, 0.9, 0.6, 0.6, 0.3])
    assert (curve.instances, curve.detections) == (3, 5)


def test_detections_of_one_score_cannot_be_parted():
    found = [(1, A, 0.8), (1, NOWHERE, 0.8)]
    assert class_curve(matches_of([(1, A)], found), 1, 0.5).best == pytest.approx(
        (0.8, 0.5, 1, 2 / 3)
    )


def test_pooled_detections_share_one_score():
    found = [(1, A, 0.9), (2, NOWHERE, 0.8), (2, B, 0.7)]
    curve = pooled_curve(matches_of([(1, A), (2, B)], found), 0.5)
    assert curve.best == pytest.approx((0.7, 2 / 3, 1, 4 / 5))
    assert (curve.instances, curve.detections) == (2, 3)


def test_curves_without_instances_or_detections():
    matches = matches_of([(1, A)], [(2, NOWHERE, 0.9)])
    unseen, invented, neither = (class_curve(matches, class_id, 0.5) for class_id in (1, 2, 3))
    assert (unseen.ap, unseen.best, unseen.at_score) == (0, None, (0.5, 0, 0, 0))
    assert (invented.ap, invented.best) == (None, None)
    assert invented.at_score == (0.5, 0, 0, 0) and invented.detections == 1
    assert (neither.ap, neither.best, neither.at_score) == (None, None, None)
    assert mean_precision([invented, neither]) is None and mean_precision([]) is None


def test_calibration():
    found = [(1, A, 0.95), (1, B, 0.91), (1, NOWHERE, 0.55), (1, C, 0.51), (3, NOWHERE, 1.0)]
    reported = calibration(matches_of([(1, A), (1, B), (1, C)], found))
    assert reported.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 3]
    assert reported.mean_scores[[5, 9]] == pytest.approx([0.53, 2.86 / 3])
    assert reported.shares_right[[5, 9]] == pytest.approx([1 / 2, 2 / 3])
    assert reported.error == pytest.approx((2 * 0.03 + 3 * (2.86 / 3 - 2 / 3)) / 5)
    assert reported.bias == pytest.approx((1.06 + 2.86 - 3) / 5)
    assert np.isnan(reported.shares_right[0])


def test_calibration_of_nothing():
    reported = calibration(matches_of([], []))
    assert (reported.error, reported.bias, reported.counts.sum()) == (None, None, 0)


def test_overlaps():
    found = [(1, A, 0.9), (1, (0, 30, 20, 38), 0.9), (2, C, 0.9)]  # IoUs 1 and .4, another class
    reported = iou_histogram(matches_of([(1, A), (1, B), (1, C)], found), bins=5)
    assert reported.counts.tolist() == [0, 0, 1, 0, 1]
    assert (reported.untouched, reported.mean_matched) == (1, 1)
    none = iou_histogram(matches_of([(1, A)], []))
    assert (none.counts.sum(), none.untouched, none.mean_matched) == (0, 1, None)


def quality(image_id, value, right=1, wrong=0):
    return ImageQuality(image_id, value, right, wrong, 0, value)


def test_ranking():
    images = [quality(0, 0.5), quality(1, None), quality(2, 0.9, 3), quality(3, 0.9, 5),
              quality(4, 0.0, wrong=1), quality(5, 0.0, wrong=7), quality(6, 0.4)]  # fmt: skip
    best, worst = rank_images(images, 2)
    assert [i.image_id for i in best] == [3, 2] and [i.image_id for i in worst] == [5, 4]
    best, worst = rank_images(images, 10)  # none twice
    assert [i.image_id for i in best] == [3, 2, 0]
    assert [i.image_id for i in worst] == [5, 4, 6]
    assert rank_images([], 3) == ([], []) == rank_images([quality(1, None)], 3)
    assert [len(side) for side in rank_images([quality(1, 1.0)], 3)] == [0, 1]
