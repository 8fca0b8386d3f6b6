"""One compiled training step and one compiled validation step."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import LOSS_NAMES
from mrcnn.losses import weight_decay_loss

SAMPLING_LAYER = "proposal_targets"


def make_optimizer(name: str, learning_rate: float, momentum: float) -> keras.optimizers.Optimizer:
    """Config.OPTIMIZER as a Keras optimizer: 'sgd' with momentum, or 'adam', which takes none."""
    if name == "adam":
        return keras.optimizers.Adam(learning_rate=learning_rate)
    return keras.optimizers.SGD(learning_rate=learning_rate, momentum=momentum)


class TrainingStep:
    """Losses, gradients and weight updates of a training model, compiled.

    The random choice of RoIs is a function of `seed` and the step's number alone, so that a
    training that goes on at step n continues as if it had never stopped.

    Args:
        model: of `mrcnn.network.build_model("training", ...)`; which weights are trained follows
            its layers' `trainable` flags as they are now.
        optimizer: a Keras optimizer.
        loss_weights: factor of each loss, 1 where a name is missing.
        weight_decay: Config.WEIGHT_DECAY.
        clip_norm: greatest gradient norm, or None.
        clip_mode: 'global' (the norm of all gradients together) or 'variable' (each for itself).
        seed: of the RoI sampling.
        warmup_steps: the learning rate rises evenly to the optimizer's over so many steps.
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
        warmup_steps: int = 0,
    ):
        self.model = model
        self.optimizer = optimizer
        self.weights = [loss_weights.get(name, 1.0) for name in LOSS_NAMES]
        self.weight_decay = weight_decay
        self.clip_norm, self.clip_mode = clip_norm, clip_mode
        self.seed = seed
        self.warmup_steps = warmup_steps
        self.learning_rate = float(optimizer.learning_rate)
        self.trained = model.trainable_variables
        optimizer.build(self.trained)
        self._train = tf.function(self._train_graph, reduce_retracing=True)
        self._validate = tf.function(self._losses, reduce_retracing=True)

    def train(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """Update the weights on one batch.

        Args:
            inputs: the model's inputs.
            step: number of the step since the training began.

        Returns:
            float32 `[6]`: the weighted total with weight decay, then the five losses, each times
            its weight, in the order of `LOSS_NAMES`.
        """
        self._seed_sampling(step)
        self._warm_up(step)
        return self._train([tf.convert_to_tensor(x) for x in inputs]).numpy()

    def validate(self, inputs: Sequence[np.ndarray], step: int) -> np.ndarray:
        """The losses of one batch as `train` returns them, without learning from it."""
        self._seed_sampling(-1 - step)
        tensors = [tf.convert_to_tensor(x) for x in inputs]
        return self._validate(tensors, training=False).numpy()

    def _seed_sampling(self, step: int) -> None:
        state = self.model.get_layer(SAMPLING_LAYER).seed_generator.state
        state.assign(np.array([self.seed, step]).astype(state.dtype))

    def _warm_up(self, step: int) -> None:
        # Afterwards the rate is left alone, since callbacks may set it.
        if step < self.warmup_steps:
            rate = self.learning_rate * (step + 1) / self.warmup_steps
            self.optimizer.learning_rate.assign(rate)

    def _losses(self, inputs, training: bool) -> tf.Tensor:
        outputs = self.model(inputs, training=training)
        losses = [w * x for w, x in zip(self.weights, outputs[-5:], strict=True)]
        decay = weight_decay_loss(self.trained, self.weight_decay)
        return tf.stack([tf.add_n([*losses, decay]), *losses])

    def _train_graph(self, inputs):
        variables = [v.value for v in self.trained]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # Only what is trained is watched, so that nothing below it is recorded.
            tape.watch(variables)
            losses = self._losses(inputs, training=True)
            total = losses[0]
        gradients = tape.gradient(total, variables, unconnected_gradients="zero")
        self.optimizer.apply(self.clip(gradients), self.trained)
        return losses

    def clip(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Limit the gradients' norm as configured."""
        if not self.clip_norm:
            return gradients
        if self.clip_mode == "variable":
            return [tf.clip_by_norm(g, self.clip_norm) for g in gradients]
        return tf.clip_by_global_norm(gradients, self.clip_norm)[0]
