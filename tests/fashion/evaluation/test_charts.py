"""Charts say what their numbers say, and letters stay apart whatever the number of classes."""

import itertools

import numpy as np
import pytest

from fashion.evaluation.charts import (
    calibration_chart,
    class_bars_chart,
    class_curves_chart,
    confusion_chart,
    iou_chart,
    precision_recall_chart,
    season_chart,
    season_name,
)
from fashion.evaluation.numbers import season_confusion
from mrcnn.evaluation.curves import calibration, class_curve, iou_histogram
from mrcnn.evaluation.matches import match_dataset
from tests.mrcnn.coco_rows import random_case, truth


def curves_of(classes, there, found, iou=0.5):
    matches = match_dataset(there, found, classes + 1)
    return [class_curve(matches, class_id, iou) for class_id in range(1, classes + 1)]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def overlapping(labels, figure):
    """Whether any two of these texts, which are in their order, cover each other."""
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_every_class_has_its_line_and_its_average_precision():
    curves = curves_of(3, *random_case(1))
    figure = precision_recall_chart(["bag", "boots", "top"], curves, {"bag": "#112233"}, 0.5)
    lines = figure.axes[0].get_lines()
    assert len(lines) == 4 and lines[0].get_color() == "#112233"
    (legend,) = figure.legends
    reported = [text.get_text() for text in legend.get_texts()]
    assert reported[0] == f"bag {curves[0].ap:.2f}" and reported[-1].startswith("mean ")


def test_many_classes_are_grey_lines():
    names = [f"class {number}" for number in range(1, 51)]
    curves = curves_of(50, *random_case(1, images=80, classes=50))
    figure = precision_recall_chart(names, curves, {}, 0.5)
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 1 and len(figure.axes[0].get_lines()) > 40


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_panel_for_each_class(count):
    there, found = random_case(2, classes=3)
    curves = {iou: curves_of(count, there, found, iou) if count > 2 else
              curves_of(3, there, found, iou)[:count] for iou in (0.5, 0.75)}  # fmt: skip
    figure = class_curves_chart([f"class {number}" for number in range(count)], curves)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert sum(bool(title) for title in titles) == count
    assert titles[0] == f"class 0\nAP {curves[0.5][0].ap:.2f}, {curves[0.75][0].ap:.2f}"
    assert texts(figure).count("none there") == max(count - 3, 0)


@pytest.mark.parametrize("count", [0, 3, 50])
def test_bars_come_best_first_and_letters_stay_apart(count):
    per_class = {f"class {n}": {"AP": n / 100, "AP50": n / 50} for n in range(count)}
    if count:
        per_class["never"] = {"AP": -1, "AP50": -1}
    figures = {"segm": {"per_class": per_class}, "bbox": {"per_class": per_class}}
    figure = class_bars_chart(figures, {"class 1": 7})
    labels = figure.axes[0].get_yticklabels()
    if not count:
        assert texts(figure) == ["no class"]
        return
    reported = [label.get_text() for label in labels]
    assert reported[0] == f"class {count - 1} (0)" and reported[-3:] == [
        "class 1 (7)",
        "class 0 (0)",
        "never (0)",
    ]
    assert texts(figure) == ["none there"] and not overlapping(labels, figure)


@pytest.mark.parametrize("count", [2, 50])
def test_a_matrix_has_its_counts_and_letters_apart(count):
    names = [f"class {number}" for number in range(count)]
    matrix = np.eye(count + 1, dtype=int) * 12345
    matrix[0, 0], matrix[1, 0], matrix[0, 2] = 0, 3, 4
    figure = confusion_chart(["background", *names], matrix)
    axes = figure.axes[0]
    assert sorted(texts(figure)) == sorted([*["12345"] * count, "3", "4"])
    assert [label.get_text() for label in axes.get_xticklabels()] == [*names, "missed"]
    assert not overlapping(axes.get_xticklabels(), figure)
    assert not overlapping(axes.get_yticklabels(), figure)
    place = {text.get_text(): text.get_position() for text in axes.texts}
    assert place["3"] == (count, 0) and place["4"] == (1, count)  # a miss, and a false one


def test_classes_that_never_occur_are_left_out_of_the_matrix():
    figure = confusion_chart(["background", "never", "bag"], [[0, 0, 0], [0, 0, 0], [0, 0, 5]])
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["bag", "nothing there"]


def test_seasons_stand_in_lines_by_garment():
    matrix = np.array([[0, 0, 0, 0], [1, 2, 0, 3], [0, 0, 4, 0], [0, 0, 0, 5]])
    reported = season_confusion(["top_kis", "bag_yaz", "top_ilkb"], matrix)
    axes = season_chart(reported["by_label"]).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["bag_yaz", "top_ilkb", "top_kis"]
    columns = [t.get_text() for t in axes.get_xticklabels()]
    assert columns == ["ilkb, spring", "yaz, summer", "kis, winter", "another garment", "missed"]
    place = {text.get_text(): text.get_position() for text in axes.texts}
    assert place["3"] == (0, 2)  # a winter top labelled as one for spring
    assert season_name("missed") == "missed"


def test_charts_of_nothing_say_so():
    matches = match_dataset(truth([]), [], 2)
    curves = [class_curve(matches, 1, 0.5)]
    assert texts(calibration_chart(calibration(matches))) == ["nothing was found"]
    assert texts(iou_chart(iou_histogram(matches), 0.5)) == ["no instance was touched"]
    assert texts(precision_recall_chart(["bag"], curves, {}, 0.5)) == [
        "there is nothing to be found"
    ]
    assert texts(class_curves_chart(["bag"], {0.5: curves, 0.75: curves})) == ["none there"]
    reported = season_confusion(["bag_yaz"], np.zeros((2, 2), int))
    for figure in (season_chart(reported["by_label"]), confusion_chart(["background"], [[0]])):
        assert texts(figure) == ["nothing was there"]
        figure.draw_without_rendering()
