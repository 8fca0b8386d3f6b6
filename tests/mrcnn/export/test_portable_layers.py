"""The network as it is exported finds what the network finds."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.export.detector import exported_network
from mrcnn.export.portable_layers import (
    PortableDetections,
    PortableProposals,
    PortableROIAlign,
    _suppress,
)
from mrcnn.inference.predictor import Predictor
from mrcnn.network.detection import DetectionLayer
from mrcnn.network.layers import BatchNorm
from mrcnn.network.roi_align import PyramidROIAlign
from mrcnn.network.rpn import ProposalLayer
from tests.mrcnn.models import inference_inputs, recipe_model, tiny_config

TOLERANCE = 2e-5  # probabilities and normalised boxes; a few roundings of float32


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "detail"])
def tiny(request):
    """A model, inputs, and what its predictor finds."""
    config = tiny_config(MASK_DETAIL=request.param)
    model = recipe_model("inference", config)
    inputs = inference_inputs(config)
    # A window with borders, so that clipping to it counts.
    inputs[1][:, 7:11] = 20, 8, 100, 120
    return model, inputs, Predictor(model, config).run_detection(*inputs[:2])


def run(network, inputs):
    run = tf.function(lambda inputs: network(inputs, training=False))
    return [output.numpy() for output in run([tf.constant(x, tf.float32) for x in inputs])]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"portable": True}, {"portable": True, "fixed_rows": True}])
def test_the_network_finds_the_same(tiny, how):
    model, inputs, (detections, masks) = tiny
    network = exported_network(model, **how)
    found, found_masks = run(network, inputs)
    assert (detections[0, :, 4] > 0).sum() > 1
    np.testing.assert_allclose(found, detections, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found_masks[:, : masks.shape[1]], masks, rtol=0, atol=TOLERANCE)
    assert not [x for x in network.layers if isinstance(getattr(x, "layer", x), BatchNorm)]


@pytest.mark.slow
def test_scores_below_the_least_confidence_go_and_what_is_left_is_padded(tiny):
    model, inputs, (detections, _) = tiny
    layer = model.get_layer("mrcnn_detection")
    before = layer.settings
    layer.settings = before | {"min_confidence": float(detections[0, 1, 5])}
    try:
        found, masks = run(exported_network(model, portable=True), inputs)
    finally:
        layer.settings = before
    np.testing.assert_allclose(found[0, :2], detections[0, :2], rtol=0, atol=TOLERANCE)
    assert not found[0, 2:].any() and masks.shape[1] == 2


@pytest.mark.slow
def test_weights_are_taken_as_they_are_at_the_export(tiny):
    model, inputs, (detections, _) = tiny
    network = exported_network(model)
    norm = model.get_layer("bn_conv1")
    before = norm.gamma.numpy()
    norm.gamma.assign(before * 0.5)
    try:
        np.testing.assert_allclose(run(network, inputs)[0], detections, rtol=0, atol=TOLERANCE)
        assert not np.allclose(run(exported_network(model), inputs)[0], detections, atol=1e-3)
    finally:
        norm.gamma.assign(before)


def random_boxes(rng, count):
    corners = np.sort(rng.uniform(0, 1, (1, count, 2, 2)), axis=2)
    return corners.reshape(1, count, 4).astype(np.float32)


@pytest.mark.parametrize("anchors", [300, 30])  # more and fewer than take part
def test_proposals_of_one_image(anchors):
    rng = np.random.default_rng(4)
    foreground = rng.permutation(anchors) / np.float32(anchors)
    probabilities = np.stack([1 - foreground, foreground], axis=-1)[None].astype(np.float32)
    deltas = rng.normal(0, 1, (1, anchors, 4)).astype(np.float32)
    inputs = [tf.constant(x) for x in (probabilities, deltas, random_boxes(rng, anchors))]
    std_dev = [0.1, 0.1, 0.2, 0.2]
    original = ProposalLayer(60, 0.1, pre_nms_limit=100, bbox_std_dev=std_dev)
    expected = original(inputs).numpy()
    assert not expected[0, -1].any() and expected[0, 10].any()  # padded
    np.testing.assert_allclose(PortableProposals(original)(inputs), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("every_class", "last_class"), [(False, None), (True, None), (True, 2)])
@pytest.mark.parametrize("min_confidence", [0, 0.45, 1])
def test_detections_of_one_image(min_confidence, every_class, last_class):
    rng, rois, classes = np.random.default_rng(6), 40, 4
    probabilities = rng.dirichlet([0.5] * classes, (1, rois)).astype(np.float32)
    deltas = rng.normal(0, 1, (1, rois, classes, 4)).astype(np.float32)
    meta = np.zeros((1, 12 + classes), np.float32)
    meta[0, 4:11] = 128, 128, 3, 20, 8, 100, 120
    inputs = [tf.constant(x) for x in (random_boxes(rng, rois), probabilities, deltas, meta)]
    changes = {"DETECTION_MIN_CONFIDENCE": min_confidence, "DETECTION_MAX_INSTANCES": 35}
    changes |= {"DETECTION_EVERY_CLASS": every_class, "DETECTION_LAST_CLASS": last_class}
    original = DetectionLayer(tiny_config(**changes))
    expected = original(inputs).numpy()
    assert (expected[0, :, 4] > 0).sum() > 5 or min_confidence == 1
    np.testing.assert_allclose(PortableDetections(original)(inputs), expected, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Interpreter has another home by now
def test_boxes_without_area_are_kept_once_in_lite_too():
    boxes = [[0, 0, 0, 1], [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.49], [0, 0, 0, 1]]
    boxes, scores = np.array(boxes, np.float32), np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    specs = [tf.TensorSpec([4, 4]), tf.TensorSpec([4])]
    suppress = tf.function(lambda b, s: _suppress(b, s, 4, 0.3), input_signature=specs)
    function = suppress.get_concrete_function()
    module = tf.Module()
    module.suppress = suppress
    converted = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
    runner = tf.lite.Interpreter(model_content=converted).get_signature_runner()
    found = sorted(runner(b=boxes, s=scores).values(), key=lambda values: values.dtype.kind)
    for kept, is_kept in (suppress(boxes, scores), (found[1], found[0])):
        assert np.asarray(kept)[np.asarray(is_kept)].tolist() == [0, 1, 3]


@pytest.mark.parametrize("levels", [4, 1])
def test_roi_align_by_gathering(levels):
    rng = np.random.default_rng(3)
    maps = [rng.normal(0, 1, (1, n, n, 5)).astype(np.float32) for n in (64, 32, 16, 8)[:levels]]
    boxes = random_boxes(rng, 40)
    boxes[0, :3] = [[0, 0, 1, 1], [0, 0, 0, 0], [0.5, 0.5, 0.5, 0.9]]
    boxes[0, 3] = [-0.2, 0.1, 1.3, 0.9]  # outside counts as 0
    meta = np.zeros((1, 16), np.float32)
    meta[0, 4:7] = 256, 256, 3
    for shape in ((7, 7), (14, 14), (1, 1)):
        original = PyramidROIAlign(shape)
        inputs = [tf.constant(x) for x in (boxes, meta, *maps)]
        found = PortableROIAlign(original)(inputs)
        np.testing.assert_allclose(found, original(inputs), rtol=0, atol=1e-4)
