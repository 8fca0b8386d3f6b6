"""EfficientNet-Lite: shapes, names, selection by level, normalised outputs."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.inference.folding import fold_inference
from mrcnn.network.backbone import build_backbone
from mrcnn.network.build import build_model
from mrcnn.network.efficientnet import LEVELS, efficientnet_lite_graph
from mrcnn.network.graph_queries import layer_regex, set_trainable
from mrcnn.network.layers import BatchNorm, DepthwiseConv2D
from mrcnn.training.step import TrainingStep, make_optimizer
from tests.mrcnn.models import inference_inputs, recipe_model, tiny_batch, tiny_config


def backbone(variant: str = "efficientnet-lite0", **options) -> keras.Model:
    image = keras.Input((None, None, 3))
    return keras.Model(image, efficientnet_lite_graph(image, variant, **options))


@pytest.mark.parametrize(
    ("variant", "channels"),
    [
        ("efficientnet-lite0", (16, 24, 40, 112, 320)),
        ("efficientnet-lite2", (16, 24, 48, 120, 352)),
    ],
)
def test_shapes_at_strides_2_to_32(variant, channels):
    stages = build_backbone(keras.Input((128, 192, 3)), variant, None)
    shapes = [tuple(stage.shape[1:]) for stage in stages]
    sizes = [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    assert shapes == [(*size, n) for size, n in zip(sizes, channels, strict=True)]


def test_without_stage_5_its_place_is_empty():
    image = keras.Input((64, 64, 3))
    *_, C4, C5 = efficientnet_lite_graph(image, "efficientnet-lite0", stage5=False)
    assert C5 is None
    assert C4.shape[1:] == (4, 4, 112)


@pytest.mark.parametrize("variant", LEVELS)
def test_every_layer_has_a_name_of_its_own(variant):
    kinds = ("conv1", "bn", "res", "fpn", "input")
    assert not [x.name for x in backbone(variant).layers if not x.name.startswith(kinds)]


@pytest.mark.parametrize(
    ("preset", "levels"), [("heads", ""), ("5+", "5"), ("4+", "45"), ("3+", "345")]
)
def test_the_layer_presets_select_levels(preset, levels):
    selected = set_trainable(backbone(), layer_regex(preset))
    assert {name[3] for name in selected if name.startswith("res")} == set(levels)
    assert {f"fpn_c{level}_bn" for level in (2, 3, 4, 5)} <= set(selected)
    assert "conv1" not in selected


@pytest.mark.parametrize(("train_bn", "expected"), [(False, None), (None, None), (True, True)])
@pytest.mark.parametrize(
    ("variant", "blocks"), [("efficientnet-lite0", 16), ("efficientnet-lite2", 21)]
)
def test_batch_norms_take_the_batch_while_they_are_trained(variant, blocks, train_bn, expected):
    norms = [x for x in backbone(variant, train_bn=train_bn).layers if isinstance(x, BatchNorm)]
    # Three a block, of which the first has no expansion; the stem's; and four before the pyramid.
    assert len(norms) == 3 * blocks - 1 + 1 + 4
    assert {norm.train_bn for norm in norms} == {expected}


def test_the_normalised_outputs_have_unit_deviation_in_training():
    noise = np.random.default_rng(0).normal(0, 60, (2, 64, 64, 3)).astype(np.float32)
    for stage in backbone()(noise, training=True)[1:]:
        np.testing.assert_allclose(np.std(stage, axis=(0, 1, 2)), 1.0, atol=0.05)


@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-5), ("bfloat16", 0.1)])
def test_detection_folds_all_but_the_norms_before_the_pyramid(precision, near):
    config = tiny_config(BACKBONE="efficientnet-lite0", PRECISION=precision)
    model = recipe_model("inference", config)
    folded = fold_inference(model)
    left = {x.name for x in folded.layers if isinstance(x, BatchNorm)}
    assert left == {f"fpn_c{level}_bn" for level in (2, 3, 4, 5)}
    assert not [x.name for x in folded.layers if type(x) is DepthwiseConv2D]
    inputs = inference_inputs(config)
    plain, quick = (m.get_layer("fpn_p3") for m in (model, folded))
    plain = keras.Model(model.inputs, plain.output)(inputs)
    quick = keras.Model(folded.inputs, quick._inbound_nodes[-1].output_tensors[0])(inputs)
    plain, quick = (np.asarray(ops.cast(x, "float32")) for x in (plain, quick))
    assert np.abs(plain - quick).max() < near * np.abs(plain).max()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_step_moves_weights_and_statistics_of_every_level(precision):
    config = tiny_config(BACKBONE="efficientnet-lite0", PRECISION=precision)
    model = build_model("training", config)
    set_trainable(model, ".*")
    optimizer = make_optimizer("sgd", 0.01, 0.9)
    step = TrainingStep(model, optimizer, loss_weights={}, weight_decay=1e-4)
    layers = [x for x in model.layers if x.name.startswith(("res", "bn", "conv1", "fpn_c"))]
    # What follows it directly, fpn_c5_bn, takes scale and shift out again.
    layers.remove(model.get_layer("bn5e_project"))
    before = [[np.array(w) for w in layer.weights] for layer in layers]
    losses = step.train(tiny_batch(config), 0)
    assert np.isfinite(losses).all()
    for layer, weights in zip(layers, before, strict=True):
        for weight, old in zip(layer.weights, weights, strict=True):
            assert not np.array_equal(weight, old), (layer.name, weight.name)
