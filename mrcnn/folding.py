"""The inference graph with less to do: batch norm within convolutions, masks for detections only.

Both leave the results as they are, but for rounding. Kernels are multiplied out once; where weights
may change later, `mrcnn.folded_convolution.FoldedWeights` sees to it that they count.
"""

import keras
import tensorflow as tf
from keras import layers

from mrcnn.folded_convolution import FoldedConv2D
from mrcnn.layers import BatchNorm, WholeWindowConv2D

DETECTION_LAYER, MASK_ROIS_LAYER = "mrcnn_detection", "roi_align_mask"


def fold_inference(model: keras.Model) -> keras.Model:
    """A faster model of the same inputs and outputs, with the weights as they are now.

    Args:
        model: of `mrcnn.network.build_model("inference", ...)`.

    Returns:
        A model whose mask output has `[batch, rows, h, w, classes]` with `rows` the most
        detections of an image of the batch (at least 1), instead of DETECTION_MAX_INSTANCES rows;
        the other outputs are the given model's.
    """
    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_Folding()
    )


class _Folding:
    """Calls the layers of a model anew, pairs of convolution and batch norm as one.

    The convolution alone, which the pair has replaced, then leads nowhere and drops out.
    """

    def __init__(self):
        # The tensors are kept, since an id is only good while its owner lives.
        self.convolved: dict[int, tuple] = {}
        self.detections = None

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
    """Batch norm that goes by its moving statistics."""
    return (
        isinstance(layer, BatchNorm)
        and layer.train_bn is not True
        and layer.scale
        and layer.center
        and layer.axis in (-1, 3)
    )


def _is_plain_convolution(layer) -> bool:
    """A convolution after which nothing happens but batch norm."""
    return (
        type(layer) in (layers.Conv2D, WholeWindowConv2D)
        and layer.activation is keras.activations.linear
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


class DetectedRows(layers.Layer):
    """The first rows of RoIs, as many as the image with the most detections of the batch needs.

    One row stays where nothing was detected: convolutions do not all take an empty batch.
    """

    def call(self, inputs):
        """`[rois [batch, n, 4], detections [batch, n, 6]]` -> `[batch, rows, 4]`."""
        rois, detections = inputs
        counts = tf.reduce_sum(tf.cast(detections[..., 4] > 0, tf.int32), axis=1)
        return rois[:, : tf.maximum(tf.reduce_max(counts), 1)]

    def compute_output_spec(self, inputs):
        """Rows are known at run time only."""
        rois = inputs[0]
        return keras.KerasTensor((rois.shape[0], None, rois.shape[2]), rois.dtype)
