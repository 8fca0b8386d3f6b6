"""Matterport's generator: the measured batch, passes over the images, and tolerated errors."""

import imgaug.augmenters
import numpy as np
import pytest

from mrcnn.data.legacy_generator import data_generator
from mrcnn.errors import DatasetError
from tests.mrcnn.golden_dataset import (
    FailingDataset,
    GoldenDataset,
    MemoryDataset,
    drawn_dataset,
    drawn_items,
    empty_items,
    make_config,
)
from tests.support import golden, info, unpack

INPUTS = ("images", "image_meta", "rpn_match", "rpn_bbox", "gt_class_ids", "gt_boxes", "gt_masks")


@pytest.mark.parametrize("kind", ["mini", "full"])
def test_generator_yields_the_measured_batch(kind):
    data = golden(f"data_generator_{kind}")
    config = make_config(**info(data, "config_json"))
    np.random.seed(42)
    generator = data_generator(GoldenDataset(), config, shuffle=False, batch_size=2)
    inputs, outputs = next(generator)
    assert outputs == []
    expected = dict(data)
    expected["gt_masks"] = unpack(data["gt_masks_packed"], data["gt_masks_shape"])
    expected.setdefault("images", golden("data_generator_mini")["images"])
    for name, array in zip(INPUTS, inputs, strict=True):
        assert str(array.dtype) == str(data[f"{name}_dtype"])
        assert array.shape == tuple(data[f"{name}_shape"])
        tolerance = 1e-12 if name == "rpn_bbox" else 0
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=tolerance)


def seen(generator, batches):
    return [next(generator)[0][1][:, 0].astype(int).tolist() for _ in range(batches)]


def test_generator_passes_once_over_the_images_and_then_again():
    dataset, config = drawn_dataset(5, size=(40, 40)), make_config()
    assert seen(data_generator(dataset, config, shuffle=False, batch_size=2), 5) == [
        [0, 1], [2, 3], [4, 0], [1, 2], [3, 4],
    ]  # fmt: skip
    np.random.seed(0)
    shuffled = np.ravel(seen(data_generator(dataset, config), 15)).reshape(3, 5)
    assert all(sorted(one_pass) == [0, 1, 2, 3, 4] for one_pass in shuffled.tolist())
    assert len({tuple(one_pass) for one_pass in shuffled.tolist()}) > 1


def test_generator_skips_images_without_instances_and_ends_without_any():
    dataset = MemoryDataset(empty_items(2) + drawn_items(1))
    assert seen(data_generator(dataset, make_config(), shuffle=False), 2) == [[2], [2]]
    with pytest.raises(DatasetError, match="nothing can be learnt from 2 images"):
        next(data_generator(MemoryDataset(empty_items(2)), make_config()))
    with pytest.raises(DatasetError, match="no image"):
        next(data_generator(MemoryDataset([]), make_config()))


def test_generator_tolerates_five_errors(caplog):
    dataset = FailingDataset(drawn_items(4, size=(40, 40)))
    dataset.failing = {1: "damaged", 2: "defect"}
    generator = data_generator(dataset, make_config(), shuffle=False)
    assert seen(generator, 3) == [[0], [3], [0]]  # errors 1 and 2
    assert seen(generator, 1) == [[3]]  # 3 and 4
    assert len(caplog.records) == 4
    assert seen(generator, 1) == [[0]]
    with pytest.raises(KeyError):  # the sixth
        next(generator)


def test_generator_honours_no_augmentation_sources():
    dataset = MemoryDataset(drawn_items(2, size=(128, 128)), sources=["drawn", "studio"])
    config = make_config()
    plain = next(data_generator(dataset, config, shuffle=False, batch_size=2))[0][0]
    flip = imgaug.augmenters.Fliplr(1.0)
    generator = data_generator(
        dataset, config, False, augmentation=flip, batch_size=2, no_augmentation_sources=["studio"]
    )
    images = next(generator)[0][0]
    np.testing.assert_array_equal(images[0], plain[0][:, ::-1])
    np.testing.assert_array_equal(images[1], plain[1])


def test_generator_adds_random_rois_and_detection_targets():
    config = make_config(TRAIN_ROIS_PER_IMAGE=12)
    dataset = drawn_dataset(2)
    inputs, outputs = next(data_generator(dataset, config, random_rois=30, batch_size=2))
    assert len(inputs) == 8 and outputs == []
    assert inputs[7].shape == (2, 30, 4) and inputs[7].dtype == np.int32
    inputs, outputs = next(
        data_generator(dataset, config, random_rois=30, batch_size=2, detection_targets=True)
    )
    assert [array.shape for array in inputs[7:]] == [(2, 30, 4), (2, 12, 4)]
    shapes = [(2, 12, 1), (2, 12, 5, 4), (2, 12, 28, 28, 5)]
    assert [array.shape for array in outputs] == shapes
