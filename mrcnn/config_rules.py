"""The valid values of a Config's attributes: each on its own, then in combination."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from mrcnn.errors import ConfigError
from mrcnn.geometry.masks import RESAMPLES

LOSS_NAMES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)
BACKBONES = ("resnet50", "resnet101", "efficientnet-lite0", "efficientnet-lite2")
PYRAMID_STRIDES = [4, 8, 16, 32, 64]
EXPECTED_SCHEDULE = (
    "'constant', 'cosine', 'cosine:FINAL' with the share of the rate that is left at the end, or "
    "'step:EPOCH,EPOCH,...' or 'step:EPOCH,...:FACTOR' with rising whole epochs, such as "
    "'step:60,80:0.1'"
)


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_whole_not_negative(value) -> bool:
    return _is_whole(value) and value >= 0


def is_count(value) -> bool:
    """Whether a value is a whole number of at least 1."""
    return _is_whole(value) and value >= 1


def _is_list_of(accepts: Callable, length: int | None = None) -> Callable:
    def check(value) -> bool:
        if not isinstance(value, list | tuple | np.ndarray) or len(value) == 0:
            return False
        return (length is None or len(value) == length) and all(accepts(item) for item in value)

    return check


def _is_positive(value) -> bool:
    return _is_number(value) and value > 0


def is_not_negative(value) -> bool:
    """Whether a value is a finite number of at least 0."""
    return _is_number(value) and value >= 0


def _is_fraction(value) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_one_of(*choices) -> Callable:
    # `is` for None and booleans: 0 == False, but 0 is not valid for TRAIN_BN.
    def check(value) -> bool:
        if isinstance(value, str):
            return value in choices
        return any(value is choice for choice in choices)

    return check


def _none_or(accepts: Callable) -> Callable:
    return lambda value: value is None or accepts(value)


def _is_class_weights(value) -> bool:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return True
    if isinstance(value, dict):
        named = all(isinstance(key, str) or _is_whole(key) for key in value)
        return named and all(is_not_negative(weight) for weight in value.values())
    return _is_list_of(is_not_negative)(value)


@dataclass(frozen=True)
class RateSchedule:
    """How the learning rate changes within one call of `train`.

    Attributes:
        kind: 'constant', 'step' or 'cosine'.
        milestones: for 'step': numbers of epochs, counted from the start of training.
        factor: for 'step': multiplies the rate at each milestone.
        final: for 'cosine': fraction of the rate that is left at the end, 0 to 1.
    """

    kind: str = "constant"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    final: float = 0.0


def parse_rate_schedule(text: str) -> RateSchedule:
    """Config.LEARNING_RATE_SCHEDULE as a RateSchedule.

    Raises:
        ConfigError: the text is not a schedule.
    """
    kind, *fields = text.split(":") if isinstance(text, str) else ("",)
    try:
        if kind == "constant" and not fields:
            return RateSchedule()
        if kind == "cosine" and len(fields) <= 1:
            final = float(fields[0]) if fields else 0.0
            if 0 <= final <= 1:
                return RateSchedule(kind, final=final)
        if kind == "step" and 1 <= len(fields) <= 2:
            milestones = tuple(int(epoch) for epoch in fields[0].split(","))
            factor = float(fields[1]) if len(fields) == 2 else 0.1
            rising = milestones == tuple(sorted({e for e in milestones if e > 0}))
            if rising and 0 < factor < math.inf:
                return RateSchedule(kind, milestones, factor)
    except ValueError:  # not a number
        pass
    raise ConfigError(f"{text!r} is not a learning-rate schedule", expected=EXPECTED_SCHEDULE)


def is_rate_schedule(value) -> bool:
    """Whether `parse_rate_schedule` accepts the value."""
    try:
        parse_rate_schedule(value)
    except ConfigError:
        return False
    return True


# (attributes, test of one value, what is expected): the rules for single values.
RULES = (
    (
        ("NAME",),
        _none_or(lambda value: isinstance(value, str) and not set(value) & set("/\\\0")),
        "a text without slashes, or None",
    ),
    (
        [
            "GPU_COUNT",
            "IMAGES_PER_GPU",
            "STEPS_PER_EPOCH",
            "NUM_CLASSES",
            "FPN_CLASSIF_FC_LAYERS_SIZE",
            "TOP_DOWN_PYRAMID_SIZE",
            "RPN_ANCHOR_STRIDE",
            "RPN_TRAIN_ANCHORS_PER_IMAGE",
            "PRE_NMS_LIMIT",
            "POST_NMS_ROIS_TRAINING",
            "POST_NMS_ROIS_INFERENCE",
            "TRAIN_ROIS_PER_IMAGE",
            "POOL_SIZE",
            "MASK_POOL_SIZE",
            "MAX_GT_INSTANCES",
            "DETECTION_MAX_INSTANCES",
            "IMAGE_CHANNEL_COUNT",
            "MASK_HEAD_CHANNELS",
            "RPN_CHANNELS",
            "LOADER_QUEUE",
            "ACCUMULATE_STEPS",
        ],
        is_count,
        "a whole number of at least 1",
    ),
    (
        (
            "VALIDATION_STEPS",
            "WARMUP_STEPS",
            "EVALUATE_EVERY",
            "EARLY_STOPPING",
            "SKIP_BAD_IMAGES",
        ),
        _is_whole_not_negative,
        "a whole number of at least 0",
    ),
    (
        ("EVALUATE_IMAGES", "DETECTION_LAST_CLASS"),
        _none_or(is_count),
        "a whole number of at least 1, or None",
    ),
    (
        ("LOADER_WORKERS",),
        _none_or(_is_whole_not_negative),
        "a whole number of at least 0, or None",
    ),
    (
        ("SEED",),
        _none_or(lambda value: _is_whole(value) and 0 <= value < 2**32),
        "a whole number from 0 to 4294967295, or None",
    ),
    (
        ("IMAGE_RESIZE_MODE",),
        _is_one_of("none", "square", "shape", "fit64", "pad64", "crop"),
        "one of 'none', 'square', 'shape', 'fit64', 'pad64', 'crop'",
    ),
    (
        ("IMAGE_MIN_DIM", "IMAGE_MIN_SCALE"),
        _none_or(is_not_negative),
        "a number of at least 0, or None",
    ),
    (("BACKBONE_STRIDES",), _is_list_of(is_count), "a list of whole numbers of pixels"),
    (("RPN_ANCHOR_SCALES",), _is_list_of(_is_positive), "a list of sizes in pixels above 0"),
    (("RPN_ANCHOR_RATIOS",), _is_list_of(_is_positive), "a list of width / height ratios above 0"),
    (
        ("SCALE_JITTER",),
        _none_or(lambda value: _is_list_of(_is_positive, 2)(value) and value[0] <= value[1]),
        "two rising factors above 0, or None",
    ),
    (("MINI_MASK_SHAPE", "MASK_SHAPE"), _is_list_of(is_count, 2), "two whole numbers of pixels"),
    (("MEAN_PIXEL",), _is_list_of(_is_number), "a list of numbers"),
    (("RPN_BBOX_STD_DEV", "BBOX_STD_DEV"), _is_list_of(_is_positive, 4), "four numbers above 0"),
    (
        (
            "RPN_NMS_THRESHOLD",
            "DETECTION_NMS_THRESHOLD",
            "DETECTION_MIN_CONFIDENCE",
            "REPEAT_FACTOR_THRESHOLD",
            "COLOUR_JITTER",
        ),
        _is_fraction,
        "a number from 0 to 1",
    ),
    (
        ("ROI_POSITIVE_RATIO",),
        lambda value: _is_fraction(value) and value > 0,
        "a number above 0, up to 1",
    ),
    (("LEARNING_RATE", "STATE_SECONDS"), _is_positive, "a number above 0"),
    (
        ("LEARNING_MOMENTUM", "WEIGHTS_AVERAGE"),
        lambda value: _is_fraction(value) and value < 1,
        "a number from 0 to below 1",
    ),
    (("WEIGHT_DECAY", "LOADER_CACHE_MB"), is_not_negative, "a number of at least 0"),
    (("GRADIENT_CLIP_NORM",), _none_or(_is_positive), "a number above 0, or None"),
    (("MASK_RESAMPLE",), _is_one_of(*RESAMPLES), "one of " + ", ".join(RESAMPLES)),
    (("OPTIMIZER",), _is_one_of("sgd", "adam"), "'sgd' or 'adam'"),
    (("LEARNING_RATE_SCHEDULE",), is_rate_schedule, EXPECTED_SCHEDULE),
    (
        ("CLASS_WEIGHTS",),
        _is_class_weights,
        "None, 'balanced', a list of numbers of at least 0, or a dictionary of such numbers by "
        "class name or number",
    ),
    (("GRADIENT_CLIP_MODE",), _is_one_of("global", "variable"), "'global' or 'variable'"),
    (
        ("PRECISION",),
        _is_one_of("float32", "bfloat16", "auto"),
        "'float32', 'bfloat16' or 'auto'",
    ),
    (("LOADER_RESIZE",), _is_one_of("exact", "fast"), "'exact' or 'fast'"),
    (("LOADER_BACKEND",), _is_one_of("thread", "process"), "'thread' or 'process'"),
    (("TRAIN_BN",), _is_one_of(None, False, True), "None, False or True"),
    (
        (
            "STOP_TARGET_GRADIENTS",
            "ADD_GT_TO_PROPOSALS",
            "SCALE_LEARNING_RATE",
            "DETECTION_EVERY_CLASS",
            "MASK_DETAIL",
        ),
        _is_one_of(False, True),
        "False or True",
    ),
    (("LOSS_WEIGHTS",), lambda value: isinstance(value, dict), "a dictionary of losses' factors"),
)


def make_plain(config: Any) -> None:
    """Convert whole-numbered floats (`500 / 2`) to int, and one mean to a mean per channel."""
    counts = [names for names, holds, _ in RULES if holds in (is_count, _is_whole_not_negative)]
    for name in (*itertools.chain(*counts), "IMAGE_MIN_DIM", "IMAGE_MAX_DIM"):
        value = getattr(config, name)
        if isinstance(value, float) and value.is_integer():
            setattr(config, name, int(value))
    if _is_number(config.MEAN_PIXEL) and is_count(config.IMAGE_CHANNEL_COUNT):
        config.MEAN_PIXEL = np.full(config.IMAGE_CHANNEL_COUNT, float(config.MEAN_PIXEL))


def check(config: Any) -> None:
    """Check every attribute of a Config, whose values may be of any type.

    Raises:
        ConfigError: for the first one that cannot work.
    """
    for names, holds, expected in RULES:
        for name in names:
            _require(config, name, holds(getattr(config, name)), expected)
    _check_sizes(config)
    _check_backbone(config)
    _check_heads(config)


def _require(config: Any, name: str, holds: bool, expected: str, advice: str | None = None) -> None:
    if holds:
        return
    value = getattr(config, name)
    value = value.tolist() if isinstance(value, np.ndarray) else value
    raise ConfigError(
        f"{{{name}}} is {value!r}", settings=(name,), expected=expected, advice=advice
    )


def _check_sizes(config: Any) -> None:
    needed = {
        "shape": ["IMAGE_HEIGHT", "IMAGE_WIDTH"],
        "crop": ["IMAGE_MIN_DIM"],
        "pad64": ["IMAGE_MAX_DIM", "IMAGE_MIN_DIM"],
    }
    for name in needed.get(config.IMAGE_RESIZE_MODE, ["IMAGE_MAX_DIM"]):
        _require_halvings(config, name)
    channels = config.IMAGE_CHANNEL_COUNT
    _require(
        config,
        "MEAN_PIXEL",
        np.shape(config.MEAN_PIXEL) == (channels,),
        f"a list of {channels} numbers, one for each of the IMAGE_CHANNEL_COUNT channels",
    )
    guided = config.MASK_RESAMPLE == "guided"
    expected = "another way where images have no three channels to guide masks"
    _require(config, "MASK_RESAMPLE", not guided or channels == 3, expected)


def _require_halvings(config: Any, name: str) -> None:
    value = getattr(config, name)
    _require(config, name, is_count(value), "a whole number of pixels, divisible by 64")
    below = max(64, value // 64 * 64)
    nearest = f"take {below} or {below + 64}" if value > 64 else "take 64"
    expected = "a multiple of 64, which can be halved 6 times"
    _require(config, name, value % 64 == 0, expected, nearest)


def _check_backbone(config: Any) -> None:
    if callable(config.BACKBONE):
        _require(
            config,
            "COMPUTE_BACKBONE_SHAPE",
            callable(config.COMPUTE_BACKBONE_SHAPE),
            "a function image_shape -> [[height, width], ...] where BACKBONE is a function",
        )
    else:
        _require(
            config,
            "BACKBONE",
            isinstance(config.BACKBONE, str) and config.BACKBONE in BACKBONES,
            f"{', '.join(map(repr, BACKBONES))} or a function",
        )
        _require(
            config,
            "BACKBONE_STRIDES",
            list(config.BACKBONE_STRIDES) == PYRAMID_STRIDES,
            f"{PYRAMID_STRIDES}, the strides of {config.BACKBONE}",
        )
    _require(
        config,
        "RPN_ANCHOR_SCALES",
        len(config.RPN_ANCHOR_SCALES) == len(config.BACKBONE_STRIDES),
        f"a list of {len(config.BACKBONE_STRIDES)} sizes in pixels, one for each of "
        f"BACKBONE_STRIDES",
    )


def _check_heads(config: Any) -> None:
    doubled = [[times * config.MASK_POOL_SIZE] * 2 for times in (2, 4)]
    _require(
        config,
        "MASK_SHAPE",
        list(config.MASK_SHAPE) in doubled,
        f"{doubled[0]} or {doubled[1]}, two or four times MASK_POOL_SIZE in both directions",
    )
    unknown = sorted(set(config.LOSS_WEIGHTS) - set(LOSS_NAMES))
    _require(
        config,
        "LOSS_WEIGHTS",
        not unknown,
        f"weights for {', '.join(LOSS_NAMES)} and no others",
    )
    _require(
        config,
        "LOSS_WEIGHTS",
        all(is_not_negative(weight) for weight in config.LOSS_WEIGHTS.values()),
        "a dictionary of numbers of at least 0",
    )
