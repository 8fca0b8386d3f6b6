"""Random scale, place and colour: what comes out, and that masks go with their image."""

import random

import numpy as np
import pytest

from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.jitter import jitter_colour, jitter_scale, without_jitter
from mrcnn.data.loader import BatchLoader
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import minimize_mask, resize_mask
from mrcnn.geometry.mini_masks import MaskCrop, crop_boxes, resized_crops
from tests.mrcnn.golden_dataset import MemoryDataset, drawn_dataset, make_config

GRADIENT = np.arange(90 * 60 * 3, dtype=np.int64).reshape(90, 60, 3).astype(np.uint8)


def scaled(factor, shape=(128, 64), seed=0, image=GRADIENT):
    return jitter_scale(image, shape, (factor, factor), random=random.Random(seed))


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.1, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_result_has_the_shape_and_its_window_holds_the_picture(factor, seed):
    image, (y1, x1, y2, x2), scale, padding, (y, x, rows, columns) = scaled(factor, seed=seed)
    assert image.shape == (128, 64, 3)
    assert scale == pytest.approx(factor * 64 / 60)
    assert (y2 - y1, x2 - x1) == (rows, columns)
    assert [top + inside + bottom for (top, bottom), inside in
            zip(padding[:2], (rows, columns), strict=True)] == [128, 64]  # fmt: skip
    assert 0 <= y <= round(90 * scale) - rows and 0 <= x <= round(60 * scale) - columns
    outside = image.copy()
    outside[y1:y2, x1:x2] = 0
    assert not outside.any()


def test_factors_are_drawn_between_the_two_and_places_differ():
    draw = random.Random(1)
    drawn = [jitter_scale(GRADIENT, (128, 64), (0.5, 2), random=draw) for _ in range(200)]
    factors = np.array([scale for _, _, scale, _, _ in drawn]) / (64 / 60)
    assert 0.5 <= factors.min() < 0.55 and 1.8 < factors.max() <= 2
    assert 0.4 < (factors < 1).mean() < 0.6  # halving is as frequent as doubling
    assert len({window for _, window, _, _, _ in drawn}) > 100


@pytest.mark.parametrize("factor", [0.4, 1.05, 2.5])
def test_masks_go_where_their_image_goes(factor):
    """A white square on black: its mask covers it, to a pixel of its border."""
    image = np.zeros((90, 60, 3), np.uint8)
    image[30:60, 20:44] = 255
    mask = image[:, :, :1] > 0
    changed, _, scale, padding, crop = scaled(factor, image=image)
    white = changed[:, :, 0] > 127
    moved = resize_mask(mask, scale, padding, crop)[:, :, 0]
    assert moved.shape == white.shape
    assert (moved != white).sum() <= 2 * (white.shape[0] + white.shape[1]) * scale
    (part,) = resized_crops([MaskCrop(mask[:, :, 0], 0, 0)], mask.shape, scale, padding, crop)
    assert crop_boxes([part]).tolist() == extract_bboxes(moved[:, :, None]).tolist()
    y1, x1, y2, x2 = extract_bboxes(moved[:, :, None])[0]
    np.testing.assert_array_equal(part.mask, moved[y1:y2, x1:x2])


def test_an_instance_that_is_cropped_away_is_left_out():
    image = np.zeros((64, 64, 3), np.uint8)
    corner = np.zeros((64, 64, 2), bool)
    corner[:4, :4, 0] = corner[-4:, -4:, 1] = True
    config = make_config(SCALE_JITTER=(4, 4))
    dataset = MemoryDataset([(image, corner, [1, 2])])
    found = load_image_gt(dataset, config, 0, random=random.Random(0))
    assert len(found[2]) < 2
    assert found[4].shape[2] == len(found[3]) == len(found[2])


def test_a_grey_picture_stays_grey_whatever_its_hue():
    grey = np.full((4, 4, 3), 120, np.uint8)
    for seed in range(5):
        changed = jitter_colour(grey, 0.5, random=random.Random(seed))
        assert changed.dtype == np.uint8 and changed.shape == grey.shape
        assert np.ptp(changed.reshape(-1, 3), axis=1).max() <= 1


def test_no_strength_changes_no_colour_and_much_changes_it():
    np.testing.assert_array_equal(jitter_colour(GRADIENT, 0, random=random.Random(0)), GRADIENT)
    changed = jitter_colour(GRADIENT, 0.4, random=random.Random(0))
    assert np.abs(changed.astype(int) - GRADIENT).mean() > 5


def test_batches_are_a_function_of_seed_and_step():
    config = make_config(SCALE_JITTER=(0.5, 2), COLOUR_JITTER=0.4, LOADER_CACHE_MB=1)
    made = []
    for workers in (0, 2):
        with BatchLoader(drawn_dataset(6), config, batch_size=2, seed=3, workers=workers) as loader:
            made.append([inputs for _, _, inputs in loader.stream(2, 5)])
    for batch, other in zip(*made, strict=True):
        for array, expected in zip(batch, other, strict=True):
            np.testing.assert_array_equal(array, expected)
    assert not np.array_equal(made[0][0][0], made[0][1][0])


def test_mini_masks_are_those_of_the_jittered_masks():
    config = make_config(SCALE_JITTER=(0.5, 2), MINI_MASK_SHAPE=(28, 28))
    full = load_image_gt(drawn_dataset(1), config, 0, random=random.Random(4))
    mini = load_image_gt(drawn_dataset(1), config, 0, use_mini_mask=True, random=random.Random(4))
    np.testing.assert_array_equal(mini[0], full[0])
    np.testing.assert_array_equal(mini[4], minimize_mask(full[3], full[4], (28, 28)))


def test_validation_sees_the_pictures_as_they_are():
    config = make_config(SCALE_JITTER=(0.5, 2), COLOUR_JITTER=0.4)
    plain = load_image_gt(drawn_dataset(1), make_config(), 0)
    validated = load_image_gt(drawn_dataset(1), without_jitter(config), 0)
    np.testing.assert_array_equal(validated[0], plain[0])
    assert config.SCALE_JITTER == (0.5, 2)
