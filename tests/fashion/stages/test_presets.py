"""Presets are tables of numbers: these are the ones that users were promised."""

import numpy as np
import pytest

from fashion.stages.presets import PRESETS, find_preset, make_config
from mrcnn.config import Config
from mrcnn.errors import ConfigError


def modanet(preset, **overrides):
    return make_config(preset, "modanet", 14, **overrides)


@pytest.mark.parametrize(
    ("preset", "attribute", "value"),
    [
        # Matterport's and the original scripts' values.
        ("default", "BACKBONE", "resnet101"),
        ("default", "IMAGE_MAX_DIM", 1024),
        ("default", "IMAGE_RESIZE_MODE", "square"),
        ("default", "IMAGES_PER_GPU", 2),
        ("default", "STEPS_PER_EPOCH", 250),
        ("default", "DETECTION_MIN_CONFIDENCE", 0.9),
        # What the clothing-parsing project trained with.
        ("clothing-parsing", "BACKBONE", "resnet101"),
        ("clothing-parsing", "BACKBONE_STRIDES", [4, 8, 16, 32, 64]),
        ("clothing-parsing", "BATCH_SIZE", 4),
        ("clothing-parsing", "IMAGES_PER_GPU", 4),
        ("clothing-parsing", "IMAGE_MIN_DIM", 800),
        ("clothing-parsing", "IMAGE_MAX_DIM", 1024),
        ("clothing-parsing", "LEARNING_RATE", 0.001),
        ("clothing-parsing", "WEIGHT_DECAY", 0.0001),
        ("clothing-parsing", "RPN_NMS_THRESHOLD", 0.7),
        ("clothing-parsing", "DETECTION_MIN_CONFIDENCE", 0.9),
        ("clothing-parsing", "DETECTION_NMS_THRESHOLD", 0.3),
        ("clothing-parsing", "STEPS_PER_EPOCH", 100),
        ("clothing-parsing", "VALIDATION_STEPS", 50),
        ("clothing-parsing", "NUM_CLASSES", 14),
        ("clothing-parsing", "FPN_CLASSIF_FC_LAYERS_SIZE", 1024),
    ],
)
def test_values(preset, attribute, value):
    assert getattr(modanet(preset), attribute) == value


@pytest.mark.parametrize(
    ("preset", "epochs", "layers", "schedule", "weights"),
    [
        ("default", 75, "heads", None, "coco"),
        ("clothing-parsing", 75, "heads", None, "coco"),
    ],
)
def test_training(preset, epochs, layers, schedule, weights):
    found = find_preset(preset)
    assert (found.epochs, found.layers) == (epochs, layers)
    assert (found.schedule, found.weights) == (schedule, weights)


def test_demo_is_small_and_trains_all_layers_from_nothing():
    demo, config = find_preset("demo"), modanet("demo")
    assert (demo.layers, demo.schedule, demo.weights) == ("all", "scratch", "none")
    assert config.IMAGE_MIN_DIM == config.IMAGE_MAX_DIM <= 256
    # An hour on two cores that train ten images a second.
    assert demo.epochs * config.STEPS_PER_EPOCH * config.BATCH_SIZE <= 10 * 3600


def test_only_presets_that_are_to_train_as_the_original_code_resize_as_it_does():
    exact = {name for name in PRESETS if modanet(name).LOADER_RESIZE == "exact"}
    assert exact == {"default", "clothing-parsing"}


def test_what_default_does_not_name_is_matterports():
    named = set(PRESETS["default"].values) | {"NAME", "NUM_CLASSES", "BATCH_SIZE"}
    plain, made = Config().to_dict(), modanet("default").to_dict()
    differing = {name for name in plain if plain[name] != made[name]}
    assert differing <= named | {"IMAGE_META_SIZE"}  # follows from NUM_CLASSES


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_any_name_and_number_of_classes(preset):
    config = make_config(preset, "season", 10)
    assert (config.NAME, config.NUM_CLASSES) == ("season", 10)
    assert config.IMAGE_META_SIZE == 12 + 10


def test_overrides_win_and_none_leaves_the_presets_value():
    config = modanet("clothing-parsing", IMAGES_PER_GPU=1, STEPS_PER_EPOCH=None, SEED=0)
    assert (config.IMAGES_PER_GPU, config.BATCH_SIZE) == (1, 1)
    assert config.STEPS_PER_EPOCH == 100
    assert config.SEED == 0  # 0 is a value


def test_inference_takes_one_image_at_a_time():
    assert modanet("clothing-parsing", inference=True).BATCH_SIZE == 1


def test_deviations_become_arrays():
    config = modanet("default", BBOX_STD_DEV=[0.1, 0.1, 0.2, 0.2])
    assert isinstance(config.BBOX_STD_DEV, np.ndarray)


def test_the_compact_backbone_comes_with_its_shapes():
    config = modanet("demo")
    assert callable(config.BACKBONE)
    sides = config.IMAGE_MAX_DIM // np.array([4, 8, 16, 32, 64])
    shapes = config.COMPUTE_BACKBONE_SHAPE(config.IMAGE_SHAPE)
    assert np.array_equal(shapes, np.stack([sides, sides], axis=1))


def test_presets_do_not_change_one_another():
    before = modanet("demo").IMAGE_MAX_DIM
    modanet("demo", IMAGE_MAX_DIM=64, IMAGE_MIN_DIM=64)
    assert modanet("demo").IMAGE_MAX_DIM == before != 64
    assert Config().IMAGE_MAX_DIM == 1024


def test_an_unknown_preset():
    with pytest.raises(
        ConfigError, match="no preset 'large'; choose preset from default, clothing-parsing"
    ):
        find_preset("large")
    with pytest.raises(ConfigError, match="no preset 'large'"):
        modanet("large")


def test_a_value_that_cannot_work():
    with pytest.raises(ConfigError, match=r"IMAGE_MAX_DIM is 1000.*take 960 or 1024"):
        modanet("default", IMAGE_MAX_DIM=1000)
