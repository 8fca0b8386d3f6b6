"""From one image of a data set to its part of a training batch, and from parts to the batch.

`load_sample` is the one place where an image becomes training targets. A `TrainingSample` is kept
small (the image as uint8, an int8 per anchor), because it may come from another process; `collate`
converts it to the network's inputs.
"""

import random as python_random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mrcnn.config import Config
from mrcnn.data.anchor_matching import AnchorIndex, build_rpn_targets
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import ImageCache, load_image_gt
from mrcnn.data.legacy_head_targets import build_detection_targets, generate_random_rois
from mrcnn.errors import DatasetError, counted
from mrcnn.geometry.anchors import compute_backbone_shapes, generate_pyramid_anchors
from mrcnn.images.molding import mold_image

if TYPE_CHECKING:
    from imgaug.augmenters import Augmenter


# A random window or augmentation may lose all instances of a single image several times in a row.
LEAST_ATTEMPTS = 100


@dataclass
class TrainingSample:
    """One image and its targets; boxes are (y1, x1, y2, x2) in pixels of the resized image."""

    image_id: int
    image: np.ndarray  # [height, width, channels] uint8
    image_meta: np.ndarray  # [12 + classes]
    rpn_match: np.ndarray  # [anchors] int8
    rpn_bbox: np.ndarray  # [RPN_TRAIN_ANCHORS_PER_IMAGE, 4] float64
    class_ids: np.ndarray  # [N] int32, N at most MAX_GT_INSTANCES
    boxes: np.ndarray  # [N, 4] int32
    masks: np.ndarray  # [height, width, N] bool, or mini masks
    random_rois: np.ndarray | None = None  # [R, 4] int32
    detection_targets: tuple | None = None  # what build_detection_targets returns
    # Images that it replaces, with the reason why they cannot be loaded.
    instead_of: dict[int, str] = field(default_factory=dict)


def no_images() -> DatasetError:
    """The error for a data set without images."""
    return DatasetError("the data set has no image to train on", advice="add images to its folder")


def nothing_to_learn(images: int) -> DatasetError:
    """The error for a data set of so many images, none of which yields an instance."""
    return DatasetError(
        f"nothing can be learnt from {counted(images, 'image')} of the data set: there is no "
        "instance of a class to learn",
        advice="check the annotations and the class table",
    )


