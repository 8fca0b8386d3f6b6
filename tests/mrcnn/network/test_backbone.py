"""The feature extractors: shapes, names, strides. Their numbers are in test_forward.py."""

import keras
import numpy as np
import pytest

from mrcnn.network.backbone import (
    build_backbone,
    compact_backbone_shapes,
    compact_resnet_graph,
    conv_block,
    identity_block,
    residual_stages,
    resnet_graph,
)
from mrcnn.network.layers import BatchNorm
from tests.support import golden


def shapes(tensors):
    return [tuple(t.shape[1:]) for t in tensors]


RESNET_SHAPES = [(32, 64, 64), (32, 64, 256), (16, 32, 512), (8, 16, 1024), (4, 8, 2048)]


@pytest.mark.parametrize(
    ("architecture", "convolutions", "last_block"),
    [("resnet50", 53, "f"), ("resnet101", 104, "w")],
)
def test_resnet(architecture, convolutions, last_block):
    image = keras.Input((128, 256, 3))
    stages = resnet_graph(image, architecture, stage5=True, train_bn=False)
    assert shapes(stages) == RESNET_SHAPES
    model = keras.Model(image, stages)
    names = [layer.name for layer in model.layers]
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == convolutions
    assert f"res4{last_block}_out" in names
    assert f"res4{chr(ord(last_block) + 1)}_out" not in names
    assert all(conv.use_bias for conv in model.layers if isinstance(conv, keras.layers.Conv2D))


def test_without_stage_5_its_place_is_empty():
    *stages, C5 = resnet_graph(keras.Input((64, 64, 3)), "resnet50", stage5=False)
    assert C5 is None
    assert shapes(stages)[-1] == (4, 4, 1024)


def test_the_stride_of_a_stage_is_in_its_first_convolution():
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, resnet_graph(image, "resnet50", stage5=True))
    strides = {
        layer.name: layer.strides[0]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides != (1, 1)
    }
    first = [f"res{stage}a_branch{branch}" for stage in (3, 4, 5) for branch in ("1", "2a")]
    assert strides == {"conv1": 2, **dict.fromkeys(first, 2)}


def test_size_need_not_be_known():
    assert shapes(resnet_graph(keras.Input((None, None, 3)), "resnet50", True)) == [
        (None, None, channels) for *_, channels in RESNET_SHAPES
    ]


def test_identity_block_adds_its_input():
    inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, identity_block(inputs, 3, [2, 2, 8], 2, "b", train_bn=False))
    for weight in model.weights:
        if "bn2b_branch2c/gamma" in weight.path:
            weight.assign(np.zeros(8))
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 8)).astype(np.float32)
    np.testing.assert_array_equal(model(x), np.maximum(x, 0))


@pytest.mark.parametrize(("strides", "side"), [(2, 2), ((1, 1), 4)])
def test_conv_block(strides, side):
    inputs = keras.Input((4, 4, 8))
    block = conv_block(inputs, 3, [2, 2, 16], 3, "a", strides=strides, use_bias=False)
    assert block.shape == (None, side, side, 16)
    weights = keras.Model(inputs, block).weights
    assert not any(w.name == "bias" for w in weights)


@pytest.mark.parametrize("train_bn", [None, False, True])
def test_train_bn_reaches_every_batch_norm(train_bn):
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, residual_stages(image, (1, 1, 1, 1), 4, train_bn=train_bn))
    norms = [layer for layer in model.layers if isinstance(layer, BatchNorm)]
    assert len(norms) == 1 + 4 * 4
    assert {norm.train_bn for norm in norms} == {train_bn}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_image_channels(channels):
    image = keras.Input((64, 64, channels))
    model = keras.Model(image, residual_stages(image, (1, 1, 1, 1), 4))
    assert model.get_layer("conv1").kernel.shape == (7, 7, channels, 4)


# ---- the small backbone ----


@pytest.mark.parametrize(
    "size",
    [
        (256, 256),
        (64, 128),
        (64, 64),  # the least that halves six times
    ],
)
def test_compact_resnet_has_the_shapes_it_promises(size):
    image = keras.Input((*size, 3))
    stages = compact_resnet_graph(image)
    promised = compact_backbone_shapes((*size, 3))
    assert promised.shape == (5, 2)
    assert [t.shape[1:3] for t in stages[1:]] == [tuple(row) for row in promised[:4]]
    assert [t.shape[3] for t in stages] == [32, 128, 256, 512, 1024]


def test_compact_resnet_learns_its_own_statistics():
    image = keras.Input((64, 64, 3))
    norms = keras.Model(image, compact_resnet_graph(image, train_bn=False)).layers
    assert {layer.train_bn for layer in norms if isinstance(layer, BatchNorm)} == {None}


def test_shapes_are_rounded_up():
    expected = golden("utils")["backbone_shapes_odd_200x333"]
    np.testing.assert_array_equal(compact_backbone_shapes((200, 333, 3)), expected)
    assert compact_backbone_shapes((1, 1, 3)).tolist() == [[1, 1]] * 5


def test_a_callable_backbone_is_asked_for_all_stages():
    asked = {}

    def backbone(image, **kwargs):
        asked.update(kwargs)
        return [image] * 5

    image = keras.Input((64, 64, 3))
    assert build_backbone(image, backbone, train_bn=None) == [image] * 5
    assert asked == {"stage5": True, "train_bn": None}


def test_a_named_backbone():
    stages = build_backbone(keras.Input((128, 256, 3)), "resnet50", False)
    assert shapes(stages) == RESNET_SHAPES


def test_no_image():
    image = keras.Input((64, 64, 3))
    model = keras.Model(image, residual_stages(image, (1, 1, 1, 1), 2))
    # Not computed: oneDNN's convolution gives an empty batch a wrong shape on some processors.
    assert tuple(model.compute_output_shape((0, 64, 64, 3))[-1]) == (0, 2, 2, 64)
