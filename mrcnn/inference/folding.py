"""The inference graph with batch norms folded into the convolutions before them.

A convolution and the batch norm after it become one layer, whose kernel is computed once, and again
when the weights change.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.network.layers import BatchNorm, DepthwiseConv2D, WholeWindowConv2D

DETECTION_LAYER = "mrcnn_detection"
MASK_ROIS_LAYERS = ("roi_align_mask", "roi_align_mask_detail")


def fold_inference(model: keras.Model) -> keras.Model:
    """A faster model with the same inputs and outputs, and the current weights.

    Args:
        model: from `mrcnn.network.build.build_model("inference", ...)`.

    Returns:
        A model whose mask output is `[batch, rows, h, w, classes]`, where `rows` is the maximum
        number of detections in an image of the batch (at least 1) instead of
        DETECTION_MAX_INSTANCES; the other outputs are those of the given model.
    """
    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_Folding()
    )


class _Folding:
    """Calls a model's layers again, with each pair of convolution and batch norm as one layer.

    Nothing uses the convolution of a replaced pair, so it drops out of the model.
    """

    def __init__(self) -> None:
        # By the id of the output tensor, which is kept because ids are unique only while it lives.
        self.convolved: dict[int, tuple] = {}
        self.detections: Any = None
        self.detected: Any = None

    def __call__(self, layer, *args, **kwargs):
        if layer.name in MASK_ROIS_LAYERS and self.detections is not None:
            rois, *others = args[0]
            if self.detected is None:
                self.detected = DetectedRows(name="detected_rows")([rois, self.detections])
            args = ([self.detected, *others],)
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
    """Whether a layer is a batch norm that uses its moving statistics."""
    return (
        isinstance(layer, BatchNorm)
        and layer.train_bn is not True
        and layer.scale
        and layer.center
        and layer.axis in (-1, 3)
    )


def _is_plain_convolution(layer) -> bool:
    """Whether a layer is a convolution without activation, as before a batch norm."""
    return (
        type(layer) in (layers.Conv2D, DepthwiseConv2D, WholeWindowConv2D)
        and layer.activation is keras.activations.linear
        and getattr(layer, "groups", 1) == 1
        and layer.data_format == "channels_last"
    )


class DetectedRows(layers.Layer):
    """The first RoIs, as many as the maximum number of detections in an image of the batch.

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


SAMPLES = 512  # values per kernel that are compared to notice a change


