"""One compiled training step and one compiled validation step, and what makes them repeatable."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import LOSS_NAMES
from mrcnn.network.losses import weight_decay_loss
from mrcnn.system.background import SharedSetting

SAMPLING_LAYER = "proposal_targets"


def _begin_determinism() -> tuple[bool, int | None]:
    from tensorflow.python.eager import context
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled(), context.global_seed()
    tf.config.experimental.enable_op_determinism()
    return before


def _end_determinism(before: tuple[bool, int | None]) -> None:
    from tensorflow.python.framework import config

    was_on, seed = before
    if not was_on:
        config.disable_op_determinism()
    tf.random.set_seed(seed)


_determinism = SharedSetting(_begin_determinism, _end_determinism)


@contextlib.contextmanager
def repeatable_training(seed: int) -> Iterator[None]:
    """Make TensorFlow's gradients deterministic on a CPU.

    There, several threads sum RoIAlign's gradient without locks, so that now and then an addition
    is lost and two identical runs differ. TensorFlow's deterministic mode runs that sum on one
    thread. The mode applies to the whole process and needs a seed for TensorFlow's own random
    numbers; both are restored when the last of several overlapping blocks ends. TensorFlow has no
    public name for switching the mode off; all versions since 2.9 have the private one. On GPUs the
    mode rejects operations that we need, so nothing is changed there.

    Args:
        seed: for random numbers that other code draws in this process.
    """
    if tf.config.list_physical_devices("GPU"):
        yield
        return
    with _determinism.changed():
        tf.random.set_seed(seed)
        yield


def make_optimizer(name: str, learning_rate: float, momentum: float) -> keras.optimizers.Optimizer:
    """Config.OPTIMIZER as a Keras optimizer: 'sgd' with momentum, or 'adam', which ignores it."""
    if name == "adam":
        return keras.optimizers.Adam(learning_rate=learning_rate)
    return keras.optimizers.SGD(learning_rate=learning_rate, momentum=momentum)


class TrainingStep:
    """Losses, gradients and weight updates of a training model, compiled.

    The random choice of RoIs is a function of `seed` and the step number alone, so that training
    resumed at step n continues as if it had never stopped.

    Args:
        model: from `mrcnn.network.build.build_model("training", ...)`; its layers' current
            `trainable` flags determine which weights are trained.
        optimizer: a Keras optimizer.
        loss_weights: factor of each loss, 1 if a name is missing.
        weight_decay: Config.WEIGHT_DECAY.
        clip_norm: maximum gradient norm, or None.
        clip_mode: 'global' (the norm of all gradients together) or 'variable' (each separately).
        seed: of the RoI sampling.
        accumulate_steps: number of batches whose gradients are averaged for one weight update, at
            the last batch of each group, counted from step 0.
        average_decay: Config.WEIGHTS_AVERAGE.

    Attributes:
        learning_rate: a function from step to rate, or None for the optimizer's own rate; if it
            returns None, the rate is left unchanged.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        loss_weights: dict[str, float],
        weight_decay: float,
        clip_norm: float | None = 5.0,
        clip_mode: str = "global",
        seed: int = 0,
        accumulate_steps: int = 1,
        average_decay: float = 0.0,
    ):
        self.model = model
        self.optimizer = optimizer
        self.weights = [loss_weights.get(name, 1.0) for name in LOSS_NAMES]
        self.weight_decay = weight_decay
        self.clip_norm, self.clip_mode = clip_norm, clip_mode
        self.seed = seed
        self.learning_rate: Callable[[int], float | None] | None = None
        self.accumulate_steps = accumulate_steps
        self.trained = model.trainable_variables
        optimizer.build(self.trained)
        self._train = tf.function(self._train_graph, reduce_retracing=True, autograph=False)
        if accumulate_steps > 1:
            # They belong to the optimizer, and so to the saved state.
            self._sums = [
                optimizer.add_variable_from_reference(v, name="gradient_sum") for v in self.trained
            ]
            self._accumulate = tf.function(
                self._accumulate_graph, reduce_retracing=True, autograph=False
            )
            self._update = tf.function(self._update_graph, autograph=False)
            self._clear = tf.function(self._clear_graph, autograph=False)
        self.average_decay = average_decay
        self._averaged_weights = model.weights if average_decay else []
        self._own_weights: list[np.ndarray] = []
        # They belong to the optimizer like the sums above, and so to the saved state.
        self._averages = [
            optimizer.add_variable_from_reference(v, name="average") for v in self._averaged_weights
        ]
        self._average = tf.function(self._average_graph, autograph=False)
        self.begin_averages()
        self._validate = tf.function(self._losses, reduce_retracing=True, autograph=False)

    def begin_averages(self) -> None:
        """Set the averages to the current weights."""
        for average, weight in zip(self._averages, self._averaged_weights, strict=True):
            average.assign(weight)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Inside, the model's weights are the averages; without averages nothing happens."""
        self._own_weights = [np.asarray(w.value) for w in self._averaged_weights]
        for average, weight in zip(self._averages, self._averaged_weights, strict=True):
            weight.assign(average)
        try:
            yield
        finally:
            self.restore_weights()

    def restore_weights(self) -> None:
        """Give the model its own weights back if it has the averages."""
        for value, weight in zip(self._own_weights, self._averaged_weights, strict=False):
            weight.assign(value)
        self._own_weights = []

    def train(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """Train on one batch.

        Args:
            inputs: the model's inputs.
            step: number of the step since training started.

        Returns:
            float32 `[6]`: the weighted total with weight decay, then the five losses, each times
            its weight, in the order of `LOSS_NAMES`.
        """
        self._seed_sampling(step)
        self._set_rate(step)
        tensors = self._tensors(inputs)
        if self.accumulate_steps == 1:
            losses = self._train(tensors).numpy()
            self._update_averages(step)
            return losses
        # Drop what was summed for another group: an update depends on the step alone.
        if step % self.accumulate_steps == 0:
            self._clear()
        losses = self._accumulate(tensors).numpy()
        # A non-finite loss ends training before the weights are touched.
        if (step + 1) % self.accumulate_steps == 0 and np.isfinite(losses).all():
            self._update()
            self._update_averages(step // self.accumulate_steps)
        return losses

    def validate(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """The losses of one batch as `train` returns them, without training on it."""
        self._seed_sampling(-1 - step)
        return self._validate(self._tensors(inputs), training=False).numpy()

    def _tensors(self, inputs: Sequence[np.ndarray]) -> list:
        return [tf.convert_to_tensor(x) for x in inputs]

    def _seed_sampling(self, step: int) -> None:
        state = self.model.get_layer(SAMPLING_LAYER).seed_generator.state
        # Keras takes both numbers modulo this value: the rest does not fit into the first.
        high, low = divmod(self.seed, (1 << 31) - 2)
        state.assign(np.array([low, step + (high << 29)]).astype(state.dtype))

    def _set_rate(self, step: int) -> None:
        rate = self.learning_rate(step) if self.learning_rate else None
        if rate is not None:
            self.optimizer.learning_rate.assign(rate)

    def _losses(self, inputs, training: bool) -> tf.Tensor:
        outputs = self.model(inputs, training=training)
        losses = [w * x for w, x in zip(self.weights, outputs[-5:], strict=True)]
        decay = weight_decay_loss(self.trained, self.weight_decay)
        return tf.stack([tf.add_n([*losses, decay]), *losses])

    def _gradients(self, inputs) -> tuple[tf.Tensor, list[tf.Tensor]]:
        variables = [v.value for v in self.trained]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # Watch only the trained variables, so that nothing below them is recorded.
            tape.watch(variables)
            losses = self._losses(inputs, training=True)
            total = losses[0]
        return losses, tape.gradient(total, variables, unconnected_gradients="zero")

    def _train_graph(self, inputs):
        losses, gradients = self._gradients(inputs)
        self.optimizer.apply(self.clip(gradients), self.trained)
        return losses

    def _accumulate_graph(self, inputs):
        losses, gradients = self._gradients(inputs)
        for total, gradient in zip(self._sums, gradients, strict=True):
            total.assign_add(gradient)
        return losses

    def _update_graph(self):
        means = [total.value / self.accumulate_steps for total in self._sums]
        self.optimizer.apply(self.clip(means), self.trained)
        self._clear_graph()

    def _update_averages(self, update: int) -> None:
        if self._averages:
            # Early on, the average must not be dominated by the initial weights.
            decay = min(self.average_decay, (1 + update) / (10 + update))
            self._average(tf.constant(1.0 - decay, tf.float32))

    def _average_graph(self, share):
        for average, weight in zip(self._averages, self._averaged_weights, strict=True):
            average.assign_add((weight.value - average.value) * share)

    def _clear_graph(self):
        for total in self._sums:
            total.assign(tf.zeros_like(total.value))

    def clip(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Clip the gradients' norm as configured."""
        if not self.clip_norm:
            return gradients
        if self.clip_mode == "variable":
            return [tf.clip_by_norm(g, self.clip_norm) for g in gradients]
        return tf.clip_by_global_norm(gradients, self.clip_norm)[0]
