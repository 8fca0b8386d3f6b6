"""Masks that follow the edges of a drawn photograph, whose outlines are known."""

import itertools

import numpy as np
import pytest

from mrcnn.geometry.masks import aligned_probabilities
from mrcnn.inference.guided_masks import guided_probabilities
from mrcnn.inference.predictor import paste_all


def disc(side, radius, centre=None):
    rows, columns = np.indices((side, side))
    y, x = centre or (side // 2, side // 2)
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def photograph(truth, inside=(170, 60, 50), outside=(90, 110, 120)):
    """A garment of one colour before a wall, both with some noise."""
    noise = np.random.default_rng(3).normal(0, 6, (*truth.shape, 3))
    flat = np.where(truth[..., None], inside, outside)
    return np.clip(flat + noise, 0, 255).astype(np.uint8)


def coarse(truth, box, cells=28):
    """What a network with so few cells can say: the share of each cell that is inside."""
    y1, x1, y2, x2 = box
    rows, columns = np.linspace(y1, y2, cells + 1), np.linspace(x1, x2, cells + 1)
    shares = [
        [truth[int(a) : int(b), int(c) : int(d)].mean() for c, d in itertools.pairwise(columns)]
        for a, b in itertools.pairwise(rows)
    ]
    return np.array(shares, np.float32)


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def guided_mask(image, box, mask):
    enlarged = aligned_probabilities(mask, (box[2] - box[0], box[3] - box[1]))
    return guided_probabilities(image, box, enlarged) >= 0.5, enlarged >= 0.5


@pytest.mark.parametrize("side", [100, 200, 700], ids=["small", "as computed", "reduced"])
def test_the_outline_moves_to_the_edge(side):
    truth = disc(side, 0.36 * side)
    box = [round(0.1 * side)] * 2 + [round(0.9 * side)] * 2
    y1, x1, y2, x2 = box
    guided, before = guided_mask(photograph(truth), box, coarse(truth, box))
    assert iou(before, truth[y1:y2, x1:x2]) < 0.94
    assert iou(guided, truth[y1:y2, x1:x2]) > 0.98


def test_without_an_edge_the_mask_stays():
    truth = disc(200, 70)
    box = [20, 20, 180, 180]
    wall = photograph(np.zeros((200, 200), bool))
    guided, before = guided_mask(wall, box, coarse(truth, box, 56))
    assert iou(guided, before) > 0.97


def test_small_masks_are_not_changed():
    probabilities = np.random.default_rng(0).random((30, 40), np.float32)
    image = photograph(disc(60, 20))
    assert guided_probabilities(image, (5, 5, 35, 45), probabilities) is probabilities


def test_a_garment_that_the_photograph_cuts_off():
    truth = disc(200, 80, centre=(200, 0))
    box = [100, 0, 200, 100]
    guided, _ = guided_mask(photograph(truth), box, coarse(truth, box))
    assert iou(guided, truth[100:, :100]) > 0.95


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_grey_levels_of_other_types(dtype):
    truth = disc(200, 70)
    image, box = photograph(truth), [20, 20, 180, 180]
    whole, _ = guided_mask(image, box, coarse(truth, box))
    others, _ = guided_mask(image.astype(dtype), box, coarse(truth, box))
    assert iou(whole, others) > 0.99


def test_an_empty_mask_stays_empty():
    image = photograph(disc(200, 70))
    found = guided_probabilities(image, (10, 10, 190, 190), np.zeros((180, 180), np.float32))
    assert found.shape == (180, 180) and found.dtype == np.float32
    assert not found.any()


def test_pasting_with_and_without_the_photograph():
    truth = disc(200, 70)
    image, box = photograph(truth), np.array([[20, 20, 180, 180]])
    masks = coarse(truth, box[0])[None]
    aligned = paste_all(masks, box, truth.shape, "aligned")
    guided = paste_all(masks, box, truth.shape, "guided", image)
    np.testing.assert_array_equal(paste_all(masks, box, truth.shape, "guided"), aligned)
    assert iou(guided[..., 0], truth) > iou(aligned[..., 0], truth) + 0.02
    assert not guided[:20].any() and not guided[:, :20].any()
    assert paste_all(masks[:0], box[:0], truth.shape, "guided", image).shape == (200, 200, 0)
