"""Batch norm that keeps its statistics, and the wrapper that applies a layer to each RoI."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.network.layers import BatchNorm, DepthwiseConv2D, TimeDistributed

INPUTS = np.random.default_rng(0).normal(3.0, 2.0, (6, 4, 4, 5)).astype(np.float32)


def standardised(x):
    """`x` with batch statistics, epsilon as released weights expect it."""
    return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)


def at_start(x):
    """`x` with the statistics of a new layer, mean 0 and variance 1."""
    return x / np.sqrt(1 + 1e-3)


@pytest.mark.parametrize(
    ("train_bn", "training", "expected", "updates"),
    [
        (False, True, at_start, False),  # the default: stays at its statistics
        (False, False, at_start, False),
        (None, True, standardised, True),  # normal Keras
        (None, False, at_start, False),
        (True, True, standardised, True),
        (True, False, standardised, True),  # batch statistics in inference, too
    ],
)
def test_train_bn_decides_on_statistics(train_bn, training, expected, updates):
    layer = BatchNorm(train_bn)
    outputs = layer(INPUTS, training=training)
    np.testing.assert_allclose(outputs, expected(INPUTS), rtol=1e-4, atol=1e-5)
    moved = not np.array_equal(layer.moving_mean, np.zeros(5))
    assert moved == updates


@pytest.mark.parametrize("shape", [(6, 4, 4, 5), (2, 33, 17, 5), (1, 1, 1, 5)])
def test_batch_statistics_are_those_of_keras_in_one_operation(shape):
    """Outputs, gradients and moving statistics, also of a single pixel."""
    random = np.random.default_rng(1)
    inputs = random.normal(3.0, 2.0, shape).astype(np.float32)
    weights = random.uniform(0.5, 1.5, (4, shape[-1])).astype(np.float32)
    results = []
    for layer in (BatchNorm(None), keras.layers.BatchNormalization(epsilon=1e-3)):
        layer.build(shape)
        layer.set_weights(list(weights))
        x = tf.constant(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_mean(outputs**3)
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        results.append([outputs, *gradients, layer.moving_mean, layer.moving_variance])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-4, atol=1e-5)


def test_statistics_move_with_momentum_99():
    layer = BatchNorm(None)
    layer(INPUTS, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.01 * INPUTS.mean((0, 1, 2)), rtol=1e-4)


def test_statistics_move_in_float32_where_the_network_computes_in_bfloat16():
    """In bfloat16, of three digits, a hundredth of a small difference would be lost."""
    plain, mixed = BatchNorm(None), BatchNorm(None, dtype="mixed_bfloat16")
    inputs = tf.cast(tf.cast(INPUTS, "bfloat16"), "float32")
    for layer in (plain, mixed):
        for _ in range(100):
            layer(inputs, training=True)
    np.testing.assert_allclose(mixed.moving_mean, plain.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(mixed.moving_variance, plain.moving_variance, rtol=1e-5)


def test_batch_statistics_in_bfloat16_are_those_of_float32_but_for_rounding():
    """Outputs and gradients; the sums are of float32 in both."""
    inputs = tf.cast(tf.cast(INPUTS, "bfloat16"), "float32")
    results = []
    for dtype in ("float32", "mixed_bfloat16"):
        layer = BatchNorm(None, dtype=dtype)
        layer.build(inputs.shape)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_mean(tf.cast(outputs, "float32") ** 3)
        assert outputs.dtype == layer.compute_dtype
        gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
        results.append([tf.cast(x, "float32") for x in (outputs, *gradients)])
    for plain, mixed in zip(*results, strict=True):
        scale = np.abs(plain).max()
        np.testing.assert_allclose(mixed / scale, plain / scale, atol=0.02)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_depthwise_convolution_is_that_of_keras(dtype, strides):
    """Outputs and gradients, those of bfloat16 compared with float32's."""
    inputs = tf.constant(np.random.default_rng(2).normal(0, 1, (2, 9, 8, 3)), tf.float32)
    options = {"strides": strides, "padding": "same", "use_bias": False}
    results, kernel = [], None
    for layer in (
        keras.layers.DepthwiseConv2D(5, **options),
        DepthwiseConv2D(5, dtype=dtype, **options),
    ):
        layer.build(inputs.shape)
        kernel = layer.kernel.numpy() if kernel is None else kernel
        layer.kernel.assign(kernel)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
        assert outputs.dtype == layer.compute_dtype
        gradients = tape.gradient(loss, [inputs, layer.kernel.value])
        results.append([tf.cast(x, "float32") for x in (outputs, *gradients)])
    for plain, ours in zip(*results, strict=True):
        scale = np.abs(plain).max()
        near = 1e-6 if dtype == "float32" else 0.02
        np.testing.assert_allclose(ours / scale, plain / scale, atol=near)


