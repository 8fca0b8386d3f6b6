"""The five losses. Each is one scalar over the whole batch, and 0 if nothing matches.

Each is a mean: a sum over the elements that count, divided by their number. When a batch is split
across several devices, the mean of their means is not the mean of the batch; so each loss is also
available as these two numbers, its `parts`.

He et al., "Mask R-CNN" (2017), section 3; Ren et al., "Faster R-CNN" (2015), section 3.1.2.
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.network.box_graph import parse_image_meta_graph

KERAS_EPSILON = 1e-7


def smooth_l1_loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    """Element by element: `0.5 d^2` where the difference d is below 1, else `d - 0.5`."""
    difference = tf.abs(y_true - y_pred)
    return tf.where(difference < 1.0, 0.5 * tf.square(difference), difference - 0.5)


def _sum_and_size(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.reduce_sum(values), tf.cast(tf.size(values), tf.float32)


class MeanLoss(Protocol):
    """A loss that is also available as its numerator and denominator.

    Attributes:
        parts: takes the same arguments as the loss; returns float32 scalars `(sum, count)`.
        divide: takes both; also defines the loss if nothing counts.
    """

    parts: Callable[..., tuple[tf.Tensor, tf.Tensor]]
    divide: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        """The loss, a float32 scalar."""


def mean_of(
    parts: Callable, divide: Callable = tf.math.divide_no_nan
) -> Callable[[Callable[..., tf.Tensor]], MeanLoss]:
    """Decorate a loss with its `parts` and with how they are divided; see `MeanLoss`."""

    def decorate(loss: Callable[..., tf.Tensor]) -> MeanLoss:
        mean = cast(MeanLoss, loss)
        mean.parts, mean.divide = parts, divide
        return mean

    return decorate


def _rpn_class_parts(rpn_match, rpn_class_logits):
    match = rpn_match[..., 0]
    chosen = tf.where(match != 0)
    labels = tf.cast(tf.equal(tf.gather_nd(match, chosen), 1), tf.int32)
    logits = tf.gather_nd(rpn_class_logits, chosen)
    return _sum_and_size(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


@mean_of(_rpn_class_parts)
def rpn_class_loss_graph(rpn_match: tf.Tensor, rpn_class_logits: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of anchors, averaged over all that are not neutral.

    Args:
        rpn_match: int `[batch, anchors, 1]`: 1 positive, -1 negative, 0 neutral.
        rpn_class_logits: `[batch, anchors, (background, foreground)]`.
    """
    return tf.math.divide_no_nan(*_rpn_class_parts(rpn_match, rpn_class_logits))


def _rpn_bbox_parts(target_bbox, rpn_match, rpn_bbox):
    positive = tf.equal(rpn_match[..., 0], 1)
    chosen = tf.where(positive)
    rank = tf.cumsum(tf.cast(positive, tf.int64), axis=1) - 1
    rows = tf.stack([chosen[:, 0], tf.gather_nd(rank, chosen)], axis=1)
    target = tf.cast(tf.gather_nd(target_bbox, rows), tf.float32)
    return _sum_and_size(smooth_l1_loss(target, tf.gather_nd(rpn_bbox, chosen)))


def rpn_bbox_loss_graph(
    config: object, target_bbox: tf.Tensor, rpn_match: tf.Tensor, rpn_bbox: tf.Tensor
) -> tf.Tensor:
    """Smooth-L1 of positive anchors' deltas.

    Args:
        config: not used; part of the legacy signature.
        target_bbox: `[batch, max positives, 4]`; row k belongs to the k-th positive anchor.
        rpn_match: int `[batch, anchors, 1]`: 1 positive, -1 negative, 0 neutral.
        rpn_bbox: `[batch, anchors, 4]`.
    """
    return tf.math.divide_no_nan(*_rpn_bbox_parts(target_bbox, rpn_match, rpn_bbox))


