"""RoIAlign: levels, sampling points, order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.network.roi_align import (
    PyramidROIAlign,
    log2_graph,
    pyramid_roi_align,
    roi_levels,
)
from tests.support import golden

LAYERS = golden("layers")
MAPS = [LAYERS[f"roialign_P{level}"] for level in (2, 3, 4, 5)]
META = LAYERS["roialign_image_meta"]
IMAGE_AREA = float(META[0, 4] * META[0, 5])


def align(boxes, maps, pool=(2, 2), area=1024.0 * 1024):
    maps = [np.asarray(m, np.float32) for m in maps]
    return pyramid_roi_align(tf.constant(boxes, tf.float32), area, maps, pool).numpy()


def constant_maps(batch=1):
    """Maps whose cells hold the number of their level, plus 10 times the image."""
    image = 10.0 * np.arange(batch)[:, None, None, None]
    return [np.full((batch, 64 // 2**i, 64 // 2**i, 1), 2.0 + i) + image for i in range(4)]


# ---- golden numbers ----


@pytest.mark.parametrize("pool", [7, 14])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_pooled_features(pool, compiled):
    layer = PyramidROIAlign([pool, pool])
    call = tf.function(layer) if compiled else layer
    pooled = call([LAYERS["roialign_boxes"], META, *MAPS])
    np.testing.assert_allclose(pooled, LAYERS[f"roialign_out_pool{pool}"], rtol=0, atol=1e-6)


def test_levels():
    levels = roi_levels(LAYERS["roialign_boxes"], IMAGE_AREA)
    assert levels.dtype == tf.int32
    np.testing.assert_array_equal(levels, LAYERS["roialign_levels"])


# ---- by hand ----


@pytest.mark.parametrize(
    ("pixels", "level"),
    [
        (224, 4),  # the size ImageNet classifiers were trained on
        (112, 3),
        (56, 2),
        (14, 2),  # nothing is finer
        (448, 5),
        (1000, 5),  # nothing is coarser
        (224 * 2**0.49, 4),
        (224 * 2**0.51, 5),
        (0, 2),  # no area
    ],
)
def test_level_of_a_square_of_a_1024_pixel_image(pixels, level):
    side = pixels / 1024
    levels = roi_levels(tf.constant([[0.0, 0, side, side]]), 1024.0 * 1024)
    assert levels.numpy().tolist() == [level]


@pytest.mark.parametrize(
    "box",
    [
        [0.0, 0, 0, 0],  # padding
        [0.5, 0.5, 0.5, 0.9],  # no height
        [0.9, 0.5, 0.1, 0.9],  # upside down
    ],
)
def test_boxes_without_area_go_to_the_finest_level(box):
    assert roi_levels(tf.constant([box]), 1024.0 * 1024).numpy().tolist() == [2]


def test_log2_graph():
    np.testing.assert_allclose(log2_graph(tf.constant([1.0, 2, 8])), [0, 1, 3], atol=1e-6)


def test_boxes_keep_their_order_over_levels_and_images():
    sides = np.array([[1000, 10, 224], [112, 448, 112]]) / 1024
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=-1)
    pooled = align(boxes, constant_maps(2))
    assert pooled.shape == (2, 3, 2, 2, 1)
    assert pooled[:, :, 0, 0, 0].tolist() == [[5, 2, 4], [13, 15, 13]]


def test_samples_reach_from_edge_to_edge():
    ramp = [
        np.tile(np.arange(n, dtype=np.float32)[None, None, :, None], (1, n, 1, 1))
        for n in (9, 5, 3, 2)
    ]
    pooled = align([[[0, 0.25, 0.01, 0.75]]], ramp, pool=(1, 3), area=64.0 * 64)
    assert pooled[0, 0, 0, :, 0].tolist() == [2, 4, 6]  # of the columns 0 to 8


def test_outside_the_map_counts_as_0():
    pooled = align([[[0, 0.5, 0.5, 1.5]]], constant_maps(), pool=(1, 3), area=64.0 * 64)
    assert pooled[0, 0, 0, :, 0].tolist() == [2, 2, 0]


def test_gradients_go_to_the_maps_and_not_to_the_boxes():
    boxes = tf.Variable([[[0.1, 0.1, 0.6, 0.6]]])
    maps = [tf.Variable(m.astype(np.float32)) for m in constant_maps()]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(pyramid_roi_align(boxes, 1024.0 * 1024, maps, (2, 2)))
    to_boxes, to_P2, _, _, to_P5 = tape.gradient(
        total, [boxes, *maps], unconnected_gradients="zero"
    )
    assert not np.any(to_boxes)
    assert not np.any(to_P2)
    assert np.any(to_P5)  # 512 pixels


def test_the_size_of_the_first_image_decides():
    meta = np.zeros((2, 17), np.float32)
    meta[:, 4:6] = [[1024, 1024], [64, 64]]
    side = 224 / 1024
    boxes = np.tile(np.array([0, 0, side, side], np.float32), (2, 1, 1))
    maps = [m.astype(np.float32) for m in constant_maps(2)]
    pooled = PyramidROIAlign([1, 1])([boxes, meta, *maps]).numpy()
    assert pooled.ravel().tolist() == [4, 14]


def test_in_a_model_with_open_sizes():
    inputs = [keras.Input((None, 4)), keras.Input((17,))]
    maps = [keras.Input((None, None, 3)) for _ in range(4)]
    model = keras.Model([*inputs, *maps], PyramidROIAlign([7, 7])([*inputs, *maps]))
    assert model.output_shape == (None, None, 7, 7, 3)
    pooled = model([LAYERS["roialign_boxes"], META, *MAPS])
    np.testing.assert_allclose(pooled, LAYERS["roialign_out_pool7"], atol=1e-6)


def test_the_layer_survives_its_configuration():
    layer = PyramidROIAlign([7, 14], name="roi_align_mask")
    assert PyramidROIAlign.from_config(layer.get_config()).pool_shape == (7, 14)


# ---- empty twins ----


@pytest.mark.parametrize(
    ("batch", "rois"),
    [
        (1, 0),  # no RoI
        (2, 0),
        (0, 3),  # no image
    ],
)
def test_nothing_in_nothing_out(batch, rois):
    boxes = np.zeros((batch, rois, 4), np.float32)
    assert align(boxes, constant_maps(batch)).shape == (batch, rois, 2, 2, 1)


def test_all_rois_on_one_level_leave_the_others_empty():
    assert align([[[0, 0, 1, 1]]], constant_maps())[0, 0, 0, 0, 0] == 5


def test_the_coarsest_of_fewer_maps_serves_all_larger_boxes():
    boxes = [[[0, 0, 1, 1], [0.4, 0.4, 0.45, 0.45]]]
    assert align(boxes, constant_maps()[:1])[0, :, 0, 0, 0].tolist() == [2, 2]
    assert align(boxes, constant_maps()[:2])[0, :, 0, 0, 0].tolist() == [3, 2]


def test_maps_of_one_cell():
    maps = [np.full((1, 1, 1, 1), 7.0)] * 4
    assert align([[[0, 0, 1, 1], [0, 0, 0, 0]]], maps).ravel().tolist()[-4:] == [7.0] * 4
