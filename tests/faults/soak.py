"""Long runs of the tiny network that record memory and open files as they go.

python -m tests.faults.soak detect|train FOLDER COUNT

Prints a JSON object for each reading: done (images or steps), resident (MB), handles (open files,
sockets and pipes), threads.
"""

import gc
import json
import sys
import threading
from pathlib import Path

import cv2
import keras

from mrcnn.images.reading import read_image
from mrcnn.model import MaskRCNN
from tests.mrcnn.tiny import ShapesDataset, TinyConfig

READINGS = 20
PICTURES = 50
STEPS_AN_EPOCH = 100


class SoakConfig(TinyConfig):
    IMAGES_PER_GPU = 4
    DETECTION_MIN_CONFIDENCE = 0
    STEPS_PER_EPOCH = STEPS_AN_EPOCH
    STATE_SECONDS = 5


def read(done: int) -> None:
    """Print one reading of this process."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0]) / 1024
    handles = len(list(Path("/proc/self/fd").iterdir()))
    reading = {"done": done, "resident": round(resident, 1), "handles": handles}
    print(json.dumps(reading | {"threads": threading.active_count()}), flush=True)


def draw_pictures(folder: Path) -> list[Path]:
    """JPEG and PNG files of many sizes with a square and a disc each."""
    dataset = ShapesDataset(PICTURES)
    paths = []
    for index in range(PICTURES):
        image = cv2.resize(dataset.load_image(index), (64 + 3 * index, 96 + index))
        paths.append(folder / f"{index}.{'jpg' if index % 2 else 'png'}")
        cv2.imwrite(str(paths[-1]), image)
    return paths


def detect(folder: Path, count: int) -> None:
    """So many picture files, read and detected four at a time."""
    paths = draw_pictures(folder)
    keras.utils.set_random_seed(1)
    model = MaskRCNN("inference", SoakConfig(), folder)
    found = 0
    batch = SoakConfig.IMAGES_PER_GPU
    for done in range(batch, count + 1, batch):
        images = [read_image(paths[number % len(paths)]) for number in range(done - batch, done)]
        found += sum(len(result["scores"]) for result in model.detect(images))
        if done % (count // READINGS) == 0:
            read(done)
    assert found > 0, "nothing was detected, so no mask was pasted"


class Readings(keras.callbacks.Callback):
    """Reads memory and handles now and then while training."""

    def __init__(self, every: int):
        super().__init__()
        self.every, self.done = every, 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done % self.every == 0:
            read(self.done)


def train(folder: Path, count: int) -> None:
    """So many steps, with validation, checkpoint and state at the end of each hundred."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN("training", SoakConfig(), folder)
    model.train(
        ShapesDataset(200),
        ShapesDataset(8, seed=1),
        learning_rate=0.001,
        epochs=count // STEPS_AN_EPOCH,
        layers="all",
        custom_callbacks=[Readings(count // READINGS)],
    )


if __name__ == "__main__":
    kind, name, count = sys.argv[1:]
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    {"detect": detect, "train": train}[kind](folder, int(count))
