"""Box arithmetic on tensors gives what the numpy functions and the reference give."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.geometry import boxes
from mrcnn.network import box_graph
from tests.support import golden, info

UTILS = golden("utils")


def assert_near(actual, expected, tolerance=1e-6):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=tolerance, atol=tolerance)


# ---- golden numbers ----


def test_apply_box_deltas_graph():
    moved = box_graph.apply_box_deltas_graph(UTILS["deltas_boxes"], UTILS["deltas"])
    assert_near(moved, UTILS["apply_box_deltas_graph"])


def test_box_refinement_graph():
    deltas = box_graph.box_refinement_graph(UTILS["deltas_boxes"], UTILS["refine_gt"])
    assert_near(deltas, UTILS["box_refinement_graph"])


def test_overlaps_graph():
    overlaps = box_graph.overlaps_graph(UTILS["deltas_boxes"], UTILS["refine_gt"])
    assert_near(overlaps, UTILS["overlaps_graph"])


def test_clip_boxes_graph_is_exact():
    clipped = box_graph.clip_boxes_graph(UTILS["clip_boxes_in"], UTILS["clip_window"])
    np.testing.assert_array_equal(clipped, UTILS["clip_boxes"])


def test_norm_boxes_graph_and_back():
    normalised = box_graph.norm_boxes_graph(UTILS["norm_in"], tf.constant([480, 640]))
    assert_near(normalised, UTILS["norm_boxes_graph_480x640"])
    pixels = box_graph.denorm_boxes_graph(
        UTILS["norm_boxes_graph_480x640"], tf.constant([480, 640])
    )
    assert pixels.dtype == tf.int32
    np.testing.assert_array_equal(pixels, UTILS["denorm_boxes_graph_480x640"])


def test_denorm_boxes_graph_rounds_as_numpy_does():
    pixels = box_graph.denorm_boxes_graph(UTILS["denorm_in"], tf.constant([480, 640]))
    np.testing.assert_array_equal(pixels, UTILS["denorm_boxes_480x640"])


def test_parse_image_meta_graph():
    meta = np.stack([UTILS["compose_image_meta"]] * 2)
    parts = box_graph.parse_image_meta_graph(tf.constant(meta, tf.float32))
    expected = info(UTILS)["parse_image_meta"]
    assert parts.keys() == expected.keys()
    for name, part in parts.items():
        assert_near(part, expected[name]["value"])


# ---- by hand ----


@pytest.mark.parametrize(
    ("first", "second", "iou"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1.0),  # the same box
        ([0, 0, 2, 2], [0, 1, 2, 3], 1 / 3),  # half of each
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),  # an edge in common
        ([0, 0, 2, 2], [3, 3, 4, 4], 0.0),  # apart
        ([0, 0, 4, 4], [1, 1, 2, 2], 1 / 16),  # one inside the other
        ([1, 1, 1, 1], [1, 1, 1, 1], 0.0),  # no area: 0, not NaN
    ],
)
def test_overlap_of_two_boxes(first, second, iou):
    overlap = box_graph.overlaps_graph(
        tf.constant([first], tf.float32), tf.constant([second], tf.float32)
    )
    assert overlap.numpy() == pytest.approx(iou)


def test_overlaps_of_batches_are_those_of_their_images():
    rng = np.random.default_rng(1)
    first = np.sort(rng.uniform(size=(3, 5, 2, 2)), axis=2).reshape(3, 5, 4).astype(np.float32)
    second = np.sort(rng.uniform(size=(3, 2, 2, 2)), axis=2).reshape(3, 2, 4).astype(np.float32)
    batch = box_graph.overlaps_graph(first, second).numpy()
    assert batch.shape == (3, 5, 2)
    for i in range(3):
        assert_near(batch[i], boxes.compute_overlaps(first[i], second[i]))


def test_clipping_takes_one_window_for_each_image():
    images = tf.constant([[[-1.0, -1, 5, 5]], [[-1.0, -1, 5, 5]]])
    windows = tf.constant([[[0.0, 0, 1, 1]], [[2.0, 2, 3, 3]]])
    np.testing.assert_array_equal(box_graph.clip_boxes_graph(images, windows), windows)


def test_a_box_outside_the_window_is_clipped_to_no_area():
    clipped = box_graph.clip_boxes_graph(tf.constant([[2.0, 2, 3, 3]]), tf.constant([0.0, 0, 1, 1]))
    assert clipped.numpy().tolist() == [[1, 1, 1, 1]]


def test_refinement_undoes_deltas():
    box, goal = UTILS["deltas_boxes"], UTILS["refine_gt"]
    deltas = box_graph.box_refinement_graph(box, goal)
    assert_near(box_graph.apply_box_deltas_graph(box, deltas), goal, 1e-5)


def test_trim_zeros_graph_says_which_rows_are_left():
    rows = tf.constant([[0.0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 0, 1]])
    kept, flags = box_graph.trim_zeros_graph(rows, name="trim")
    assert kept.numpy().tolist() == [[1, 2, 3, 4], [0, 0, 0, 1]]
    assert flags.numpy().tolist() == [False, True, False, True]


def test_batch_pack_graph_takes_the_first_rows_of_each_image():
    x = tf.constant([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    packed = box_graph.batch_pack_graph(x, tf.constant([2, 0, 1]), 3)
    assert packed.numpy().tolist() == [1, 2, 7]


def test_batch_slice_stacks_the_outputs_of_a_function_for_one_image():
    a, b = tf.constant([[1, 2], [3, 4]]), tf.constant([[10], [20]])
    total, product = box_graph.batch_slice(
        [a, b], lambda x, y: (x + y, x * y), 2, names=["total", "product"]
    )
    assert total.numpy().tolist() == [[11, 12], [23, 24]]
    assert product.numpy().tolist() == [[10, 20], [60, 80]]


def test_batch_slice_with_one_output_gives_a_tensor():
    doubled = box_graph.batch_slice(tf.constant([[1], [2]]), lambda x: 2 * x, 2)
    assert doubled.numpy().tolist() == [[2], [4]]


def test_a_graph_computes_what_eager_computes():
    compiled = tf.function(box_graph.overlaps_graph)
    first, second = tf.constant(UTILS["deltas_boxes"]), tf.constant(UTILS["refine_gt"])
    assert_near(compiled(first, second), box_graph.overlaps_graph(first, second))


# ---- nothing in, nothing out ----

NONE = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (lambda: box_graph.apply_box_deltas_graph(NONE, NONE), (0, 4)),
        (lambda: box_graph.box_refinement_graph(NONE, NONE), (0, 4)),
        (lambda: box_graph.clip_boxes_graph(NONE, tf.constant([0.0, 0, 1, 1])), (0, 4)),
        (lambda: box_graph.norm_boxes_graph(NONE, tf.constant([4, 4])), (0, 4)),
        (lambda: box_graph.denorm_boxes_graph(NONE, tf.constant([4, 4])), (0, 4)),
        (lambda: box_graph.overlaps_graph(NONE, np.ones((3, 4), np.float32)), (0, 3)),
        (lambda: box_graph.overlaps_graph(np.ones((3, 4), np.float32), NONE), (3, 0)),
        (lambda: box_graph.trim_zeros_graph(tf.zeros((2, 4)))[0], (0, 4)),
        (lambda: box_graph.batch_pack_graph(tf.ones((2, 3)), tf.constant([0, 0]), 2), (0,)),
    ],
)
def test_no_boxes(result, shape):
    assert tuple(result().shape) == shape


def test_the_only_pixel_of_an_image_is_the_box_from_0_to_1_and_back():
    # Both sides of a one-pixel image normalise by 0: TensorFlow gives NaN or infinity, and so
    # does the reference. A molded image is never below 64 pixels, so the smallest case that
    # occurs is one pixel of one of those.
    pixel = tf.constant([[0, 0, 1, 1]])
    normalised = box_graph.norm_boxes_graph(pixel, tf.constant([64, 64]))
    assert normalised.numpy().tolist() == [[0, 0, 0, 0]]
    assert box_graph.denorm_boxes_graph(normalised, tf.constant([64, 64])).numpy().tolist() == [
        [0, 0, 1, 1]
    ]
