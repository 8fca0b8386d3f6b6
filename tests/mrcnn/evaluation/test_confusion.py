import numpy as np
import pytest

from mrcnn.evaluation.matches import confusion_matrix, match_instances

SIZE = (20, 40)


def masks(*boxes):
    """Bool masks [20, 40, N] of boxes (y1, x1, y2, x2)."""
    stack = np.zeros((*SIZE, len(boxes)), dtype=bool)
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        stack[y1:y2, x1:x2, index] = True
    return stack


def truth(*instances):
    """One image's truth of pairs (class id, box)."""
    ids = np.array([class_id for class_id, _ in instances], dtype=np.int32)
    return {"class_ids": ids, "masks": masks(*(box for _, box in instances))}


def found(*instances):
    """One image's detections of triples (class id, box, score)."""
    scores = np.array([score for *_, score in instances], dtype=np.float32)
    return {**truth(*((c, b) for c, b, _ in instances)), "scores": scores}


LEFT, MIDDLE, RIGHT = (0, 0, 10, 10), (0, 14, 10, 24), (0, 28, 10, 38)


def test_right_wrong_missed_and_invented():
    image = truth((1, LEFT), (2, MIDDLE), (2, RIGHT))
    result = found((1, LEFT, 0.9), (1, MIDDLE, 0.9), (3, (12, 0, 20, 8), 0.9))
    matrix = confusion_matrix([image], [result], 4)
    assert matrix.tolist() == [
        [0, 0, 0, 1],  # a 3 where nothing is
        [0, 1, 0, 0],
        [1, 1, 0, 0],  # one 2 missed, one taken for a 1
        [0, 0, 0, 0],
    ]


def test_images_add_up_and_do_not_mix():
    images = [truth((1, LEFT)), truth((1, RIGHT))]
    results = [found((1, RIGHT, 0.9)), found((1, RIGHT, 0.9))]
    assert confusion_matrix(images, results, 2).tolist() == [[0, 1], [1, 1]]


def test_the_own_class_goes_before_a_greater_overlap():
    """So the diagonal is what recall counts, also where two classes were found for one garment."""
    a_little_off = (0, 0, 10, 9)
    result = found((2, LEFT, 0.99), (1, a_little_off, 0.6))
    assert confusion_matrix([truth((1, LEFT))], [result], 3).tolist() == [
        [0, 0, 1],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_each_instance_matches_once():
    twice = found((1, LEFT, 0.9), (1, LEFT, 0.8))
    assert confusion_matrix([truth((1, LEFT))], [twice], 2).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("iou", "score", "expected"),
    [
        (0.5, 0.5, [[0, 0], [0, 1]]),
        (0.51, 0.5, [[0, 1], [1, 0]]),  # they overlap by half
        (0.5, 0.71, [[0, 0], [1, 0]]),  # too uncertain: as if it were not there
    ],
)
def test_thresholds(iou, score, expected):
    half = (0, 0, 5, 10)
    matrix = confusion_matrix([truth((1, LEFT))], [found((1, half, 0.7))], 2, iou, score)
    assert matrix.tolist() == expected


def test_a_crowd_is_neither_missed_nor_are_detections_in_it_wrong():
    image = truth((-1, (0, 0, 20, 20)), (1, RIGHT))
    result = found((1, (2, 2, 9, 9), 0.9), (1, (0, 21, 5, 27), 0.9))
    assert confusion_matrix([image], [result], 2).tolist() == [[0, 1], [1, 0]]


def test_nothing():
    assert confusion_matrix([], [], 3).tolist() == [[0] * 3] * 3
    assert confusion_matrix([truth()], [found()], 2).sum() == 0
    assert confusion_matrix([truth((1, LEFT))], [found()], 2).tolist() == [[0, 0], [1, 0]]
    assert confusion_matrix([truth()], [found((1, LEFT, 0.9))], 2).tolist() == [[0, 1], [0, 0]]


def test_empty_masks_never_match():
    nothing = (0, 0, 0, 0)
    matrix = confusion_matrix([truth((1, nothing))], [found((1, nothing, 0.9))], 2, iou=0.0)
    assert matrix.tolist() == [[0, 1], [1, 0]]


def test_as_many_results_as_images():
    with pytest.raises(ValueError):
        confusion_matrix([truth()], [], 2)


def test_the_greatest_overlap_goes_first():
    overlaps = np.array([[0.6, 0.9], [0.0, 0.7]])
    ids = np.array([1, 1])
    # Row 0 takes column 1, so that row 1 is left with column 0, which it does not touch.
    assert match_instances(overlaps, ids, ids, 0.5) == [(0, 1)]
