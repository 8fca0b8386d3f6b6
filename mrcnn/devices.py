"""Which devices a machine offers."""

import tensorflow as tf

from mrcnn.errors import ConfigError


def require_devices(gpu_count: int) -> None:
    """Refuse a GPU_COUNT that this machine or this version cannot serve.

    Raises:
        ConfigError: more than one GPU is asked for.
    """
    if gpu_count <= 1:
        return
    found = len(tf.config.list_physical_devices("GPU"))
    if found < gpu_count:
        raise ConfigError(
            f"GPU_COUNT is {gpu_count}, but TensorFlow finds {found} GPUs on this machine: set "
            f"GPU_COUNT = 1 (without a GPU the processor is used) and choose IMAGES_PER_GPU."
        )
    raise ConfigError(
        f"GPU_COUNT is {gpu_count}, but training on several GPUs is not supported yet: set "
        f"GPU_COUNT = 1 and raise IMAGES_PER_GPU."
    )


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
