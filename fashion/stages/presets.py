"""Config values by name, and trainings in several parts: layers, epochs, learning rates."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.config import Config
from mrcnn.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """Values for training and detection.

    Attributes:
        purpose: one line for `--help`.
        values: Config attributes.
        parsing: what clothing parsing does unlike the defaults of `ParsingSettings`; its
            `minimum_confidence` is a garment's, without it that of `values`.
        epochs: the total.
        layers: which layers train.
        layers_help: the same in words, if `layers` is a regular expression.
        schedule: several parts instead, see `fashion.stages.presets`.
        weights: what training starts from by default: 'coco', or 'none' for random weights.
        compact: whether the backbone is the small one for CPUs.
    """

    purpose: str
    values: dict[str, Any] = field(default_factory=dict)
    parsing: dict[str, Any] = field(default_factory=dict)
    epochs: int = 75
    layers: str = "heads"
    layers_help: str = ""
    schedule: str | None = None
    weights: str = "coco"
    compact: bool = False

    @property
    def network(self) -> object:
        """Equal for presets whose weights fit each other's networks."""
        return "compact" if self.compact else self.values.get("BACKBONE", Config.BACKBONE)


PRESETS = {
    "default": Preset(
        purpose="ResNet-101 at 1024 pixels, as in the original scripts; for a GPU",
        values={
            "IMAGES_PER_GPU": 2,
            "STEPS_PER_EPOCH": 250,
            "DETECTION_MIN_CONFIDENCE": 0.9,
        },
    ),
    "clothing-parsing": Preset(
        purpose="ResNet-101 as the clothing-parsing project trained it; for a large GPU",
        values={
            "BACKBONE": "resnet101",
            "BACKBONE_STRIDES": [4, 8, 16, 32, 64],
            "IMAGES_PER_GPU": 4,
            "IMAGE_MIN_DIM": 800,
            "IMAGE_MAX_DIM": 1024,
            "LEARNING_RATE": 0.001,
            "WEIGHT_DECAY": 0.0001,
            "RPN_NMS_THRESHOLD": 0.7,
            "DETECTION_MIN_CONFIDENCE": 0.9,
            "DETECTION_NMS_THRESHOLD": 0.3,
            "STEPS_PER_EPOCH": 100,
            "VALIDATION_STEPS": 50,
            "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
        },
    ),
    "demo": Preset(
        purpose="a compact ResNet at 256 pixels from random weights; for a CPU, in minutes",
        values={
            "IMAGES_PER_GPU": 4,
            "IMAGE_MIN_DIM": 256,
            "IMAGE_MAX_DIM": 256,
            # Sides of four times the stride: smaller anchors fit few garments.
            "RPN_ANCHOR_SCALES": (16, 32, 64, 128, 256),
            "TOP_DOWN_PYRAMID_SIZE": 64,
            "RPN_CHANNELS": 64,
            "MASK_HEAD_CHANNELS": 64,
            "FPN_CLASSIF_FC_LAYERS_SIZE": 256,
            "TRAIN_ROIS_PER_IMAGE": 32,
            "PRE_NMS_LIMIT": 1000,
            "POST_NMS_ROIS_TRAINING": 300,
            "POST_NMS_ROIS_INFERENCE": 200,
            "RPN_TRAIN_ANCHORS_PER_IMAGE": 128,
            "MAX_GT_INSTANCES": 30,
            "DETECTION_MAX_INSTANCES": 50,
            "DETECTION_MIN_CONFIDENCE": 0.7,
            "MASK_RESAMPLE": "aligned",
            "OPTIMIZER": "adam",
            "LEARNING_RATE": 0.001,
            "WARMUP_STEPS": 100,
            "ADD_GT_TO_PROPOSALS": True,
            "STOP_TARGET_GRADIENTS": True,
            "LOADER_RESIZE": "fast",
            "STEPS_PER_EPOCH": 120,
            "VALIDATION_STEPS": 20,
            "STATE_SECONDS": 120,
        },
        epochs=30,
        layers="all",
        schedule="scratch",
        weights="none",
        compact=True,
    ),
    "photo": Preset(
        purpose="EfficientNet-Lite2 at 448 x 320 pixels, for photographs; for a CPU",
        values={
            "BACKBONE": "efficientnet-lite2",
            "MEAN_PIXEL": [127.0, 127.0, 127.0],
            "IMAGES_PER_GPU": 4,
            "IMAGE_RESIZE_MODE": "shape",
            "IMAGE_HEIGHT": 448,
            "IMAGE_WIDTH": 320,
            "RPN_ANCHOR_SCALES": (16, 32, 64, 128, 256),
            # Of garments and persons 98.8 % have an anchor of IoU .5, of ratios 1:2 to 2:1 97.8 %.
            "RPN_ANCHOR_RATIOS": [0.4, 1, 2.5],
            "TOP_DOWN_PYRAMID_SIZE": 64,
            "RPN_CHANNELS": 64,
            "MASK_HEAD_CHANNELS": 64,
            "MASK_SHAPE": [56, 56],
            "MASK_DETAIL": True,
            "MINI_MASK_SHAPE": (112, 112),
            "FPN_CLASSIF_FC_LAYERS_SIZE": 256,
            "TRAIN_ROIS_PER_IMAGE": 64,
            "ROI_POSITIVE_RATIO": 0.25,
            "PRE_NMS_LIMIT": 1000,
            "POST_NMS_ROIS_TRAINING": 300,
            "POST_NMS_ROIS_INFERENCE": 200,
            "RPN_TRAIN_ANCHORS_PER_IMAGE": 128,
            "MAX_GT_INSTANCES": 30,
            "DETECTION_MAX_INSTANCES": 50,
            "DETECTION_MIN_CONFIDENCE": 0.7,
            "DETECTION_EVERY_CLASS": True,
            "DETECTION_NMS_THRESHOLD": 0.4,
            "MASK_RESAMPLE": "guided",
            "OPTIMIZER": "adam",
            "LEARNING_RATE": 0.001,
            "LEARNING_RATE_SCHEDULE": "cosine:0.01",
            "WARMUP_STEPS": 200,
            "WEIGHTS_AVERAGE": 0.998,
            "SCALE_JITTER": (0.7, 1.5),
            "COLOUR_JITTER": 0.3,
            "REPEAT_FACTOR_THRESHOLD": 0.3,
            "ADD_GT_TO_PROPOSALS": True,
            "STOP_TARGET_GRADIENTS": True,
            "LOADER_RESIZE": "fast",
            "LOADER_CACHE_MB": 1200,
            "STEPS_PER_EPOCH": 175,
            "VALIDATION_STEPS": 12,
            "STATE_SECONDS": 120,
        },
        # A pixel gets the likeliest garment, so that what labels would leave out still helps: on
        # validation the mean IoU was .549 from .4 on, .546 from .3 and .512 from .5.
        # Its masks follow edges by themselves: superpixels change them only where they are sure.
        parsing={
            "minimum_confidence": 0.4,
            "agreement": 0.8,
            "completion_distance": 6.0,
            "pixel_classes": ("belt", "sunglasses", "boots", "footwear"),
        },
        epochs=40,
        # Without stem, first levels and depthwise kernels a step takes half the time.
        layers=r"(mrcnn_.*)|(rpn_.*)|(fpn_.*)|(bn[345].*)|(res[345].*_(expand|project))",
        layers_help="all but stem, first levels and depthwise kernels",
        weights="imagenet",
    ),
}


