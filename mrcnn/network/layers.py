"""The layers that every part of the network uses."""

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation that can keep using its moving statistics during training.

    Batches of one to four images are too small for batch statistics, so Mask R-CNN normalises
    with those of the pretrained backbone.

    Args:
        train_bn: Config.TRAIN_BN. False uses the moving statistics and does not update them;
            gamma and beta are still trained if the layer is selected. None is normal Keras
            behaviour: batch statistics in training, for trainable layers. True always uses batch
            statistics, in inference too.
        epsilon: 1e-3, Keras 2's default, which all released weights were trained with.
    """

    def __init__(self, train_bn: bool | None = False, epsilon: float = 1e-3, **kwargs):
        super().__init__(epsilon=epsilon, **kwargs)
        self.train_bn = train_bn

    def call(self, inputs, training=None, mask=None):
        """Normalise the last axis of `inputs`, float `[..., channels]`."""
        if self.train_bn is not None:
            training = self.train_bn
        if training is True and self.trainable and self._fits_one_operation(inputs, mask):
            return self._normalise_by_batch(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _fits_one_operation(self, inputs, mask) -> bool:
        renorm = getattr(self, "renorm", False)  # newer than the oldest Keras that we support
        plain = self.scale and self.center and not renorm and not self.synchronized
        is_map = len(inputs.shape) == 4 and self.axis in (-1, 3)
        return plain and is_map and mask is None and inputs.dtype in ("float32", "bfloat16")

    def _normalise_by_batch(self, inputs):
        # Keras makes a dozen passes over memory for this, which took a quarter of a training step
        # on a CPU. TensorFlow's operation returns the unbiased variance; the moving variance
        # follows Keras and uses the biased one.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=tf.constant([]),
            variance=tf.constant([]),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
        variance = variance * (tf.maximum(count - 1.0, 1.0) / count)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "train_bn": self.train_bn}


@keras.saving.register_keras_serializable("mrcnn")
class WholeWindowConv2D(keras.layers.Conv2D):
    """A 'valid' convolution whose kernel is as large as its input: one matrix product.

    The result equals that of Conv2D; its gradient is several times faster on a CPU.
    """

    def call(self, inputs):
        """float `[batch, k, k, channels]` -> `[batch, 1, 1, filters]`."""
        if tuple(inputs.shape[1:3]) != self.kernel_size:
            raise ValueError(f"{self.name}: input {inputs.shape}, kernel {self.kernel_size}")
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        flat = ops.reshape(inputs, (-1, kernel.shape[0]))
        return ops.reshape(ops.matmul(flat, kernel) + self.bias, (-1, 1, 1, self.filters))


@keras.saving.register_keras_serializable("mrcnn")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution whose gradient is computed in float32 if the network is bfloat16.

    On a CPU, bfloat16 halves the time of the convolution but slows down its gradient: for
    EfficientNet-Lite0 from 150 to 450 ms (16 convolutions, four images of 448 x 320).

    It has no bias and no activation.
    """

    def call(self, inputs):
        """float `[batch, height, width, channels]` -> `[batch, height, width, filters]`."""
        if self.compute_dtype != "bfloat16":
            return super().call(inputs)
        strides, padding = [1, *self.strides, 1], self.padding.upper()

        @tf.custom_gradient
        def convolved(x, kernel):
            def gradient(upstream):
                upstream = tf.cast(upstream, tf.float32)
                of_x = tf.nn.depthwise_conv2d_backprop_input(
                    tf.shape(x), tf.cast(kernel, tf.float32), upstream, strides, padding
                )
                of_kernel = tf.nn.depthwise_conv2d_backprop_filter(
                    tf.cast(x, tf.float32), kernel.shape, upstream, strides, padding
                )
                return tf.cast(of_x, x.dtype), tf.cast(of_kernel, kernel.dtype)

            return tf.nn.depthwise_conv2d(x, kernel, strides, padding), gradient

        return convolved(inputs, tf.convert_to_tensor(self.kernel))


