import numpy as np
import pytest

from fashion.evaluation.numbers import (
    MISSED,
    NO_SEASON,
    OTHER_GARMENT,
    season_confusion,
    split_label,
)
from fashion.stages.training_labels import ALL_LABELS

LABELS = ("bag_yaz", "top_kis", "bag_kis", "top_yaz")
MATRIX = np.array(
    [
        [0, 1, 0, 2, 0],
        [3, 10, 4, 5, 6],  # a summer bag: missed, right, top_kis, bag_kis, top_yaz
        [0, 0, 7, 0, 8],
        [0, 9, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
)


def test_counts_add_up_to_the_matrix():
    counts = season_confusion(LABELS, MATRIX)["counts"]
    assert counts == {
        "both_right": 17,
        "garment_right_season_wrong": 5 + 8 + 9,
        "season_right_garment_wrong": 6,
        "both_wrong": 4,
        "missed": 3,
        "false": 3,
    }
    assert sum(counts.values()) == MATRIX.sum()


def test_garments_whatever_the_season_and_the_reverse():
    reported = season_confusion(LABELS, MATRIX)
    assert reported["garments"] == {
        "labels": ["background", "bag", "top"],
        "matrix": [[0, 3, 0], [3, 24, 10], [0, 0, 15]],
    }
    assert reported["seasons"] == {
        "labels": ["background", "yaz", "kis"],  # in the order of the seasons
        "matrix": [[0, 1, 2], [3, 16, 9], [0, 17, 7]],
    }


def test_which_season_a_right_garment_got():
    reported = season_confusion(LABELS, MATRIX)
    assert reported["by_label"] == {
        "labels": list(LABELS),
        "columns": ["yaz", "kis", OTHER_GARMENT, MISSED],
        "matrix": [[10, 5, 10, 3], [8, 7, 0, 0], [9, 0, 0, 0], [0, 0, 0, 0]],
    }
    assert reported["pairs"] == [
        ["bag_kis", "bag_yaz", 9],
        ["top_kis", "top_yaz", 8],
        ["bag_yaz", "bag_kis", 5],
    ]


def test_labels_without_a_season_are_garments():
    reported = season_confusion(["bag_yaz", "poncho"], np.array([[0, 0, 0], [0, 1, 2], [0, 0, 4]]))
    assert split_label("poncho") == ("poncho", NO_SEASON)
    assert reported["seasons"]["labels"] == ["background", "yaz", NO_SEASON]
    assert reported["counts"]["both_right"] == 5 and reported["counts"]["both_wrong"] == 2


@pytest.mark.parametrize("labels", [[], ["bag_yaz"], ALL_LABELS])
def test_nothing_was_there(labels):
    reported = season_confusion(labels, np.zeros((len(labels) + 1,) * 2, int))
    assert set(reported["counts"].values()) == {0} and reported["pairs"] == []
    assert len(reported["by_label"]["matrix"]) == len(labels)
