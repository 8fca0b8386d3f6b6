"""Images kept in memory: loaded once, never changed, no more than allowed."""

import pickle

import imgaug.augmenters
import numpy as np
import pytest

from mrcnn.data.ground_truth import ImageCache
from mrcnn.data.loader import BatchLoader
from tests.mrcnn.golden_dataset import MemoryDataset, drawn_items, make_config


def image(size=10):
    return np.zeros((size, size, 3), np.uint8)


def test_what_fits_is_loaded_once():
    cache, loads = ImageCache(700), []

    def get(key):
        return cache.get(key, lambda: loads.append(key) or (image(), key))

    assert [get(key)[1] for key in (1, 2, 3, 1, 2, 3, 3)] == [1, 2, 3, 1, 2, 3, 3]
    assert loads == [1, 2, 3, 3, 3]  # a third of 300 bytes has no room
    assert cache.bytes == 600


def test_without_room_nothing_is_kept():
    cache = ImageCache(0)
    assert cache.get(1, lambda: (image(), "first"))[1] == "first"
    assert cache.get(1, lambda: (image(), "second"))[1] == "second"


def test_kept_images_cannot_be_changed():
    cache, own = ImageCache(1000), image()
    kept, _ = cache.get(1, lambda: (own, 0))
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1
    own[0, 0] = 1  # the data set's own array stays its own


def test_another_process_starts_with_an_empty_one():
    cache = ImageCache(1000)
    cache.get(1, lambda: (image(), 0))
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.most_bytes, copy.bytes) == (1000, 0)


class CountingDataset(MemoryDataset):
    loads = 0

    def load_image(self, image_id):
        self.loads += 1
        return super().load_image(image_id)


@pytest.mark.parametrize("mode", ["square", "crop", "none"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_and_images_loaded_once(mode, workers):
    values = {"IMAGE_RESIZE_MODE": mode, "IMAGE_MIN_DIM": 64, "LOADER_WORKERS": workers}
    items = drawn_items(4, size=(128, 128))
    batches = []
    for megabytes in (0, 10):
        dataset = CountingDataset(items)
        config = make_config(LOADER_CACHE_MB=megabytes, **values)
        flip = imgaug.augmenters.Fliplr(0.5)
        with BatchLoader(dataset, config, batch_size=2, augmentation=flip) as loader:
            batches.append([inputs for _, _, inputs in loader.stream(0, 6)])
    assert dataset.loads == 4
    for plain, cached in zip(*batches, strict=True):
        for expected, found in zip(plain, cached, strict=True):
            np.testing.assert_array_equal(found, expected)
