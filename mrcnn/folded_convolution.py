"""A convolution and the batch norm behind it as one, with a kernel that is multiplied out once."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.layers import BatchNorm, WholeWindowConv2D

SAMPLES = 512  # of a kernel, by which a change is noticed


class FoldedConv2D(layers.Layer):
    """A convolution and the batch norm behind it as one convolution, with weights of its own.

    With s = gamma / sqrt(variance + epsilon) the kernel is multiplied by s, and the bias is
    (bias - mean) * s + beta (Jacob et al., "Quantization and Training of Neural Networks" (2018),
    section 3.2). Leading dimensions before the last three count as one batch. Kernel and bias are
    kept in the number format that is computed in, rounded once.

    Args:
        convolution: a Conv2D without activation, or a WholeWindowConv2D.
        norm: a BatchNorm of its channels.
    """

    def __init__(self, convolution: layers.Conv2D, norm: BatchNorm, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.output_dtype = convolution.compute_dtype
        # Behind a function Keras does not take the two for layers, and weights, of this one.
        self._parts = lambda: (convolution, norm)
        shapes = {"kernel": convolution.kernel.shape, "bias": (convolution.filters,)}
        for name, shape in shapes.items():
            weight = self.add_weight(
                shape, "zeros", dtype=self.output_dtype, trainable=False, name=name
            )
            setattr(self, name, weight)
        self.built = True
        self.fold()

    def fold(self) -> None:
        """Take the weights of the two as they are now."""
        convolution, norm = self._parts()
        scale = norm.gamma.value * tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
        bias = 0.0 if convolution.bias is None else convolution.bias.value
        bias = (bias - norm.moving_mean.value) * scale + norm.beta.value
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
        # LiteRT takes known shapes only, where they are known.
        known = None not in inputs.shape[:-3]
        leading = inputs.shape[:-3] if known else tf.unstack(tf.shape(inputs)[:-3])
        return tf.reshape(outputs, (*leading, *outputs.shape[1:]))

    def _convolve(self, inputs):
        convolution, kernel, bias = self._parts()[0], self.kernel.value, self.bias.value
        if isinstance(convolution, WholeWindowConv2D):
            kernel = tf.reshape(kernel, (-1, convolution.filters))
            product = tf.matmul(tf.reshape(inputs, (-1, kernel.shape[0])), kernel)
            return tf.reshape(tf.nn.bias_add(product, bias), (-1, 1, 1, convolution.filters))
        outputs = keras.ops.conv(
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


class FoldedWeights:
    """Keeps folded convolutions at the weights they are made of, which may change at any time.

    A change is noticed by all numbers but the kernels', and by some hundred of each kernel, spread
    over its filters and channels: weights that are loaded, trained or set show there. Some numbers
    of a kernel that are edited by hand, or one filter of the largest, may not; `fold` takes them.

    Args:
        convolutions: the `FoldedConv2D` of a model; other layers are passed over.
    """

    def __init__(self, convolutions: Iterable[layers.Layer]):
        self._convolutions = [c for c in convolutions if isinstance(c, FoldedConv2D)]
        self._samples = tf.function(self._sample, autograph=False)
        self._seen = self._now()

    def refresh(self) -> bool:
        """Fold anew if a weight has changed since; returns whether one has."""
        now = self._now()
        if np.array_equal(now, self._seen, equal_nan=True):
            return False
        self.fold()
        self._seen = now
        return True

    def fold(self) -> None:
        """Take the weights as they are now."""
        for convolution in self._convolutions:
            convolution.fold()

    def _now(self) -> np.ndarray:
        return self._samples().numpy() if self._convolutions else np.zeros(0)

    def _sample(self) -> tf.Tensor:
        sources = (source for c in self._convolutions for source in c.sources())
        return tf.concat([self._spread(source) for source in sources], axis=0)

    @staticmethod
    def _spread(source: tf.Variable) -> tf.Tensor:
        if len(source.shape) == 1:
            return tf.convert_to_tensor(source)
        # An odd stride meets every filter in turn, whose number is even as a rule.
        return tf.reshape(source, [-1])[:: source.shape.num_elements() // SAMPLES | 1]
