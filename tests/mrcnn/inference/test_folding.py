"""Batch norm within convolutions: the same numbers from fewer operations, on the same weights."""

import keras
import numpy as np
import pytest
from keras import layers

from mrcnn.inference.folding import DetectedRows, fold_inference
from mrcnn.inference.predictor import Predictor
from mrcnn.network.layers import BatchNorm, TimeDistributed, WholeWindowConv2D
from tests.mrcnn.models import inference_inputs, recipe_model, tiny_config

TOLERANCE = 1e-5  # of the largest value: a few roundings of float32


def close(found, expected):
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * scale)


def with_statistics(model, seed=0):
    """Give every weight a value, so that no norm is the identity."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1.2, weight.shape) * rng.choice([-1, 1], weight.shape))
        if "variance" in weight.path:
            weight.assign(np.abs(weight.numpy()))
    return model


def noise(*shape):
    return np.random.default_rng(1).normal(0, 2, shape).astype(np.float32)


def norms(model):
    inner = [layer.layer if hasattr(layer, "layer") else layer for layer in model.layers]
    return [layer for layer in inner if isinstance(layer, BatchNorm)]


def convolution_and_norm(train_bn=False, **options):
    image = layers.Input((None, None, 3))
    x = layers.Conv2D(4, 3, name="conv", **options)(image)
    return keras.Model(image, layers.Activation("relu")(BatchNorm(train_bn, name="bn")(x)))


@pytest.mark.parametrize(
    "options",
    [{}, {"use_bias": False}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}],
    ids=["bias", "no bias", "strides", "dilation"],
)
def test_a_convolution_takes_its_norm_in(options):
    model = with_statistics(convolution_and_norm(**options))
    folded = fold_inference(model)
    assert norms(model) and not norms(folded)
    close(folded(noise(2, 9, 12, 3)).numpy(), model(noise(2, 9, 12, 3)).numpy())


def test_a_head_is_folded_for_each_roi():
    rois = layers.Input((None, 7, 7, 3))
    convolution = WholeWindowConv2D(5, 7, name="conv1")
    x = TimeDistributed(convolution)(rois)
    x = TimeDistributed(BatchNorm(False, name="bn1"))(x)
    x = TimeDistributed(layers.Conv2D(6, 1, name="conv2"))(x)
    model = with_statistics(keras.Model(rois, TimeDistributed(BatchNorm(None, name="bn2"))(x)))
    folded = fold_inference(model)
    assert len(norms(model)) == 2 and not norms(folded)
    close(folded(noise(2, 4, 7, 7, 3)).numpy(), model(noise(2, 4, 7, 7, 3), training=False).numpy())


def test_the_statistics_of_a_batch_cannot_be_folded():
    """TRAIN_BN = True normalises by the batch in inference too, as Matterport's does."""
    model = with_statistics(convolution_and_norm(train_bn=True))
    folded = fold_inference(model)
    assert len(norms(folded)) == 1
    close(folded(noise(2, 8, 8, 3)).numpy(), model(noise(2, 8, 8, 3)).numpy())


def test_what_lies_between_convolution_and_norm_stays():
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, activation="relu")(image)
    model = with_statistics(keras.Model(image, BatchNorm(False)(x)))
    assert len(norms(fold_inference(model))) == 1


def test_a_convolution_that_others_read_too_stays_beside_the_folded_one():
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 1)(image)
    model = with_statistics(keras.Model(image, [x, BatchNorm(False)(x)]))
    folded = fold_inference(model)
    for found, expected in zip(folded(noise(1, 8, 8, 3)), model(noise(1, 8, 8, 3)), strict=True):
        close(found.numpy(), expected.numpy())


# ---- the whole network ----


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "detail"])
def model(request):
    return recipe_model("inference", tiny_config(MASK_DETAIL=request.param))


def test_the_network_gives_the_same_outputs(model):
    inputs = inference_inputs(tiny_config(), images=2)
    expected = [x.numpy() for x in model(inputs, training=False)]
    found = [x.numpy() for x in fold_inference(model)(inputs, training=False)]
    rows = max(1, int((expected[0][..., 4] > 0).sum(axis=1).max()))
    assert found[3].shape[1] == rows
    expected[3] = expected[3][:, :rows]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * max(1.0, np.abs(b).max()))


def test_the_models_own_graph_and_weights_are_left_alone(model):
    layer_names, paths = [x.name for x in model.layers], [x.path for x in model.weights]
    fold_inference(model)
    assert [x.name for x in model.layers] == layer_names
    assert [x.path for x in model.weights] == paths
    assert not norms(fold_inference(model))


def test_nothing_detected_takes_one_mask_row():
    config = tiny_config(DETECTION_MIN_CONFIDENCE=1.0)
    predictor = Predictor(recipe_model("inference", config), config)
    (result,) = predictor.detect([np.full((70, 90, 3), 120, np.uint8)], 1)
    assert result["masks"].shape == (70, 90, 0)
    detections, masks = predictor.run_detection(*inference_inputs(config)[:2])
    assert (masks.shape[1], np.count_nonzero(detections)) == (1, 0)


@pytest.mark.parametrize(("used", "rows"), [((0, 0), 1), ((2, 0), 2), ((1, 3), 3)])
def test_rows_are_as_many_as_the_fullest_image_of_a_batch_needs(used, rows):
    rois, detections = noise(2, 5, 4), np.zeros((2, 5, 6), np.float32)
    for image, count in enumerate(used):
        detections[image, :count, 4] = 3
    found = DetectedRows()([rois, detections]).numpy()
    np.testing.assert_array_equal(found, rois[:, :rows])
