"""The five losses and their gradients, element by element."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.network import losses
from tests.support import golden

LOSSES = golden("losses")
MASKS = LOSSES["mrcnn_mask_f16"].astype(np.float32)
TARGET_MASKS = LOSSES["target_masks"].astype(np.float32)
NO_CLASS = np.zeros_like(LOSSES["target_class_ids"])


def value_and_gradients(function, *inputs):
    """The loss of `inputs`, and its gradient for each of those that are floats."""
    tensors = [tf.constant(x) for x in inputs]
    floats = [t for t in tensors if t.dtype == tf.float32]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        loss = function(*tensors)
    gradients = tape.gradient(loss, floats, unconnected_gradients="zero")
    return loss.numpy(), [g.numpy() for g in gradients]


def assert_near(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=1e-8)


# ---- golden numbers ----


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_rpn_class_loss(compiled):
    function = losses.rpn_class_loss_graph
    function = tf.function(function) if compiled else function
    loss, (gradient,) = value_and_gradients(
        function, LOSSES["rpn_match"], LOSSES["rpn_class_logits"]
    )
    assert_near(loss, LOSSES["rpn_class_loss"])
    assert_near(gradient, LOSSES["rpn_class_loss_grad_logits"])


def test_rpn_bbox_loss():
    target, match, bbox = LOSSES["rpn_target_bbox"], LOSSES["rpn_match"], LOSSES["rpn_bbox"]
    loss, (_, gradient) = value_and_gradients(
        lambda *x: losses.rpn_bbox_loss_graph(None, *x), target, match, bbox
    )
    assert_near(loss, LOSSES["rpn_bbox_loss"])
    assert_near(gradient, LOSSES["rpn_bbox_loss_grad"])


def test_mrcnn_class_loss():
    names = ("target_class_ids", "mrcnn_class_logits", "active_class_ids")
    loss, (gradient, _) = value_and_gradients(
        losses.mrcnn_class_loss_graph, *(LOSSES[name] for name in names)
    )
    assert_near(loss, LOSSES["mrcnn_class_loss"])
    assert_near(gradient, LOSSES["mrcnn_class_loss_grad"])


def test_mrcnn_bbox_loss():
    names = ("target_bbox", "target_class_ids", "mrcnn_bbox")
    loss, gradients = value_and_gradients(
        losses.mrcnn_bbox_loss_graph, *(LOSSES[name] for name in names)
    )
    assert_near(loss, LOSSES["mrcnn_bbox_loss"])
    assert_near(gradients[0], LOSSES["mrcnn_bbox_loss_grad_target"])
    assert_near(gradients[1], LOSSES["mrcnn_bbox_loss_grad_pred"])


def test_mrcnn_mask_loss():
    class_ids = LOSSES["target_class_ids"]
    loss, (_, gradient) = value_and_gradients(
        losses.mrcnn_mask_loss_graph, TARGET_MASKS, class_ids, MASKS
    )
    assert_near(loss, LOSSES["mrcnn_mask_loss"])
    chosen = gradient[class_ids > 0]
    own = chosen[np.arange(len(chosen)), :, :, class_ids[class_ids > 0]]
    assert_near(own, LOSSES["mrcnn_mask_loss_grad_selected"])
    assert np.count_nonzero(gradient) == np.count_nonzero(own)  # nothing at other classes


@pytest.mark.parametrize(
    ("active", "name"),
    [(1.0, "mrcnn_class_loss_all_active"), (0.0, "mrcnn_class_loss_none_active")],
)
def test_active_classes(active, name):
    flags = np.full_like(LOSSES["active_class_ids"], active)
    loss = losses.mrcnn_class_loss_graph(
        LOSSES["target_class_ids"], LOSSES["mrcnn_class_logits"], flags
    )
    assert_near(loss, LOSSES[name])
    assert np.isnan(loss) == (active == 0)


def test_smooth_l1():
    y = losses.smooth_l1_loss(tf.zeros(25), LOSSES["smooth_l1_x"])
    assert_near(y, LOSSES["smooth_l1_y"])


# ---- where nothing matches: 0, and no gradient that is not a number ----

NEUTRAL = np.zeros_like(LOSSES["rpn_match"])
NO_POSITIVE = np.where(LOSSES["rpn_match"] == 1, 0, LOSSES["rpn_match"])


@pytest.mark.parametrize(
    ("name", "function", "inputs"),
    [
        (
            "rpn_class_loss_all_neutral",
            losses.rpn_class_loss_graph,
            (NEUTRAL, LOSSES["rpn_class_logits"]),
        ),
        (
            "rpn_bbox_loss_no_positive",
            losses.rpn_bbox_loss_of_batch,
            (LOSSES["rpn_target_bbox"], NO_POSITIVE, LOSSES["rpn_bbox"]),
        ),
        (
            "mrcnn_bbox_loss_no_positive",
            losses.mrcnn_bbox_loss_graph,
            (LOSSES["target_bbox"], NO_CLASS, LOSSES["mrcnn_bbox"]),
        ),
        (
            "mrcnn_mask_loss_no_positive",
            losses.mrcnn_mask_loss_graph,
            (TARGET_MASKS, NO_CLASS, MASKS),
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_nothing_matches(name, function, inputs):
    loss, gradients = value_and_gradients(function, *inputs)
    assert loss == LOSSES[name] == 0
    assert not any(g.any() for g in gradients)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (losses.mrcnn_bbox_loss_graph, [(1, 0, 4), (1, 0), (1, 0, 3, 4)]),
        (losses.mrcnn_mask_loss_graph, [(1, 0, 2, 2), (1, 0), (1, 0, 2, 2, 3)]),
        (losses.rpn_class_loss_graph, [(1, 0, 1), (1, 0, 2)]),
        (losses.rpn_bbox_loss_of_batch, [(1, 0, 4), (1, 0, 1), (1, 0, 4)]),
    ],
)
def test_no_row_at_all(function, shapes):
    integer = {(1, 0): np.int32, (1, 0, 1): np.int32}
    inputs = [np.zeros(shape, integer.get(shape, np.float32)) for shape in shapes]
    assert value_and_gradients(function, *inputs)[0] == 0


# ---- by hand ----


@pytest.mark.parametrize(
    ("difference", "loss"),
    [(0, 0), (0.5, 0.125), (-0.5, 0.125), (1, 0.5), (3, 2.5), (-3, 2.5)],
)
def test_smooth_l1_is_a_parabola_and_then_a_line(difference, loss):
    assert losses.smooth_l1_loss(tf.constant(0.0), tf.constant(float(difference))) == loss


def test_only_the_class_of_the_first_image_is_active():
    logits = np.zeros((2, 1, 3), np.float32)
    logits[0, 0, 1] = logits[1, 0, 2] = 5
    active = np.array([[1, 1, 0], [0, 0, 1]], np.float32)
    loss = losses.mrcnn_class_loss_graph(np.array([[1], [1]]), logits, active)
    # The second image's prediction is class 2, which image 0 does not have: only one RoI counts.
    assert loss.numpy() == pytest.approx(np.log(1 + 2 * np.exp(-5)), rel=1e-5)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_in_training_each_image_has_the_active_classes_of_its_own_source(order):
    logits = np.zeros((2, 1, 3), np.float32)
    logits[0, 0, 1] = logits[1, 0, 2] = 5
    active = np.array([[1, 1, 0], [1, 0, 1]], np.float32)
    target = np.array([[1], [1]])
    loss = class_loss_model()(with_meta(target[order], logits[order], active[order]))
    # Both predictions are of an active class: one is right, the other as wrong as can be.
    right = np.log(1 + 2 * np.exp(-5))
    assert float(loss) == pytest.approx((right + right + 5) / 2, rel=1e-5)
    assert float(loss) == pytest.approx(2.513, abs=1e-3)


def test_in_training_the_loss_is_0_where_no_prediction_counts():
    logits = np.eye(3, dtype=np.float32)[None, 2:]
    assert float(class_loss_model()(with_meta(np.array([[1]]), logits, [[1, 1, 0]]))) == 0


def test_rpn_bbox_loss_pairs_the_kth_positive_with_the_kth_row():
    match = np.array([[[0], [1], [-1], [1]], [[1], [0], [0], [0]]], np.int32)
    target = np.array([[[1] * 4, [2] * 4, [9] * 4], [[3] * 4, [9] * 4, [9] * 4]], np.float32)
    bbox = np.zeros((2, 4, 4), np.float32)
    bbox[0, 1], bbox[0, 3], bbox[1, 0] = 1, 2, 3
    assert losses.rpn_bbox_loss_of_batch(target, match, bbox) == 0
    bbox[1, 0, 0] = 5  # one of 12 numbers is off by 2
    assert losses.rpn_bbox_loss_of_batch(target, match, bbox).numpy() == pytest.approx(1.5 / 12)


@pytest.mark.parametrize(
    ("target", "probability", "loss"),
    [
        (1, 0.5, np.log(2)),
        (0, 0.5, np.log(2)),
        (1, 1.0, 0.0),
        (1, 0.0, 15.4249),  # -log(2e-7): Keras 2's second small number; Keras 3 would say 16.118
        (0, 1.0, 15.3332),
    ],
)
def test_cross_entropy_of_a_pixel(target, probability, loss):
    actual = losses.binary_crossentropy(tf.constant(float(target)), tf.constant(probability))
    assert actual.numpy() == pytest.approx(loss, rel=1e-4, abs=1e-6)


# ---- weight decay ----


def variable(name, value, **options):
    return keras.Variable(np.array(value, np.float32), name=name, **options)


def test_weight_decay_is_over_kernels_and_biases():
    weights = [
        variable("kernel", [[1, 2], [3, 4]]),
        variable("bias", [2]),
        variable("gamma", [100]),
        variable("beta", [100]),
    ]
    decay = losses.weight_decay_loss(weights, 0.1)
    assert decay.numpy() == pytest.approx(0.1 * (30 / 4 + 4))


def test_weight_decay_of_nothing_is_0():
    assert losses.weight_decay_loss([], 0.1) == 0
    assert losses.weight_decay_loss([variable("gamma", [1])], 0.1) == 0


# ---- weights by class ----


def class_loss_model():
    """A model of the class loss alone: class ids, logits and image meta to a scalar."""
    ids, logits = keras.Input((None,), dtype="int32"), keras.Input((None, None))
    meta = keras.Input((None,))
    layer = losses.LossLayer(losses.class_loss_of_meta, name="mrcnn_class_loss")
    return keras.Model([ids, logits, meta], layer([ids, logits, meta]))


def with_meta(target, logits, active):
    active = np.asarray(active, np.float32)
    return [target, logits, np.concatenate([np.zeros((len(active), 12), np.float32), active], 1)]


def of_one_source():
    """The golden inputs with the active classes of their first image for both."""
    active = np.repeat(LOSSES["active_class_ids"][:1], 2, axis=0)
    return [LOSSES["target_class_ids"], LOSSES["mrcnn_class_logits"], active]


def weighted_class_loss(target, logits, active, weights):
    model = class_loss_model()
    losses.use_class_weights(model, weights)
    return model(with_meta(target, logits, active))


def test_equal_class_weights_change_nothing():
    inputs = of_one_source()
    plain = losses.mrcnn_class_loss_graph(*inputs)
    for weight in (1.0, 7.0):
        weights = np.full(14, weight, np.float32)
        assert_near(weighted_class_loss(*inputs, weights), plain)


def test_class_weights_by_hand():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]], np.float32))
    target, weights = np.array([[0, 0, 2]], np.int32), np.array([1, 1, 6], np.float32)
    loss = weighted_class_loss(target, logits, np.ones((1, 3), np.int32), weights)
    expected = -(np.log(0.5) + np.log(0.25) + 6 * np.log(0.8)) / 8
    assert loss.numpy() == pytest.approx(expected, rel=1e-5)
    # The third RoI is taken for a class that its image cannot show.
    active = np.array([[1, 1, 0]], np.int32)
    loss = weighted_class_loss(target, logits, active, weights)
    assert loss.numpy() == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2, rel=1e-5)


def test_where_no_class_has_a_weight_the_loss_is_0():
    logits = np.zeros((1, 2, 3), np.float32)
    loss = weighted_class_loss(
        np.array([[0, 1]]), logits, np.ones((1, 3), np.int32), np.array([0, 0, 1], np.float32)
    )
    assert loss.numpy() == 0


def test_a_model_takes_class_weights_and_lets_go_of_them():
    model = class_loss_model()
    inputs = of_one_source()
    plain = losses.mrcnn_class_loss_graph(*inputs).numpy()
    losses.use_class_weights(model, np.eye(14, dtype=np.float32)[0])  # only the background counts
    assert abs(float(model(with_meta(*inputs))) - plain) > 1e-3
    losses.use_class_weights(model, None)
    assert_near(model(with_meta(*inputs)), plain)


# ---- in a model ----


def test_a_loss_layer_gives_a_scalar_under_its_name():
    match, logits = keras.Input((None, 1), dtype="int32"), keras.Input((None, 2))
    layer = losses.LossLayer(losses.rpn_class_loss_graph, name="rpn_class_loss")
    model = keras.Model([match, logits], layer([match, logits]))
    assert model.output_names == ["rpn_class_loss"]
    loss = model([LOSSES["rpn_match"], LOSSES["rpn_class_logits"]])
    assert loss.shape == ()
    assert_near(loss, LOSSES["rpn_class_loss"])


def test_active_classes_are_taken_from_the_meta():
    meta = np.zeros((2, 12 + 14), np.float32)
    meta[:, 12:] = LOSSES["active_class_ids"][:1]
    loss = losses.class_loss_of_meta(LOSSES["target_class_ids"], LOSSES["mrcnn_class_logits"], meta)
    assert_near(loss, LOSSES["mrcnn_class_loss"])
