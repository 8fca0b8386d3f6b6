import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.patches import Polygon, Rectangle

from mrcnn import visualize
from mrcnn.errors import UserError
from tests.support import REPOSITORY

NAMES = ["BG", "bag", "belt", "boots"]


@pytest.fixture(autouse=True)
def no_figure_left():
    plt.close("all")
    yield
    plt.close("all")


def picture(height=40, width=50):
    return np.full((height, width, 3), 100, np.uint8)


def instances(*boxes, height=40, width=50):
    """Boxes, masks that fill them, and class ids 1, 2, ..."""
    boxes = np.array(boxes, np.int32).reshape(-1, 4)
    masks = np.zeros((height, width, len(boxes)), bool)
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, index] = True
    return boxes, masks, np.arange(1, len(boxes) + 1)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def rectangles(ax):
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [
        (p.get_y(), p.get_x(), p.get_y() + p.get_height(), p.get_x() + p.get_width()) for p in found
    ]


def test_random_colors_are_full_hues():
    colors = visualize.random_colors(12)
    assert len(set(colors)) == 12
    assert all(min(c) == 0 and max(c) == 1 for c in colors)
    assert all(max(c) == pytest.approx(0.7) for c in visualize.random_colors(12, bright=False))
    assert visualize.random_colors(0) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float32])
def test_apply_mask_changes_the_image_in_place(dtype):
    image = np.full((2, 2, 3), 101, dtype)
    mask = np.array([[1, 0], [0, 0]])
    assert visualize.apply_mask(image, mask, (1.0, 0.0, 0.5)) is image
    # 101 / 2 + 255 / 2 = 178, 101 / 2 = 50.5, 101 / 2 + 127.5 / 2 = 114.25; whole types truncate
    expected = [178, 50.5, 114.25] if dtype == np.float32 else [178, 50, 114]
    assert image[0, 0].tolist() == expected
    assert (image[0, 1] == 101).all() and (image[1] == 101).all()


def test_display_instances_draws_boxes_captions_and_masks():
    boxes, masks, ids = instances((5, 6, 20, 30), (0, 0, 0, 0), (22, 10, 35, 40))
    colors = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    _, ax = plt.subplots()
    visualize.display_instances(
        picture(), boxes, masks, ids, NAMES, np.array([0.9, 0.8, 0.75]), "two", ax=ax, colors=colors
    )
    assert rectangles(ax) == [(5, 6, 20, 30), (22, 10, 35, 40)]  # the zero row is padding
    assert texts(ax) == ["bag 0.900", "boots 0.750"]
    assert sum(isinstance(patch, Polygon) for patch in ax.patches) == 2
    assert ax.get_title() == "two"
    drawn = ax.images[0].get_array()
    assert drawn[10, 10].tolist() == [177, 50, 50] and drawn[0, 0].tolist() == [100] * 3


@pytest.mark.parametrize(
    ("options", "rectangle_count", "tinted", "captions"),
    [
        ({}, 1, True, ["bag"]),
        ({"show_bbox": False}, 0, True, ["bag"]),
        ({"show_mask": False}, 1, False, ["bag"]),  # the outline stays
        ({"captions": ["mine"]}, 1, True, ["mine"]),
        ({"captions": [""]}, 1, True, []),
    ],
)
def test_display_instances_options(options, rectangle_count, tinted, captions):
    boxes, masks, ids = instances((5, 6, 20, 30))
    _, ax = plt.subplots()
    visualize.display_instances(picture(), boxes, masks, ids, NAMES, ax=ax, **options)
    assert len(rectangles(ax)) == rectangle_count
    assert (ax.images[0].get_array() != 100).any() == tinted
    assert texts(ax) == captions
    assert sum(isinstance(patch, Polygon) for patch in ax.patches) == 1


def test_display_instances_makes_its_own_figure(recwarn):
    boxes, masks, ids = instances((5, 6, 20, 30))
    visualize.display_instances(picture(), boxes, masks, ids, NAMES, figsize=(4, 3))
    assert plt.gcf().get_size_inches().tolist() == [4, 3]
    assert not [w for w in recwarn if "non-interactive" in str(w.message)]


def test_display_instances_without_instances(capsys):
    for masks in (np.zeros((40, 50, 0)), np.zeros((0,))):
        visualize.display_instances(picture(), np.zeros((0, 4)), masks, np.zeros(0), NAMES)
    assert "No instances to display" in capsys.readouterr().out
    assert len(plt.gca().images) == 1


