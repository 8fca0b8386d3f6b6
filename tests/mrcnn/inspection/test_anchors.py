"""Anchors level by level, and how well they fit instances."""

import numpy as np
import pytest

from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.inspection.anchors import (
    anchor_fit,
    anchor_levels,
    best_anchor_iou,
    molded_instances,
)
from mrcnn.network.build import pyramid_anchors
from tests.mrcnn.models import tiny_config
from tests.mrcnn.tiny import ShapesDataset

SHAPE = (128, 128)


def shapes_of(boxes):
    return np.array([SHAPE] * len(boxes)).reshape(-1, 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_levels_together_are_the_networks_anchors(stride):
    config = tiny_config(RPN_ANCHOR_STRIDE=stride)
    levels = anchor_levels(config, SHAPE)
    assert [level.name for level in levels] == ["P2", "P3", "P4", "P5", "P6"]
    together = np.concatenate([level.boxes for level in levels])
    np.testing.assert_array_equal(together, pyramid_anchors(config, SHAPE))
    finest = levels[0]
    assert finest.cells == (32 // stride, 32 // stride)
    around = finest.around(64, 64)
    assert around.shape == (3, 4)
    np.testing.assert_allclose((around[:, :2] + around[:, 2:]) / 2, 64)


@pytest.mark.parametrize("stride", [1, 2])
def test_best_iou_is_that_of_all_anchors(stride):
    config = tiny_config(RPN_ANCHOR_STRIDE=stride)
    random = np.random.default_rng(0)
    corners = random.integers(0, 90, (40, 2))
    boxes = np.concatenate([corners, corners + random.integers(1, 60, (40, 2))], axis=1)
    expected = compute_overlaps(boxes, pyramid_anchors(config, SHAPE)).max(axis=1)
    found = best_anchor_iou(config, config.RPN_ANCHOR_SCALES, boxes, shapes_of(boxes))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_boxes_that_are_anchors_fit_entirely():
    config = tiny_config()
    boxes = np.array([[56, 56, 72, 72], [48, 48, 80, 80]])  # 16 and 32 around a cell's centre
    fit = anchor_fit(config, np.array([1, 2]), boxes, shapes_of(boxes))
    np.testing.assert_allclose(fit.best_iou, 1)
    assert fit.figures() == {"instances": 2, "mean": 1, "at_50": 1, "at_70": 1}
    assert fit.by_class(["BG", "a", "b", "c"])["b"]["instances"] == 1
    assert fit.by_class(["BG", "a", "b", "c"])["c"]["mean"] is None
    assert fit.better_scales is None
    assert fit.sentence().startswith("The anchors fit well: 100% of 2 instances")
    np.testing.assert_allclose(fit.sides, [16, 32])


def test_scales_that_are_too_large_are_found_out():
    config = tiny_config(RPN_ANCHOR_SCALES=(64, 128, 256, 512, 1024))
    random = np.random.default_rng(1)
    corners = random.integers(0, 100, (30, 2))
    boxes = np.concatenate([corners, corners + random.integers(8, 20, (30, 1))], axis=1)
    fit = anchor_fit(config, np.ones(30, int), boxes, shapes_of(boxes))
    sentence = fit.sentence()
    assert sentence.startswith("The anchors fit badly: 0% of 30 instances")
    assert "30 are smaller than the smallest anchor (64 pixels)" in sentence
    assert f"RPN_ANCHOR_SCALES = {fit.better_scales} would give" in sentence
    better = tiny_config(RPN_ANCHOR_SCALES=fit.better_scales)
    again = anchor_fit(better, np.ones(30, int), boxes, shapes_of(boxes))
    assert again.figures()["mean"] == pytest.approx(fit.better_mean)
    assert again.figures()["at_50"] > 0.7


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([0, 0, 128, 128], "larger than the largest anchor (32 pixels)"),
        ([60, 56, 64, 120], "narrower or wider than RPN_ANCHOR_RATIOS"),
    ],
)
def test_why_an_instance_has_no_anchor(box, reason):
    config = tiny_config(RPN_ANCHOR_SCALES=(2, 4, 8, 16, 32))
    boxes = np.array([box])
    assert reason in anchor_fit(config, np.array([1]), boxes, shapes_of(boxes)).sentence()


def test_no_instance():
    none = np.zeros((0, 4), int)
    fit = anchor_fit(tiny_config(), np.zeros(0, int), none, shapes_of(none))
    assert fit.figures()["mean"] is None
    assert fit.sentence() == "There is no instance to compare the anchors with."


def test_instances_are_taken_in_molded_pixels_without_crowds():
    class Crowded(ShapesDataset):
        def load_mask(self, image_id):
            masks, ids = super().load_mask(image_id)
            return masks, ids * [1, -1]

    dataset = Crowded(3)
    ids, boxes, shapes = molded_instances(dataset, tiny_config(), dataset.image_ids)
    assert ids.tolist() == [1, 1, 1] and boxes.shape == (3, 4)
    assert (shapes == 128).all()  # 48 x 64 pixels enlarged by 64 / 48 and padded
    widths = boxes[:, 3] - boxes[:, 1]
    assert (widths >= 17 * 64 / 48 - 1).all() and (widths <= 25 * 64 / 48 + 1).all()


def test_images_of_several_sizes_have_anchors_of_their_own():
    boxes = np.array([[56, 56, 72, 72], [56, 56, 72, 72]])
    shapes = np.array([[128, 128], [64, 64]])
    ious = best_anchor_iou(tiny_config(), (8, 16, 32, 64, 128), boxes, shapes)
    assert ious[0] == pytest.approx(1) and ious[1] < 0.9  # the small image ends before it
