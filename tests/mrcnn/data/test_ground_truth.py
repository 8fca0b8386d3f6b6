"""Loading an image with its masks: measured results, cropping, flips, and what is refused."""

import random

import imgaug.augmenters
import numpy as np
import pytest

from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import DatasetError
from mrcnn.images.resizing import resize_image
from tests.mrcnn.golden_dataset import GoldenDataset, MemoryDataset, drawn_dataset, make_config
from tests.support import golden, info, unpack


@pytest.mark.parametrize("image_id", [0, 1])
@pytest.mark.parametrize("kind", ["mini", "full"])
def test_result_is_the_measured_one(image_id, kind):
    data = golden("load_image_gt")
    config = make_config(**info(data, "config_json"))
    result = load_image_gt(GoldenDataset(), config, image_id, use_mini_mask=kind == "mini")
    key = f"{image_id}_{kind}_"
    names = ("image", "meta", "class_ids", "bbox")
    for value, name in zip(result, names, strict=False):
        np.testing.assert_array_equal(value, data[key + name])
    expected_mask = unpack(data[key + "mask_packed"], data[key + "mask_shape"])
    np.testing.assert_array_equal(result[4], expected_mask)
    assert [str(value.dtype) for value in result] == data[key + "dtypes"].tolist()


def test_crop_mode_draws_as_resize_image_does_and_from_the_given_source():
    config = make_config(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=64, IMAGE_MIN_SCALE=0)
    dataset = drawn_dataset(1, size=(90, 140))
    random.seed(5)
    expected, _, _, _, crop = resize_image(dataset.load_image(0), 64, None, 0, mode="crop")
    random.seed(5)
    image, meta, _, _, masks = load_image_gt(dataset, config, 0)
    np.testing.assert_array_equal(image, expected)
    assert meta[7:11].tolist() == [0, 0, 64, 64]
    y, x = crop[:2]
    whole, _ = dataset.load_mask(0)
    kept = whole[y : y + 64, x : x + 64]
    np.testing.assert_array_equal(masks, kept[:, :, kept.any(axis=(0, 1))])
    random.seed(0)
    state = random.getstate()
    again = load_image_gt(dataset, config, 0, random=random.Random(5))
    np.testing.assert_array_equal(again[0], image)
    assert random.getstate() == state


def test_augment_flips_image_and_masks_alike_and_is_deprecated():
    dataset, config = drawn_dataset(1), make_config()
    plain = load_image_gt(dataset, config, 0)
    flipped = 0
    for seed in range(8):
        with pytest.warns(DeprecationWarning, match="augmentation"):
            image, _, _, boxes, mask = load_image_gt(
                dataset, config, 0, augment=True, random=random.Random(seed)
            )
        turned = random.Random(seed).randint(0, 1)
        flipped += turned
        step = -1 if turned else 1
        np.testing.assert_array_equal(image, plain[0][:, ::step])
        np.testing.assert_array_equal(mask, plain[4][:, ::step])
        width = image.shape[1]
        expected = plain[3].copy()
        if turned:
            expected[:, [1, 3]] = width - plain[3][:, [3, 1]]
        np.testing.assert_array_equal(boxes, expected)
    assert 0 < flipped < 8


def test_augmentation_moves_image_masks_and_boxes():
    dataset, config = drawn_dataset(1), make_config()
    plain = load_image_gt(dataset, config, 0)
    moved = load_image_gt(dataset, config, 0, augmentation=imgaug.augmenters.Flipud(1.0))
    np.testing.assert_array_equal(moved[0], plain[0][::-1])
    np.testing.assert_array_equal(moved[4], plain[4][::-1])
    assert moved[4].dtype == bool
    np.testing.assert_array_equal(moved[3][:, 0], moved[0].shape[0] - plain[3][:, 2])


def test_instances_moved_out_of_the_image_are_left_out():
    dataset, config = drawn_dataset(1), make_config()
    away = imgaug.augmenters.Affine(translate_px={"x": 1000, "y": 0})
    image, _, class_ids, boxes, mask = load_image_gt(
        dataset, config, 0, augmentation=away, use_mini_mask=True
    )
    assert not image.any()
    assert class_ids.shape == (0,) and boxes.shape == (0, 4) and mask.shape == (56, 56, 0)


def test_augmentation_that_changes_the_size_is_refused():
    shrink = imgaug.augmenters.Resize(0.5)
    with pytest.raises(DatasetError, match="keep the size"):
        load_image_gt(drawn_dataset(1), make_config(), 0, augmentation=shrink)


def test_masks_of_another_size_are_refused():
    masks = np.ones((30, 20, 1), bool)
    dataset = MemoryDataset([(np.zeros((20, 30, 3), np.uint8), masks, [1])])
    with pytest.raises(DatasetError, match="30 x 20 pixels, but their image has 20 x 30"):
        load_image_gt(dataset, make_config(), 0)


@pytest.mark.parametrize(
    "shape", [(0, 0, 0), (20, 30, 0)]
)  # Dataset's own default, and a usual one
def test_image_without_instances(shape):
    image = np.full((20, 30, 3), 7, np.uint8)
    dataset = MemoryDataset([(image, np.zeros(shape, bool), [])])
    augmenter = imgaug.augmenters.Fliplr(1.0)
    result = load_image_gt(dataset, make_config(), 0, augmentation=augmenter, use_mini_mask=True)
    assert result[0].shape == (128, 128, 3)
    assert result[2].shape == (0,) and result[3].shape == (0, 4) and result[4].shape[2] == 0


def test_one_pixel():
    dataset = MemoryDataset([(np.full((1, 1, 3), 9, np.uint8), np.ones((1, 1, 1), bool), [2])])
    image, meta, class_ids, boxes, mask = load_image_gt(dataset, make_config(), 0)
    assert image.shape == (128, 128, 3) and image.max() == 9
    assert class_ids.tolist() == [2] and boxes.shape == (1, 4)
    assert mask[64, 64, 0]
    assert meta[1:4].tolist() == [1, 1, 3]


@pytest.mark.parametrize("use_mini_mask", [True, False])
@pytest.mark.parametrize("max_dim", [64, 512, 1024])  # it is 0, 2 or 3 rows high, rounded
def test_a_strip_keeps_its_instance(use_mini_mask, max_dim):
    mask = np.zeros((10, 3000, 1), bool)
    mask[2:8, 100:2900] = True
    dataset = MemoryDataset([(np.full((10, 3000, 3), 9, np.uint8), mask, [2])])
    config = make_config(IMAGE_MIN_DIM=0, IMAGE_MAX_DIM=max_dim)
    image, _, class_ids, boxes, masks = load_image_gt(
        dataset, config, 0, use_mini_mask=use_mini_mask
    )
    assert image.shape == (max_dim, max_dim, 3)
    assert class_ids.tolist() == [2]
    assert masks.any()
    assert abs(boxes[0, 3] - boxes[0, 1] - 2800 * max_dim / 3000) <= 2
    assert (image[boxes[0, 0] : boxes[0, 2], boxes[0, 1] : boxes[0, 3]] == 9).any()