def _active_rois(pred_class_logits, active_class_ids):
    """1 for a RoI whose predicted class is active in its image, else 0: float32 `[batch, rois]`."""
    predicted = tf.argmax(pred_class_logits, axis=2)
    return tf.cast(tf.gather(active_class_ids, predicted, axis=1, batch_dims=1), tf.float32)


def _class_parts(target_class_ids, pred_class_logits, active_class_ids, class_weights=None):
    labels = tf.cast(target_class_ids, tf.int32)
    counts = _active_rois(pred_class_logits, active_class_ids)
    if class_weights is not None:
        counts *= tf.gather(class_weights, labels)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, pred_class_logits)
    return tf.reduce_sum(loss * counts), tf.reduce_sum(counts)


def mrcnn_class_loss_graph(
    target_class_ids: tf.Tensor, pred_class_logits: tf.Tensor, active_class_ids: tf.Tensor
) -> tf.Tensor:
    """Softmax cross-entropy of RoIs, padding rows included as background.

    RoIs whose *predicted* class does not belong to the image's source do not count. As in the
    original, the active classes are those of the first image in the batch, and the loss is NaN if
    no prediction is of an active class. The training model uses `class_loss_of_meta`, which uses
    the active classes of each image.

    Args:
        target_class_ids: int `[batch, rois]`.
        pred_class_logits: `[batch, rois, classes]`.
        active_class_ids: 1 or 0, `[batch, classes]`.
    """
    first = tf.repeat(active_class_ids[:1], tf.shape(target_class_ids)[0], axis=0)
    return tf.divide(*_class_parts(target_class_ids, pred_class_logits, first))


def _bbox_parts(target_bbox, target_class_ids, pred_bbox):
    chosen = tf.where(target_class_ids > 0)
    class_ids = tf.cast(tf.gather_nd(target_class_ids, chosen), tf.int64)
    predicted = tf.gather_nd(pred_bbox, tf.concat([chosen, class_ids[:, None]], axis=1))
    return _sum_and_size(smooth_l1_loss(tf.gather_nd(target_bbox, chosen), predicted))


@mean_of(_bbox_parts)
def mrcnn_bbox_loss_graph(
    target_bbox: tf.Tensor, target_class_ids: tf.Tensor, pred_bbox: tf.Tensor
) -> tf.Tensor:
    """Smooth-L1 of positive RoIs' deltas for their target class.

    Args:
        target_bbox: `[batch, rois, 4]`.
        target_class_ids: int `[batch, rois]`.
        pred_bbox: `[batch, rois, classes, 4]`.
    """
    return tf.math.divide_no_nan(*_bbox_parts(target_bbox, target_class_ids, pred_bbox))


def _mask_parts(target_masks, target_class_ids, pred_masks):
    chosen = tf.where(target_class_ids > 0)
    class_ids = tf.gather_nd(target_class_ids, chosen)
    target = tf.cast(tf.gather_nd(target_masks, chosen), tf.float32)
    predicted = tf.gather(tf.gather_nd(pred_masks, chosen), class_ids, axis=3, batch_dims=1)
    return _sum_and_size(binary_crossentropy(target, predicted))


@mean_of(_mask_parts)
def mrcnn_mask_loss_graph(
    target_masks: tf.Tensor, target_class_ids: tf.Tensor, pred_masks: tf.Tensor
) -> tf.Tensor:
    """Binary cross-entropy of positive RoIs' masks for their target class.

    Args:
        target_masks: 0 or 1, `[batch, rois, h, w]`.
        target_class_ids: int `[batch, rois]`.
        pred_masks: probabilities, `[batch, rois, h, w, classes]`.
    """
    return tf.math.divide_no_nan(*_mask_parts(target_masks, target_class_ids, pred_masks))


