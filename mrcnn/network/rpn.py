"""The region proposal network and the layer that turns its output into proposals.

Ren et al., "Faster R-CNN" (2015), section 3.1; one network shared by all pyramid levels.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.config import Config
from mrcnn.network.box_graph import apply_box_deltas_graph, clip_boxes_graph
from mrcnn.network.layers import SparseGradientConv2D


def rpn_graph(
    feature_map: keras.KerasTensor,
    anchors_per_location: int,
    anchor_stride: int,
    channels: int = 512,
) -> list[keras.KerasTensor]:
    """Scores and box deltas for the anchors of one pyramid level.

    Args:
        feature_map: float `[batch, h, w, depth]`.
        anchors_per_location: number of anchor ratios.
        anchor_stride: 1 for anchors at every cell of the map, 2 for every other one.
        channels: of the shared 3x3 convolution.

    Returns:
        `rpn_class_logits` and `rpn_class` `[batch, anchors, (background, foreground)]`, before
        and after the softmax, and `rpn_bbox` `[batch, anchors, (dy, dx, log(dh), log(dw))]`.
    """
    shared = _shared_convolution(channels, anchor_stride)(feature_map)
    x = layers.Conv2D(2 * anchors_per_location, 1, name="rpn_class_raw")(shared)
    logits = layers.Reshape((-1, 2), dtype="float32")(x)
    probabilities = layers.Activation("softmax", name="rpn_class_xxx", dtype="float32")(logits)
    x = layers.Conv2D(4 * anchors_per_location, 1, name="rpn_bbox_pred")(shared)
    deltas = layers.Reshape((-1, 4), dtype="float32")(x)
    return [logits, probabilities, deltas]


def _shared_convolution(channels: int, strides: int) -> layers.Conv2D:
    if strides == 1:
        return SparseGradientConv2D(channels, name="rpn_conv_shared")
    options = {"padding": "same", "activation": "relu", "strides": strides}
    return layers.Conv2D(channels, 3, name="rpn_conv_shared", **options)


def build_rpn_model(
    anchor_stride: int, anchors_per_location: int, depth: int, channels: int = 512
) -> keras.Model:
    """The shared network as a nested model named `rpn_model`; `depth` is that of its input."""
    # With the default dtype float32, a nested model would convert bfloat16 maps back and forth.
    dtype = keras.config.dtype_policy().compute_dtype
    feature_map = layers.Input((None, None, depth), dtype=dtype, name="input_rpn_feature_map")
    outputs = rpn_graph(feature_map, anchors_per_location, anchor_stride, channels)
    return keras.Model(feature_map, outputs, name="rpn_model")


def apply_rpn(
    rpn_model: keras.Model, feature_maps: Sequence[keras.KerasTensor]
) -> list[keras.KerasTensor]:
    """Run the shared network on every level and concatenate the anchors, fine levels first."""
    per_level = [rpn_model(p) for p in feature_maps]
    names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
    return [
        layers.Concatenate(axis=1, name=name, dtype="float32")(list(tensors))
        for name, tensors in zip(names, zip(*per_level, strict=True), strict=True)
    ]


@keras.saving.register_keras_serializable("mrcnn")
class ProposalLayer(layers.Layer):
    """Turns the best-scoring anchors into proposals: applies their deltas, then NMS.

    Call it with `[rpn_class, rpn_bbox, anchors]`: `[batch, anchors, 2]`, `[batch, anchors, 4]`
    and normalised `[batch, anchors, 4]` (a batch of 1 is broadcast). It returns normalised
    proposals `[batch, proposal_count, 4]` by descending score, padded with zero rows.

    Args:
        proposal_count: rows after non-maximum suppression.
        nms_threshold: drop boxes whose IoU with a higher-scoring one exceeds this.
        pre_nms_limit: number of top-scoring anchors kept before NMS.
        bbox_std_dev: what `rpn_bbox` is multiplied by.
        config: the legacy way to pass the last two, as a Config.
    """

    def __init__(
        self,
        proposal_count: int,
        nms_threshold: float,
        config: Config | None = None,
        *,
        pre_nms_limit: int | None = None,
        bbox_std_dev: Sequence[float] | np.ndarray | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.proposal_count = proposal_count
        self.nms_threshold = nms_threshold
        if config is not None:
            pre_nms_limit, bbox_std_dev = config.PRE_NMS_LIMIT, config.RPN_BBOX_STD_DEV
        if pre_nms_limit is None or bbox_std_dev is None:
            raise TypeError("ProposalLayer needs pre_nms_limit and bbox_std_dev, or a config")
        self.pre_nms_limit = pre_nms_limit
        self.bbox_std_dev = [float(s) for s in np.asarray(bbox_std_dev)]

    def call(self, inputs):
        """Select proposals: see the class."""
        probabilities, deltas, anchors = inputs
        scores = probabilities[:, :, 1]
        count = tf.minimum(self.pre_nms_limit, tf.shape(scores)[1])
        scores, best = tf.math.top_k(scores, k=count, sorted=True)
        anchors = tf.broadcast_to(anchors, tf.shape(deltas))
        deltas = tf.gather(deltas, best, batch_dims=1) * self.bbox_std_dev
        boxes = apply_box_deltas_graph(tf.gather(anchors, best, batch_dims=1), deltas)
        boxes = clip_boxes_graph(boxes, tf.constant([0.0, 0.0, 1.0, 1.0]))
        kept = self._suppress(tf.stop_gradient(boxes), tf.stop_gradient(scores))
        with_zero_row = tf.pad(boxes, [[0, 0], [0, 1], [0, 0]])
        kept = tf.where(kept >= 0, kept, tf.shape(boxes)[1])
        return tf.gather(with_zero_row, kept, batch_dims=1)

    def _suppress(self, boxes, scores):
        """Indices of the kept boxes, int32 `[batch, proposal_count]`, padded with -1."""

        def one_image(pair):
            kept = tf.image.non_max_suppression(*pair, self.proposal_count, self.nms_threshold)
            return tf.pad(kept, [[0, self.proposal_count - tf.size(kept)]], constant_values=-1)

        signature = tf.TensorSpec([self.proposal_count], tf.int32)
        return tf.map_fn(one_image, (boxes, scores), fn_output_signature=signature)

    def compute_output_shape(self, input_shape):
        """`[batch, proposal_count, 4]`."""
        return (input_shape[0][0], self.proposal_count, 4)

    def get_config(self) -> dict:
        """Keras configuration."""
        names = ("proposal_count", "nms_threshold", "pre_nms_limit", "bbox_std_dev")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
