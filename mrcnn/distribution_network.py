"""A training model as one of several devices computes it: a slice of the batch, for the whole.

Three parts of the network depend on the whole batch: the random numbers that choose RoIs, batch
norms that use statistics of the batch, and the losses, which are means. Here each device draws the
numbers of the whole batch and takes its share, statistics are summed over the devices, and losses
come as sum and count, which are summed before they are divided.
"""

import keras
import tensorflow as tf

from mrcnn.config import LOSS_NAMES
from mrcnn.network.graph_queries import find_trainable_layer, layers_with_weights
from mrcnn.network.layers import BatchNorm
from mrcnn.training_step import SAMPLING_LAYER


def network_of_a_replica(model: keras.Model) -> keras.Model:
    """A graph on the model's own layers whose last five outputs are `(sum, count)` of each loss.

    Args:
        model: of `mrcnn.network.build.build_model("training", ...)`. It is changed: its batch
        norms take
            the statistics of all devices' slices, and its sampling draws for the whole batch.
    """
    model.get_layer(SAMPLING_LAYER).random_keys = uniform_of_a_slice
    for layer in map(find_trainable_layer, layers_with_weights(model)):
        if isinstance(layer, BatchNorm) and layer.train_bn is not False:
            layer.synchronized = True
    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_call_for_the_whole_batch
    )


def _call_for_the_whole_batch(layer, *args, **kwargs):
    if layer.name in LOSS_NAMES:
        return LossParts(layer, name=f"{layer.name}_parts")(*args)
    return layer(*args, **kwargs)


class LossParts(keras.layers.Layer):
    """Sum and count of a loss over this device's slice: float32 `[2]`.

    Args:
        loss: a `losses.LossLayer`; its function is read when the graph is compiled.
    """

    def __init__(self, loss: keras.layers.Layer, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.loss = loss

    def call(self, inputs):
        """The loss' inputs -> `[2]`."""
        return tf.stack(self.loss.function.parts(*inputs))

    def compute_output_spec(self, inputs):
        """Two numbers."""
        return keras.KerasTensor((2,), "float32")


def uniform_of_a_slice(shape: tf.Tensor, seed: keras.random.SeedGenerator) -> tf.Tensor:
    """This device's rows of the uniform numbers drawn for the whole batch.

    Args:
        shape: of the result, `[images, n]`.
        seed: in the same state on all devices.
    """
    context = tf.distribute.get_replica_context()
    images, count = shape[0], shape[1]
    of_all = keras.random.uniform((images * context.num_replicas_in_sync, count), seed=seed)
    first = images * tf.cast(context.replica_id_in_sync_group, tf.int32)
    return of_all[first : first + images]