def test_display_instances_refuses_numbers_that_differ():
    boxes, masks, ids = instances((5, 6, 20, 30), (1, 1, 9, 9))
    with pytest.raises(UserError, match="found 2 boxes, 1 masks"):
        visualize.display_instances(picture(), boxes, masks[..., :1], ids, NAMES)


def test_display_differences_captions_are_score_and_iou():
    gt_box, gt_mask, gt_id = instances((10, 10, 20, 20), (30, 30, 38, 38))
    # detections not in the order of their scores: one half over the first, one exact, one astray
    pred_box, pred_mask, _ = instances((10, 10, 20, 15), (30, 30, 38, 38), (0, 40, 5, 45))
    pred_id, score = np.array([1, 2, 3]), np.array([0.7, 0.9, 0.7])
    _, ax = plt.subplots()
    visualize.display_differences(
        picture(), gt_box, gt_id, gt_mask, pred_box, pred_id, score, pred_mask, NAMES, ax=ax
    )
    assert texts(ax) == ["0.90 / 1.00", "0.70 / 0.50", "0.70 / 0.00"]
    edges = [patch.get_edgecolor()[:2] for patch in ax.patches if isinstance(patch, Rectangle)]
    assert edges == [(0, 1)] * 2 + [(1, 0)] * 3  # green truth, red detections
    assert rectangles(ax)[2] == (30, 30, 38, 38)


@pytest.mark.parametrize(("gt_count", "pred_count"), [(0, 0), (0, 1), (1, 0)])
def test_display_differences_without_instances(gt_count, pred_count):
    box, mask, ids = instances((10, 10, 20, 20))
    gt = box[:gt_count], ids[:gt_count], mask[..., :gt_count]
    pred = box[:pred_count], ids[:pred_count], np.ones(pred_count), mask[..., :pred_count]
    _, ax = plt.subplots()
    visualize.display_differences(picture(), *gt, *pred, NAMES, ax=ax)
    assert texts(ax) == ["1.00 / 0.00"] * pred_count


def test_draw_rois(capsys):
    rois, _, _ = instances((5, 5, 15, 15), (10, 10, 30, 30), (0, 0, 9, 9))
    refined = rois + 2
    refined[1] = [-3, 30, 20, 70]  # beyond the image
    masks = np.ones((3, 28, 28))
    visualize.draw_rois(picture(), rois, refined, masks, np.array([1, 2, 0]), NAMES)
    ax = plt.gca()
    assert len(rectangles(ax)) == 5 and texts(ax) == ["bag", "belt"]
    drawn = (ax.images[0].get_array() != 100).any(axis=-1)
    assert drawn[7:17, 7:17].all() and drawn[0:20, 30:50].all() and not drawn[25:, :30].any()
    out = capsys.readouterr().out
    assert "Positive ROIs:  2" in out and "Negative ROIs:  1" in out and "0.67" in out


def test_draw_rois_limits_and_empty(capsys):
    rois = np.tile([2, 2, 9, 9], (30, 1))
    visualize.draw_rois(picture(), rois, rois, np.ones((30, 28, 28)), np.ones(30), NAMES, limit=4)
    assert len(rectangles(plt.gca())) == 8
    visualize.draw_rois(picture(), rois[:0], rois[:0], np.ones((0, 28, 28)), np.ones(0), NAMES)
    assert "Positive Ratio: 0.00" in capsys.readouterr().out


def test_draw_box_is_two_pixels_wide():
    image = visualize.draw_box(picture(), (10, 12, 20, 30), [1, 2, 3])
    changed = (image == [1, 2, 3]).all(axis=-1)
    assert changed[10:12, 12:30].all() and changed[20:22, 12:30].all()
    assert changed[10:20, 12:14].all() and changed[10:20, 30:32].all()
    assert changed.sum() == 2 * 2 * 18 + 2 * 2 * 10 - 4  # the top left corner is shared
    visualize.draw_box(picture(1, 1), (-4, 0, 90, 90), [1, 2, 3])


