"""Which layers train. The presets on whole networks are in test_network.py."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.network.graph_queries import (
    HEADS,
    PRESETS,
    find_trainable_layer,
    layer_regex,
    layers_with_weights,
    set_trainable,
)
from mrcnn.network.layers import BatchNorm, TimeDistributed
from mrcnn.network.rpn import build_rpn_model


@pytest.fixture
def model():
    """Backbone, RPN and head in miniature: a plain, a nested and a wrapped layer."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="res2a_branch2a")(image)
    x = BatchNorm(None, name="bn2a_branch2a")(x)
    rpn = build_rpn_model(1, 1, depth=4, channels=4)(x)
    rois = keras.layers.Reshape((8, 8, 4))(x)
    inner = keras.layers.Dense(3, name="mrcnn_class_logits")
    return keras.Model(image, [*rpn, TimeDistributed(inner, name=inner.name)(rois)])


RPN = ["rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"]
HEAD = ["mrcnn_class_logits"]
BACKBONE = ["res2a_branch2a", "bn2a_branch2a"]


@pytest.mark.parametrize(
    ("regex", "selected"),
    [
        (PRESETS["heads"], RPN + HEAD),
        (PRESETS["all"], BACKBONE + RPN + HEAD),
        ("rpn_conv_shared", RPN[:1]),  # a layer of the nested model, by its own name
        (r"bn.*", BACKBONE[1:]),
        ("mrcnn_class_logits|res2a_branch2a", BACKBONE[:1] + HEAD),
    ],
)
def test_layers_that_match_train_and_the_others_do_not(model, regex, selected):
    assert sorted(set_trainable(model, regex)) == sorted(selected)
    trained = {w.path.split("/")[-2] for w in model.trainable_weights}
    assert trained == set(selected)


def test_a_later_choice_replaces_the_earlier_one(model):
    set_trainable(model, ".*")
    assert set_trainable(model, "mrcnn_.*") == HEAD
    assert len(model.trainable_weights) == 2
    set_trainable(model, ".*")
    assert len(model.trainable_weights) == len(model.weights) - 2  # but the moving statistics


@pytest.mark.parametrize(
    "regex",
    [
        "mrcnn",  # the whole name must match
        "rpn_model",  # the nested model is opened
        "",
        "fpn_.*",
    ],
)
def test_a_choice_of_nothing_is_refused(model, regex):
    with pytest.raises(
        ValueError, match=f"no layer's name matches {re.escape(repr(regex))}.*heads"
    ):
        set_trainable(model, regex)


def test_a_frozen_batch_norm_keeps_its_statistics(model):
    x = np.full((2, 8, 8, 3), 9.0, np.float32)
    norm = model.get_layer("bn2a_branch2a")
    set_trainable(model, "mrcnn_.*")
    model(x, training=True)
    assert not np.any(norm.moving_mean)
    set_trainable(model, ".*")
    model(x, training=True)
    assert np.any(norm.moving_mean)


@pytest.mark.parametrize(
    ("preset", "name", "trains"),
    [
        ("heads", "mrcnn_mask_conv1", True),
        ("heads", "fpn_c5p5", True),
        ("heads", "res5a_branch2a", False),
        ("5+", "bn5c_branch2c", True),
        ("5+", "res4f_branch2a", False),
        ("4+", "res4w_branch2c", True),
        ("3+", "bn3a_branch1", True),
        ("3+", "res2a_branch2a", False),
        ("3+", "conv1", False),
        ("all", "conv1", True),
    ],
)
def test_presets(preset, name, trains):
    assert bool(re.fullmatch(layer_regex(preset), name)) == trains


def test_any_other_text_is_a_regular_expression():
    assert layer_regex("res5.*") == "res5.*"
    assert layer_regex("heads") == HEADS


def test_a_wrapper_is_opened():
    inner = keras.layers.Dense(3)
    assert find_trainable_layer(TimeDistributed(inner)) is inner
    assert find_trainable_layer(keras.layers.TimeDistributed(TimeDistributed(inner))) is inner
    assert find_trainable_layer(inner) is inner


def test_layers_with_weights_keep_wrappers_and_open_models(model):
    found = list(layers_with_weights(model))
    assert sorted(layer.name for layer in found) == sorted(BACKBONE + RPN + HEAD)
    assert isinstance(next(x for x in found if x.name == HEAD[0]), keras.layers.TimeDistributed)


def test_a_model_without_weights_has_no_layer_to_train():
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.ReLU()(image))
    assert list(layers_with_weights(model)) == []
    with pytest.raises(ValueError, match="no layer's name matches"):
        set_trainable(model, ".*")


def test_gradients_reach_selected_layers_only(model):
    set_trainable(model, "rpn_bbox_pred")
    with tf.GradientTape() as tape:
        total = tf.add_n([tf.reduce_sum(o) for o in model(np.ones((1, 8, 8, 3), np.float32))])
    gradients = tape.gradient(total, [w.value for w in model.trainable_weights])
    assert [tuple(g.shape) for g in gradients] == [(1, 1, 4, 4), (4,)]
