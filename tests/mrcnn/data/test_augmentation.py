"""Augmentation: masks see geometry only, copies draw from their seed, presets are named."""

import subprocess
import sys

import numpy as np
import pytest
from imgaug import augmenters

from mrcnn.data.augmentation import (
    PRESETS,
    augment_image_and_masks,
    augmentation_preset,
    seeded_augmenter,
)
from mrcnn.errors import ConfigError, DatasetError
from tests.support import REPOSITORY


def picture():
    random = np.random.RandomState(0)
    image = random.randint(0, 200, (40, 60, 3)).astype(np.uint8)
    mask = np.zeros((40, 60, 2), bool)
    mask[5:15, 10:30, 0] = True
    mask[20:35, 40:55, 1] = True
    return image, mask


@pytest.mark.parametrize(
    ("augmenter", "masks_change"),
    [
        (augmenters.Fliplr(1.0), True),
        (augmenters.Sequential([augmenters.Flipud(1.0), augmenters.Multiply(1.2)]), True),
        (augmenters.Sometimes(1.0, augmenters.Affine(rotate=10)), True),
        (augmenters.Multiply(1.2), False),  # values
        (augmenters.GaussianBlur(2.0), False),  # values, by their neighbours
        (augmenters.CoarseDropout(0.3, size_percent=0.2), False),  # holes
        (augmenters.Identity(), False),
    ],
)
def test_masks_see_geometry_only(augmenter, masks_change):
    image, mask = picture()
    _, changed = augment_image_and_masks(augmenter, image, mask)
    assert changed.dtype == bool and changed.shape == mask.shape
    assert (not np.array_equal(changed, mask)) == masks_change


def test_image_and_masks_get_the_same_change():
    _, mask = picture()
    image = np.repeat(mask[:, :, :1], 3, axis=2).astype(np.uint8) * 255
    augmenter = augmentation_preset("light")
    for seed in range(6):
        moved_image, moved = augment_image_and_masks(seeded_augmenter(augmenter, seed), image, mask)
        # Contrast lifts black, scaling greys the edge by a pixel: inside and outside must agree.
        bright = moved_image[:, :, 0] > 128
        assert np.mean(bright != moved[:, :, 0]) < 0.02
        assert moved[:, :, 0].any()


def iou(first, second):
    return np.sum(first & second) / np.sum(first | second)


@pytest.mark.parametrize(
    "augmenter",
    [
        augmenters.Affine(translate_px={"x": 30}, cval=255),
        augmenters.CropAndPad(px=(12, 0, -12, 0), pad_cval=255, keep_size=False),
        augmenters.Rot90(2),
        augmenters.Crop(percent=(0.2, 0, 0, 0.3)),
        augmenters.Rotate(25, cval=90),
        augmenters.PerspectiveTransform(scale=0.1),
        augmenters.WithColorspace("HSV", children=augmenters.Affine(rotate=40)),
        augmenters.Sometimes(1.0, augmenters.OneOf([augmenters.ShearX(20)])),
        augmenters.BlendAlpha(1.0, augmenters.Affine(translate_px={"y": 25})),
        augmenters.Jigsaw(nb_rows=2, nb_cols=2, max_steps=3),
        augmenters.ElasticTransformation(alpha=30, sigma=5),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
def test_every_augmenter_moves_masks_with_their_picture(augmenter):
    image, masks = np.zeros((120, 120, 3), np.uint8), np.zeros((120, 120, 10), bool)
    image[30:60, 40:90], masks[30:60, 40:90, 9] = (0, 0, 255), True
    masks[:20, :20, 3] = True
    image[:20, :20, 1] = 255
    for seed in range(3):
        changed, moved = augment_image_and_masks(seeded_augmenter(augmenter, seed), image, masks)
        red, green, blue = np.moveaxis(changed.astype(int), 2, 0)
        for index, seen in ((9, blue - np.maximum(red, green)), (3, green - blue)):
            if np.any(seen > 100):
                assert iou(seen > 100, moved[:, :, index]) > 0.9
        assert not moved[:, :, [0, 1, 2, 4, 5, 6, 7, 8]].any()


@pytest.mark.parametrize(
    "augmenter",
    [
        augmenters.RandAugment(n=2, m=9),
        augmenters.Sometimes(0.5, augmenters.pillike.Affine(rotate=(-20, 20))),
    ],
)
def test_an_augmenter_that_cannot_move_masks_is_refused(augmenter):
    with pytest.raises(ConfigError, match=r"cannot move masks with their picture, pillike\.Affine"):
        augment_image_and_masks(augmenter, *picture())


def test_no_mask_at_all():
    image, mask = picture()
    flip = augmenters.Fliplr(1.0)
    changed, masks = augment_image_and_masks(flip, image, mask[:, :, :0])
    np.testing.assert_array_equal(changed, image[:, ::-1])
    assert masks.shape == (40, 60, 0)


@pytest.mark.parametrize(
    "augmenter", [augmenters.Resize(0.5), augmenters.Rot90(1, keep_size=False)]
)
def test_size_must_stay(augmenter):
    with pytest.raises(DatasetError, match="keep the size"):
        augment_image_and_masks(augmenter, *picture())


def test_copies_draw_from_their_seed_and_leave_the_original_alone():
    image, mask = picture()
    augmenter = augmentation_preset("light")
    results = []
    for seed in (1, 1, 2):
        copy = seeded_augmenter(augmenter, seed)
        results.append(augment_image_and_masks(copy, image, mask)[0])
        np.random.random()  # the global state plays no part
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("name", ["scale", "strong"])
def test_masks_follow_the_pixels_of_every_preset_that_moves_them(name):
    image, mask = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120, 1), bool)
    image[25:55, 40:80], mask[25:55, 40:80] = 255, True
    for seed in range(8):
        changed, moved = augment_image_and_masks(
            seeded_augmenter(augmentation_preset(name), seed), image, mask
        )
        assert np.mean((changed[:, :, 1] > 128) != moved[:, :, 0]) < 0.02
        assert not np.array_equal(moved, mask)


def test_colour_leaves_masks_alone_but_for_the_mirror():
    image, mask = picture()
    images = []
    for seed in range(8):
        augmenter = seeded_augmenter(augmentation_preset("colour"), seed)
        changed, moved = augment_image_and_masks(augmenter, image, mask)
        assert any(np.array_equal(moved, mask[:, ::step]) for step in (1, -1))
        images.append(changed)
    assert all(np.abs(changed.astype(int) - image).mean() > 2 for changed in images)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_size(name):
    image, mask = picture()
    augmenter = augmentation_preset(name)
    if name == "none":
        assert augmenter is None
        return
    changed, masks = augment_image_and_masks(augmenter, image, mask)
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert masks.shape == mask.shape


def test_unknown_preset():
    with pytest.raises(ConfigError, match="expected none or flip or light"):
        augmentation_preset("heavy")


def test_import_is_light():
    heavy = "{'imgaug', 'tensorflow', 'skimage', 'matplotlib'}"
    code = f"import sys, mrcnn.data.augmentation; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "set()"
