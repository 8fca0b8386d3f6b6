"""`tests.mrcnn.train_script` on a processor that is divided into logical devices.

python -m tests.mrcnn.distributed_script DEVICES LOGS EPOCHS [options of train_script]
"""

import sys

import tensorflow as tf

from fashion.terminal import run
from tests.mrcnn import train_script


def divide_processor(devices: int) -> None:
    """Let TensorFlow see the processor as so many devices; before anything else uses it."""
    (processor,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(processor, parts)


if __name__ == "__main__":
    divide_processor(int(sys.argv.pop(1)))
    sys.exit(run(train_script.main))
