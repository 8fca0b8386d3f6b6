"""The layers that every part of the network uses."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation that can stay at its moving statistics while the network trains.

    Batches of one to four images are too small for batch statistics, so Mask R-CNN normalises
    with those of the pretrained backbone.

    Args:
        train_bn: Config.TRAIN_BN. False uses the moving statistics and does not update them;
            gamma and beta are still trained where the layer is selected. None is normal Keras
            behaviour: batch statistics in training, for layers that are trainable. True takes
            batch statistics always, in inference too.
        epsilon: 1e-3, Keras 2's default, which all released weights were trained with.
    """

    def __init__(self, train_bn: bool | None = False, epsilon: float = 1e-3, **kwargs):
        super().__init__(epsilon=epsilon, **kwargs)
        self.train_bn = train_bn

    def call(self, inputs, training=None, mask=None):
        """Normalise the last axis of `inputs`, float `[..., channels]`."""
        if self.train_bn is not None:
            training = self.train_bn
        return super().call(inputs, training=training, mask=mask)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "train_bn": self.train_bn}


@keras.saving.register_keras_serializable("mrcnn")
class WholeWindowConv2D(keras.layers.Conv2D):
    """A 'valid' convolution whose kernel is as large as its input: one matrix product.

    The result is that of Conv2D; its gradient is several times faster on a processor.
    """

    def call(self, inputs):
        """float `[batch, k, k, channels]` -> `[batch, 1, 1, filters]`."""
        if tuple(inputs.shape[1:3]) != self.kernel_size:
            raise ValueError(f"{self.name}: input {inputs.shape}, kernel {self.kernel_size}")
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        flat = ops.reshape(inputs, (-1, kernel.shape[0]))
        return ops.reshape(ops.matmul(flat, kernel) + self.bias, (-1, 1, 1, self.filters))


@keras.saving.register_keras_serializable("mrcnn")
class TimeDistributed(keras.layers.TimeDistributed):
    """Applies a layer to each RoI by folding RoIs into the batch: one call, no loop, no copy.

    Keras' own version transposes and then loops over RoIs or maps them; for the layers of our
    heads the result is the same. The name stays, because weight files and scripts look for it.
    """

    def call(self, inputs, training=None, mask=None):
        """`[batch, rois, ...]` -> `[batch, rois, ...]` through the inner layer."""
        shape = ops.shape(inputs)
        folded = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        kwargs = {"training": training} if self.layer._call_has_training_arg else {}
        outputs = self.layer.call(folded, **kwargs)
        return ops.reshape(outputs, (shape[0], shape[1], *outputs.shape[1:]))
