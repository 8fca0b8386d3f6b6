"""The inference graph with less to do: batch norm within convolutions, masks for detections only.

Both leave the results as they are, but for rounding. The folded graph has no weights of its own:
it reads those of the model it was made from at each run, so that weights which are loaded or
changed later count at once. Folding a kernel is a multiplication of its numbers, which is nothing
beside the convolution.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from mrcnn.layers import BatchNorm, WholeWindowConv2D

DETECTION_LAYER, MASK_ROIS_LAYER = "mrcnn_detection", "roi_align_mask"


def fold_inference(model: keras.Model) -> keras.Model:
    """A faster model of the same inputs, weights and outputs.

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


class FoldedConv2D(layers.Layer):
    """A convolution and the batch norm behind it as one convolution, on their weights.

    With s = gamma / sqrt(variance + epsilon) the kernel is multiplied by s, and the bias is
    (bias - mean) * s + beta (Jacob et al., "Quantization and Training of Neural Networks" (2018),
    section 3.2). Leading dimensions before the last three count as one batch.

    Args:
        convolution: a Conv2D without activation, or a WholeWindowConv2D.
        norm: a BatchNorm of its channels.
    """

    def __init__(self, convolution: layers.Conv2D, norm: BatchNorm, **kwargs):
        # With a policy of mixed precision Keras would hand out the kernel in bfloat16, and the
        # product would be rounded once more.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.output_dtype = convolution.compute_dtype
        # Behind a function Keras does not take the two for layers, and weights, of this one.
        self._parts = lambda: (convolution, norm)
        self.built = True

    def call(self, inputs):
        """float `[..., height, width, channels]` -> `[..., height, width, filters]`."""
        convolution, norm = self._parts()
        inputs = ops.cast(inputs, self.output_dtype)
        scale = norm.gamma * ops.rsqrt(norm.moving_variance + norm.epsilon)
        bias = (
            -norm.moving_mean if convolution.bias is None else convolution.bias - norm.moving_mean
        )
        bias = ops.cast(bias * scale + norm.beta, self.output_dtype)
        kernel = ops.cast(convolution.kernel * scale, self.output_dtype)
        if len(inputs.shape) == 4:
            return self._convolve(inputs, kernel, bias)
        outputs = self._convolve(ops.reshape(inputs, (-1, *inputs.shape[-3:])), kernel, bias)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-3], *outputs.shape[1:]))

    def _convolve(self, inputs, kernel, bias):
        convolution = self._parts()[0]
        if isinstance(convolution, WholeWindowConv2D):
            flat = ops.reshape(inputs, (-1, kernel.shape[0] * kernel.shape[1] * kernel.shape[2]))
            product = ops.matmul(flat, ops.reshape(kernel, (-1, convolution.filters)))
            return ops.reshape(tf.nn.bias_add(product, bias), (-1, 1, 1, convolution.filters))
        outputs = ops.conv(
            inputs,
            kernel,
            strides=list(convolution.strides),
            padding=convolution.padding,
            dilation_rate=convolution.dilation_rate,
        )
        # As an operation of its own kind, which TensorFlow makes part of the convolution.
        return tf.nn.bias_add(outputs, bias)

    def compute_output_spec(self, inputs):
        """The convolution's shape."""
        convolution = self._parts()[0]
        leading, cells = inputs.shape[:-3], inputs.shape[-3:]
        shape = convolution.compute_output_shape((None, *cells))
        return keras.KerasTensor((*leading, *shape[1:]), self.output_dtype)


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
