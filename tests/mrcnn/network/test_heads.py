"""The two heads: names, shapes, and what belongs to one RoI. Numbers: test_forward.py."""

import keras
import numpy as np
import pytest

from mrcnn.network.heads import (
    build_fpn_mask_graph,
    fpn_classifier_graph,
    mask_detail_graph,
)
from mrcnn.network.layers import BatchNorm, TimeDistributed

CLASSES, DEPTH = 3, 4
META = np.zeros((2, 12 + CLASSES), np.float32)
META[:, 4:7] = [64, 64, 3]


def head_model(graph, **options):
    rois, meta = keras.Input((None, 4)), keras.Input((12 + CLASSES,))
    maps = [keras.Input((None, None, DEPTH)) for _ in range(4)]
    outputs = graph(rois, maps, meta, num_classes=CLASSES, **options)
    return keras.Model([rois, meta, *maps], outputs)


def class_head(pool_size=7, **options):
    return head_model(fpn_classifier_graph, pool_size=pool_size, fc_layers_size=8, **options)


def mask_head(pool_size=14, **options):
    return head_model(build_fpn_mask_graph, pool_size=pool_size, channels=8, **options)


def run(model, rois, batch=2):
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(batch, n, n, DEPTH)).astype(np.float32) for n in (16, 8, 4, 2)]
    outputs = model([np.asarray(rois, np.float32), META[:batch], *maps])
    return [np.asarray(o) for o in (outputs if isinstance(outputs, list) else [outputs])]


ROIS = np.random.default_rng(1).uniform(0, 0.5, (2, 5, 4)).astype(np.float32)
ROIS[..., 2:] += 0.5


def test_class_head():
    logits, probabilities, deltas = run(class_head(), ROIS)
    assert logits.shape == probabilities.shape == (2, 5, CLASSES)
    assert deltas.shape == (2, 5, CLASSES, 4)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(2), logits.argmax(2))


@pytest.mark.parametrize(
    ("pool_size", "doublings", "side"),
    [(14, 1, 28), (7, 1, 14), (1, 1, 2), (14, 2, 56)],
)
def test_mask_head(pool_size, doublings, side):
    (masks,) = run(mask_head(pool_size, doublings=doublings), ROIS)
    assert masks.shape == (2, 5, side, side, CLASSES)
    assert masks.min() >= 0 and masks.max() <= 1


def mask_head_with_detail():
    def graph(rois, maps, meta, num_classes):
        detail = mask_detail_graph(maps[0], num_classes, channels=8)
        return build_fpn_mask_graph(rois, maps, meta, 7, num_classes, channels=8, detail=detail)

    return head_model(graph)


def test_detail_changes_nothing_until_it_has_learnt():
    plain, detailed = mask_head(pool_size=7), mask_head_with_detail()
    for layer in plain.layers:
        name = "mrcnn_mask_logits" if layer.name == "mrcnn_mask" else layer.name
        if layer.weights:
            detailed.get_layer(name).set_weights(layer.get_weights())
    np.testing.assert_allclose(run(detailed, ROIS)[0], run(plain, ROIS)[0], rtol=0, atol=1e-6)


def test_detail_is_cut_from_the_finest_level_for_every_roi():
    model = mask_head_with_detail()
    model.get_layer("mrcnn_mask_logits").set_weights(
        [np.zeros_like(w) for w in model.get_layer("mrcnn_mask_logits").get_weights()]
    )
    kernel, _ = model.get_layer("mrcnn_mask_detail").get_weights()
    model.get_layer("mrcnn_mask_detail").set_weights([kernel * 0, np.float32([-4, 0, 4])])
    (masks,) = run(model, [[[0, 0, 1, 1], [0.2, 0.2, 0.3, 0.3]]] * 2)
    expected = 1 / (1 + np.exp([4.0, 0.0, -4.0]))
    np.testing.assert_allclose(masks, np.broadcast_to(expected, masks.shape), rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (
            class_head,
            [
                "mrcnn_class_conv1",
                "mrcnn_class_bn1",
                "mrcnn_class_conv2",
                "mrcnn_class_bn2",
                "mrcnn_class_logits",
                "mrcnn_bbox_fc",
            ],
        ),
        (
            mask_head,
            [
                *(f"mrcnn_mask_{kind}{n}" for n in (1, 2, 3, 4) for kind in ("conv", "bn")),
                "mrcnn_mask_deconv",
                "mrcnn_mask",
            ],
        ),
    ],
)
def test_wrappers_and_layers_share_their_names(build, names):
    wrappers = [layer for layer in build().layers if layer.weights]
    assert sorted(w.name for w in wrappers) == sorted(names)
    for wrapper in wrappers:
        assert isinstance(wrapper, TimeDistributed)
        assert wrapper.layer.name == wrapper.name


@pytest.mark.parametrize("build", [class_head, mask_head])
@pytest.mark.parametrize("train_bn", [None, False, True])
def test_train_bn_reaches_every_batch_norm(build, train_bn):
    inner = [w.layer for w in build(train_bn=train_bn).layers if isinstance(w, TimeDistributed)]
    norms = [layer for layer in inner if isinstance(layer, BatchNorm)]
    assert norms and {norm.train_bn for norm in norms} == {train_bn}


@pytest.mark.parametrize("build", [class_head, mask_head])
def test_a_roi_does_not_depend_on_its_neighbours(build):
    model = build(train_bn=False)
    together, alone = run(model, ROIS), run(model, ROIS[:, 3:4])
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(many[:, 3:4], one, atol=1e-5)


# ---- empty twins ----


@pytest.mark.parametrize("build", [class_head, mask_head])
def test_no_roi(build):
    for output in run(build(train_bn=False), np.zeros((2, 0, 4))):
        assert output.shape[:2] == (2, 0)


@pytest.mark.parametrize("build", [class_head, mask_head])
def test_a_batch_of_one_with_a_padding_row(build):
    for output in run(build(train_bn=False), np.zeros((1, 1, 4)), batch=1):
        assert output.shape[:2] == (1, 1)
        assert np.isfinite(output).all()
