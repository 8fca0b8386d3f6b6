"""Resizing, boxes and masks as a graph give the pixels of their numpy twins."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrcnn.export.photograph import (
    Resizing,
    anchors_graph,
    boxes_in_photograph,
    decode,
    full_masks,
    mold_graph,
)
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.images.reading import read_image
from mrcnn.inference.predictor import boxes_in_window, mold_one, paste_all
from mrcnn.network.build import pyramid_anchors
from tests.mrcnn.models import tiny_config


def picture(height, width):
    # Never black: the darkened border is clipped to the picture's least value, too.
    rng = np.random.default_rng(height * width)
    return rng.integers(3, 250, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_files_are_decoded_as_the_project_reads_them(tmp_path, ending):
    path = tmp_path / f"picture.{ending}"
    Image.fromarray(cv2.resize(picture(20, 30), (90, 60))).save(path)
    np.testing.assert_array_equal(decode(path.read_bytes()), read_image(path))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"IMAGE_RESIZE_MODE": "shape", "IMAGE_HEIGHT": 192, "IMAGE_WIDTH": 64},
        {"IMAGE_RESIZE_MODE": "fit64"},
        {"IMAGE_RESIZE_MODE": "pad64"},
        {"IMAGE_MIN_SCALE": 2.0},
    ],
    ids=["square", "shape", "fit64", "pad64", "min scale"],
)
def test_photographs_are_molded_to_the_bit(changes):
    config = tiny_config(**changes)
    resizing = Resizing.of_config(config)
    spec = [tf.TensorSpec([None, None, 3], tf.uint8)]
    mold = tf.function(
        lambda image: mold_graph(image, resizing, config.MEAN_PIXEL), input_signature=spec
    )
    # Smaller, larger, both, a line, the size itself, and a side that is rounded half to even.
    for size in ((48, 64), (600, 400), (301, 77), (1, 150), (128, 128), (64, 63), (1, 1)):
        expected = mold_one(picture(*size), config)
        molded, window = mold(picture(*size))
        np.testing.assert_array_equal(molded, expected.image)
        assert tuple(window.numpy()) == expected.window


def test_without_resizing_the_picture_stays():
    config = tiny_config(IMAGE_RESIZE_MODE="none")
    molded, window = mold_graph(picture(64, 128), Resizing.of_config(config), config.MEAN_PIXEL)
    np.testing.assert_array_equal(molded, mold_one(picture(64, 128), config).image)
    assert window.numpy().tolist() == [0, 0, 64, 128]


def test_boxes_come_back_to_the_photograph():
    boxes = np.random.default_rng(1).uniform(0, 1, (50, 4)).astype(np.float32)
    for window, size in (((16, 0, 112, 128), (75, 100)), ((0, 60, 128, 68), (512, 32))):
        expected = boxes_in_window(boxes, window, (128, 128), size)
        found = boxes_in_photograph(boxes, tf.constant(window), (128, 128), tf.constant(size))
        np.testing.assert_array_equal(found, expected)


def test_a_window_of_one_pixel_has_boxes_too():
    box, window = np.array([[0.5, 0, 0.5, 1]], np.float32), (64, 0, 65, 128)
    expected = boxes_in_window(box, window, (128, 128), (1, 150))
    found = boxes_in_photograph(box, tf.constant(window), (128, 128), tf.constant((1, 150)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("resample", ["exact", "aligned"])
def test_masks_are_pasted_to_the_bit(resample):
    masks = np.random.default_rng(2).uniform(0, 1, (5, 28, 28)).astype(np.float32)
    masks[3] = 0.5 + masks[3] / 2  # nothing below the threshold
    boxes = np.array(
        [[0, 0, 10, 10], [5, 7, 60, 90], [3, 3, 4, 4], [10, 10, 99, 99], [0, 50, 100, 51]], np.int32
    )
    found = full_masks(masks, boxes, tf.constant([100, 110]), resample == "aligned").numpy()
    expected = paste_all(masks, boxes, (100, 110), resample)
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), expected)


def test_no_mask_is_pasted_where_nothing_was_found():
    found = full_masks(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.int32), (7, 9))
    assert found.shape == (0, 7, 9) and found.dtype == bool


def test_anchors_follow_the_size():
    config = tiny_config()
    for size in ((64, 128), (192, 64)):
        expected = norm_boxes(pyramid_anchors(config, size), size)
        np.testing.assert_array_equal(anchors_graph(config, tf.constant(size)), expected)
