"""What the heads are trained on: which RoIs, and their class, box and mask."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.network.targets import (
    DetectionTargetLayer,
    PositiveRows,
    detection_targets_graph,
    mask_targets,
    sample_rois,
)
from tests.mrcnn.models import config_from_golden
from tests.support import golden, unpack

TARGETS = golden("detection_targets")
NAMES = ("rois", "target_class_ids", "target_bbox", "target_mask")


def golden_layer(kind, **changes):
    data = {"config_json": TARGETS[f"{kind}_config_json"]}
    return DetectionTargetLayer(config_from_golden(data, **changes))


def golden_inputs(kind):
    masks = unpack(TARGETS[f"{kind}_gt_masks_packed"], TARGETS[f"{kind}_gt_masks_shape"])
    names = ("proposals", "gt_class_ids", "gt_boxes_norm")
    return [*(TARGETS[f"{kind}_{name}"] for name in names), masks]


def sorted_rows(rois, positives):
    """Order of rows as the golden file has them: positives, negatives, padding; each by box."""
    used = np.any(rois, axis=1)
    kind = np.where(np.arange(len(rois)) < positives, 0, np.where(used, 1, 2))
    return np.lexsort((*rois.T[::-1], kind))


# ---- golden numbers ----


@pytest.mark.parametrize("kind", ["mini", "full"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_targets_of_the_reference(kind, compiled):
    layer = golden_layer(kind)
    call = tf.function(layer) if compiled else layer
    outputs = [np.asarray(x) for x in call(golden_inputs(kind))]
    expected = [TARGETS[f"{kind}_{name}"] for name in NAMES]
    for image, positives in enumerate(TARGETS[f"{kind}_n_pos"]):
        rows = sorted_rows(outputs[0][image], positives)
        rois, class_ids, deltas, masks = (x[image][rows] for x in outputs)
        assert np.count_nonzero(class_ids) == positives
        np.testing.assert_array_equal(rois, expected[0][image])
        np.testing.assert_array_equal(class_ids, expected[1][image])
        np.testing.assert_allclose(deltas, expected[2][image], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(masks, expected[3][image])


def test_one_image_is_the_legacy_function():
    config = golden_layer_config("mini")
    inputs = [x[0] for x in golden_inputs("mini")]
    rois, class_ids, _, masks = detection_targets_graph(*(tf.constant(x) for x in inputs), config)
    positives = TARGETS["mini_n_pos"][0]
    rows = sorted_rows(rois.numpy(), positives)
    np.testing.assert_array_equal(class_ids.numpy()[rows], TARGETS["mini_target_class_ids"][0])
    np.testing.assert_array_equal(masks.numpy()[rows], TARGETS["mini_target_mask"][0])


def golden_layer_config(kind):
    return config_from_golden({"config_json": TARGETS[f"{kind}_config_json"]})


@pytest.mark.parametrize("change", ["no positive", "no instance", "no proposal"])
def test_without_a_positive_everything_is_zero(change):
    proposals, class_ids, boxes, masks = golden_inputs("mini")
    if change == "no positive":
        proposals = np.array([[[0, 0, 0.001, 0.001]] * 40] * 2, np.float32)
    elif change == "no instance":
        class_ids, boxes = np.zeros_like(class_ids), np.zeros_like(boxes)
    else:
        proposals = np.zeros_like(proposals)
    for output in golden_layer("mini")([proposals, class_ids, boxes, masks]):
        assert not np.any(output)


# ---- which RoIs ----

WHOLE, HALF, OTHER_HALF, CORNER = [0, 0, 1, 1], [0, 0, 1, 0.5], [0, 0.5, 1, 1], [0, 0, 0.1, 0.1]


class Tiny(Config):
    TRAIN_ROIS_PER_IMAGE = 6
    ROI_POSITIVE_RATIO = 1 / 3
    BBOX_STD_DEV = np.ones(4)
    MASK_SHAPE = [2, 2]
    MASK_POOL_SIZE = 1
    USE_MINI_MASK = True
    NUM_CLASSES = 4


def targets(proposals, class_ids, boxes, masks=None, seed=0, **changes):
    """The layer's outputs for one image, its masks full where none are given."""
    config = type("Changed", (Tiny,), changes)()
    boxes = np.array(boxes, np.float32).reshape(1, -1, 4)
    masks = np.ones((1, 2, 2, boxes.shape[1]), bool) if masks is None else masks[None]
    inputs = [np.array(proposals, np.float32).reshape(1, -1, 4), np.array([class_ids], np.int32)]
    return [x.numpy()[0] for x in DetectionTargetLayer(config, seed=seed)([*inputs, boxes, masks])]


