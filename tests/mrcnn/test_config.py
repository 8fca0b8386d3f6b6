import json
import subprocess
import sys

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from tests.support import REPOSITORY, golden_json

EXTRAS = {
    "ACCUMULATE_STEPS",
    "ADD_GT_TO_PROPOSALS",
    "CLASS_WEIGHTS",
    "COLOUR_JITTER",
    "DETECTION_EVERY_CLASS",
    "DETECTION_LAST_CLASS",
    "EARLY_STOPPING",
    "EVALUATE_EVERY",
    "EVALUATE_IMAGES",
    "GRADIENT_CLIP_MODE",
    "IMAGE_HEIGHT",
    "IMAGE_WIDTH",
    "LEARNING_RATE_SCHEDULE",
    "LOADER_BACKEND",
    "LOADER_CACHE_MB",
    "LOADER_QUEUE",
    "LOADER_RESIZE",
    "LOADER_WORKERS",
    "MASK_DETAIL",
    "MASK_HEAD_CHANNELS",
    "MASK_RESAMPLE",
    "OPTIMIZER",
    "PRECISION",
    "REPEAT_FACTOR_THRESHOLD",
    "RPN_CHANNELS",
    "SCALE_JITTER",
    "SCALE_LEARNING_RATE",
    "SEED",
    "SKIP_BAD_IMAGES",
    "STATE_SECONDS",
    "STOP_TARGET_GRADIENTS",
    "WARMUP_STEPS",
    "WEIGHTS_AVERAGE",
}


def test_a_shape_of_its_own():
    config = config_with(IMAGE_RESIZE_MODE="shape", IMAGE_HEIGHT=448, IMAGE_WIDTH=320)
    assert config.IMAGE_SHAPE.tolist() == [448, 320, 3]


def config_with(**attributes) -> Config:
    """An instance of a subclass that overrides class attributes, as users write it."""
    return type("UsersConfig", (Config,), attributes)()


def test_defaults_are_matterports():
    expected = golden_json("behaviour")["config_defaults"]
    found = Config().to_dict()
    assert {name: found[name] for name in expected} == expected
    assert set(found) - set(expected) == EXTRAS


@pytest.mark.parametrize("overrides", golden_json("behaviour")["config_derived"])
def test_derived_values(overrides):
    expected = golden_json("behaviour")["config_derived"][overrides]
    config = config_with(**json.loads(overrides))
    assert expected["BATCH_SIZE"] == config.BATCH_SIZE
    assert expected["IMAGE_SHAPE"] == config.IMAGE_SHAPE.tolist()
    assert expected["IMAGE_META_SIZE"] == config.IMAGE_META_SIZE


def tiny_backbone(input_image, stage5=True, train_bn=False):
    return [input_image] * 5


def tiny_shapes(image_shape):
    return np.array([[1, 1]] * 5)


