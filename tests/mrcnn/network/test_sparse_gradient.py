"""The gradient of a convolution, from the cells that have one, is that of Conv2D."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.network.layers import MOST_CELLS, SparseGradientConv2D

TOLERANCE = 2e-6  # of the largest value: the same sum in another order, in float32
SIZE = (2, 6, 9, 5)


def both(filters=4):
    """Ours and Keras' own layer on the same weights."""
    ours = SparseGradientConv2D(filters, name="shared")
    plain = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")
    for layer in (ours, plain):
        layer.build((None, *SIZE[1:]))
    rng = np.random.default_rng(2)
    weights = [rng.normal(0, 0.2, (3, 3, SIZE[3], filters)), np.full(filters, 1.0)]
    for layer in (ours, plain):
        layer.set_weights(weights)
    return ours, plain


def noise(shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def upstream_of(cells, filters=4, size=SIZE):
    """A gradient that is zero but at some cells (image, y, x)."""
    values = np.zeros((*size[:3], filters), np.float32)
    for number, cell in enumerate(cells):
        values[cell] = np.random.default_rng(number).normal(size=filters)
    return tf.constant(values)


def gradients(layer, image, upstream):
    variables = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([image, *variables])
        outputs = layer(image, training=True)
    return outputs, tape.gradient(outputs, [image, *variables], upstream)


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE * scale)


CORNERS = [(0, 0, 0), (0, 5, 8), (1, 0, 8), (1, 5, 0)]


@pytest.mark.parametrize(
    "cells",
    [[(1, 3, 4)], [(0, 2, 2), (0, 2, 3), (0, 3, 2)], CORNERS, []],
    ids=["one", "neighbours", "corners", "none"],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_some_cells(cells, compiled):
    assert len(cells) < MOST_CELLS * np.prod(SIZE[:3])
    run = tf.function(gradients) if compiled else gradients
    image, upstream = noise(SIZE), upstream_of(cells)
    (outputs, found), (plain, expected) = (run(layer, image, upstream) for layer in both())
    np.testing.assert_array_equal(outputs, plain)
    assert_close(found, expected)
    assert any(np.any(part) for part in found) == bool(cells)


def test_all_cells():
    image, upstream = noise(SIZE), noise((*SIZE[:3], 4), seed=1)
    found, expected = (gradients(layer, image, upstream)[1] for layer in both())
    assert_close(found, expected)


def test_a_map_of_one_cell():
    image, upstream = noise((1, 1, 1, 5)), noise((1, 1, 1, 4), seed=1)
    found, expected = (gradients(layer, image, upstream)[1] for layer in both())
    assert_close(found, expected)


def test_sizes_are_known_at_run_time_only():
    ours, plain = both()
    specs = [tf.TensorSpec((None, None, None, 5)), tf.TensorSpec((None, None, None, 4))]
    run = tf.function(lambda x, up: gradients(ours, x, up)[1], input_signature=specs)
    for size in ((1, 8, 8, 5), (3, 20, 4, 5)):
        image, upstream = noise(size), upstream_of([(0, 3, 3)], size=size)
        assert_close(run(image, upstream), gradients(plain, image, upstream)[1])


def test_few_cells_take_no_convolution():
    """What is saved is the arithmetic: the branch of few cells has matrix products only."""
    ours, _ = both()
    run = tf.function(lambda x, up: gradients(ours, x, up)[1])
    graph = run.get_concrete_function(noise(SIZE), upstream_of([])).graph
    (choice,) = [op for op in graph.get_operations() if op.type in ("If", "StatelessIf")]
    few, many = (
        {
            node.op
            for node in graph._get_function(choice.get_attr(name).name).cached_definition.node_def
        }
        for name in ("then_branch", "else_branch")
    )
    assert "MatMul" in few and not any("Conv2D" in op for op in few)
    assert any("Conv2DBackprop" in op for op in many)


def test_in_bfloat16():
    layer = SparseGradientConv2D(4, dtype="mixed_bfloat16")
    image = tf.cast(noise(SIZE), tf.bfloat16)
    upstream = tf.cast(upstream_of(CORNERS), tf.bfloat16)
    layer.build((None, *SIZE[1:]))
    outputs, found = gradients(layer, image, upstream)
    assert outputs.dtype == tf.bfloat16
    plain = SparseGradientConv2D(4)
    plain.build((None, *SIZE[1:]))
    plain.set_weights(layer.get_weights())
    expected = gradients(plain, tf.cast(image, tf.float32), tf.cast(upstream, tf.float32))[1]
    for one, other in zip(found, expected, strict=True):
        scale = float(np.abs(other).max())
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, rtol=0, atol=0.02 * scale)


def test_detection_runs_the_plain_convolution():
    ours, plain = both()
    graph = tf.function(lambda x: ours(x, training=False)).get_concrete_function(noise(SIZE)).graph
    assert not any(op.type == "IdentityN" for op in graph.get_operations())
    np.testing.assert_array_equal(ours(noise(SIZE)), plain(noise(SIZE)))
