"""Training targets of the heads: RoIs sampled from the proposals, with class, box and mask.

He et al., "Mask R-CNN" (2017), section 3.1 (training); Girshick, "Fast R-CNN" (2015), section 2.3.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.config import Config
from mrcnn.network.box_graph import box_refinement_graph, overlaps_graph

POSITIVE_IOU = 0.5
CROWD_IOU = 0.001

TARGET_SETTINGS = (
    "count",
    "positive_ratio",
    "bbox_std_dev",
    "mask_shape",
    "use_mini_mask",
    "stop_gradients",
)


def sample_rois(
    overlaps: tf.Tensor,
    valid_rois: tf.Tensor,
    crowd_overlaps: tf.Tensor,
    random_keys: tf.Tensor,
    count: int,
    positive_ratio: float,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Choose which proposals to train on, positives first.

    A proposal is positive if its best IoU is at least 0.5, and negative if it is less and the
    proposal touches no crowd. At most `int(count * positive_ratio)` positives are sampled, and
    negatives to match the ratio: without a positive there are no negatives either.

    Args:
        overlaps: best IoU of each proposal with any instance, float32 `[batch, proposals]`.
        valid_rois: False for padding, bool `[batch, proposals]`.
        crowd_overlaps: best IoU with any crowd, float32 `[batch, proposals]`.
        random_keys: uniform numbers that decide the choice, float32 `[batch, proposals]`.
        count: RoIs per image.
        positive_ratio: Config.ROI_POSITIVE_RATIO.

    Returns:
        `chosen` int32 `[batch, count]` indices into the proposals, `is_positive` and `is_used`
        bool `[batch, count]`; unused rows index proposal 0.
    """
    positive = valid_rois & (overlaps >= POSITIVE_IOU)
    negative = valid_rois & (overlaps < POSITIVE_IOU) & (crowd_overlaps < CROWD_IOU)
    most_positives = int(count * positive_ratio)
    positives = tf.minimum(_count(positive), most_positives)
    wanted = tf.cast(tf.constant(1.0 / positive_ratio) * tf.cast(positives, tf.float32), tf.int32)
    negatives = tf.minimum(_count(negative), tf.maximum(wanted - positives, 0))
    first = _random_order(positive, random_keys, most_positives)
    second = _random_order(negative, random_keys, count)
    order = tf.concat([first, second], axis=1)
    used = tf.concat(
        [
            tf.range(most_positives)[None] < positives[:, None],
            tf.range(count)[None] < negatives[:, None],
        ],
        axis=1,
    )
    packed = tf.argsort(tf.cast(~used, tf.int32), axis=1, stable=True)[:, :count]
    is_used = tf.gather(used, packed, batch_dims=1)
    is_positive = is_used & (tf.range(count)[None] < positives[:, None])
    chosen = tf.gather(order, packed, batch_dims=1)
    return tf.where(is_used, chosen, 0), is_positive, is_used


def _count(mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)


def _random_order(mask: tf.Tensor, keys: tf.Tensor, count: int) -> tf.Tensor:
    """Indices of `count` True elements in random order, then of others; zero-padded."""
    available = tf.minimum(count, tf.shape(keys)[1])
    _, indices = tf.math.top_k(tf.where(mask, keys, -1.0), k=available)
    indices = tf.pad(indices, [[0, 0], [0, count - available]])
    return tf.ensure_shape(indices, [None, count])