def test_display_top_masks_orders_by_area():
    _, masks, _ = instances((0, 0, 5, 5), (10, 10, 30, 30), (0, 20, 8, 30))
    visualize.display_top_masks(picture(), masks, np.array([1, 2, 1]), NAMES, limit=3)
    assert [ax.get_title() for ax in plt.gcf().axes] == ["H x W=40x50", "belt", "bag", "-"]
    visualize.display_top_masks(picture(), masks[..., :0], np.zeros(0, int), NAMES)


def test_display_images():
    images = [picture(), np.zeros((5, 5)), np.zeros((5, 5, 1), np.float32), np.ones((3, 3), bool)]
    visualize.display_images(images, titles=["a", "b", "c", "d"], cols=3)
    assert [ax.get_title() for ax in plt.gcf().axes] == ["a", "b", "c", "d"]
    visualize.display_images([])


def test_plot_precision_recall():
    visualize.plot_precision_recall(0.5, [1, 1, 0.5, 0], [0, 0.5, 1, 1])
    assert plt.gca().get_title() == "Precision-Recall Curve. AP@50 = 0.500"
    assert plt.gca().lines[0].get_xydata().tolist() == [[0, 1], [0.5, 1], [1, 0.5], [1, 0]]


def test_plot_overlaps():
    overlaps = np.array([[0.8, 0.0], [0.1, 0.6]])
    visualize.plot_overlaps(np.array([1, 2, 0]), np.array([1, 3]), [0.9, 0.8], overlaps, NAMES)
    ax = plt.gca()
    assert texts(ax) == ["0.800\nmatch", "0.000\n", "0.100\n", "0.600\nwrong"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["bag (0.90)", "boots (0.80)"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["bag", "belt"]
    visualize.plot_overlaps(np.zeros(0, int), np.zeros(0, int), [], np.zeros((0, 0)), NAMES)


def test_draw_boxes():
    boxes, masks, _ = instances((5, 5, 15, 15), (10, 10, 30, 30), (0, 0, 0, 0))
    refined = boxes + np.array([[1], [1], [0]])
    _, ax = plt.subplots()
    visualize.draw_boxes(
        picture(), boxes, refined, masks, ["one", "two", "none"], [0, 2, 1], "t", ax
    )
    assert len(rectangles(ax)) == 4 and texts(ax) == ["one", "two"]
    dotted = [patch.get_linestyle() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert dotted == ["dotted", "solid", "solid", "solid"]
    visualize.draw_boxes(picture())
    visualize.draw_boxes(picture(), refined_boxes=boxes)
    assert len(rectangles(plt.gca())) == 2


def test_display_table_prints_text_outside_a_notebook(capsys):
    visualize.display_table([["NAME", "STD"], ["conv1<b>!</b>", 0.5], ["x &lt; y"]])
    assert capsys.readouterr().out.splitlines() == ["NAME     STD", "conv1 !  0.5", "x < y"]
    visualize.display_table([])


class Variable:
    def __init__(self, name):
        self.name = name


class Dense:
    """What `display_weight_stats` needs of a layer."""

    def __init__(self, name, *values):
        self.name, self._values = name, values
        self.weights = [Variable(short) for short in ("kernel", "bias")[: len(values)]]

    def get_weights(self):
        return list(self._values)


class Conv2D(Dense):
    pass


class Model:
    def __init__(self, *layers):
        self._layers = layers

    def get_trainable_layers(self):
        return list(self._layers)


def test_display_weight_stats_marks_what_looks_wrong(capsys):
    spread = np.array([-1.0, 1.0])
    visualize.display_weight_stats(
        Model(
            Conv2D("fine", spread, np.zeros(2)),  # a bias of zeros is where training begins
            Dense("flat", np.zeros((2, 3)), spread * 2000),
            Conv2D("broken", np.array([1.0, np.nan])),
        )
    )
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["WEIGHT", "NAME", "SHAPE", "MIN", "MAX", "STD"]
    assert rows[1].split() == ["fine/kernel", "(2,)", "-1.0000", "+1.0000", "+1.0000"]
    assert "fine/bias" in rows[2] and "***" not in rows[1] + rows[2]
    assert "flat/kernel *** dead?" in rows[3] and "flat/bias *** Overflow?" in rows[4]
    assert "*** Overflow?" in rows[5]
    visualize.display_weight_stats(Model())


def test_importing_it_loads_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys, mrcnn.visualize; "
        "print([m for m in ('matplotlib', 'tensorflow', 'keras', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