@pytest.mark.parametrize(
    "attributes",
    [
        {"NAME": "fashion", "NUM_CLASSES": 14, "IMAGES_PER_GPU": 1},
        # the clothing-parsing preset
        {"BACKBONE_STRIDES": (4, 8, 16, 32, 64), "RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128]},
        # Matterport's nucleus sample: crop, a MIN_SCALE, NumPy values, confidence 0
        {
            "IMAGE_RESIZE_MODE": "crop",
            "IMAGE_MIN_DIM": 512,
            "IMAGE_MIN_SCALE": 2.0,
            "MEAN_PIXEL": np.array([43.53, 39.56, 48.22]),
            "DETECTION_MIN_CONFIDENCE": 0,
            "STEPS_PER_EPOCH": np.int64(10),
        },
        # neither in shape mode nor in crop mode IMAGE_MAX_DIM has a meaning
        {"IMAGE_RESIZE_MODE": "shape", "IMAGE_HEIGHT": 448, "IMAGE_MAX_DIM": 500},
        {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 500},
        {"IMAGE_CHANNEL_COUNT": 1, "MEAN_PIXEL": [120.0]},
        {"IMAGE_MIN_DIM": None, "GRADIENT_CLIP_NORM": None, "TRAIN_BN": True},
        # a lost weight counts as 1
        {"LOSS_WEIGHTS": {"mrcnn_mask_loss": 2}},
        {"MASK_POOL_SIZE": 7, "MASK_SHAPE": (14, 14)},
        {"MASK_SHAPE": [56, 56]},
        {"WEIGHTS_AVERAGE": 0.998, "SCALE_JITTER": (0.5, 2), "COLOUR_JITTER": 0.4},
        # training helps
        {"OPTIMIZER": "adam", "WARMUP_STEPS": 100, "LEARNING_RATE_SCHEDULE": "step:60,80:0.1"},
        {"CLASS_WEIGHTS": "balanced", "REPEAT_FACTOR_THRESHOLD": 0.1, "ACCUMULATE_STEPS": 8},
        {"CLASS_WEIGHTS": {"belt": 3, 2: 0.5}, "EVALUATE_EVERY": 5, "EVALUATE_IMAGES": 100},
        {"CLASS_WEIGHTS": np.array([1.0, 2.0]), "EARLY_STOPPING": 10},
        {
            "BACKBONE": staticmethod(tiny_backbone),
            "COMPUTE_BACKBONE_SHAPE": staticmethod(tiny_shapes),
            "BACKBONE_STRIDES": [2, 4, 8, 16, 32],
        },
    ],
)
def test_accepts(attributes):
    config_with(**attributes).validate()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"IMAGE_MAX_DIM": 500},
            "IMAGE_MAX_DIM is 500: expected a multiple of 64, which can be halved 6 times; "
            "take 448 or 512.",
        ),
        # nothing below 64 to offer
        ({"IMAGE_MAX_DIM": 40}, "which can be halved 6 times; take 64."),
        ({"IMAGE_MAX_DIM": 1024.5}, "IMAGE_MAX_DIM is 1024.5: expected a whole number"),
        ({"IMAGE_RESIZE_MODE": "crop"}, "IMAGE_MIN_DIM is 800: expected a multiple of 64"),
        ({"IMAGE_RESIZE_MODE": "pad64", "IMAGE_MIN_DIM": None}, "IMAGE_MIN_DIM is None"),
        (
            {"IMAGE_RESIZE_MODE": "shape", "IMAGE_HEIGHT": 448, "IMAGE_WIDTH": 300},
            "IMAGE_WIDTH is 300: expected a multiple of 64",
        ),
        ({"IMAGE_RESIZE_MODE": "stretch"}, "IMAGE_RESIZE_MODE is 'stretch': expected one of"),
        ({"BACKBONE": "resnet18"}, "BACKBONE is 'resnet18': expected 'resnet50', 'resnet101'"),
        ({"BACKBONE": None}, "BACKBONE is None"),
        # Matterport's contract: a backbone function comes with a shape function
        ({"BACKBONE": staticmethod(tiny_backbone)}, "COMPUTE_BACKBONE_SHAPE is None"),
        ({"BACKBONE_STRIDES": [4, 8, 16, 32]}, "BACKBONE_STRIDES is [4, 8, 16, 32]: expected"),
        ({"RPN_ANCHOR_SCALES": (32, 64)}, "RPN_ANCHOR_SCALES is (32, 64): expected a list of 5"),
        ({"RPN_ANCHOR_SCALES": 32}, "RPN_ANCHOR_SCALES is 32"),
        ({"RPN_ANCHOR_RATIOS": [0.5, 0]}, "RPN_ANCHOR_RATIOS is [0.5, 0]"),
        ({"RPN_ANCHOR_RATIOS": []}, "RPN_ANCHOR_RATIOS is []"),
        ({"NUM_CLASSES": 0}, "NUM_CLASSES is 0: expected a whole number of at least 1."),
        ({"GPU_COUNT": 0}, "GPU_COUNT is 0"),
        ({"IMAGES_PER_GPU": 1.5}, "IMAGES_PER_GPU is 1.5"),
        ({"IMAGES_PER_GPU": True}, "IMAGES_PER_GPU is True"),
        ({"MASK_SHAPE": [42, 42]}, "MASK_SHAPE is [42, 42]: expected [28, 28] or [56, 56]"),
        ({"SCALE_JITTER": (2, 0.5)}, "SCALE_JITTER is (2, 0.5): expected two rising factors"),
        ({"SCALE_JITTER": 2}, "SCALE_JITTER is 2"),
        ({"COLOUR_JITTER": 1.5}, "COLOUR_JITTER is 1.5"),
        ({"WEIGHTS_AVERAGE": 1}, "WEIGHTS_AVERAGE is 1: expected a number from 0 to below 1"),
        ({"MINI_MASK_SHAPE": (56,)}, "MINI_MASK_SHAPE is (56,): expected two whole numbers"),
        ({"LOSS_WEIGHTS": {"mask_loss": 1}}, "expected weights for rpn_class_loss, rpn_bbox_loss"),
        ({"LOSS_WEIGHTS": {"rpn_bbox_loss": -1}}, "LOSS_WEIGHTS is {'rpn_bbox_loss': -1}"),
        ({"LOSS_WEIGHTS": [1, 1, 1, 1, 1]}, "expected a dictionary"),
        # 0 is not False
        ({"TRAIN_BN": 0}, "TRAIN_BN is 0: expected None, False or True."),
        ({"MEAN_PIXEL": [1, 2]}, "MEAN_PIXEL is [1, 2]: expected a list of 3 numbers"),
        (
            {"IMAGE_CHANNEL_COUNT": 4},
            "MEAN_PIXEL is [123.7, 116.8, 103.9]: expected a list of 4",
        ),
        ({"PRECISION": "float16"}, "PRECISION is 'float16'"),
        ({"GRADIENT_CLIP_MODE": "layer"}, "GRADIENT_CLIP_MODE is 'layer'"),
        ({"GRADIENT_CLIP_NORM": 0}, "GRADIENT_CLIP_NORM is 0"),
        ({"LEARNING_RATE": float("nan")}, "LEARNING_RATE is nan"),
        ({"DETECTION_MIN_CONFIDENCE": 90}, "DETECTION_MIN_CONFIDENCE is 90: expected a number"),
        ({"LOADER_WORKERS": -1}, "LOADER_WORKERS is -1"),
        ({"LOADER_BACKEND": "ray"}, "LOADER_BACKEND is 'ray'"),
        ({"STATE_SECONDS": 0}, "STATE_SECONDS is 0: expected a number above 0."),
        ({"SEED": -1}, "SEED is -1"),
        (
            {"MASK_RESAMPLE": "best"},
            "MASK_RESAMPLE is 'best': expected one of exact, fast, aligned, guided.",
        ),
        (
            {"IMAGE_CHANNEL_COUNT": 4, "MEAN_PIXEL": [9] * 4, "MASK_RESAMPLE": "guided"},
            "MASK_RESAMPLE is 'guided': expected another way where images have no three channels",
        ),
        ({"OPTIMIZER": "lamb"}, "OPTIMIZER is 'lamb': expected 'sgd' or 'adam'."),
        ({"WARMUP_STEPS": -1}, "WARMUP_STEPS is -1"),
        ({"LEARNING_RATE_SCHEDULE": "linear"}, "LEARNING_RATE_SCHEDULE is 'linear': expected"),
        ({"ADD_GT_TO_PROPOSALS": 1}, "ADD_GT_TO_PROPOSALS is 1: expected False or True."),
        ({"ACCUMULATE_STEPS": 0}, "ACCUMULATE_STEPS is 0"),
        ({"REPEAT_FACTOR_THRESHOLD": 2}, "REPEAT_FACTOR_THRESHOLD is 2"),
        ({"CLASS_WEIGHTS": "even"}, "CLASS_WEIGHTS is 'even': expected None, 'balanced'"),
        ({"CLASS_WEIGHTS": [1, -1]}, "CLASS_WEIGHTS is [1, -1]"),
        ({"CLASS_WEIGHTS": {"belt": None}}, "CLASS_WEIGHTS is {'belt': None}"),
        ({"EVALUATE_EVERY": None}, "EVALUATE_EVERY is None"),
        ({"EVALUATE_IMAGES": 0}, "EVALUATE_IMAGES is 0: expected a whole number of at least 1"),
        ({"EARLY_STOPPING": 1.5}, "EARLY_STOPPING is 1.5"),
        ({"NAME": 7}, "NAME is 7: expected a text without slashes, or None."),
    ],
)
def test_refuses_with_one_sentence(attributes, message):
    with pytest.raises(ConfigError) as caught:
        config_with(**attributes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_validate_sees_later_changes():
    config = Config()
    config.BATCH_SIZE = 1
    config.validate()
    config.RPN_NMS_THRESHOLD = 7
    with pytest.raises(ConfigError, match="RPN_NMS_THRESHOLD is 7"):
        config.validate()


def test_display_prints_sorted_attributes(capsys):
    config_with(NAME="shown", own_note="users' additions are shown").display()
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "Configurations:"
    assert f"{'NAME':30} shown" in lines
    assert f"{'own_note':30} users' additions are shown" in lines
    names = [line.split()[0] for line in lines[1:]]
    assert names == sorted(names)
    assert not {"validate", "display", "to_dict", "to_json"} & set(names)


def test_json_holds_arrays_as_lists_and_functions_by_name():
    config = config_with(
        BACKBONE=staticmethod(tiny_backbone), COMPUTE_BACKBONE_SHAPE=staticmethod(tiny_shapes)
    )
    values = json.loads(config.to_json())
    assert values["MEAN_PIXEL"] == [123.7, 116.8, 103.9]
    assert values["MASK_SHAPE"] == [28, 28]
    assert values["BACKBONE"].endswith(".tiny_backbone")
    assert values["COMPUTE_BACKBONE_SHAPE"].endswith(".tiny_shapes")


def test_derived_values_follow_what_they_are_derived_from():
    config = config_with(NUM_CLASSES=3)
    config.GPU_COUNT, config.IMAGES_PER_GPU, config.NUM_CLASSES = 2, 3, 5
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = 128
    config.validate()
    assert (config.BATCH_SIZE, config.IMAGE_META_SIZE) == (6, 17)
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    config.BATCH_SIZE = 1  # as scripts do that detect
    config.validate()
    assert config.BATCH_SIZE == 1
    config.IMAGES_PER_GPU = 4
    config.validate()
    assert config.BATCH_SIZE == 8


def test_whole_numbers_may_be_floats_and_one_mean_counts_for_all_channels():
    config = config_with(STEPS_PER_EPOCH=500 / 2, VALIDATION_STEPS=4.0, MEAN_PIXEL=127.5)
    assert config.STEPS_PER_EPOCH == 250 and type(config.STEPS_PER_EPOCH) is int
    assert type(config.VALIDATION_STEPS) is int
    assert config.MEAN_PIXEL.tolist() == [127.5] * 3
    with pytest.raises(ConfigError, match=r"STEPS_PER_EPOCH is 2\.5"):
        config_with(STEPS_PER_EPOCH=2.5)


def test_import_is_light():
    """None of the slow packages comes along; NumPy is all that is imported."""
    code = (
        "import sys, mrcnn.config; "
        "print({'tensorflow', 'keras', 'skimage', 'scipy', 'cv2', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
