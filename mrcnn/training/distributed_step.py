"""The training step on several devices: losses and update as one device would compute them.

Each device has a slice of the batch. Sums and counts of the losses are summed over the devices
before they are divided, and gradients before their norm is clipped; the update is then the same
everywhere, so that the copies of the weights stay equal.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import LOSS_NAMES
from mrcnn.network.graph_queries import find_trainable_layer, layers_with_weights
from mrcnn.network.layers import BatchNorm
from mrcnn.network.losses import weight_decay_loss
from mrcnn.training.step import SAMPLING_LAYER, TrainingStep

SUM = tf.distribute.ReduceOp.SUM


class DistributedStep(TrainingStep):
    """`TrainingStep` for a model created within a strategy's scope.

    Args:
        model: from `mrcnn.network.build.build_model("training", ...)`.
        optimizer: created within the same scope.
        distribution: a `strategies.SeveralDevices`.
        options: those of `TrainingStep`.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, *, distribution, **options
    ):
        self.distribution = distribution
        self.strategy = distribution.strategy
        with self.strategy.scope():
            super().__init__(model, optimizer, **options)
            self.network = network_of_a_replica(model)
        self._losses_of_network = [model.get_layer(name) for name in LOSS_NAMES]
        self._validate = tf.function(self._validate_graph, reduce_retracing=True, autograph=False)

    def train(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """Train on one batch.

        Args:
            inputs: the model's inputs; with several processes, this one's slice of the batch.
            step: number of the step since training started.

        Returns:
            float32 `[6]`, for the whole batch, as returned by `TrainingStep.train`.

        Raises:
            TrainingError: another process is gone.
        """
        with self.distribution.guarded():
            return super().train(inputs, step)

    def validate(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """The losses of the whole batch, without training on it; see `train`."""
        with self.distribution.guarded():
            return super().validate(inputs, step)

    def _tensors(self, inputs: Sequence[np.ndarray]) -> list:
        return [self._slices(x) for x in inputs]

    def _slices(self, array: np.ndarray):
        count = self.distribution.local_replicas
        size = len(array) // count

        def of_replica(context):
            first = context.replica_id_in_sync_group % count * size
            with tf.device("CPU:0"):
                return tf.convert_to_tensor(array[first : first + size])

        return self.strategy.experimental_distribute_values_from_function(of_replica)

    # ---- what each device computes ----

    def _losses(self, inputs, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """`TrainingStep._losses` for the whole batch, and this device's share of the total.

        The shares of all devices add up to the total, and their gradients to its gradient.
        """
        context = tf.distribute.get_replica_context()
        outputs = self.network(inputs, training=training)
        slices = tf.stack(outputs[-5:])
        whole = context.all_reduce(SUM, tf.stop_gradient(slices))
        losses = self._means(whole[:, 0], whole[:, 1])
        shares = self._means(slices[:, 0], whole[:, 1])
        decay = weight_decay_loss(self.trained, self.weight_decay)
        share = tf.add_n([*shares, decay / context.num_replicas_in_sync])
        return tf.stack([tf.add_n([*losses, decay]), *losses]), share

    def _means(self, sums: tf.Tensor, counts: tf.Tensor) -> list[tf.Tensor]:
        rows = zip(self.weights, self._losses_of_network, range(5), strict=True)
        return [w * layer.function.divide(sums[i], counts[i]) for w, layer, i in rows]

    def _gradients(self, inputs) -> tuple[tf.Tensor, list[tf.Tensor]]:
        variables = [v.value for v in self.trained]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            losses, share = self._losses(inputs, training=True)
        gradients = tape.gradient(share, variables, unconnected_gradients="zero")
        return losses, tf.distribute.get_replica_context().all_reduce(SUM, gradients)

    def _clipped_gradients(self, inputs):
        losses, gradients = self._gradients(inputs)
        return losses, self.clip(gradients)

    def _clipped_means(self):
        return self.clip([total.value / self.accumulate_steps for total in self._sums])

    # ---- what is done with it on all devices ----

    def _train_graph(self, inputs):
        losses, gradients = self.strategy.run(self._clipped_gradients, args=(inputs,))
        self._apply(gradients)
        return self._first(losses)

    def _validate_graph(self, inputs, training: bool):
        losses, _ = self.strategy.run(self._losses, args=(inputs, training))
        return self._first(losses)

    def _accumulate_graph(self, inputs):
        losses, gradients = self.strategy.run(self._gradients, args=(inputs,))
        for total, gradient in zip(self._sums, gradients, strict=True):
            self._update_copies(total, lambda copy, g: copy.assign_add(g), gradient)
        return self._first(losses)

    def _update_graph(self):
        self._apply(self.strategy.run(self._clipped_means))
        self._clear_graph()

    def _apply(self, gradients) -> None:
        """Like `optimizer.apply`, which would sum the gradients once more."""
        optimizer = self.optimizer
        rate = tf.convert_to_tensor(optimizer.learning_rate)

        def update(variable, gradient):
            optimizer.update_step(gradient, variable, rate)

        for variable, gradient in zip(self.trained, gradients, strict=True):
            self._update_copies(variable, update, gradient)
        optimizer.iterations.assign_add(1)

    def _update_copies(self, variable: keras.Variable, function, value) -> None:
        self.strategy.extended.update(variable.value, function, args=(value,), group=False)

    def _first(self, values) -> tf.Tensor:
        return self.strategy.experimental_local_results(values)[0]


def network_of_a_replica(model: keras.Model) -> keras.Model:
    """A graph on the model's own layers whose last five outputs are `(sum, count)` of each loss.

    Args:
        model: from `mrcnn.network.build.build_model("training", ...)`. It is modified: its batch
            norms use the statistics of all devices' slices, and its sampling draws for the whole
            batch.
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
    """The sum and count of a loss over this device's slice: float32 `[2]`.

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
        """Two values."""
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
