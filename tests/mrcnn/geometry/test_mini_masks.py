"""Training without full-size masks: the same boxes and mini masks as with them."""

import random

import imgaug.augmenters as augmenters
import numpy as np
import pytest

from mrcnn.data.augmentation import augmentation_preset, only_mirrors, seeded_augmenter
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import minimize_mask, resize_mask
from mrcnn.geometry.mini_masks import (
    MaskCrop,
    crop_boxes,
    flipped_crops,
    resized_crops,
    shrink_masks,
)
from tests.mrcnn.golden_dataset import MemoryDataset, drawn_items, make_config

NO_PADDING = [(0, 0), (0, 0), (0, 0)]


def crops_of(masks):
    """Crops that are larger than the masks' boxes here and there, as those of polygons are."""
    height, width = masks.shape[:2]
    crops = []
    for number, (y1, x1, y2, x2) in enumerate(extract_bboxes(masks).tolist()):
        y1, x1 = max(y1 - number, 0), max(x1 - 1, 0)
        y2, x2 = min(y2 + 1, height), min(x2 + number, width)
        crop = masks[y1:y2, x1:x2, number]
        crops.append(MaskCrop(np.asfortranarray(crop), y1, x1))
    return crops


def random_masks(rng, height, width, count=4):
    """Blobs, specks and, last, nothing."""
    masks = np.zeros((height, width, count), bool)
    for number in range(count - 1):
        (y1, y2), (x1, x2) = (sorted(rng.integers(0, size + 1, 2)) for size in (height, width))
        masks[y1:y2, x1:x2, number] = rng.random((y2 - y1, x2 - x1)) > (0.1, 0.5, 0.95)[number % 3]
    return masks


@pytest.mark.parametrize("scale", [0.3, 0.77, 1, 1.28, 1.6, 3.3])
@pytest.mark.parametrize("windowed", [False, True])
def test_resized_crops_are_the_boxes_of_resized_masks(scale, windowed):
    rng = np.random.default_rng(int(scale * 100))
    sizes = [*rng.integers(12, 90, (25, 2)).tolist(), [125, 64]]  # 125 x 1.28: a row without source
    for height, width in sizes:
        masks = random_masks(rng, height, width)
        padding, window = [(3, 4), (5, 0), (0, 0)], None
        if windowed:
            new_height, new_width = round(height * scale), round(width * scale)
            side = min(new_height, new_width, 20)
            y, x = rng.integers(0, new_height - side + 1), rng.integers(0, new_width - side + 1)
            padding, window = NO_PADDING, (int(y), int(x), side, side)
        whole = resize_mask(masks, scale, padding, window)
        boxes = extract_bboxes(whole)
        crops = resized_crops(crops_of(masks), masks.shape, scale, padding, window)
        np.testing.assert_array_equal(crop_boxes(crops), boxes)
        present = boxes[:, 2] > 0
        minis = shrink_masks([crop.mask for crop in crops if crop.mask.size], (28, 20))
        expected = minimize_mask(boxes[present], whole[:, :, present], (28, 20))
        np.testing.assert_array_equal(np.moveaxis(minis, 0, -1), expected)