def test_a_depthwise_convolution_is_made_again_from_its_configuration():
    layer = DepthwiseConv2D(3, use_bias=False, name="res2a_depthwise")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is DepthwiseConv2D and again.get_config() == layer.get_config()


def test_a_frozen_layer_uses_its_statistics_in_training():
    layer = BatchNorm(None)
    layer.build(INPUTS.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(INPUTS, training=True), at_start(INPUTS), rtol=1e-4)
    assert not np.any(layer.moving_mean)


def test_gamma_and_beta_train_where_statistics_do_not():
    layer = BatchNorm(False)
    layer.build(INPUTS.shape)
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]


def test_epsilon_is_that_of_keras_2():
    assert BatchNorm().epsilon == 1e-3


@pytest.mark.parametrize("train_bn", [None, False, True])
def test_batch_norm_survives_its_configuration(train_bn):
    layer = BatchNorm(train_bn, name="bn_conv1")
    copy = BatchNorm.from_config(layer.get_config())
    assert (copy.train_bn, copy.name, copy.epsilon) == (train_bn, "bn_conv1", 1e-3)


@pytest.mark.parametrize(
    "inner",
    [
        lambda: keras.layers.Conv2D(3, 4),  # the class head's: to one cell
        lambda: keras.layers.Conv2D(3, 3, padding="same"),
        lambda: keras.layers.Conv2DTranspose(3, 2, strides=2, activation="relu"),
        lambda: keras.layers.Dense(7),
        lambda: keras.layers.Activation("softmax"),
        lambda: BatchNorm(False),
        lambda: BatchNorm(True),
    ],
    ids=["valid", "same", "deconv", "dense", "softmax", "frozen batch norm", "batch norm"],
)
def test_each_roi_passes_through_the_inner_layer(inner):
    layer = inner()
    rois = INPUTS.reshape(2, 3, 4, 4, 5)
    outputs = TimeDistributed(layer)(rois)
    expected = np.asarray(layer(INPUTS, training=False))
    assert outputs.shape == (2, 3, *expected.shape[1:])
    np.testing.assert_allclose(np.asarray(outputs).reshape(expected.shape), expected, atol=1e-5)


def test_it_equals_keras_own_wrapper():
    layer = keras.layers.Conv2D(3, 4)
    rois = INPUTS.reshape(2, 3, 4, 4, 5)
    ours = TimeDistributed(layer)(rois)
    np.testing.assert_allclose(ours, keras.layers.TimeDistributed(layer)(rois), atol=1e-5)
    assert issubclass(TimeDistributed, keras.layers.TimeDistributed)


@pytest.mark.parametrize("training", [True, False])
def test_training_reaches_the_inner_layer(training):
    layer = BatchNorm(None)
    TimeDistributed(layer)(INPUTS[None], training=training)
    assert np.any(layer.moving_mean) == training


def test_number_of_rois_may_be_open_in_a_model():
    rois = keras.Input((None, 4, 4, 5))
    model = keras.Model(rois, TimeDistributed(keras.layers.Conv2D(3, 4))(rois))
    assert model.output_shape == (None, None, 1, 1, 3)
    assert model(INPUTS.reshape(2, 3, 4, 4, 5)).shape == (2, 3, 1, 1, 3)
    assert model(INPUTS.reshape(6, 1, 4, 4, 5)).shape == (6, 1, 1, 1, 3)


@pytest.mark.parametrize("shape", [(1, 0, 4, 4, 5), (0, 3, 4, 4, 5)], ids=["no RoI", "no image"])
def test_nothing_in_nothing_out(shape):
    outputs = TimeDistributed(keras.layers.Conv2D(3, 4))(np.zeros(shape, np.float32))
    assert outputs.shape == (*shape[:2], 1, 1, 3)


def test_batch_norm_of_one_cell():
    assert BatchNorm(False)(np.ones((1, 1, 1, 5), np.float32)).shape == (1, 1, 1, 5)