def _best_overlap(overlaps: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """IoU `[batch, proposals, instances]`, -1 for instances that are not wanted."""
    return tf.where(wanted[:, None, :], overlaps, -1.0)


def _at_least_one(x: tf.Tensor, axis: int) -> tf.Tensor:
    """`x`, or one padding row if it is statically empty, so that there is a row to index."""
    if x.shape[axis] != 0:
        return x
    return tf.pad(x, [[0, int(i == axis)] for i in range(len(x.shape))])


def mask_targets(
    rois: tf.Tensor,
    gt_boxes: tf.Tensor,
    gt_masks: tf.Tensor,
    instances: tf.Tensor,
    mask_shape: Sequence[int],
    use_mini_mask: bool,
) -> tf.Tensor:
    """The mask of each RoI's instance, cropped to the RoI and resized, 0 or 1.

    Args:
        rois: normalised, float32 `[batch, rois, 4]`, with positive area.
        gt_boxes: the normalised box of each RoI's instance, float32 `[batch, rois, 4]`.
        gt_masks: bool `[batch, h, w, instances]`; of the whole image, or of the instance's box
            with `use_mini_mask`.
        instances: index of each RoI's instance, int32 `[batch, rois]`.
        mask_shape: `(height, width)` of the result.
        use_mini_mask: Config.USE_MINI_MASK.

    Returns:
        float32 `[batch, rois, *mask_shape]`; a value of exactly 0.5 becomes 0.
    """
    batch, count = tf.shape(rois)[0], tf.shape(rois)[1]
    shape = tf.shape(gt_masks)
    stack = tf.transpose(tf.cast(gt_masks, tf.uint8), [0, 3, 1, 2])
    stack = tf.reshape(stack, [-1, shape[1], shape[2], 1])
    if use_mini_mask:
        origin = tf.tile(gt_boxes[..., :2], [1, 1, 2])
        size = tf.tile(gt_boxes[..., 2:] - gt_boxes[..., :2], [1, 1, 2])
        rois = (rois - origin) / size
    places = tf.range(batch)[:, None] * shape[3] + instances
    crops = tf.image.crop_and_resize(
        stack, tf.reshape(rois, [-1, 4]), tf.reshape(places, [-1]), mask_shape
    )
    return tf.round(tf.reshape(crops, tf.stack([batch, count, *mask_shape])))


def target_settings(config: Config) -> dict[str, Any]:
    """The Config values that affect targets, named as in `TARGET_SETTINGS`."""
    values = (
        int(config.TRAIN_ROIS_PER_IMAGE),
        float(config.ROI_POSITIVE_RATIO),
        [float(s) for s in np.asarray(config.BBOX_STD_DEV)],
        [int(n) for n in config.MASK_SHAPE],
        bool(config.USE_MINI_MASK),
        bool(getattr(config, "STOP_TARGET_GRADIENTS", False)),
    )
    return dict(zip(TARGET_SETTINGS, values, strict=True))


@keras.saving.register_keras_serializable("mrcnn")
class DetectionTargetLayer(layers.Layer):
    """Samples RoIs and computes their targets.

    Call it with

    - `proposals`, normalised `[batch, proposals, 4]`, where zero rows are padding;
    - `gt_class_ids` int32 `[batch, instances]`, negative for crowds, 0 for padding;
    - `gt_boxes`, normalised `[batch, instances, 4]`;
    - `gt_masks` bool `[batch, h, w, instances]`.

    It returns, each with `TRAIN_ROIS_PER_IMAGE` rows per image, positives first, then negatives,
    then zeros: `rois` (normalised), `target_class_ids` int32, `target_bbox` (deltas divided by
    BBOX_STD_DEV) and `target_mask` float32.

    Gradients flow back through `target_bbox` into the region proposals, as in the original.
    `STOP_TARGET_GRADIENTS` treats targets as the constants they are meant to be.

    Args:
        config: a Config, or the dictionary of `target_settings`.
        seed: of the random choice; the training loop sets it for every step.

    Attributes:
        random_keys: draws uniform numbers, given a shape and a seed generator; replaced when
            training on several devices.
    """

    def __init__(self, config: Config | dict[str, Any], seed: int = 0, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        settings = config if isinstance(config, dict) else target_settings(config)
        self.seed = seed
        self.count: int = settings["count"]
        self.positive_ratio: float = settings["positive_ratio"]
        self.bbox_std_dev = tuple(settings["bbox_std_dev"])
        self.mask_shape = tuple(settings["mask_shape"])
        self.use_mini_mask: bool = settings["use_mini_mask"]
        self.stop_gradients: bool = settings["stop_gradients"]
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.random_keys = keras.random.uniform

    @property
    def most_positives(self) -> int:
        """Upper bound on the positive RoIs per image, which come first."""
        return int(self.count * self.positive_ratio)

    def call(self, inputs):
        """Sample: see the class."""
        *rows, gt_masks = inputs
        proposals, gt_class_ids, gt_boxes = (_at_least_one(x, axis=1) for x in rows)
        gt_masks = _at_least_one(gt_masks, axis=3)
        has_box = tf.reduce_sum(tf.abs(gt_boxes), axis=-1) > 0
        overlaps = overlaps_graph(proposals, gt_boxes)
        overlaps_objects = _best_overlap(overlaps, has_box & (gt_class_ids > 0))
        overlaps_crowds = _best_overlap(overlaps, has_box & (gt_class_ids < 0))
        chosen, is_positive, is_used = sample_rois(
            tf.reduce_max(overlaps_objects, axis=2),
            tf.reduce_sum(tf.abs(proposals), axis=-1) > 0,
            tf.reduce_max(overlaps_crowds, axis=2),
            self.random_keys(tf.shape(proposals)[:2], seed=self.seed_generator),
            self.count,
            self.positive_ratio,
        )
        rois = tf.gather(proposals, chosen, batch_dims=1)
        nearest = tf.argmax(overlaps_objects, axis=2, output_type=tf.int32)
        instances = tf.where(is_positive, tf.gather(nearest, chosen, batch_dims=1), 0)
        outputs = self._targets(
            rois, instances, is_positive, is_used, gt_class_ids, gt_boxes, gt_masks
        )
        return [tf.stop_gradient(x) for x in outputs] if self.stop_gradients else outputs

    def _targets(self, rois, instances, is_positive, is_used, gt_class_ids, gt_boxes, gt_masks):
        # Rows without an instance use a whole-image box instead, so that neither their value nor
        # their gradient can be infinite, and are zeroed afterwards.
        everything = tf.constant([0.0, 0.0, 1.0, 1.0])
        flag = is_positive[..., None]
        safe_rois = tf.where(flag, rois, everything)
        safe_gt = tf.where(flag, tf.gather(gt_boxes, instances, batch_dims=1), everything)
        deltas = box_refinement_graph(safe_rois, safe_gt) / self.bbox_std_dev
        class_ids = tf.where(is_positive, tf.gather(gt_class_ids, instances, batch_dims=1), 0)
        first = self.most_positives
        masks = mask_targets(
            tf.stop_gradient(safe_rois[:, :first]),
            safe_gt[:, :first],
            gt_masks,
            instances[:, :first],
            self.mask_shape,
            self.use_mini_mask,
        )
        masks = tf.where(is_positive[:, :first, None, None], masks, 0.0)
        masks = tf.pad(masks, [[0, 0], [0, self.count - first], [0, 0], [0, 0]])
        return [
            tf.where(is_used[..., None], rois, 0.0),
            class_ids,
            tf.where(flag, deltas, 0.0),
            masks,
        ]

    def compute_output_spec(self, inputs):
        """Shapes and dtypes of the four outputs."""
        batch = inputs[0].shape[0]
        shapes = [((4,), "float32"), ((), "int32"), ((4,), "float32"), (self.mask_shape, "float32")]
        return [keras.KerasTensor((batch, self.count, *rest), dtype) for rest, dtype in shapes]

    def get_config(self) -> dict:
        """Keras configuration."""
        settings = {name: getattr(self, name) for name in TARGET_SETTINGS}
        return {**super().get_config(), "config": settings, "seed": self.seed}


@keras.saving.register_keras_serializable("mrcnn")
class PositiveRows(layers.Layer):
    """The first RoIs of each image, as many as the image with the most positives has.

    Their number is rounded up to a multiple of `STEP`, since convolutions are set up anew for each
    batch size; it is at least one step, and never more than there are RoIs.
    """

    STEP = 4

    def call(self, inputs):
        """Slice `[class_ids int32 [batch, rois], *others [batch, rois, ...]]`, positives first."""
        positives = tf.maximum(tf.reduce_max(_count(inputs[0] > 0)), 1)
        rows = tf.minimum(-(-positives // self.STEP) * self.STEP, tf.shape(inputs[0])[1])
        return [x[:, :rows] for x in inputs]

    def compute_output_spec(self, inputs):
        """The number of rows is known only at run time."""
        return [keras.KerasTensor((x.shape[0], None, *x.shape[2:]), x.dtype) for x in inputs]


def detection_targets_graph(
    proposals: tf.Tensor,
    gt_class_ids: tf.Tensor,
    gt_boxes: tf.Tensor,
    gt_masks: tf.Tensor,
    config: Config,
) -> list[tf.Tensor]:
    """`DetectionTargetLayer` for one image: the same arguments without the batch axis."""
    inputs = [x[None] for x in (proposals, gt_class_ids, gt_boxes, gt_masks)]
    return [x[0] for x in DetectionTargetLayer(config)(inputs)]