@keras.saving.register_keras_serializable("mrcnn")
class TimeDistributed(keras.layers.TimeDistributed):
    """Applies a layer to each RoI by folding RoIs into the batch: one call, no loop, no copy.

    Keras' own version transposes and then loops or maps over RoIs; for the layers of our heads
    the result is the same. The name stays, because weight files and scripts refer to it.
    """

    def call(self, inputs, training=None, mask=None):
        """`[batch, rois, ...]` -> `[batch, rois, ...]` through the inner layer."""
        shape = ops.shape(inputs)
        folded = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        if folded.shape[0] == 0:
            # oneDNN's convolution gives an empty batch a wrong shape on some processors.
            cells = self.layer.compute_output_shape(folded.shape)[1:]
            return ops.zeros((shape[0], shape[1], *cells), self.layer.compute_dtype)
        kwargs = {"training": training} if self.layer._call_has_training_arg else {}
        outputs = self.layer.call(folded, **kwargs)
        return ops.reshape(outputs, (shape[0], shape[1], *outputs.shape[1:]))


# Above this fraction of cells, processing the whole map is as fast.
MOST_CELLS = 0.25


@keras.saving.register_keras_serializable("mrcnn")
class SparseGradientConv2D(layers.Conv2D):
    """A 3x3 convolution with padding "same", stride 1 and ReLU: Conv2D except for its gradient.

    In training, only cells with a nonzero gradient contribute. That is the same sum without its
    zero terms, in another order: equal up to float32 rounding.
    """

    def __init__(self, filters: int, **kwargs):
        fixed = {"kernel_size": 3, "padding": "same", "activation": "relu"}
        super().__init__(filters, **{**kwargs, **fixed})

    def call(self, inputs, training=None):
        """float `[batch, h, w, channels]` -> `[batch, h, w, filters]`."""
        if training is not True:
            return super().call(inputs)
        kernel, bias = (ops.cast(w, self.compute_dtype) for w in (self.kernel, self.bias))
        return _convolve(inputs, kernel, bias)


@tf.custom_gradient
def _convolve(image, kernel, bias):
    outputs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(image, kernel, 1, "SAME"), bias))

    def gradient(upstream):
        upstream = tf.where(outputs > 0, upstream, 0)
        rows = tf.reshape(upstream, (-1, kernel.shape[-1]))
        cells = tf.where(tf.reduce_any(rows != 0, axis=1))[:, 0]
        few = tf.cast(tf.size(cells), tf.float32) < MOST_CELLS * tf.cast(
            tf.shape(rows)[0], "float32"
        )
        return tf.cond(
            few,
            lambda: _gradient_of_cells(image, kernel, tf.gather(rows, cells), cells),
            lambda: _gradient_of_map(image, kernel, upstream),
        )

    return outputs, gradient


def _gradient_of_cells(image, kernel, rows, cells):
    """Gradients with respect to image, kernel and bias, given those of some output cells.

    Args:
        image: `[batch, h, w, channels]`. kernel: `[3, 3, channels, filters]`.
        rows: `[n, filters]`. cells: int64 `[n]`, their indices in `batch * h * w`.
    """
    size = tf.shape(image, out_type=tf.int64)
    batch, height, width = size[0], size[1], size[2]
    channels, filters = kernel.shape[2:]
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
    line = width + 2
    corners = (cells // width + 2 * (cells // (height * width))) * line + cells % width
    window = tf.stack([y * line + x for y in range(3) for x in range(3)])
    places = corners[:, None] + window
    patches = tf.gather(tf.reshape(padded, (-1, channels)), places)
    patches = tf.reshape(patches, (-1, 9 * channels))
    of_kernel = tf.matmul(patches, rows, transpose_a=True)
    of_patches = tf.matmul(rows, tf.reshape(kernel, (9 * channels, filters)), transpose_b=True)
    of_padded = tf.scatter_nd(
        tf.reshape(places, (-1, 1)),
        tf.reshape(of_patches, (-1, channels)),
        tf.stack([batch * (height + 2) * line, channels]),
    )
    of_padded = tf.reshape(of_padded, tf.shape(padded))
    return (
        of_padded[:, 1:-1, 1:-1],
        tf.reshape(of_kernel, kernel.shape),
        tf.reduce_sum(rows, axis=0),
    )


def _gradient_of_map(image, kernel, upstream):
    """The same from the gradient `[batch, h, w, filters]` of all cells."""
    options = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    return (
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(image), filter=kernel, out_backprop=upstream, **options
        ),
        tf.raw_ops.Conv2DBackpropFilter(
            input=image, filter_sizes=kernel.shape, out_backprop=upstream, **options
        ),
        tf.reduce_sum(upstream, axis=[0, 1, 2]),
    )
