"""What each attribute of a Config may be, looked at by itself."""

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np

from mrcnn import learning_rate
from mrcnn.masks import RESAMPLES


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(value))


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
    # `is` for None and booleans: 0 == False, but 0 is not what TRAIN_BN takes.
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


# (attributes, test of one value, what is expected): what can be said of a value alone.
RULES = (
    (("NAME",), _none_or(lambda value: isinstance(value, str)), "a text, or None"),
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
        ("VALIDATION_STEPS", "WARMUP_STEPS", "EVALUATE_EVERY", "EARLY_STOPPING"),
        _is_whole_not_negative,
        "a whole number of at least 0",
    ),
    (("EVALUATE_IMAGES",), _none_or(is_count), "a whole number of at least 1, or None"),
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
        _is_one_of("none", "square", "fit64", "pad64", "crop"),
        "one of 'none', 'square', 'fit64', 'pad64', 'crop'",
    ),
    (
        ("IMAGE_MIN_DIM", "IMAGE_MIN_SCALE"),
        _none_or(is_not_negative),
        "a number of at least 0, or None",
    ),
    (("BACKBONE_STRIDES",), _is_list_of(is_count), "a list of whole numbers of pixels"),
    (("RPN_ANCHOR_SCALES",), _is_list_of(_is_positive), "a list of sizes in pixels above 0"),
    (("RPN_ANCHOR_RATIOS",), _is_list_of(_is_positive), "a list of width / height ratios above 0"),
    (("MINI_MASK_SHAPE", "MASK_SHAPE"), _is_list_of(is_count, 2), "two whole numbers of pixels"),
    (("MEAN_PIXEL",), _is_list_of(_is_number), "a list of numbers"),
    (("RPN_BBOX_STD_DEV", "BBOX_STD_DEV"), _is_list_of(_is_positive, 4), "four numbers above 0"),
    (
        (
            "RPN_NMS_THRESHOLD",
            "DETECTION_NMS_THRESHOLD",
            "DETECTION_MIN_CONFIDENCE",
            "REPEAT_FACTOR_THRESHOLD",
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
        ("LEARNING_MOMENTUM",),
        lambda value: _is_fraction(value) and value < 1,
        "a number from 0 to below 1",
    ),
    (("WEIGHT_DECAY", "LOADER_CACHE_MB"), is_not_negative, "a number of at least 0"),
    (("GRADIENT_CLIP_NORM",), _none_or(_is_positive), "a number above 0, or None"),
    (("MASK_RESAMPLE",), _is_one_of(*RESAMPLES), "one of " + ", ".join(RESAMPLES)),
    (("OPTIMIZER",), _is_one_of("sgd", "adam"), "'sgd' or 'adam'"),
    (("LEARNING_RATE_SCHEDULE",), learning_rate.is_rate_schedule, learning_rate.EXPECTED),
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
        ("STOP_TARGET_GRADIENTS", "ADD_GT_TO_PROPOSALS", "SCALE_LEARNING_RATE"),
        _is_one_of(False, True),
        "False or True",
    ),
    (("LOSS_WEIGHTS",), lambda value: isinstance(value, dict), "a dictionary of losses' factors"),
)
