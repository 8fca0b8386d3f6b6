"""Which RoIs become detections."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.network.detection import (
    DetectionLayer,
    detection_settings,
    refine_detections_batch,
    refine_detections_graph,
    suppress_within_classes,
)
from tests.support import golden, info

LAYERS = golden("layers")
CASES = info(LAYERS)["detection_cases"]
CLASSES = 3


def config_of(case):
    values = {k: np.array(v) if k == "BBOX_STD_DEV" else v for k, v in case.items()}
    return type("CaseConfig", (Config,), values)()


def case_inputs(index):
    names = ("rois", "probs", "deltas", "image_meta")
    return [LAYERS[f"det{index}_{name}"] for name in names]


# ---- golden numbers ----


@pytest.mark.parametrize("index", range(len(CASES)))
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_detections(index, compiled):
    layer = DetectionLayer(config_of(CASES[index]))
    call = tf.function(layer) if compiled else layer
    detections = call(case_inputs(index)).numpy()
    expected = LAYERS[f"det{index}_out"]
    np.testing.assert_array_equal(detections[..., 4], expected[..., 4])
    np.testing.assert_allclose(detections, expected, rtol=0, atol=1e-6)


def test_one_image_is_the_legacy_function():
    rois, probabilities, deltas, meta = (x[1] for x in case_inputs(0))
    height, width = meta[4:6]
    window = (meta[7:11] - [0, 0, 1, 1]) / (np.array([height, width] * 2) - 1)
    detections = refine_detections_graph(
        rois, probabilities, deltas, window.astype(np.float32), config_of(CASES[0])
    )
    np.testing.assert_allclose(detections, LAYERS["det0_out"][1], rtol=0, atol=1e-6)


# ---- by hand ----

LEFT, RIGHT, NEAR_LEFT = [0, 0, 1, 0.4], [0, 0.6, 1, 1], [0, 0.02, 1, 0.42]
SETTINGS = {
    "bbox_std_dev": (1, 1, 1, 1),
    "min_confidence": 0.5,
    "nms_threshold": 0.3,
    "max_instances": 3,
}


def detect(*rois, window=(0, 0, 1, 1), deltas=None, **changes):
    """Detections among RoIs `(box, class id, score)` of one image."""
    boxes = np.array([[box for box, _, _ in rois]], np.float32).reshape(1, -1, 4)
    probabilities = np.zeros((1, len(rois), CLASSES), np.float32)
    for i, (_, class_id, score) in enumerate(rois):
        probabilities[0, i] = (1 - score) / CLASSES
        probabilities[0, i, class_id] = score
    if deltas is None:
        deltas = np.zeros((1, len(rois), CLASSES, 4), np.float32)
    windows = tf.constant([window], tf.float32)
    found = refine_detections_batch(
        boxes, probabilities, deltas, windows, **{**SETTINGS, **changes}
    )
    return found.numpy()[0]


def assert_rows(detections, *rows):
    """The detections are these `(box, class id, score)`, then zeros."""
    expected = np.zeros_like(detections)
    for i, (box, class_id, score) in enumerate(rows):
        expected[i] = [*box, class_id, score]
    np.testing.assert_allclose(detections, expected, atol=1e-6)


def test_rows_come_by_falling_score():
    assert_rows(detect((LEFT, 1, 0.6), (RIGHT, 2, 0.9)), (RIGHT, 2, 0.9), (LEFT, 1, 0.6))


def test_background_is_no_detection():
    assert_rows(detect((LEFT, 0, 0.99), (RIGHT, 2, 0.9)), (RIGHT, 2, 0.9))


def test_later_classes_are_passed_over():
    rois = (LEFT, 1, 0.6), (RIGHT, 2, 0.9)
    assert_rows(detect(*rois, last_class=1), (LEFT, 1, 0.6))
    assert_rows(detect(*rois, last_class=2), (RIGHT, 2, 0.9), (LEFT, 1, 0.6))


@pytest.mark.parametrize(
    ("min_confidence", "kept"),
    [
        (0.75, 1),  # the score itself still counts
        (0.76, 0),
        (0, 1),
    ],
)
def test_least_confidence(min_confidence, kept):
    found = detect((LEFT, 1, 0.75), min_confidence=min_confidence)
    assert np.count_nonzero(found[:, 4]) == kept


def test_a_weaker_one_of_the_same_class_is_suppressed():
    assert_rows(detect((LEFT, 1, 0.8), (NEAR_LEFT, 1, 0.9)), (NEAR_LEFT, 1, 0.9))


def test_another_class_is_not_suppressed():
    found = detect((LEFT, 1, 0.8), (NEAR_LEFT, 2, 0.9))
    assert_rows(found, (NEAR_LEFT, 2, 0.9), (LEFT, 1, 0.8))


def test_no_more_than_the_maximum():
    rois = [([0, i / 10, 1, (i + 1) / 10], 1, 0.9 - i / 100) for i in range(8)]
    assert_rows(detect(*rois), *rois[:3])


def test_only_the_deltas_of_the_own_class_count():
    deltas = np.zeros((1, 1, CLASSES, 4), np.float32)
    deltas[0, 0, 1], deltas[0, 0, 2, 1] = 5, 1
    found = detect(([0, 0, 1, 0.2], 2, 0.9), deltas=deltas, bbox_std_dev=(1, 0.5, 1, 1))
    assert_rows(found, ([0, 0.1, 1, 0.3], 2, 0.9))


def test_a_roi_may_be_detected_as_each_class_that_is_probable_enough():
    """At .2 a box of .7 bag and .2 belt is both; above .5 no box can be two."""
    roi = [[LEFT, RIGHT]]
    probabilities = np.array([[[0.1, 0.7, 0.2], [0.6, 0.1, 0.3]]], np.float32)
    deltas = np.zeros((1, 2, CLASSES, 4), np.float32)
    deltas[0, 0, 2, 1] = 0.5  # the class's own box is moved by half of its width
    found = {
        (every, confidence): refine_detections_batch(
            np.array(roi, np.float32),
            probabilities,
            deltas,
            tf.constant([[0.0, 0, 1, 1]]),
            **{**SETTINGS, "min_confidence": confidence, "every_class": every},
        ).numpy()[0]
        for every in (True, False)
        for confidence in (0.2, 0.5)
    }
    moved = [0, 0.2, 1, 0.6]
    assert_rows(found[True, 0.2], (LEFT, 1, 0.7), (RIGHT, 2, 0.3), (moved, 2, 0.2))
    assert_rows(found[False, 0.2], (LEFT, 1, 0.7))
    np.testing.assert_array_equal(found[True, 0.5], found[False, 0.5])


def test_boxes_are_clipped_to_the_window():
    found = detect((LEFT, 1, 0.9), window=(0.25, 0.1, 0.75, 1))
    assert_rows(found, ([0.25, 0.1, 0.75, 0.4], 1, 0.9))


def test_each_image_has_its_own_window():
    boxes = np.tile(np.array([[[0, 0, 1, 1]]], np.float32), (2, 1, 1))
    probabilities = np.tile(np.array([[[0, 1, 0]]], np.float32), (2, 1, 1))
    windows = np.array([[0, 0, 1, 0.5], [0, 0, 0.5, 1]], np.float32)
    found = refine_detections_batch(
        boxes, probabilities, np.zeros((2, 1, CLASSES, 4), np.float32), windows, **SETTINGS
    )
    np.testing.assert_allclose(found[:, 0, :4], windows)


def test_a_padding_row_can_become_a_detection_without_area():
    # As in the original: what the heads say about a zero box is not thrown away here. Unmolding
    # drops it where it has no area in pixels.
    assert_rows(detect(([0, 0, 0, 0], 1, 0.9)), ([0, 0, 0, 0], 1, 0.9))


def test_suppression_gives_indices_of_all_rows():
    kept = suppress_within_classes(
        tf.constant([LEFT, RIGHT, LEFT], tf.float32),
        tf.constant([1, 1, 1]),
        tf.constant([0.9, 0.8, 0.7]),
        tf.constant([False, True, True]),
        count=4,
        threshold=0.5,
    )
    assert kept.numpy().tolist() == [1, 2, -1, -1]


def test_settings_of_a_config():
    assert detection_settings(Config()) == {
        "bbox_std_dev": [0.1, 0.1, 0.2, 0.2],
        "min_confidence": 0.7,
        "nms_threshold": 0.3,
        "max_instances": 100,
        "every_class": False,
        "last_class": None,
    }


def test_the_layer_survives_its_configuration():
    layer = DetectionLayer(Config(), name="mrcnn_detection")
    assert DetectionLayer.from_config(layer.get_config()).settings == layer.settings


# ---- empty twins ----


def test_no_roi():
    assert_rows(detect())
    assert_rows(detect(every_class=True))


def test_nothing_but_background():
    assert_rows(detect((LEFT, 0, 0.9), (RIGHT, 0, 0.9)))


def test_no_image():
    found = refine_detections_batch(
        np.zeros((0, 2, 4), np.float32),
        np.zeros((0, 2, CLASSES), np.float32),
        np.zeros((0, 2, CLASSES, 4), np.float32),
        np.zeros((0, 4), np.float32),
        **SETTINGS,
    )
    assert found.shape == (0, 3, 6)