def test_positives_come_first_then_negatives_then_zeros():
    rois, class_ids, deltas, masks = targets([CORNER, HALF, CORNER], [3], [HALF])
    np.testing.assert_allclose(rois, [HALF, CORNER, CORNER, [0] * 4, [0] * 4, [0] * 4])
    assert class_ids.tolist() == [3, 0, 0, 0, 0, 0]
    assert not deltas.any()  # the positive lies on its instance exactly
    assert masks.sum(axis=(1, 2)).tolist() == [4, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("proposal", "is_positive"),
    [
        (HALF, True),  # IoU 1
        (WHOLE, True),  # exactly .5
        ([0, 0, 1, 0.24], False),  # .48
        (OTHER_HALF, False),  # 0
    ],
)
def test_an_iou_of_a_half_is_positive(proposal, is_positive):
    _, class_ids, _, _ = targets([proposal], [3], [HALF])
    assert bool(class_ids.any()) == is_positive


def test_counts_follow_the_ratio():
    proposals = [HALF] * 5 + [OTHER_HALF] * 9
    rois, class_ids, _, _ = targets(proposals, [1], [HALF])
    assert np.count_nonzero(class_ids) == 2  # a third of 6
    assert np.any(rois, axis=1).sum() == 6


def test_few_positives_take_few_negatives():
    rois, _, _, _ = targets([HALF] + [OTHER_HALF] * 9, [1], [HALF])
    assert np.any(rois, axis=1).sum() == 3  # 1 positive, int(3.0 * 1) - 1 negatives


def test_the_best_instance_wins():
    _, class_ids, _, _ = targets([[0, 0, 1, 0.55]], [1, 2], [WHOLE, HALF])
    assert class_ids[0] == 2


def test_rois_on_a_crowd_are_no_negatives():
    rois, class_ids, _, _ = targets([HALF, OTHER_HALF, CORNER], [1, -1], [HALF, OTHER_HALF])
    np.testing.assert_allclose(rois[:3], [HALF, CORNER, [0] * 4])
    assert class_ids.tolist()[:3] == [1, 0, 0]


def test_a_crowd_makes_no_positives():
    for output in targets([OTHER_HALF, CORNER], [-1], [OTHER_HALF]):
        assert not output.any()


def test_deltas_are_divided_by_the_standard_deviation():
    _, _, deltas, _ = targets([WHOLE], [1], [HALF], BBOX_STD_DEV=np.array([0.1, 0.1, 0.2, 0.2]))
    np.testing.assert_allclose(deltas[0], [0, -2.5, 0, np.log(0.5) / 0.2], rtol=1e-5)