def find_preset(name: str) -> Preset:
    """A preset by name; ConfigError lists the names there are."""
    if name not in PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}",
            settings=("preset",),
            advice=f"choose {{preset}} from {', '.join(PRESETS)}",
        )
    return PRESETS[name]


def make_config(
    preset: str, name: str, num_classes: int, inference: bool = False, **overrides: Any
) -> Config:
    """The Config of a stage.

    Args:
        preset: its name.
        name: Config.NAME: part of the log folder and of the checkpoints' names.
        num_classes: background included.
        inference: one image at a time unless IMAGES_PER_GPU is given.
        overrides: Config attributes in place of the preset's; None keeps the preset's.
    """
    chosen = find_preset(preset)
    values = {**chosen.values, "NAME": name, "NUM_CLASSES": num_classes}
    values |= {key: value for key, value in overrides.items() if value is not None}
    if chosen.compact:
        from mrcnn.network.backbone import compact_backbone_shapes, compact_resnet_graph

        values["BACKBONE"] = staticmethod(compact_resnet_graph)
        values["COMPUTE_BACKBONE_SHAPE"] = staticmethod(compact_backbone_shapes)
    if inference:
        values["IMAGES_PER_GPU"] = overrides.get("IMAGES_PER_GPU") or 1
    arrays = ("STD_DEV", "MEAN_PIXEL")
    values = {key: np.array(v) if key.endswith(arrays) else v for key, v in values.items()}
    return type(f"{name.title()}Config", (Config,), values)()


# (layers, share of all epochs after which the part ends, factor of the learning rate).
NAMED = {
    "matterport": (("heads", 0.25, 1.0), ("4+", 0.75, 1.0), ("all", 1.0, 0.1)),
    "scratch": (("all", 0.7, 1.0), ("all", 0.9, 0.1), ("all", 1.0, 0.01)),
}


@dataclass(frozen=True)
class Part:
    """A part of a training.

    Attributes:
        layers: as for `MaskRCNN.train`.
        until_epoch: it ends after this many epochs since the training began.
        learning_rate: of this part; constant, unless Config.LEARNING_RATE_SCHEDULE changes it.
    """

    layers: str
    until_epoch: int
    learning_rate: float


def parse_schedule(text: str | None, layers: str, epochs: int, learning_rate: float) -> list[Part]:
    """The parts of a training.

    Args:
        text: a name ('matterport': heads, then 4+, then all; 'scratch': all layers at falling
            rates), or parts such as `heads:40:0.001,4+:120:0.001,all:160:0.0001`; None for one
            part.
        layers: of the one part.
        epochs: the total, for names.
        learning_rate: of the first part, for names.

    Raises:
        ConfigError: the text is not a schedule.
    """
    if not text:
        return [Part(layers, epochs, learning_rate)]
    if text in NAMED:
        return [
            Part(name, max(1, round(share * epochs)), learning_rate * factor)
            for name, share, factor in NAMED[text]
        ]
    parts = [_part(piece, text) for piece in text.split(",")]
    ends = [part.until_epoch for part in parts]
    if ends != sorted(set(ends)):
        raise ConfigError(
            f"the epochs of {{schedule}} {text!r} must rise from part to part",
            settings=("schedule",),
        )
    return parts


def _part(piece: str, text: str) -> Part:
    # Split from the right: the layers may be a regular expression with colons.
    fields = piece.strip().rsplit(":", 2)
    try:
        layers, epoch, rate = fields[0], int(fields[1]), float(fields[2])
        if not layers or epoch < 1 or not 0 < rate < float("inf"):
            raise ValueError
    except (ValueError, IndexError):
        raise ConfigError(
            f"{piece!r} in {{schedule}} {text!r} is not a part of a schedule",
            settings=("schedule",),
            expected=f"layers:epochs:rate, such as heads:40:0.001, or one of {', '.join(NAMED)}",
        ) from None
    return Part(layers, epoch, rate)