@pytest.mark.parametrize("vertically", [False, True])
@pytest.mark.parametrize("horizontally", [False, True])
def test_mirrored_crops(vertically, horizontally):
    masks = random_masks(np.random.default_rng(1), 30, 40)
    crops = flipped_crops(crops_of(masks), masks.shape, vertically, horizontally)
    mirrored = masks[:: -1 if vertically else 1, :: -1 if horizontally else 1]
    for number, (mask, top, left) in enumerate(crops):
        found = np.zeros((30, 40), bool)
        found[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        np.testing.assert_array_equal(found, mirrored[:, :, number])


def test_no_crops():
    assert resized_crops([], (10, 10), 2, NO_PADDING) == []
    assert crop_boxes([]).shape == (0, 4) and crop_boxes([]).dtype == np.int32


# The loader with a data set that knows the masks' boxes


class CropDataset(MemoryDataset):
    """Hands out crops, and has full-size masks only where `may_be_full`."""

    may_be_full = False

    def load_mask(self, image_id):
        assert self.may_be_full, "full-size masks were built"
        return super().load_mask(image_id)

    def load_mask_crops(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return crops_of(masks), class_ids


def assert_equal_truth(dataset, other, config, augmenter=None, **how):
    for image_id in dataset.image_ids:
        results = []
        for one in (dataset, other):
            seeded = augmenter and seeded_augmenter(augmenter, int(image_id))
            results.append(
                load_image_gt(
                    one,
                    config,
                    image_id,
                    augmentation=seeded,
                    use_mini_mask=True,
                    random=random.Random(int(image_id)),
                    **how,
                )
            )
        for found, expected in zip(*results, strict=True):
            assert found.dtype == expected.dtype and found.shape == expected.shape
            np.testing.assert_array_equal(found, expected)


MODES = {
    "square": {},
    "pad64": {"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": 64, "IMAGE_MIN_SCALE": 1.3},
    "crop": {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 64},
    "none": {"IMAGE_RESIZE_MODE": "none"},
}


def both_datasets(count=5):
    items = drawn_items(count, size=(128, 64), instances=5)
    items[0][1][:, :, 2] = False  # an instance without a pixel
    return CropDataset(items), MemoryDataset(items)


@pytest.mark.parametrize("mode", list(MODES))
def test_truth_is_the_same_without_full_size_masks(mode):
    assert_equal_truth(*both_datasets(), make_config(**MODES[mode]))


@pytest.mark.parametrize("name", ["flip", "colour"])
def test_presets_that_only_mirror_need_no_full_size_masks(name):
    augmenter = augmentation_preset(name)
    assert only_mirrors(augmenter)
    assert_equal_truth(*both_datasets(8), make_config(), augmenter)


@pytest.mark.parametrize(
    "augmenter",
    [
        augmenters.Flipud(1.0),
        augmenters.Sequential([augmenters.Fliplr(1.0), augmenters.Flipud(1.0)]),
        augmenters.SomeOf((0, 2), [augmenters.Fliplr(0.5), augmenters.Flipud(0.5)]),
        augmenters.Sometimes(0.5, augmenters.Fliplr(1.0), augmenters.Add(20)),
        augmenters.OneOf([augmenters.Fliplr(1.0), augmenters.Multiply(0.5)]),
    ],
)
def test_mirroring_of_every_kind(augmenter):
    assert only_mirrors(augmenter)
    assert_equal_truth(*both_datasets(8), make_config(), augmenter)


def test_what_moves_pixels_otherwise_takes_full_size_masks():
    class Fliplr(augmenters.Rot90):
        """Not imgaug's own, whatever it is called."""

    for augmenter in (
        augmentation_preset("light"),
        augmenters.Sequential([augmenters.Sometimes(0.5, augmenters.Affine(rotate=5))]),
        Fliplr(2),
    ):
        assert not only_mirrors(augmenter)
        dataset, other = both_datasets()
        dataset.may_be_full = True
        assert_equal_truth(dataset, other, make_config(), augmenter)


def test_full_size_masks_where_they_are_asked_for():
    dataset, other = both_datasets(1)
    dataset.may_be_full = True
    found = load_image_gt(dataset, make_config(), 0)
    np.testing.assert_array_equal(found[4], load_image_gt(other, make_config(), 0)[4])


def test_masks_of_a_subclass_count():
    class Inverted(CropDataset):
        def load_mask(self, image_id):
            masks, class_ids = MemoryDataset.load_mask(self, image_id)
            return ~masks, class_ids

    items = drawn_items(2)
    inverted = MemoryDataset([(image, ~masks, class_ids) for image, masks, class_ids in items])
    assert Inverted(items).load_mask_crops(0) is None
    assert_equal_truth(Inverted(items), inverted, make_config())


def test_a_size_changed_by_the_augmentation_is_refused():
    shrink = augmenters.Sequential([augmenters.Fliplr(1.0), augmenters.Resize(0.5)])
    dataset, _ = both_datasets(1)
    dataset.may_be_full = True
    with pytest.raises(DatasetError, match="keep the size"):
        load_image_gt(dataset, make_config(), 0, augmentation=shrink, use_mini_mask=True)


def test_image_without_instances():
    items = [(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30, 0), bool), [])]
    assert_equal_truth(CropDataset(items), MemoryDataset(items), make_config())
