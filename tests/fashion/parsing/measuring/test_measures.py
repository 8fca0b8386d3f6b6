"""Accuracy, IoU, F1 and boundary F of label maps, on maps small enough to count by hand."""

import json
import math

import numpy as np
import pytest

from fashion.parsing.measuring.measures import IGNORED, ParsingMeasures, label_edges
from mrcnn.errors import DatasetError

NAMES = ("background", "bag", "belt", "boots")


def labels(*rows):
    return np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint8)


def measured(*pairs, tolerance=0.0075):
    measures = ParsingMeasures(NAMES, tolerance)
    for truth, predicted in pairs:
        measures.add(truth, predicted)
    return measures


def square(top, left, size=10, label=1, shape=(40, 30)):
    """A label map with one square."""
    found = np.zeros(shape, dtype=np.uint8)
    found[top : top + size, left : left + size] = label
    return found


def test_figures_of_a_map_of_eight_pixels():
    measures = measured((labels("0011", "0022"), labels("0010", "0122")))
    background, bag, belt, boots = measures.classes()
    assert (background.truth, background.predicted) == (4, 4)
    assert background.iou == pytest.approx(3 / 5)
    # One pixel of the bag is right, one is missed, one is too much.
    assert (bag.iou, bag.precision, bag.recall, bag.f1) == pytest.approx(
        (1 / 3, 1 / 2, 1 / 2, 1 / 2)
    )
    assert (belt.iou, belt.f1) == (1, 1)
    assert math.isnan(boots.iou) and math.isnan(boots.f1) and math.isnan(boots.boundary_f)
    overall = measures.overall()
    assert overall["pixel_accuracy"] == pytest.approx(6 / 8)
    assert overall["foreground_accuracy"] == pytest.approx(3 / 4)
    assert overall["mean_iou"] == pytest.approx((3 / 5 + 1 / 3 + 1) / 3)
    assert overall["garment_iou"] == pytest.approx((1 / 3 + 1) / 2)
    assert overall["mean_f1"] == pytest.approx((1 / 2 + 1) / 2)


def test_confusion_counts_pixels_by_truth_and_prediction():
    measures = measured((labels("0011", "0022"), labels("0010", "0122")))
    assert measures.confusion.tolist() == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]


def test_images_one_after_another_give_the_sum_of_their_counts():
    first = (labels("0011"), labels("0111"))
    second = (labels("1122"), labels("1100"))
    both = measured(first, second)
    assert both.images == 2
    one, other = measured(first), measured(second)
    assert (both.confusion == one.confusion + other.confusion).all()
    assert (both.outlines == one.outlines + other.outlines).all()
    assert both.classes()[1].iou == pytest.approx(4 / 5)


def test_a_perfect_prediction():
    truth = square(5, 5)
    overall = measured((truth, truth)).overall()
    assert set(overall.values()) == {1.0}


def test_a_class_that_is_predicted_but_not_true_is_no_part_of_the_means():
    measures = measured((labels("0011"), labels("3011")))
    assert measures.classes()[3].iou == 0
    assert measures.overall()["garment_iou"] == 1
    assert measures.overall()["mean_iou"] == pytest.approx((1 / 2 + 1) / 2)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0, 1.0),
        (1, 1.0),  # the tolerance is a pixel at least, however small the image
        (12, 0.0),  # beyond any pixel of the outline
    ],
)
def test_boundary_f_of_a_square_moved_aside(shift, expected):
    truth, moved = square(2, 2), square(2 + shift, 2)
    assert measured((truth, moved)).classes()[1].boundary_f == pytest.approx(expected)


def test_boundary_f_counts_pixels_of_both_outlines():
    truth, half = square(10, 10, 10), np.zeros((40, 30), dtype=np.uint8)
    half[10:20, 10:15] = 1
    measures = measured((truth, half))
    # Of the half's 26 pixels six in the middle of its right side are more than a pixel away from
    # the truth's 36; of those, six above, six below and eight at the left lie near the half's.
    assert measures.outlines[1].tolist() == [20, 26, 20, 36]
    precision, recall = 20 / 26, 20 / 36
    f = 2 * precision * recall / (precision + recall)
    assert measures.classes()[1].boundary_f == pytest.approx(f)


def test_the_tolerance_is_a_share_of_the_diagonal():
    truth, moved = square(100, 50, 60, shape=(400, 300)), square(105, 50, 60, shape=(400, 300))
    assert measured((truth, moved), tolerance=0.01).overall()["boundary_f"] == 1
    assert measured((truth, moved), tolerance=0.009).overall()["boundary_f"] < 1


def test_the_frame_of_the_image_is_no_outline():
    filled = np.ones((6, 6), dtype=np.uint8)
    figures = measured((filled, filled)).classes()[1]
    assert math.isnan(figures.boundary_f) and figures.iou == 1


def test_a_missed_garment_has_a_boundary_f_of_0():
    assert measured((square(5, 5), square(5, 5) * 0)).classes()[1].boundary_f == 0


def test_pixels_without_a_known_truth_count_nowhere():
    truth, predicted = labels("0011", "0011"), labels("0033", "0011")
    truth[0, 2:] = IGNORED
    measures = measured((truth, predicted))
    assert measures.confusion.sum() == 6
    assert measures.overall()["pixel_accuracy"] == 1
    assert measures.outlines[3].sum() == 0


def test_edges_touch_another_label_with_a_side():
    map_ = labels("000", "010", "000")
    everywhere = np.ones(map_.shape, dtype=bool)
    assert label_edges(map_, everywhere).astype(int).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert not label_edges(map_, map_ == 0).any()


def test_no_image_yet():
    measures = measured()
    assert all(math.isnan(value) for value in measures.overall().values())
    assert measures.as_json()["overall"]["mean_iou"] is None


def test_an_image_without_a_pixel():
    empty = np.zeros((0, 0), dtype=np.uint8)
    measures = measured((empty, empty))
    assert measures.images == 1 and measures.confusion.sum() == 0


def test_json_values_are_plain():
    values = measured((labels("0011"), labels("0010"))).as_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["classes"][1]["name"] == "bag" and values["classes"][3]["iou"] is None


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (labels("00"), labels("000"), "differ in size"),
        (labels("04"), labels("00"), "truth has an unknown label: .*found 4"),
        (labels("00"), labels("09"), "prediction has an unknown label: .*found 9"),
    ],
)
def test_maps_that_do_not_fit(truth, predicted, message):
    with pytest.raises(DatasetError, match=message):
        measured((truth, predicted))


def test_a_prediction_of_unknown_pixels_is_refused():
    with pytest.raises(DatasetError, match=r"prediction has an unknown label: .*found 255"):
        measured((labels("00"), np.full((1, 2), IGNORED, np.uint8)))


def test_label_counts_that_cannot_be():
    with pytest.raises(DatasetError, match="2 to 255"):
        ParsingMeasures(["background"])
