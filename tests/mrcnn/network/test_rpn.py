"""Region proposals: the shared network, and the choice of anchors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.network.rpn import ProposalLayer, apply_rpn, build_rpn_model, rpn_graph
from tests.support import golden, info

LAYERS = golden("layers")
CASES = info(LAYERS)["proposal_cases"]
STD_DEV = [0.1, 0.1, 0.2, 0.2]


def proposal_layer(count=3, threshold=0.7, limit=100, std_dev=(1, 1, 1, 1)):
    return ProposalLayer(count, threshold, pre_nms_limit=limit, bbox_std_dev=std_dev)


def propose(layer, foreground, boxes, deltas=None):
    """Proposals of one image from foreground scores and anchors."""
    foreground, boxes = np.array([foreground], np.float32), np.array([boxes], np.float32)
    boxes = boxes.reshape(1, -1, 4)
    deltas = np.zeros_like(boxes) if deltas is None else np.array([deltas], np.float32)
    return layer([np.stack([1 - foreground, foreground], -1), deltas, boxes]).numpy()[0]


# ---- golden numbers ----


@pytest.mark.parametrize("index", range(len(CASES)))
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_proposals(index, compiled):
    case = CASES[index]
    layer = ProposalLayer(
        case["proposal_count"],
        case["nms_threshold"],
        pre_nms_limit=case["PRE_NMS_LIMIT"],
        bbox_std_dev=case["RPN_BBOX_STD_DEV"],
    )
    call = tf.function(layer) if compiled else layer
    inputs = [LAYERS[f"prop{index}_probs"], LAYERS[f"prop{index}_bbox"]]
    proposals = call([*inputs, LAYERS["prop_anchors"][None]])
    np.testing.assert_allclose(proposals, LAYERS[f"prop{index}_out"], rtol=0, atol=1e-6)


def test_anchors_may_come_once_or_for_each_image():
    layer = proposal_layer(50, std_dev=STD_DEV, limit=6000)
    inputs = [LAYERS["prop0_probs"], LAYERS["prop0_bbox"]]
    anchors = LAYERS["prop_anchors"][None]
    one, each = layer([*inputs, anchors]), layer([*inputs, np.repeat(anchors, 2, axis=0)])
    np.testing.assert_array_equal(one, each)


def test_the_legacy_way_to_configure():
    class Small(Config):
        PRE_NMS_LIMIT = 7
        RPN_BBOX_STD_DEV = np.array([0.5, 0.5, 0.5, 0.5])

    layer = ProposalLayer(proposal_count=5, nms_threshold=0.5, name="ROI", config=Small())
    assert (layer.pre_nms_limit, layer.bbox_std_dev) == (7, [0.5] * 4)


# ---- by hand ----

LEFT, RIGHT, LEFT_SHIFTED = [0, 0, 1, 0.4], [0, 0.6, 1, 1], [0, 0.04, 1, 0.44]


def test_best_score_first_then_padding():
    proposals = propose(proposal_layer(4), [0.2, 0.9], [LEFT, RIGHT])
    np.testing.assert_allclose(proposals, [RIGHT, LEFT, [0] * 4, [0] * 4])


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (0.8, 3),  # their IoU is 0.818
        (0.85, 3 + 1),
    ],
)
def test_overlapping_boxes_are_dropped(threshold, kept):
    boxes = [LEFT, RIGHT, LEFT_SHIFTED, [0, 0.45, 1, 0.55]]
    proposals = propose(proposal_layer(4, threshold), [0.9, 0.8, 0.7, 0.6], boxes)
    assert np.any(proposals, axis=1).sum() == kept


def test_an_overlap_equal_to_the_threshold_survives():
    proposals = propose(proposal_layer(2, 0.5), [0.9, 0.8], [[0, 0, 1, 1], [0, 0, 1, 0.5]])
    assert np.any(proposals, axis=1).sum() == 2


def test_equal_scores_keep_the_order_of_anchors():
    proposals = propose(proposal_layer(2), [0.5, 0.5], [RIGHT, LEFT])
    np.testing.assert_allclose(proposals, [RIGHT, LEFT])


def test_only_the_best_anchors_are_looked_at():
    proposals = propose(proposal_layer(3, limit=1), [0.2, 0.9], [LEFT, RIGHT])
    np.testing.assert_allclose(proposals, [RIGHT, [0] * 4, [0] * 4])


def test_deltas_are_scaled_applied_and_clipped_to_the_image():
    layer = proposal_layer(1, std_dev=(0.5, 1, 1, 1))
    proposals = propose(layer, [0.9], [[0.25, 0.25, 0.75, 0.75]], [[1, 1, 0, 0]])
    np.testing.assert_allclose(proposals, [[0.5, 0.75, 1, 1]])


def test_gradients_reach_the_deltas_of_proposals():
    deltas = tf.Variable(np.zeros((1, 2, 4), np.float32))
    layer = proposal_layer(1)
    scores = np.array([[[0.1, 0.9], [0.8, 0.2]]], np.float32)
    anchors = np.array([[[0.2, 0.2, 0.4, 0.4], [0.6, 0.6, 0.8, 0.8]]], np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer([scores, deltas, anchors]))
    gradient = tape.gradient(total, deltas).numpy()
    assert np.any(gradient[0, 0]) and not np.any(gradient[0, 1])


def test_the_layer_survives_its_configuration():
    layer = ProposalLayer(5, 0.5, pre_nms_limit=7, bbox_std_dev=STD_DEV, name="ROI")
    copy = ProposalLayer.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


# ---- the shared network ----


@pytest.mark.parametrize(
    ("stride", "ratios", "anchors"),
    [(1, 3, 4 * 6 * 3), (2, 3, 2 * 3 * 3), (1, 1, 4 * 6)],
)
def test_anchors_of_one_level(stride, ratios, anchors):
    model = build_rpn_model(stride, ratios, depth=5, channels=8)
    outputs = model(np.ones((2, 4, 6, 5), np.float32))
    assert [tuple(o.shape) for o in outputs] == [(2, anchors, 2), (2, anchors, 2), (2, anchors, 4)]


def test_anchors_follow_rows_columns_and_ratios():
    model = build_rpn_model(1, 3, depth=1, channels=1)
    layers = {layer.name: layer for layer in model.layers}
    for name in ("rpn_conv_shared", "rpn_class_raw"):
        layers[name].set_weights([np.zeros(w.shape) for w in layers[name].weights])
    kernel, bias = layers["rpn_conv_shared"].get_weights()
    kernel[1, 1] = 1
    layers["rpn_conv_shared"].set_weights([kernel, bias])
    # Anchor k of a cell: background -> 100 * k + cell, foreground -> 0.
    kernel, bias = layers["rpn_class_raw"].get_weights()
    kernel[..., 0::2], bias[0::2] = 1, [0, 100, 200]
    layers["rpn_class_raw"].set_weights([kernel, bias])
    cells = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    logits = model(cells)[0].numpy()[0]
    assert logits[:, 0].tolist() == [100 * k + cell for cell in range(6) for k in range(3)]
    assert not logits[:, 1].any()


def test_probabilities_are_the_softmax_of_the_logits():
    model = build_rpn_model(1, 3, depth=5, channels=8)
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 5)).astype(np.float32)
    logits, probabilities, _ = model(x)
    np.testing.assert_allclose(probabilities, tf.nn.softmax(logits), atol=1e-6)


def test_levels_are_concatenated_under_the_legacy_names():
    model = build_rpn_model(1, 3, depth=5, channels=8)
    maps = [keras.Input((4, 4, 5)), keras.Input((2, 2, 5))]
    outputs = apply_rpn(model, maps)
    joined = keras.Model(maps, outputs)
    assert joined.output_names == ["rpn_class_logits", "rpn_class", "rpn_bbox"]
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(1, n, n, 5)).astype(np.float32) for n in (4, 2)]
    expected = [np.concatenate(pair, axis=1) for pair in zip(*map(model, values), strict=True)]
    for actual, wanted in zip(joined(values), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-6)


def test_names_and_widths():
    model = build_rpn_model(1, 3, depth=5)
    assert model.name == "rpn_model"
    shapes = {layer.name: layer.kernel.shape for layer in model.layers if layer.weights}
    assert shapes == {
        "rpn_conv_shared": (3, 3, 5, 512),
        "rpn_class_raw": (1, 1, 512, 6),
        "rpn_bbox_pred": (1, 1, 512, 12),
    }


def test_rpn_graph_is_the_legacy_function():
    logits, probabilities, deltas = rpn_graph(keras.Input((4, 4, 5)), 3, 1)
    assert (logits.shape, probabilities.shape, deltas.shape) == (
        (None, 48, 2),
        (None, 48, 2),
        (None, 48, 4),
    )


# ---- empty twins ----


def test_no_anchor():
    assert propose(proposal_layer(3), [], []).tolist() == [[0] * 4] * 3


def test_no_image():
    layer = proposal_layer(3)
    inputs = [np.zeros((0, 5, n), np.float32) for n in (2, 4, 4)]
    assert layer(inputs).shape == (0, 3, 4)


def test_boxes_without_area_suppress_nothing():
    proposals = propose(proposal_layer(3), [0.9, 0.8], [[0.5] * 4, [0.5] * 4])
    np.testing.assert_allclose(proposals, [[0.5] * 4, [0.5] * 4, [0] * 4])
