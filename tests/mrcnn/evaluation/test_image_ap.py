import numpy as np
import pytest

from mrcnn.evaluation import image_ap
from tests.support import golden

UTILS = golden("utils")
NAMES = [
    "gt_boxes",
    "gt_class_ids",
    "gt_masks",
    "pred_boxes",
    "pred_class_ids",
    "pred_scores",
    "pred_masks",
]


def case(i):
    """Ground truth and detections of a golden case, in the order of the arguments."""
    return [UTILS[f"ap{i}_{name}"] for name in NAMES]


def test_trim_zeros_golden():
    np.testing.assert_array_equal(image_ap.trim_zeros(UTILS["trim_zeros_in"]), UTILS["trim_zeros"])
    assert image_ap.trim_zeros(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("i", range(3))
def test_compute_matches_golden(i):
    gt_match, pred_match, overlaps = image_ap.compute_matches(*case(i))
    np.testing.assert_array_equal(gt_match, UTILS[f"ap{i}_gt_match"])
    np.testing.assert_array_equal(pred_match, UTILS[f"ap{i}_pred_match"])
    np.testing.assert_array_equal(overlaps, UTILS[f"ap{i}_overlaps"])
    assert gt_match.dtype == pred_match.dtype == np.float64
    assert overlaps.dtype == np.float32


@pytest.mark.parametrize("i", range(3))
def test_compute_matches_with_thresholds_golden(i):
    gt_match, pred_match, _ = image_ap.compute_matches(
        *case(i), iou_threshold=0.3, score_threshold=0.2
    )
    np.testing.assert_array_equal(gt_match, UTILS[f"ap{i}_gt_match_iou30_score20"])
    np.testing.assert_array_equal(pred_match, UTILS[f"ap{i}_pred_match_iou30_score20"])


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize("percent", [50, 75])
def test_compute_ap_golden(i, percent):
    precision, precisions, recalls, overlaps = image_ap.compute_ap(
        *case(i), iou_threshold=percent / 100
    )
    np.testing.assert_allclose(precision, UTILS[f"ap{i}_map_{percent}"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(precisions, UTILS[f"ap{i}_precisions_{percent}"])
    np.testing.assert_array_equal(recalls, UTILS[f"ap{i}_recalls_{percent}"])
    np.testing.assert_array_equal(overlaps, UTILS[f"ap{i}_overlaps"])


@pytest.mark.parametrize("i", range(3))
def test_compute_ap_range_golden(i, capsys):
    found = image_ap.compute_ap_range(*case(i))
    np.testing.assert_allclose(found, UTILS[f"ap{i}_ap_range"], rtol=0, atol=1e-12)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[0] == f"AP @0.50:\t {UTILS[f'ap{i}_map_50']:.3f}"
    assert lines[-1] == f"AP @0.50-0.95:\t {found:.3f}"


def test_compute_ap_range_of_given_thresholds_is_silent(capsys):
    found = image_ap.compute_ap_range(*case(0), iou_thresholds=[0.5, 0.75], verbose=0)
    assert found == pytest.approx((UTILS["ap0_map_50"] + UTILS["ap0_map_75"]) / 2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("i", range(3))
def test_compute_recall_golden(i):
    recall, positive_ids = image_ap.compute_recall(
        UTILS[f"ap{i}_pred_boxes"][:9], UTILS[f"ap{i}_gt_boxes"][:5], 0.5
    )
    np.testing.assert_allclose(recall, UTILS[f"ap{i}_recall50"], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(positive_ids, UTILS[f"ap{i}_recall50_positive_ids"])


def instances(*columns):
    """Boxes, class ids (all 1) and masks of instances that fill whole columns of 8 x 8."""
    boxes = np.array([[0, column, 8, column + 1] for column in columns]).reshape(-1, 4)
    masks = np.zeros((8, 8, len(columns)), dtype=bool)
    for i, column in enumerate(columns):
        masks[:, column, i] = True
    return boxes, np.ones(len(columns), int), masks


@pytest.mark.parametrize(
    ("truth", "detected", "scores", "expected"),
    [
        # everything found
        ((1, 3), (1, 3), (0.9, 0.8), 1.0),
        # a wrong detection after the right ones costs nothing
        ((1, 3), (1, 3, 5), (0.9, 0.8, 0.7), 1.0),
        # before them it does
        ((1, 3), (1, 3, 5), (0.7, 0.8, 0.9), 2 / 3),
        # the same instance twice: once is right
        ((1, 3), (1, 1), (0.9, 0.8), 0.5),
        # nothing detected
        ((1, 3), (), (), 0.0),
        # nothing there, nothing detected
        ((), (), (), 0.0),
        # something detected where nothing is
        ((), (1,), (0.9,), np.nan),
    ],
)
def test_compute_ap_of_small_cases(truth, detected, scores, expected):
    pred_boxes, pred_class_ids, pred_masks = instances(*detected)
    found = image_ap.compute_ap(
        *instances(*truth), pred_boxes, pred_class_ids, np.array(scores), pred_masks
    )[0]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_a_match_needs_the_class():
    boxes, class_ids, masks = instances(1)
    gt_match, pred_match, _ = image_ap.compute_matches(
        boxes, class_ids, masks, boxes, class_ids + 1, np.array([0.9]), masks
    )
    assert gt_match.tolist() == pred_match.tolist() == [-1]


def test_compute_recall_edges():
    boxes, none = instances(1, 3)[0], np.zeros((0, 4))
    assert image_ap.compute_recall(boxes[:1], boxes, 0.5)[0] == 0.5
    recall, positive_ids = image_ap.compute_recall(none, boxes, 0.5)
    assert recall == 0
    assert positive_ids.tolist() == []
    assert np.isnan(image_ap.compute_recall(boxes, none, 0.5)[0])
