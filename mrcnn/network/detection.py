"""The last step of inference: which RoIs become detections."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.config import Config
from mrcnn.network.box_graph import (
    apply_box_deltas_graph,
    clip_boxes_graph,
    norm_boxes_graph,
    overlaps_graph,
    parse_image_meta_graph,
)


def suppress_within_classes(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    scores: tf.Tensor,
    candidate: tf.Tensor,
    count: int,
    threshold: float,
) -> tf.Tensor:
    """Non-maximum suppression for one image, within each class.

    Args:
        boxes: float32 `[rois, 4]`.
        class_ids: int32 `[rois]`.
        scores: float32 `[rois]`.
        candidate: bool `[rois]`, which rows are considered.
        count: how many to keep.
        threshold: drop boxes whose IoU with a higher-scoring one of their class exceeds this.

    Returns:
        int32 `[count]`: indices by descending score, padded with -1.
    """
    indices = tf.where(candidate)[:, 0]
    boxes, class_ids = tf.gather(boxes, indices), tf.gather(class_ids, indices)
    same_class = tf.equal(class_ids[:, None], class_ids[None, :])
    overlaps = tf.where(same_class, overlaps_graph(boxes, boxes), 0.0)
    kept = tf.image.non_max_suppression_overlaps(
        overlaps, tf.gather(scores, indices), count, threshold
    )
    kept = tf.cast(tf.gather(indices, kept), tf.int32)
    return tf.pad(kept, [[0, count - tf.size(kept)]], constant_values=-1)


def refine_detections_batch(
    rois: tf.Tensor,
    probabilities: tf.Tensor,
    deltas: tf.Tensor,
    windows: tf.Tensor,
    *,
    bbox_std_dev: Sequence[float],
    min_confidence: float,
    nms_threshold: float,
    max_instances: int,
    every_class: bool = False,
    last_class: int | None = None,
) -> tf.Tensor:
    """The detections of a batch.

    Every RoI gets its most probable class, is moved by that class's deltas and clipped to the
    window. Background and low scores are dropped, then NMS is applied within each class.

    Args:
        rois: normalised, float32 `[batch, rois, 4]`.
        probabilities: float32 `[batch, rois, classes]`.
        deltas: float32 `[batch, rois, classes, 4]`.
        windows: position of the image in the molded one, normalised, float32 `[batch, 4]`.
        bbox_std_dev: what the deltas are multiplied by.
        min_confidence: scores below it are dropped; 0 or None keeps all.
        nms_threshold: IoU.
        max_instances: rows of the result.
        every_class: whether a RoI yields a detection for each class that is probable enough.
        last_class: RoIs of classes after this one are dropped, too; None keeps all classes.

    Returns:
        float32 `[batch, max_instances, (y1, x1, y2, x2, class id, score)]`, normalised, by
        descending score, zero-padded.
    """
    if every_class:
        rois, class_ids, scores, own_deltas = _each_class(rois, probabilities, deltas)
    else:
        class_ids = tf.argmax(probabilities, axis=2, output_type=tf.int32)
        scores = tf.gather(probabilities, class_ids, batch_dims=2)
        own_deltas = tf.gather(deltas, class_ids, batch_dims=2)
    boxes = apply_box_deltas_graph(rois, own_deltas * tf.constant(bbox_std_dev, tf.float32))
    boxes = clip_boxes_graph(boxes, windows[:, None, :])
    candidate = class_ids > 0
    if last_class:
        candidate &= class_ids <= last_class
    if min_confidence:
        candidate &= scores >= min_confidence

    def kept_in(image):
        boxes, class_ids, scores, candidate = image
        return suppress_within_classes(
            boxes, class_ids, scores, candidate, max_instances, nms_threshold
        )

    kept = tf.map_fn(
        kept_in,
        (boxes, class_ids, scores, candidate),
        fn_output_signature=tf.TensorSpec([max_instances], tf.int32),
    )
    columns = [boxes, tf.cast(class_ids, tf.float32)[..., None], scores[..., None]]
    with_zero_row = tf.pad(tf.concat(columns, axis=-1), [[0, 0], [0, 1], [0, 0]])
    return tf.gather(with_zero_row, tf.where(kept >= 0, kept, tf.shape(boxes)[1]), batch_dims=1)


def _each_class(rois, probabilities, deltas):
    """RoIs, class ids, scores and deltas with one row per RoI and class, without background."""
    batch, count, classes = tf.shape(rois)[0], tf.shape(rois)[1], probabilities.shape[2] - 1
    class_ids = tf.tile(tf.range(1, classes + 1)[None], [batch, count])
    scores = tf.reshape(probabilities[..., 1:], [batch, count * classes])
    deltas = tf.reshape(deltas[:, :, 1:], [batch, count * classes, 4])
    return tf.repeat(rois, classes, axis=1), class_ids, scores, deltas


def refine_detections_graph(
    rois: tf.Tensor, probs: tf.Tensor, deltas: tf.Tensor, window: tf.Tensor, config: Config
) -> tf.Tensor:
    """`refine_detections_batch` for one image and a Config: the legacy function."""
    return refine_detections_batch(
        rois[None], probs[None], deltas[None], window[None], **detection_settings(config)
    )[0]


def detection_settings(config: Config) -> dict[str, Any]:
    """The Config values that affect detections."""
    return {
        "bbox_std_dev": [float(s) for s in np.asarray(config.BBOX_STD_DEV)],
        "min_confidence": float(config.DETECTION_MIN_CONFIDENCE or 0),
        "nms_threshold": float(config.DETECTION_NMS_THRESHOLD),
        "max_instances": int(config.DETECTION_MAX_INSTANCES),
        "every_class": bool(getattr(config, "DETECTION_EVERY_CLASS", False)),
        "last_class": getattr(config, "DETECTION_LAST_CLASS", None),
    }


@keras.saving.register_keras_serializable("mrcnn")
class DetectionLayer(layers.Layer):
    """`refine_detections_batch` as a layer.

    Call it with `[rois, mrcnn_class, mrcnn_bbox, image_meta]`. Windows are normalised by the size
    of the first image in the batch: all have the same molded size.

    Args:
        config: a Config, or the dictionary of `detection_settings`.
    """

    def __init__(self, config: Config | dict[str, Any], **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.settings = config if isinstance(config, dict) else detection_settings(config)

    def call(self, inputs):
        """Detect: see the class."""
        rois, probabilities, deltas, image_meta = inputs
        meta = parse_image_meta_graph(image_meta)
        windows = norm_boxes_graph(meta["window"], meta["image_shape"][0, :2])
        return refine_detections_batch(rois, probabilities, deltas, windows, **self.settings)

    def compute_output_shape(self, input_shape):
        """`[batch, max_instances, 6]`."""
        return (input_shape[0][0], self.settings["max_instances"], 6)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "config": self.settings}