class AnchorCache:
    """The anchors of each image shape, computed when first asked for."""

    def __init__(self, config: Config):
        self.config = config
        self._of_shape: dict[tuple, tuple[np.ndarray, AnchorIndex | None]] = {}

    def __reduce__(self):
        # Another process computes them faster than it could receive them.
        return AnchorCache, (self.config,)

    def of(self, image_shape) -> tuple[np.ndarray, AnchorIndex | None]:
        """Anchors [A, 4] in float64 pixels, and their index, for images of `image_shape`."""
        key = int(image_shape[0]), int(image_shape[1])
        if key not in self._of_shape:
            config = self.config
            shapes = np.asarray(compute_backbone_shapes(config, image_shape))
            anchors = generate_pyramid_anchors(
                config.RPN_ANCHOR_SCALES,
                config.RPN_ANCHOR_RATIOS,
                shapes,
                config.BACKBONE_STRIDES,
                config.RPN_ANCHOR_STRIDE,
            )
            cells = -(-shapes // config.RPN_ANCHOR_STRIDE)
            self._of_shape[key] = anchors, AnchorIndex.build(anchors, cells)
        return self._of_shape[key]


def load_sample(
    dataset: Dataset,
    config: Config,
    image_id: int,
    anchors: AnchorCache,
    *,
    augment: bool = False,
    augmentation: "Augmenter | None" = None,
    random_rois: int = 0,
    detection_targets: bool = False,
    random: Any = np.random,
    window_random: Any = python_random,
    cache: ImageCache | None = None,
) -> TrainingSample | None:
    """Load an image and compute its targets; None if no instance of a class is left.

    `random` (the module `numpy.random`, a RandomState or a Generator) draws, in this order, RPN
    anchors, random regions, their targets, and which instances are kept if there are more than
    MAX_GT_INSTANCES. `window_random` (the module `random` or a `random.Random`) draws the window
    of IMAGE_RESIZE_MODE "crop". `augmentation` is used as given; `cache` keeps resized images. The
    RPN's targets use all instances, even those beyond MAX_GT_INSTANCES.
    """
    image, image_meta, class_ids, boxes, masks = load_image_gt(
        dataset,
        config,
        image_id,
        augment=augment,
        augmentation=augmentation,
        use_mini_mask=config.USE_MINI_MASK,
        random=window_random,
        cache=cache,
    )
    if not np.any(class_ids > 0):
        return None
    every_anchor, index = anchors.of(image.shape)
    rpn_match, rpn_bbox = build_rpn_targets(
        image.shape, every_anchor, class_ids, boxes, config, random, index
    )
    rois = targets = None
    if random_rois:
        rois = generate_random_rois(image.shape, random_rois, class_ids, boxes, random)
        if detection_targets:
            targets = build_detection_targets(rois, class_ids, boxes, masks, config, random)
    if len(boxes) > config.MAX_GT_INSTANCES:
        kept = random.choice(np.arange(len(boxes)), config.MAX_GT_INSTANCES, replace=False)
        class_ids, boxes, masks = class_ids[kept], boxes[kept], masks[:, :, kept]
    return TrainingSample(
        image_id=image_id,
        image=image,
        image_meta=image_meta,
        rpn_match=rpn_match.astype(np.int8, copy=False),
        rpn_bbox=rpn_bbox,
        class_ids=class_ids,
        boxes=boxes,
        masks=masks,
        random_rois=rois,
        detection_targets=targets,
    )


def collate(samples: list[TrainingSample], config: Config) -> list[np.ndarray]:
    """The network's training inputs, from one sample per image.

    Returns, with B samples, A anchors and M = MAX_GT_INSTANCES; rows without an instance are zero:
        images [B, height, width, channels] float32, mean subtracted; image_meta [B, 12 + classes];
        rpn_match [B, A, 1] int32; rpn_bbox [B, RPN_TRAIN_ANCHORS_PER_IMAGE, 4] float64;
        gt_class_ids [B, M] int32; gt_boxes [B, M, 4] int32 pixels; gt_masks [B, h, w, M] bool;
        and, if the samples have them, random regions [B, R, 4] int32 pixels.

    Raises DatasetError if the images differ in size.
    """
    shapes = {sample.image.shape for sample in samples}
    if len(shapes) > 1:
        raise DatasetError(
            "the images of one batch have different sizes",
            settings=("IMAGE_RESIZE_MODE",),
            found=", ".join(" x ".join(map(str, shape)) for shape in sorted(shapes)),
            advice="set {IMAGE_RESIZE_MODE} to 'square', 'shape' or 'crop', or take one image per "
            "batch",
        )
    count, most = len(samples), config.MAX_GT_INSTANCES
    first = samples[0]
    images = np.empty((count, *first.image.shape), np.float32)
    class_ids = np.zeros((count, most), np.int32)
    boxes = np.zeros((count, most, 4), np.int32)
    masks = np.zeros((count, *first.masks.shape[:2], most), first.masks.dtype)
    for row, sample in enumerate(samples):
        _mold_into(images[row], sample.image, config)
        instances = len(sample.class_ids)
        class_ids[row, :instances] = sample.class_ids
        boxes[row, :instances] = sample.boxes
        masks[row, :, :, :instances] = sample.masks
    inputs = [
        images,
        np.stack([sample.image_meta for sample in samples]),
        np.stack([sample.rpn_match for sample in samples])[:, :, None].astype(np.int32),
        np.stack([sample.rpn_bbox for sample in samples]),
        class_ids,
        boxes,
        masks,
    ]
    if first.random_rois is not None:
        inputs.append(np.array([sample.random_rois for sample in samples]))
    return inputs


def collate_detection_targets(samples: list[TrainingSample]) -> tuple[list, list]:
    """Regions [rois] as additional inputs, and [class_ids [B, T, 1], bboxes, masks] as outputs."""
    rois, class_ids, bboxes, masks = (
        np.stack(part)
        for part in zip(*(sample.detection_targets for sample in samples), strict=True)
    )
    return [rois], [class_ids[:, :, None], bboxes, masks]


def _mold_into(molded: np.ndarray, image: np.ndarray, config: Config) -> None:
    """Write the mean-subtracted image into float32 `molded`: same values as mold_image, faster."""
    if image.dtype != np.uint8:
        molded[...] = mold_image(image.astype(np.float32), config)
        return
    # There are only 256 grey levels: each is molded once and looked up.
    levels = np.repeat(np.arange(256, dtype=np.float32)[:, None, None], image.shape[2], axis=2)
    table = mold_image(levels, config).astype(np.float32)
    cv2.LUT(np.ascontiguousarray(image), table, dst=molded)
