"""A convolution with its batch norm multiplied in, and weights that change afterwards."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mrcnn.inference.folding import FoldedConv2D, FoldedWeights
from mrcnn.inference.predictor import Predictor
from mrcnn.network.layers import BatchNorm, DepthwiseConv2D, WholeWindowConv2D
from tests.mrcnn.models import inference_inputs, recipe_model, tiny_config


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)


def pair(convolution=None, dtype="float32"):
    """A convolution and its norm, with weights that are neither 0 nor 1."""
    convolution = convolution or layers.Conv2D(4, 3, dtype=dtype)
    norm = BatchNorm(dtype=dtype)
    norm(convolution(noise(1, 6, 5, 3)))
    for number, weight in enumerate([*convolution.weights, *norm.weights]):
        weight.assign(np.random.default_rng(number).uniform(0.3, 1.5, weight.shape))
    return convolution, norm


def apart(found, expected):
    """Greatest difference, as a share of the largest value."""
    found, expected = (np.asarray(tf.cast(x, tf.float32)) for x in (found, expected))
    return np.abs(found - expected).max(initial=0) / np.abs(expected).max(initial=1e-9)


# Rounding of float32; in bfloat16 the pair rounds the convolution's result, the one its kernel.
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-6), ("mixed_bfloat16", 0.02)])
@pytest.mark.parametrize("leading", [(2,), (1, 3)], ids=["maps", "RoIs"])
def test_it_does_what_the_two_do(dtype, near, leading):
    convolution, norm = pair(dtype=dtype)
    folded = FoldedConv2D(convolution, norm)
    inputs = noise(*leading, 6, 5, 3)
    found = folded(inputs)
    expected = norm(convolution(inputs.reshape(-1, 6, 5, 3)))
    assert found.shape == (*leading, 4, 3, 4) and found.dtype == folded.output_dtype
    assert apart(tf.reshape(found, expected.shape), expected) < near
    spec = folded.compute_output_spec(inputs)
    assert spec.shape == found.shape and spec.dtype == folded.output_dtype
    assert [w.dtype for w in folded.weights] == [folded.output_dtype] * 2
    assert not folded.trainable_weights


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-6), ("mixed_bfloat16", 0.02)])
def test_a_depthwise_convolution(dtype, near, multiplier):
    depthwise = DepthwiseConv2D(
        3, strides=2, padding="same", use_bias=False, depth_multiplier=multiplier, dtype=dtype
    )
    convolution, norm = pair(depthwise, dtype)
    folded = FoldedConv2D(convolution, norm)
    inputs = noise(2, 6, 5, 3)
    found = folded(inputs)
    assert found.shape == folded.compute_output_spec(inputs).shape == (2, 3, 3, 3 * multiplier)
    assert apart(found, norm(convolution(inputs))) < near
    assert len(folded.sources()) == 5


def test_a_whole_window_is_one_product():
    convolution, norm = pair(WholeWindowConv2D(5, (6, 5)))
    folded = FoldedConv2D(convolution, norm)
    inputs = noise(3, 6, 5, 3)
    assert apart(folded(inputs), norm(convolution(inputs))) < 1e-6


def test_weights_are_those_of_its_time_until_it_folds_again():
    convolution, norm = pair()
    folded = FoldedConv2D(convolution, norm)
    inputs = noise(2, 6, 5, 3)
    before = folded(inputs)
    norm.gamma.assign(norm.gamma * 2)
    np.testing.assert_array_equal(folded(inputs), before)
    folded.fold()
    assert apart(folded(inputs), norm(convolution(inputs))) < 1e-6


SOURCES = ["kernel", "convolution's bias", "gamma", "beta", "moving mean", "moving variance"]


@pytest.mark.parametrize("source", range(6), ids=SOURCES)
def test_a_change_of_any_weight_is_noticed_once(source):
    convolution, norm = pair()
    folded = FoldedConv2D(convolution, norm)
    weights = FoldedWeights([folded, layers.ReLU()])
    assert not weights.refresh()
    folded.sources()[source].assign_add(0.25 * tf.ones_like(folded.sources()[source]))
    assert weights.refresh() and not weights.refresh()
    inputs = noise(2, 6, 5, 3)
    assert apart(folded(inputs), norm(convolution(inputs))) < 1e-6


@pytest.mark.parametrize("axis", [2, 3], ids=["channel", "filter"])
@pytest.mark.parametrize("place", [0, 100, 255])
def test_one_channel_or_filter_of_a_large_kernel_is_noticed(axis, place):
    convolution = layers.Conv2D(256, 3)
    norm = BatchNorm()
    norm(convolution(noise(1, 4, 4, 256)))
    weights = FoldedWeights([FoldedConv2D(convolution, norm)])
    kernel = np.array(convolution.kernel)
    np.moveaxis(kernel, axis, 0)[place] += 1
    convolution.kernel.assign(kernel)
    assert weights.refresh()


def test_a_single_value_that_changes_hardly_is_noticed():
    convolution = layers.Conv2D(256, 3)
    norm = BatchNorm()
    norm(convolution(noise(1, 4, 4, 256)))
    weights = FoldedWeights([FoldedConv2D(convolution, norm)])
    for place in ((0, 0, 0, 1), (1, 2, 77, 200), (2, 2, 255, 254)):
        kernel = np.array(convolution.kernel)
        kernel[place] = np.nextafter(kernel[place], 9)
        convolution.kernel.assign(kernel)
        assert weights.refresh() and not weights.refresh()


def test_weights_that_are_no_numbers_do_not_change_at_every_look():
    convolution, norm = pair()
    convolution.bias.assign([np.nan] * 4)
    assert not FoldedWeights([FoldedConv2D(convolution, norm)]).refresh()


def test_a_model_without_folded_convolutions_has_nothing_to_do():
    assert not FoldedWeights([layers.ReLU()]).refresh()


def test_a_predictor_goes_by_weights_that_change_later():
    config = tiny_config()
    model = recipe_model("inference", config)
    inputs = inference_inputs(config)[:2]
    changing = Predictor(model, config)
    before = changing.run_detection(*inputs)[0]
    model.set_weights([value * 1.01 for value in model.get_weights()])
    after = changing.run_detection(*inputs)[0]
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_array_equal(after, Predictor(model, config).run_detection(*inputs)[0])


def test_in_bfloat16_the_kernel_is_rounded_once():
    """Multiplied in float32, then rounded; not rounded, multiplied and rounded again."""
    convolution, norm = pair(dtype="mixed_bfloat16")
    scale = norm.gamma.value * tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
    once = tf.cast(convolution.kernel.value * scale, "bfloat16")
    twice = tf.cast(convolution.kernel.value, "bfloat16") * tf.cast(scale, "bfloat16")
    kernel = FoldedConv2D(convolution, norm).kernel.value
    assert np.array_equal(kernel, once) and not np.array_equal(kernel, twice)
