"""A network small enough to train in a test, and drawn pictures to train it on."""

import cv2
import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.network.backbone import compact_backbone_shapes


def tiny_backbone(image, stage5=True, train_bn=None):
    """One convolution a stage."""
    from keras import layers

    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="conv1")(image)
    stages = []
    for stage, channels in enumerate((16, 24, 32, 48, 64), start=1):
        strides = 1 if stage == 2 else 2
        x = layers.Conv2D(
            channels,
            3,
            strides=strides,
            padding="same",
            activation="relu",
            name=f"res{stage}a_branch2a",
        )(x)
        stages.append(x)
    return stages


class TinyConfig(Config):
    NAME = "shapes"
    BACKBONE = staticmethod(tiny_backbone)
    COMPUTE_BACKBONE_SHAPE = staticmethod(compact_backbone_shapes)
    NUM_CLASSES = 1 + 2
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 48)
    TOP_DOWN_PYRAMID_SIZE = 16
    RPN_CHANNELS = 16
    MASK_HEAD_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    TRAIN_ROIS_PER_IMAGE = 16
    PRE_NMS_LIMIT = 200
    POST_NMS_ROIS_TRAINING = 50
    POST_NMS_ROIS_INFERENCE = 50
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 4
    DETECTION_MAX_INSTANCES = 10
    LEARNING_RATE = 0.01
    STEPS_PER_EPOCH = 6
    VALIDATION_STEPS = 2
    LOADER_WORKERS = 2
    SEED = 3


class ShapesDataset(Dataset):
    """Pictures of 48 x 64 pixels with a square (class 1) and a disc (class 2)."""

    def __init__(self, count: int, seed: int = 0, path: str = ""):
        super().__init__()
        self.add_class("shapes", 1, "square")
        self.add_class("shapes", 2, "disc")
        for index in range(count):
            self.add_image("shapes", index, path=path, drawing_seed=[seed, index])
        self.prepare()

    def _draw(self, image_id):
        rng = np.random.default_rng(self.image_info[image_id]["drawing_seed"])
        image = np.full((48, 64, 3), rng.integers(150, 220), np.uint8)
        masks = np.zeros((2, 48, 64), np.uint8)
        x, y, size = int(rng.integers(2, 8)), int(rng.integers(2, 20)), int(rng.integers(16, 24))
        cv2.rectangle(masks[0], (x, y), (x + size, y + size), 1, -1)
        centre = int(rng.integers(44, 52)), int(rng.integers(14, 34))
        cv2.circle(masks[1], centre, int(rng.integers(8, 11)), 1, -1)
        for mask, colour in zip(masks, ((200, 30, 30), (20, 60, 190)), strict=True):
            image[mask > 0] = colour
        return image, masks

    def load_image(self, image_id):
        return self._draw(image_id)[0]

    def load_mask(self, image_id):
        masks = self._draw(image_id)[1].astype(bool)
        return np.moveaxis(masks, 0, -1), np.array([1, 2], np.int32)