class FoldedConv2D(layers.Layer):
    """A convolution and the batch norm after it as one convolution, with its own weights.

    With s = gamma / sqrt(variance + epsilon) the kernel is multiplied by s, and the bias is
    (bias - mean) * s + beta (Jacob et al., "Quantization and Training of Neural Networks" (2018),
    section 3.2). All dimensions before the last three form one batch. Kernel and bias are stored in
    the compute dtype, rounded once.

    Args:
        convolution: a Conv2D or DepthwiseConv2D without activation, or a WholeWindowConv2D.
        norm: the BatchNorm after it.
    """

    def __init__(self, convolution: layers.Layer, norm: BatchNorm, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.output_dtype = convolution.compute_dtype
        # Wrapped in a function, so that Keras does not track the two as sublayers.
        self._parts = lambda: (convolution, norm)
        self.filters = norm.gamma.shape[0]
        shapes = {"kernel": convolution.kernel.shape, "bias": (self.filters,)}
        for name, shape in shapes.items():
            weight = self.add_weight(
                shape, "zeros", dtype=self.output_dtype, trainable=False, name=name
            )
            setattr(self, name, weight)
        self.built = True
        self.fold()

    def fold(self) -> None:
        """Compute kernel and bias from the current weights of the two layers."""
        convolution, norm = self._parts()
        scale = norm.gamma.value * tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
        bias = 0.0 if convolution.bias is None else convolution.bias.value
        bias = (bias - norm.moving_mean.value) * scale + norm.beta.value
        if isinstance(convolution, DepthwiseConv2D):
            # Its kernel ends in [channels, multiplier]; the filters are these two axes flattened.
            scale = tf.reshape(scale, convolution.kernel.shape[2:])
        self.kernel.assign(tf.cast(convolution.kernel.value * scale, self.output_dtype))
        self.bias.assign(tf.cast(bias, self.output_dtype))

    def sources(self) -> list[tf.Variable]:
        """The weights that went into kernel and bias, the convolution's kernel first."""
        convolution, norm = self._parts()
        parts = [convolution.kernel, convolution.bias, norm.gamma, norm.beta]
        parts += [norm.moving_mean, norm.moving_variance]
        return [part.value for part in parts if part is not None]

    def call(self, inputs):
        """float `[..., height, width, channels]` -> `[..., height, width, filters]`."""
        inputs = tf.cast(inputs, self.output_dtype)
        if len(inputs.shape) == 4:
            return self._convolve(inputs)
        outputs = self._convolve(tf.reshape(inputs, (-1, *inputs.shape[-3:])))
        # LiteRT needs static shapes wherever they are known.
        known = None not in inputs.shape[:-3]
        leading = inputs.shape[:-3] if known else tf.unstack(tf.shape(inputs)[:-3])
        return tf.reshape(outputs, (*leading, *outputs.shape[1:]))

    def _convolve(self, inputs):
        convolution, kernel, bias = self._parts()[0], self.kernel.value, self.bias.value
        if isinstance(convolution, WholeWindowConv2D):
            kernel = tf.reshape(kernel, (-1, self.filters))
            product = tf.matmul(tf.reshape(inputs, (-1, kernel.shape[0])), kernel)
            return tf.reshape(tf.nn.bias_add(product, bias), (-1, 1, 1, self.filters))
        is_depthwise = isinstance(convolution, DepthwiseConv2D)
        convolve = keras.ops.depthwise_conv if is_depthwise else keras.ops.conv
        outputs = convolve(
            inputs,
            kernel,
            strides=tuple(convolution.strides),
            padding=convolution.padding,
            dilation_rate=convolution.dilation_rate,
        )
        # TensorFlow fuses this operation into the convolution.
        return tf.nn.bias_add(outputs, bias)

    def compute_output_spec(self, inputs):
        """The convolution's shape."""
        convolution = self._parts()[0]
        leading, cells = inputs.shape[:-3], inputs.shape[-3:]
        shape = convolution.compute_output_shape((None, *cells))
        return keras.KerasTensor((*leading, *shape[1:]), self.output_dtype)


class FoldedWeights:
    """Keeps folded convolutions up to date with the weights they are computed from.

    To notice a change, it compares all biases and batch norm weights, some hundred values of each
    kernel, spread over its filters and channels, and the sum of the bits of all its values.

    Args:
        convolutions: the `FoldedConv2D` layers of a model; other layers are skipped.
    """

    def __init__(self, convolutions: Iterable[layers.Layer]):
        self._convolutions = [c for c in convolutions if isinstance(c, FoldedConv2D)]
        self._samples = tf.function(self._sample, autograph=False)
        # Run eagerly: the first image would have to wait for the graph to be built.
        self._seen = self._numbers(self._sample)

    def refresh(self) -> bool:
        """Fold again if a weight has changed since the last time; returns whether one has."""
        now = self._numbers(self._samples)
        if all(map(np.array_equal, now, self._seen)):
            return False
        self.fold()
        self._seen = now
        return True

    def fold(self) -> None:
        """Fold the current weights."""
        for convolution in self._convolutions:
            convolution.fold()

    def _numbers(self, sample: Callable[[], tuple[tf.Tensor, tf.Tensor]]) -> list[np.ndarray]:
        return [x.numpy() for x in sample()] if self._convolutions else []

    def _sample(self) -> tuple[tf.Tensor, tf.Tensor]:
        # As bits, NaN equals itself, and no change can vanish in a sum's rounding.
        sources = [source for c in self._convolutions for source in c.sources()]
        vectors = [source for source in sources if len(source.shape) == 1]
        kernels = [tf.reshape(source, [-1]) for source in sources if len(source.shape) > 1]
        # The number of filters is usually even, so an odd stride visits every filter in turn.
        spread = [kernel[:: kernel.shape.num_elements() // SAMPLES | 1] for kernel in kernels]
        sums = [tf.reduce_sum(tf.bitcast(kernel, tf.int32)) for kernel in kernels]
        return tf.bitcast(tf.concat(vectors + spread, axis=0), tf.int32), tf.stack(sums)
