"""A convolution whose gradient is computed where there is one.

The RPN's shared convolution sees every cell of every pyramid level, but its losses look at 256
anchors an image, and only those and the sampled proposals send a gradient back: a few hundred of
20,000 cells. A convolution's gradient is computed for all cells nevertheless; it takes twice the
arithmetic of the forward pass, which was a third of a training step.
"""

import keras
import tensorflow as tf
from keras import layers, ops

# Above this share of the cells the whole map is as quick.
MOST_CELLS = 0.25


@keras.saving.register_keras_serializable("mrcnn")
class SparseGradientConv2D(layers.Conv2D):
    """A 3x3 convolution with padding "same", stride 1 and ReLU: Conv2D except for its gradient.

    In training only cells whose own gradient is not zero contribute. That is the same sum of the
    same products, without those with zero, in another order: equal within float32's rounding.
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
    """Gradients of image, kernel and bias, given those of some output cells.

    Args:
        image: `[batch, h, w, channels]`. kernel: `[3, 3, channels, filters]`.
        rows: `[n, filters]`. cells: int64 `[n]`, their places in `batch * h * w`.
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