def binary_crossentropy(target: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Keras 2's formula, element by element: clipped, with an epsilon inside both logarithms.

    Keras 3 only clips, so a saturated pixel costs 16.12 instead of 15.42.
    """
    p = tf.clip_by_value(probability, KERAS_EPSILON, 1.0 - KERAS_EPSILON)
    return -(
        target * tf.math.log(p + KERAS_EPSILON)
        + (1.0 - target) * tf.math.log(1.0 - p + KERAS_EPSILON)
    )


def weight_decay_loss(weights: list[keras.Variable], factor: float) -> tf.Tensor:
    """The sum of `factor * sum(w^2) / size(w)` over kernels and biases, not gamma and beta.

    Args:
        weights: the trainable ones.
        factor: Config.WEIGHT_DECAY.
    """
    decayed = [w for w in weights if not is_normalisation(w)]
    terms = [tf.reduce_mean(tf.square(w.value)) for w in decayed]
    return factor * tf.add_n(terms) if terms else tf.constant(0.0)


def is_normalisation(weight: keras.Variable) -> bool:
    """Whether a weight is a batch norm's gamma or beta."""
    return "gamma" in weight.name or "beta" in weight.name


@keras.saving.register_keras_serializable("mrcnn")
class LossLayer(layers.Layer):
    """Adds one of the loss functions to the graph under its name; the output is a scalar.

    Args:
        function: called with the inputs as its arguments; or the name of one of `LOSSES`.
    """

    def __init__(self, function: Callable[..., tf.Tensor] | str, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.function = LOSSES[function] if isinstance(function, str) else function
        self._name_of_function = function if isinstance(function, str) else function.__name__

    def call(self, inputs):
        """The loss of `inputs`."""
        return self.function(*inputs)

    def compute_output_spec(self, inputs):
        """A float32 scalar."""
        return keras.KerasTensor((), "float32")

    def get_config(self) -> dict:
        """Keras configuration, without class weights, which belong to a data set."""
        return {**super().get_config(), "function": self._name_of_function}


def _class_parts_of_meta(target_class_ids, pred_class_logits, image_meta, class_weights=None):
    active = parse_image_meta_graph(image_meta)["active_class_ids"]
    return _class_parts(target_class_ids, pred_class_logits, active, class_weights)


@mean_of(_class_parts_of_meta)
def class_loss_of_meta(
    target_class_ids: tf.Tensor, pred_class_logits: tf.Tensor, image_meta: tf.Tensor
) -> tf.Tensor:
    """`mrcnn_class_loss_graph` with the active classes of each image, taken from its meta.

    If no prediction is of an active class, the loss is 0.
    """
    return tf.math.divide_no_nan(
        *_class_parts_of_meta(target_class_ids, pred_class_logits, image_meta)
    )


def use_class_weights(model: keras.Model, class_weights: np.ndarray | None) -> None:
    """Weight the class loss of a training model by each RoI's true class; None: no weighting.

    The weighted loss is a weighted mean, and 0 if nothing counts. The change applies to steps that
    are compiled afterwards.

    Args:
        model: from `mrcnn.network.build.build_model("training", ...)`.
        class_weights: float32 `[classes]`, background first; a common factor makes no difference.
    """

    def parts(*inputs):
        return _class_parts_of_meta(*inputs, tf.constant(class_weights, tf.float32))

    @mean_of(parts)
    def weighted(*inputs):
        return tf.math.divide_no_nan(*parts(*inputs))

    layer = model.get_layer("mrcnn_class_loss")
    layer.function = class_loss_of_meta if class_weights is None else weighted


@mean_of(_rpn_bbox_parts)
def rpn_bbox_loss_of_batch(
    target_bbox: tf.Tensor, rpn_match: tf.Tensor, rpn_bbox: tf.Tensor
) -> tf.Tensor:
    """`rpn_bbox_loss_graph` without its unused argument."""
    return rpn_bbox_loss_graph(None, target_bbox, rpn_match, rpn_bbox)


# By name, for `LossLayer`.
LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "rpn_class_loss_graph": rpn_class_loss_graph,
    "rpn_bbox_loss_of_batch": rpn_bbox_loss_of_batch,
    "class_loss_of_meta": class_loss_of_meta,
    "mrcnn_bbox_loss_graph": mrcnn_bbox_loss_graph,
    "mrcnn_mask_loss_graph": mrcnn_mask_loss_graph,
}
