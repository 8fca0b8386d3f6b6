"""A faster inference graph: batch norm folded into convolutions, masks for detections only.

The results stay the same within rounding. Kernels are multiplied out once; if weights may change
later, `mrcnn.folded_convolution.FoldedWeights` folds them again.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from mrcnn.folded_convolution import FoldedConv2D
from mrcnn.network.layers import BatchNorm, WholeWindowConv2D

DETECTION_LAYER, MASK_ROIS_LAYER = "mrcnn_detection", "roi_align_mask"


def fold_inference(model: keras.Model) -> keras.Model:
    """A faster model of the same inputs and outputs, with the weights as they are now.

    Args:
        model: of `mrcnn.network.build.build_model("inference", ...)`.

    Returns:
        A model whose mask output has `[batch, rows, h, w, classes]` with `rows` the most
        detections of an image of the batch (at least 1), instead of DETECTION_MAX_INSTANCES rows;
        the other outputs are the given model's.
    """
    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_Folding()
    )


class _Folding:
    """Calls the layers of a model again, each pair of convolution and batch norm as one layer.

    Nothing uses the convolution that the pair replaced, so that it drops out of the model.
    """

    def __init__(self) -> None:
        # By the id of the output tensor, which is kept because an id is unique only while it lives.
        self.convolved: dict[int, tuple] = {}
        self.detections: Any = None

    def __call__(self, layer, *args, **kwargs):
        if layer.name == MASK_ROIS_LAYER and self.detections is not None:
            rois, *others = args[0]
            args = ([DetectedRows(name="detected_rows")([rois, self.detections]), *others],)
        found = self.convolved.get(id(args[0])) if args else None
        if found is not None and _is_foldable(_inner(layer)):
            _, convolution, inputs = found
            folded = FoldedConv2D(_inner(convolution), _inner(layer), name=f"{layer.name}_folded")
            return folded(inputs)
        outputs = layer(*args, **kwargs)
        if layer.name == DETECTION_LAYER:
            self.detections = outputs
        if _is_plain_convolution(_inner(layer)):
            self.convolved[id(outputs)] = outputs, layer, args[0]
        return outputs


def _inner(layer):
    return layer.layer if isinstance(layer, layers.TimeDistributed) else layer


def _is_foldable(layer) -> bool:
    """A batch norm that uses its moving statistics."""
    return (
        isinstance(layer, BatchNorm)
        and layer.train_bn is not True
        and layer.scale
        and layer.center
        and layer.axis in (-1, 3)
    )


def _is_plain_convolution(layer) -> bool:
    """A convolution without activation, as in front of a batch norm."""
    return (
        type(layer) in (layers.Conv2D, WholeWindowConv2D)
        and layer.activation is keras.activations.linear
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


class DetectedRows(layers.Layer):
    """The first RoIs, as many as the most detections of an image in the batch.

    One RoI remains if nothing was detected, because not all convolutions accept an empty batch.
    """

    def call(self, inputs):
        """`[rois [batch, n, 4], detections [batch, n, 6]]` -> `[batch, rows, 4]`."""
        rois, detections = inputs
        counts = tf.reduce_sum(tf.cast(detections[..., 4] > 0, tf.int32), axis=1)
        return rois[:, : tf.maximum(tf.reduce_max(counts), 1)]

    def compute_output_spec(self, inputs):
        """The number of rows is known only at run time."""
        rois = inputs[0]
        return keras.KerasTensor((rois.shape[0], None, rois.shape[2]), rois.dtype)
