"""Train the tiny network in a process of its own, which may end itself at a given step.

python -m tests.mrcnn.train_script LOGS EPOCHS [--last] [--signal NAME --at EPOCH STEP [--worker]]
"""

import argparse
import json
import os
import signal
import sys

import keras

from fashion.terminal import run
from mrcnn.model import MaskRCNN
from tests.mrcnn.tiny import ShapesDataset, TinyConfig
from tests.support import child_processes


class EndAt(keras.callbacks.Callback):
    """Sends a signal to this very process after a step, or to one of its loader's workers."""

    def __init__(self, name, epoch, step, worker):
        super().__init__()
        self.name, self.at, self.worker, self.epoch = name, (epoch, step), worker, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.name and (self.epoch, batch) == self.at:
            victim = child_processes().pop() if self.worker else os.getpid()
            os.kill(victim, getattr(signal, self.name))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logs")
    parser.add_argument("epochs", type=int)
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--signal")
    parser.add_argument("--at", type=int, nargs=2, default=(0, 0))
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--state-seconds", type=float, default=1e-9)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--config", type=json.loads, default={})
    options = parser.parse_args()
    config = type(
        "ScriptConfig",
        (TinyConfig,),
        {
            "STATE_SECONDS": options.state_seconds,
            "LOADER_WORKERS": options.workers,
            **options.config,
        },
    )()
    model = MaskRCNN("training", config, options.logs)
    if options.last:
        model.load_weights(model.find_last(), by_name=True)
    else:
        keras.utils.set_random_seed(1)
        model = MaskRCNN("training", config, options.logs)
    model.train(
        ShapesDataset(10),
        ShapesDataset(4, seed=1),
        learning_rate=config.LEARNING_RATE,
        epochs=options.epochs,
        layers="all",
        custom_callbacks=[EndAt(options.signal, *options.at, options.worker)],
    )


if __name__ == "__main__":
    sys.exit(run(main))
