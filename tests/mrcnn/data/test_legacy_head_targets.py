"""Random regions and detection targets outside the network: measured numbers and odd cases."""

import types

import numpy as np
import pytest

from mrcnn.data.legacy_head_targets import build_detection_targets, generate_random_rois
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import compute_overlaps
from tests.support import golden, info, unpack


def golden_case():
    data = golden("build_detection_targets")
    config = types.SimpleNamespace(**info(data, "config_json"))
    masks = unpack(data["gt_masks_packed"], data["gt_masks_shape"])
    return data, config, masks


def make_config(**values):
    defaults = {
        "TRAIN_ROIS_PER_IMAGE": 6,
        "ROI_POSITIVE_RATIO": 0.5,
        "NUM_CLASSES": 3,
        "BBOX_STD_DEV": np.array([0.1, 0.1, 0.2, 0.2]),
        "MASK_SHAPE": [4, 4],
        "USE_MINI_MASK": False,
        "IMAGE_SHAPE": np.array([64, 64, 3]),
    }
    return types.SimpleNamespace(**{**defaults, **values})


def test_random_rois_are_the_measured_ones():
    data, _, _ = golden_case()
    np.random.seed(5)
    rois = generate_random_rois(data["image_shape"], 60, data["gt_class_ids"], data["gt_boxes"])
    assert rois.dtype == np.int32
    np.testing.assert_array_equal(rois, data["rpn_rois"])


def test_detection_targets_are_the_measured_ones():
    data, config, masks = golden_case()
    np.random.seed(6)
    rois, class_ids, bboxes, target_masks = build_detection_targets(
        data["rpn_rois"], data["gt_class_ids"], data["gt_boxes"], masks, config
    )
    np.testing.assert_array_equal(rois, data["rois"])
    np.testing.assert_array_equal(class_ids, data["class_ids"])
    assert (rois.dtype, class_ids.dtype) == (np.int32, np.int32)
    assert (bboxes.dtype, target_masks.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(bboxes, data["bboxes"], rtol=1e-6, atol=1e-6)
    selected = target_masks[np.arange(len(class_ids)), :, :, class_ids]
    np.testing.assert_allclose(selected, data["masks_selected"], rtol=0, atol=1e-6)
    others = target_masks.copy()
    others[np.arange(len(class_ids)), :, :, class_ids] = 0
    assert not others.any()


@pytest.mark.parametrize("random", [np.random, np.random.RandomState(1), np.random.default_rng(1)])
@pytest.mark.parametrize(
    "boxes",
    [
        [[10, 20, 40, 60]],
        [[0, 0, 1, 1], [79, 99, 80, 100]],  # a pixel in two corners
        [[30, 30, 30, 30]],  # without area: regions anywhere
        [],
    ],
)
def test_random_rois_lie_in_the_image_and_have_area(random, boxes):
    boxes = np.array(boxes, np.int32).reshape(-1, 4)
    rois = generate_random_rois((80, 100, 3), 50, np.ones(len(boxes), np.int32), boxes, random)
    assert rois.shape == (50, 4) and rois.dtype == np.int32
    assert np.all(rois[:, :2] >= 0) and np.all(rois[:, 2:] <= [80, 100])
    assert np.all(rois[:, 2:] > rois[:, :2])


def test_nine_of_ten_random_rois_lie_around_the_box():
    boxes = np.array([[40, 40, 50, 50]], np.int32)
    rois = generate_random_rois((400, 400), 200, np.array([1]), boxes, np.random.default_rng(0))
    near = np.all((rois >= 30) & (rois <= 60), axis=1)
    assert near[:180].all()
    assert near[180:].mean() < 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1, 3)])
def test_no_room_for_random_rois(shape):
    with pytest.raises(DatasetError, match="at least 2 x 2"):
        generate_random_rois(shape, 10, np.array([1]), np.array([[0, 0, 1, 1]]))


def test_foreground_comes_first_and_background_is_repeated():
    box = np.array([[10, 10, 30, 30]], np.int32)
    mask = np.zeros((64, 64, 1), bool)
    mask[10:30, 10:20] = True
    rois = np.array([[40, 40, 60, 60], [10, 10, 30, 30]], np.int32)
    chosen, class_ids, bboxes, masks = build_detection_targets(
        rois, np.array([2], np.int32), box, mask, make_config(), np.random.default_rng(0)
    )
    assert class_ids.tolist() == [2, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(chosen[0], rois[1])
    assert np.all(chosen[1:] == rois[0])
    assert not bboxes.any()  # the one foreground region is the box itself
    np.testing.assert_allclose(masks[0, :, :, 2].mean(), 0.5, atol=0.1)
    assert np.all(masks[0, :, 0, 2] > masks[0, :, 3, 2])
    assert not masks[1:].any()


def test_share_of_foreground_is_limited():
    box = np.array([[10, 10, 30, 30]], np.int32)
    mask = np.ones((64, 64, 1), bool)
    rois = np.concatenate([np.repeat(box, 9, axis=0), np.array([[40, 40, 60, 60]] * 9)])
    _, class_ids, _, _ = build_detection_targets(
        rois, np.array([1], np.int32), box, mask, make_config(), np.random.RandomState(0)
    )
    assert class_ids.tolist() == [1, 1, 1, 0, 0, 0]


def test_foreground_is_repeated_where_there_is_no_background():
    box = np.array([[10, 10, 30, 30]], np.int32)
    _, class_ids, _, masks = build_detection_targets(
        box, np.array([1], np.int32), box, np.ones((64, 64, 1), bool), make_config()
    )
    assert class_ids.tolist() == [1] * 6
    assert masks[..., 1].min() > 0


def test_regions_of_exactly_half_overlap_serve_where_there_are_no_others():
    box, roi = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 10, 20]])
    assert compute_overlaps(roi, box)[0, 0] == 0.5
    _, class_ids, _, _ = build_detection_targets(
        roi, np.array([1], np.int32), box, np.ones((64, 64, 1), bool), make_config()
    )
    assert class_ids.tolist() == [0] * 6


def test_mini_masks_count_as_their_place_in_the_image():
    # A mini mask that is set all over is its box: a region half beside it sees half.
    config = make_config(USE_MINI_MASK=True, TRAIN_ROIS_PER_IMAGE=2, ROI_POSITIVE_RATIO=1.0)
    box = np.array([[0, 0, 20, 20]], np.int32)
    roi = np.array([[0, 0, 20, 32]], np.int32)
    _, class_ids, bboxes, masks = build_detection_targets(
        roi, np.array([1], np.int32), box, np.ones((8, 8, 1), bool), config
    )
    assert class_ids[0] == 1
    assert np.all(masks[0, 1:3, 1, 1] == 1) and not masks[0, :, 3, 1].any()
    np.testing.assert_allclose(
        bboxes[0, 1], [0, -6 / 32 / 0.1, 0, np.log(20 / 32) / 0.2], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("class_ids", "rois"),
    [([], 2), ([-1], 2), ([1], 0)],  # no instance, only a crowd, no region
)
def test_nothing_to_make_targets_of(class_ids, rois):
    count = len(class_ids)
    with pytest.raises(DatasetError, match="at least one instance and one region"):
        build_detection_targets(
            np.zeros((rois, 4), np.int32),
            np.array(class_ids, np.int32),
            np.zeros((count, 4), np.int32),
            np.zeros((64, 64, count), bool),
            make_config(),
        )