def test_the_choice_is_random_and_a_function_of_the_seed():
    proposals = [[0, 0, 1, 0.5 + 0.001 * i] for i in range(50)]
    first, again, other = (targets(proposals, [1], [HALF], seed=s)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_candidate_is_chosen_as_often_as_the_others():
    draws, candidates, wanted = 3000, 10, 2
    keys = np.random.default_rng(0).uniform(size=(draws, candidates)).astype(np.float32)
    overlaps = np.full((draws, candidates), 0.9, np.float32)
    none = np.full_like(overlaps, -1)
    chosen, is_positive, _ = sample_rois(overlaps, none == -1, none, keys, 6, 1 / 3)
    counts = np.bincount(np.asarray(chosen)[np.asarray(is_positive)], minlength=candidates)
    assert counts.sum() == draws * wanted
    # Binomial with p = .2: a standard deviation of 22.
    assert np.abs(counts - draws * wanted / candidates).max() < 110


def test_no_roi_is_chosen_twice():
    proposals = [[0, 0, 1, 0.5 + 0.001 * i] for i in range(5)]
    proposals += [[0, 0.6, 1, 0.9 + 0.001 * i] for i in range(5)]
    rois, _, _, _ = targets(proposals, [1], [HALF])
    assert len(np.unique(rois, axis=0)) == 6


# ---- masks ----


def test_a_mini_mask_is_seen_relative_to_its_box():
    mask = np.array([[0, 1], [0, 1]], bool)[..., None]
    box = [0.2, 0.2, 0.6, 0.6]
    _, _, _, masks = targets([box], [1], [box], mask)
    assert masks[0].tolist() == [[0, 1], [0, 1]]


def test_a_full_mask_is_seen_relative_to_the_image():
    mask = np.zeros((3, 3, 1), bool)
    mask[:, 2] = True
    _, _, _, masks = targets([WHOLE], [1], [HALF], mask, USE_MINI_MASK=False)
    assert masks[0].tolist() == [[0, 1], [0, 1]]


def test_half_a_pixel_counts_as_background():
    crops = mask_targets(
        tf.constant([[[0.0, 0, 1, 1]]]),
        tf.constant([[[0.0, 0, 1, 1]]]),
        tf.constant(np.array([[0, 1], [0, 1]], bool)[None, ..., None]),
        tf.constant([[0]]),
        (1, 3),
        use_mini_mask=True,
    )
    assert crops.numpy().tolist() == [[[[0, 0, 1]]]]


def test_each_roi_gets_the_mask_of_its_own_instance():
    masks = np.zeros((2, 2, 2), bool)
    masks[..., 1] = [[1, 0], [0, 1]]
    _, class_ids, _, found = targets([OTHER_HALF], [1, 2], [HALF, OTHER_HALF], masks)
    assert class_ids[0] == 2
    assert found[0].tolist() == [[1, 0], [0, 1]]


# ---- gradients ----


@pytest.mark.parametrize("stop", [False, True])
def test_gradients_flow_through_target_deltas_unless_stopped(stop):
    proposals = tf.Variable(np.array([[[0.0, 0, 0.9, 0.6], [0.5, 0.5, 0.6, 0.6]]], np.float32))
    config = type("Stop", (Tiny,), {"STOP_TARGET_GRADIENTS": stop})()
    truth = [np.array([[1]], np.int32), np.array([[HALF]], np.float32), np.ones((1, 2, 2, 1), bool)]
    with tf.GradientTape() as tape:
        _, _, deltas, masks = DetectionTargetLayer(config)([proposals, *truth])
        total = tf.reduce_sum(tf.square(deltas)) + tf.reduce_sum(masks)
    gradient = tape.gradient(total, proposals, unconnected_gradients="zero").numpy()
    assert np.isfinite(gradient).all()
    assert gradient[0, 0].any() != stop
    assert not gradient[0, 1].any()


# ---- empty twins ----


@pytest.mark.parametrize(
    ("proposals", "class_ids", "boxes"),
    [
        ([], [1], [HALF]),  # no proposal
        ([HALF], [], []),  # no room for instances
        ([], [], []),
    ],
)
def test_nothing_in_zeros_out(proposals, class_ids, boxes):
    rois, ids, deltas, masks = targets(proposals, class_ids, boxes)
    assert (rois.shape, ids.shape, deltas.shape, masks.shape) == ((6, 4), (6,), (6, 4), (6, 2, 2))
    assert not any(x.any() for x in (rois, ids, deltas, masks))


def test_an_instance_of_one_pixel_on_its_own_proposal():
    pixel = [0.5, 0.5, 0.51, 0.51]
    _, class_ids, deltas, masks = targets([pixel], [1], [pixel])
    assert class_ids[0] == 1
    assert not deltas.any()
    assert masks[0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "positives, rows",
    [([0, 0], 4), ([1, 0], 4), ([2, 4], 4), ([5, 1], 8), ([9, 10], 10)],
    ids=["none", "one", "a step", "beyond a step", "all"],
)
def test_as_many_rows_as_the_image_with_the_most_positives(positives, rows):
    """In steps of four, at least one step, at most the ten there are."""
    class_ids = np.array([[3] * n + [0] * (10 - n) for n in positives], np.int32)
    values = np.arange(40, dtype=np.float32).reshape(2, 10, 2)
    kept_ids, kept = PositiveRows()([tf.constant(class_ids), tf.constant(values)])
    np.testing.assert_array_equal(kept_ids, class_ids[:, :rows])
    np.testing.assert_array_equal(kept, values[:, :rows])
