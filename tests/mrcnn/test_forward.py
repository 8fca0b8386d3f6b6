"""Whole networks against the reference: features, proposals, heads, detections, masks.

Cases: a ResNet-50, one image; b ResNet-101, two images; c ResNet-50 with other thresholds. The
reference differs from itself (oneDNN on and off) by the figures in tests/golden/noise_floor.json:
2 to 12 of 1000 proposals swap places, detections keep theirs.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.inference.predictor import Predictor, mold_inputs
from mrcnn.network.rpn import ProposalLayer, apply_rpn
from tests.mrcnn.models import config_from_golden, recipe_model
from tests.support import golden, unpack

CASES = ("a", "b", "c")
LEVELS = ("C1", "C2", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6")
OUTPUTS = (
    "detections",
    "mrcnn_class",
    "mrcnn_bbox",
    "mrcnn_mask",
    "rpn_rois",
    "rpn_class",
    "rpn_bbox",
)


def inner_tensors(model, architecture):
    """The tensors of the golden files that are no outputs of the model, by name."""
    last = {"resnet50": "f", "resnet101": "w"}[architecture]
    layers = {layer.name: layer for layer in model.layers}
    (pool,) = (layer for layer in model.layers if layer.name.startswith("max_pooling2d"))
    pyramid = {f"P{n}": layers[f"fpn_p{n}"].output for n in (2, 3, 4, 5, 6)}
    logits, _, _ = apply_rpn(layers["rpn_model"], pyramid.values())
    same_name = ("roi_align_classifier", "roi_align_mask", "pool_squeeze", "mrcnn_class_logits")
    return {
        "C1": pool.output,
        "C2": layers["res2c_out"].output,
        "C3": layers["res3d_out"].output,
        "C4": layers[f"res4{last}_out"].output,
        "C5": layers["res5c_out"].output,
        **pyramid,
        "rpn_class_logits": logits,
        **{name: layers[name].output for name in same_name},
    }


class Case:
    """One golden run, repeated: all tensors, and the results of `detect`."""

    def __init__(self, name):
        self.name = name
        self.inputs = golden(f"forward_{name}_inputs")
        self.config = config_from_golden(self.inputs)
        self.model = recipe_model("inference", self.config)
        self.inner = inner_tensors(self.model, self.config.BACKBONE)
        # `detect` looks at two of the seven outputs: more of them do not disturb it, and one
        # program computes every tensor.
        everything = [*self.model.outputs, *self.inner.values()]
        predictor = Predictor(keras.Model(self.model.inputs, everything), self.config)
        images = [self.inputs[f"image_{i}"] for i in range(self.config.BATCH_SIZE)]
        molded, self.metas, _ = mold_inputs(images, self.config)
        values = predictor.run(molded, self.metas)
        self.values = dict(zip((*OUTPUTS, *self.inner), values, strict=True))
        self.results = list(predictor.detect(images, self.config.BATCH_SIZE))

    def golden(self, part):
        return golden(f"forward_{self.name}_{part}")

    @functools.cached_property
    def class_head(self):
        """What the class head makes of the reference's own proposals.

        Proposals of ours differ by 3e-7, and `crop_and_resize` reads 0 for the last column of
        some boxes at the image's border, for others not: a matter of the last bit.
        """
        by_name = {layer.name: layer for layer in self.model.layers}
        names = ("roi_align_classifier", "pool_squeeze", "mrcnn_class_logits", "mrcnn_class")
        outputs = {name: by_name[name].output for name in (*names, "mrcnn_bbox")}
        meta = self.model.inputs[1]
        pyramid = [f"P{n}" for n in (2, 3, 4, 5)]
        tensors = [by_name["ROI"].output, meta, *(self.inner[name] for name in pyramid)]
        rois = self.golden("heads")["rpn_rois"]
        values = [rois, self.metas.astype(np.float32), *(self.values[name] for name in pyramid)]
        found = keras.Model(tensors, list(outputs.values()))(values)
        return dict(zip(outputs, map(np.asarray, found), strict=True))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """The cases one after the other, so that only one network is in memory."""
    keras.backend.clear_session()
    return Case(request.param)


def assert_near(actual, expected, scale_tolerance):
    """Equal within a fraction of the spread of the expected values."""
    assert actual.shape == expected.shape
    worst = np.abs(actual - expected).max(initial=0)
    assert worst <= scale_tolerance * max(expected.std(), 1e-6), worst / expected.std()


def strided(array, strides):
    return array[tuple(slice(None, None, int(s)) for s in strides)]


def stored_or_softmax(stored, name):
    """A stored array; the subset leaves out probabilities, for they follow from the logits."""
    if name in stored:
        return stored[name]
    return tf.nn.softmax(stored[f"{name}_logits"]).numpy()


@pytest.mark.parametrize("level", LEVELS)
def test_features(case, level):
    features = case.golden("features")
    actual = case.values[level]
    assert actual.shape == tuple(features[f"{level}_shape"])
    assert_near(strided(actual, features[f"{level}_strides"]), features[f"{level}_sample"], 1e-4)
    mean, std, low, high = features[f"{level}_mean_std_min_max"]
    statistics = [actual.mean(dtype=np.float64), actual.std(dtype=np.float64)]
    np.testing.assert_allclose(statistics, [mean, std], rtol=1e-5, atol=1e-5 * std)
    np.testing.assert_allclose([actual.min(), actual.max()], [low, high], atol=2e-4 * std)


@pytest.mark.parametrize("name", ["rpn_class_logits", "rpn_class", "rpn_bbox"])
def test_rpn(case, name):
    actual, expected = case.values[name], stored_or_softmax(case.golden("rpn"), name)
    step = -(-actual.shape[1] // expected.shape[1])  # the subset keeps every eighth anchor
    assert_near(actual[:, ::step], expected, 1e-4)


def test_proposals(case):
    actual, expected = case.values["rpn_rois"], case.golden("heads")["rpn_rois"]
    # The reference's own deltas move by 7e-5 (noise_floor.json), times a standard deviation of up
    # to .2 for a box as large as the image: 1.4e-5, and ours may move the other way.
    for mine, theirs in zip(actual, expected, strict=True):
        distances = np.abs(mine[None] - theirs[:, None]).max(axis=2)
        assert (distances.min(axis=1) > 3e-5).sum() <= 2  # a box more or less at the threshold
        # Near-equal scores swap places: 2 to 12 rows in the reference against itself.
        assert (np.diagonal(distances) > 3e-5).mean() <= 0.02
    assert not actual[~expected.any(axis=2)].any()


def test_number_of_proposals(case):
    counts = case.values["rpn_rois"].any(axis=2).sum(axis=1)
    assert counts.tolist() == {"a": [1000], "b": [1000, 1000], "c": [293]}[case.name]


def test_proposals_from_the_stored_scores():
    # The subset keeps all anchors of case a only.
    inputs, rpn = golden("forward_a_inputs"), golden("forward_a_rpn")
    config = config_from_golden(inputs)
    count, threshold = config.POST_NMS_ROIS_INFERENCE, config.RPN_NMS_THRESHOLD
    anchors = inputs["anchors_normalized"][None]
    rois = ProposalLayer(count, threshold, config)([rpn["rpn_class"], rpn["rpn_bbox"], anchors])
    np.testing.assert_allclose(rois, rpn["rpn_rois"], atol=1e-6)


@pytest.mark.parametrize("name", ["mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox"])
def test_class_head(case, name):
    actual, expected = case.class_head[name], stored_or_softmax(case.golden("heads"), name)
    step = actual.shape[1] // expected.shape[1]  # the subset of case b keeps fewer
    assert_near(actual[:, ::step], expected, 1e-3)


def test_pooled_for_the_class_head(case):
    features = case.golden("features")
    pooled = case.class_head["roi_align_classifier"]
    assert pooled.shape == tuple(features["roi_align_classifier_shape"])
    sample = strided(pooled, features["roi_align_classifier_strides"])
    assert_near(sample, features["roi_align_classifier_sample"], 1e-3)


def test_shared_vector_of_the_class_head(case):
    sample = case.golden("features")["pool_squeeze_sample"]
    assert_near(case.class_head["pool_squeeze"][:, ::10, ::16], sample, 1e-3)


def test_pooled_for_the_mask_head(case):
    features = case.golden("features")
    strides = features["roi_align_mask_strides"]
    pooled = case.values["roi_align_mask"]
    assert pooled.shape == tuple(features["roi_align_mask_shape"])
    assert_near(strided(pooled, strides), features["roi_align_mask_sample"], 1e-3)


def test_detections(case):
    stored = case.golden("heads")
    actual, expected = case.values["detections"], stored["detections"]
    assert (actual[..., 4] > 0).sum(axis=1).tolist() == stored["n_detections"].tolist()
    np.testing.assert_array_equal(actual[..., 4], expected[..., 4])
    np.testing.assert_allclose(actual, expected, atol=5e-5)


def test_masks(case):
    stored = case.golden("masks")
    masks, class_ids = case.values["mrcnn_mask"], case.values["detections"][..., 4].astype(int)
    for i in range(len(masks)):
        count = np.count_nonzero(class_ids[i])
        own = masks[i][np.arange(count), :, :, class_ids[i, :count]]
        selected = stored[f"mrcnn_mask_selected_{i}"]
        step = -(-count // len(selected))  # the subset of case b keeps every second one
        np.testing.assert_allclose(own[::step], selected, atol=2e-3)
    rows = masks[:, stored["mrcnn_mask_rows"], ..., :: int(stored["mrcnn_mask_class_stride"])]
    np.testing.assert_allclose(rows, stored["mrcnn_mask_rows_full"], atol=2e-3)
    means = stored["mrcnn_mask_mean_per_detection"]
    np.testing.assert_allclose(masks.mean(axis=(2, 3)), means, atol=2e-4)


def test_results_on_the_original_images(case):
    stored = case.golden("detect")
    for i, result in enumerate(case.results):
        np.testing.assert_array_equal(result["class_ids"], stored[f"class_ids_{i}"])
        np.testing.assert_array_equal(result["rois"], stored[f"rois_{i}"])
        # The reference with and without oneDNN: 3e-5.
        np.testing.assert_allclose(result["scores"], stored[f"scores_{i}"], atol=5e-5)
        expected = unpack(stored[f"masks_packed_{i}"], stored[f"masks_shape_{i}"])
        np.testing.assert_array_equal(expected.sum(axis=(0, 1)), stored[f"masks_area_{i}"])
        assert_masks_alike(result["masks"], expected)


def assert_masks_alike(masks, expected):
    """IoU above .99 each; a mask of few pixels may differ by one."""
    assert masks.shape == expected.shape
    different = (masks != expected).sum(axis=(0, 1))
    union = (masks | expected).sum(axis=(0, 1))
    assert (different <= np.maximum(1, 0.01 * union)).all()
