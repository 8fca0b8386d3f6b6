"""Sets of Config values by name, and the Config of a stage made from one.

`default` has the values of Matterport and of the original scripts; the others say their purpose.
TensorFlow is imported only for a preset with a backbone of its own.
"""

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
        epochs: the total.
        layers: which layers train.
        schedule: several parts instead, see `fashion.schedules`.
        weights: what training starts from by default: 'coco', or 'none' for random weights.
        compact: whether the backbone is the small one for processors.
    """

    purpose: str
    values: dict[str, Any] = field(default_factory=dict)
    epochs: int = 75
    layers: str = "heads"
    schedule: str | None = None
    weights: str = "coco"
    compact: bool = False


PRESETS = {
    "default": Preset(
        purpose="ResNet-101 at 1024 pixels, as the original scripts; for a GPU",
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
    values = {key: np.array(v) if key.endswith("STD_DEV") else v for key, v in values.items()}
    return type(f"{name.title()}Config", (Config,), values)()
