"""Data sets that the loader's tests share. Imported by worker processes: no TensorFlow here."""

import os
import pathlib
import sys
import time

import cv2
import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.errors import DatasetError
from tests.support import golden, unpack


def make_config(**values):
    """A Config of 128 x 128 pixel images and five classes, changed by `values`."""
    defaults = {
        "IMAGE_MIN_DIM": 128,
        "IMAGE_MAX_DIM": 128,
        "NUM_CLASSES": 5,
        "MAX_GT_INSTANCES": 10,
        "LOADER_WORKERS": 2,
    }
    values = {name: value for name, value in {**defaults, **values}.items() if name not in DERIVED}
    return type("SmallConfig", (Config,), values)()


DERIVED = ("BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE")


class GoldenDataset(Dataset):
    """The two images of the golden measurements, one of source "syn", one of "alt"."""

    def __init__(self):
        super().__init__()
        self.data = golden("load_image_gt")
        for class_id in range(1, 14):
            self.add_class("syn" if class_id < 11 else "alt", class_id, f"c{class_id}")
        self.add_image("syn", 0, "0.png")
        self.add_image("alt", 1, "1.png")
        self.prepare()

    def load_image(self, image_id):
        return self.data[f"image_{image_id}"]

    def load_mask(self, image_id):
        shape = self.data[f"masks_{image_id}_shape"]
        masks = unpack(self.data[f"masks_{image_id}_packed"], shape)
        return masks, self.data[f"class_ids_{image_id}"]


class MemoryDataset(Dataset):
    """Images, masks and class ids given as arrays; classes 1 to 4 of source "drawn"."""

    def __init__(self, items, sources=None):
        super().__init__()
        self.items = items
        for class_id in range(1, 5):
            self.add_class("drawn", class_id, f"c{class_id}")
        for number in range(len(items)):
            source = sources[number] if sources else "drawn"
            self.add_image(source, f"id{number}", f"/pictures/{number}.jpg")
        self.prepare()
        for source in sources or ():
            self.source_class_ids.setdefault(source, [0])

    def load_image(self, image_id):
        return self.items[image_id][0]

    def load_mask(self, image_id):
        _, masks, class_ids = self.items[image_id]
        return masks, np.array(class_ids, np.int32)


class UnsendableError(Exception):
    """Pickles, but cannot be rebuilt."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class FailingDataset(MemoryDataset):
    """Fails as asked: `failing` maps image numbers to a way to fail."""

    failing: dict

    def load_image(self, image_id):
        way = self.failing.get(int(image_id))
        if way == "damaged":
            raise DatasetError("the file is damaged")
        if way == "defect":
            raise KeyError("no such thing")
        if way == "unreadable":
            raise PermissionError(13, "no permission")
        if way == "unsendable":
            raise UnsendableError("a", "b")
        if way == "slow":
            time.sleep(0.3)
        if way == "memory":
            raise MemoryError
        return super().load_image(image_id)


class SpyingDataset(MemoryDataset):
    """Writes which TensorFlow and Keras modules its process has, and its thread counts."""

    folder: str

    def load_image(self, image_id):
        heavy = sorted({"tensorflow", "keras"} & set(sys.modules))
        report = f"{heavy} {cv2.getNumThreads()} {os.environ.get('OMP_NUM_THREADS')}"
        pathlib.Path(self.folder, str(os.getpid())).write_text(report)
        return super().load_image(image_id)


def drawn_items(count, size=(100, 120), seed=0, instances=3):
    """(image, masks, class ids) of rectangles on noise."""
    random = np.random.RandomState(seed)
    height, width = size
    items = []
    for _ in range(count):
        image = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
        masks = np.zeros((height, width, instances), bool)
        for i in range(instances):
            y, x = random.randint(0, height - 30), random.randint(0, width - 30)
            h, w = random.randint(10, 30, 2)
            masks[y : y + h, x : x + w, i] = True
        items.append((image, masks, random.randint(1, 5, instances).tolist()))
    return items


def empty_items(count):
    """Images without instances."""
    return [(np.zeros((50, 50, 3), np.uint8), np.zeros((50, 50, 0), bool), [])] * count


def drawn_dataset(count, **how):
    return MemoryDataset(drawn_items(count, **how))
