"""Pictures of other numbers than uint8: the same levels, or a sentence."""

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import ConfigError, DatasetError
from mrcnn.images.molding import grey_levels
from mrcnn.inference.predictor import Predictor, mold_one
from tests.mrcnn.golden_dataset import drawn_dataset, make_config

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)


def config_with(**values):
    return type("C", (Config,), {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, **values})()


@pytest.mark.parametrize(
    "image",
    [PICTURE, PICTURE / 255, (PICTURE / 255).astype(np.float32), PICTURE.astype(np.int64)],
    ids=lambda image: str(image.dtype),
)
def test_levels_of_every_kind_are_molded_alike(image):
    config = config_with()
    np.testing.assert_allclose(
        mold_one(image, config).image, mold_one(PICTURE, config).image, atol=1
    )
    assert grey_levels(PICTURE, config) is PICTURE


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (PICTURE.astype(np.uint16) * 257, "uint16 from"),
        (PICTURE.astype(np.float32) - 128, "float32 from -128"),
        (PICTURE.astype(np.int32) * 2, "int32 from 0 to 510"),
        (np.where(PICTURE > 9, np.nan, 1.0), "float64 from nan"),
        (PICTURE > 127, "bool from False to True"),
    ],
)
def test_other_numbers_are_refused(image, found):
    with pytest.raises(DatasetError, match=f"found {found}"):
        mold_one(image, config_with())


@pytest.mark.parametrize("image", [None, "a.jpg", [[1, 2]]])
def test_what_is_no_array_is_refused(image):
    with pytest.raises(DatasetError, match=f"not an image.* found {type(image).__name__}"):
        mold_one(image, config_with())


def test_channels_and_means_of_ones_own_are_left_alone():
    depth = np.full((8, 8, 1), 3000.0)
    assert grey_levels(depth, config_with(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=900)) is depth
    scaled = PICTURE / 255
    assert grey_levels(scaled, config_with(MEAN_PIXEL=[0.5, 0.5, 0.5])) is scaled


def test_training_sees_the_same_levels(monkeypatch):
    dataset, config = drawn_dataset(1), make_config()
    plain, image = load_image_gt(dataset, config, 0)[0], dataset.load_image(0)
    monkeypatch.setattr(dataset, "load_image", lambda image_id: image / 255)
    np.testing.assert_array_equal(load_image_gt(dataset, config, 0)[0], plain)


def test_detecting_in_random_parts_is_refused():
    config = config_with(IMAGE_RESIZE_MODE="crop")
    predictor = Predictor.__new__(Predictor)
    predictor.config = config
    with pytest.raises(ConfigError, match="IMAGE_RESIZE_MODE is 'crop', which is for training"):
        next(predictor.detect([PICTURE], 1))
