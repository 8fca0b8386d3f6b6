"""The class that Matterport's scripts wrap around a model to run it on several GPUs.

`MaskRCNN.train` does not need it: GPU_COUNT alone distributes training over the devices, see
docs/distributed_training.md.
"""

import keras
import tensorflow as tf

from mrcnn.training.strategies import require_devices

__all__ = ["ParallelModel"]


class ParallelModel(keras.Model):
    """A model that computes each batch in equal slices, one per device, with shared weights.

        model = ParallelModel(model, gpu_count=2)
        outputs = model.predict(inputs)

    Per-image outputs are concatenated in the order of the batch. An output that is one number for
    the whole batch, such as a loss, is the mean over the devices, as in the original.
    (`MaskRCNN.train` weights the devices' losses instead, which gives those of the whole batch.)
    Weights, and the methods that read or write them, are those of the inner model.

    Args:
        keras_model: any Keras model; its inputs have the batch as their first axis.
        gpu_count: number of devices; the batch size must be divisible by it.

    Attributes:
        inner_model: the wrapped model.

    Raises:
        ConfigError: there are fewer devices.
    """

    def __init__(self, keras_model: keras.Model, gpu_count: int):
        super().__init__(name=f"parallel_{keras_model.name}")
        self.inner_model = keras_model
        self.gpu_count = gpu_count
        self._devices = require_devices(gpu_count) if gpu_count > 1 else []

    def call(self, inputs, training=None):
        """Map inputs `[batch, ...]`, in the model's structure, to its outputs."""
        if not self._devices:
            return self.inner_model(inputs, training=training)
        slices = [tf.split(x, self.gpu_count) for x in tf.nest.flatten(inputs)]
        outputs = []
        for device, values in zip(self._devices, zip(*slices, strict=True), strict=True):
            with tf.device(device):
                own = tf.nest.pack_sequence_as(inputs, list(values))
                outputs.append(self.inner_model(own, training=training))
        return tf.nest.map_structure(_together, *outputs)

    def get_layer(self, name=None, index=None):
        """A layer of the inner model."""
        return self.inner_model.get_layer(name, index)

    def load_weights(self, *args, **kwargs):
        """Read the inner model's weights."""
        return self.inner_model.load_weights(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        """Write the inner model's weights."""
        return self.inner_model.save_weights(*args, **kwargs)

    def save(self, *args, **kwargs):
        """Write the inner model."""
        return self.inner_model.save(*args, **kwargs)

    def summary(self, *args, **kwargs):
        """Print the inner model's layers."""
        return self.inner_model.summary(*args, **kwargs)


def _together(*slices: tf.Tensor) -> tf.Tensor:
    if slices[0].shape.rank == 0:
        return tf.reduce_mean(tf.stack(slices))
    return tf.concat(slices, axis=0)
