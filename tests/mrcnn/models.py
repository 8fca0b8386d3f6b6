"""Models with the golden runs' configuration and weights, and a small one for everything else."""

import json

import numpy as np

from mrcnn.config import Config
from mrcnn.data.anchor_matching import build_rpn_targets
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.network.backbone import compact_backbone_shapes, compact_resnet_graph
from mrcnn.network.build import build_model, pyramid_anchors
from tests.support import recipe_weight


def config_from_golden(data: dict, **changes) -> Config:
    """A Config with the attributes stored in a golden file."""
    stored = json.loads(str(data["config_json"]))
    attributes = {k: np.array(v) if k.endswith("STD_DEV") else v for k, v in stored.items()}
    for derived in ("BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE"):
        attributes.pop(derived)
    return type("GoldenConfig", (Config,), {**attributes, **changes})()


def assign_recipe(model) -> None:
    """Give every weight of a model the value of the golden recipe."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            assign_recipe(layer)
            continue
        for weight in layer.weights:
            weight.assign(recipe_weight(layer.name, weight.name, weight.shape))


def recipe_model(mode: str, config):
    """A model with recipe weights."""
    model = build_model(mode, config)
    assign_recipe(model)
    return model


class TinyConfig(Config):
    """Every part of the network, so small that it is built in a second."""

    NAME = "Tiny"
    NUM_CLASSES = 4
    IMAGES_PER_GPU = 2
    BACKBONE = staticmethod(compact_resnet_graph)
    COMPUTE_BACKBONE_SHAPE = staticmethod(compact_backbone_shapes)
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TOP_DOWN_PYRAMID_SIZE = 16
    RPN_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    MASK_HEAD_CHANNELS = 16
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_TRAINING = 40
    POST_NMS_ROIS_INFERENCE = 30
    TRAIN_ROIS_PER_IMAGE = 12
    MAX_GT_INSTANCES = 5
    DETECTION_MAX_INSTANCES = 6
    DETECTION_MIN_CONFIDENCE = 0


def tiny_config(**changes) -> Config:
    """A `TinyConfig` with some attributes changed."""
    return type("ChangedConfig", (TinyConfig,), changes)()


def inference_inputs(config, images: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Noise, metas and anchors for an inference model."""
    height, width, channels = config.IMAGE_SHAPE
    rng = np.random.default_rng(seed)
    molded = rng.normal(0, 50, (images, height, width, channels)).astype(np.float32)
    anchors = norm_boxes(pyramid_anchors(config, (height, width)), (height, width))
    return [molded, whole_image_metas(config, images), np.stack([anchors] * images)]


def whole_image_metas(config, images: int) -> np.ndarray:
    """Metas of images that fill the molded size, all classes active."""
    height, width, channels = config.IMAGE_SHAPE
    metas = np.ones((images, config.IMAGE_META_SIZE), np.float32)
    metas[:, 1:4] = metas[:, 4:7] = height, width, channels
    metas[:, 7:11] = 0, 0, height, width
    return metas


def tiny_batch(config, seed: int = 0) -> list[np.ndarray]:
    """The seven inputs of a training model: two squares an image, on noise."""
    rng = np.random.default_rng(seed)
    batch, (height, width, channels) = config.BATCH_SIZE, config.IMAGE_SHAPE
    anchors = pyramid_anchors(config, config.IMAGE_SHAPE)
    images = rng.normal(0, 50, (batch, height, width, channels)).astype(np.float32)
    class_ids = np.zeros((batch, config.MAX_GT_INSTANCES), np.int32)
    boxes = np.zeros((batch, config.MAX_GT_INSTANCES, 4), np.int32)
    class_ids[:, :2] = [1, 2]
    boxes[:, :2] = [[4, 4, height // 2, width // 2], [height // 3, width // 3, height, width]]
    mask_size = config.MINI_MASK_SHAPE if config.USE_MINI_MASK else (height, width)
    masks = np.ones((batch, *mask_size, config.MAX_GT_INSTANCES), bool)
    rpn = [
        build_rpn_targets(
            images.shape[1:], anchors, ids[:2], bbox[:2], config, random=np.random.RandomState(0)
        )
        for ids, bbox in zip(class_ids, boxes, strict=True)
    ]
    rpn_match = np.stack([match for match, _ in rpn])[..., None].astype(np.int32)
    rpn_bbox = np.stack([bbox for _, bbox in rpn]).astype(np.float32)
    metas = whole_image_metas(config, batch)
    return [images, metas, rpn_match, rpn_bbox, class_ids, boxes, masks]
