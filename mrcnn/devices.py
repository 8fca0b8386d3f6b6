"""What a training asks of the devices of this machine."""

import tensorflow as tf


def make_training_repeatable(seed: int) -> None:
    """Make TensorFlow compute gradients the same way each time, on a processor.

    RoIAlign's gradient is summed by several threads without locks there, so that now and then an
    addition is lost and two equal trainings differ. TensorFlow's deterministic mode runs that sum
    on one thread. It holds for the whole process and wants a seed for TensorFlow's own random
    numbers. On GPUs the mode refuses operations that we need, so it stays off.

    Args:
        seed: for random numbers that others draw in this process.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(seed)
