"""Anchor matching: the measured labels, and the quick way equal to the plain way."""

import types

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrcnn.data.anchor_matching import AnchorIndex, build_rpn_targets
from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps
from tests.support import golden, info

STRIDES = (4, 8, 16, 32, 64)
SCALES = (32, 64, 128, 256, 512)
RATIOS = (0.5, 1, 2)
EVERYTHING = types.SimpleNamespace(
    RPN_TRAIN_ANCHORS_PER_IMAGE=10**6, RPN_BBOX_STD_DEV=np.array([0.1, 0.1, 0.2, 0.2])
)


def feature_shapes(height, width):
    return [(-(-height // stride), -(-width // stride)) for stride in STRIDES]


def pyramid(height, width):
    shapes = feature_shapes(height, width)
    anchors = generate_pyramid_anchors(SCALES, RATIOS, shapes, STRIDES, 1)
    return anchors, AnchorIndex.build(anchors, shapes)


def plain_labels(anchors, class_ids, boxes):
    """The definition, word by word, over the whole matrix of overlaps."""
    no_crowd = np.ones(len(anchors), bool)
    if np.any(class_ids < 0):
        no_crowd = compute_overlaps(anchors, boxes[class_ids < 0]).max(axis=1) < 0.001
        boxes = boxes[class_ids > 0]
    overlaps = compute_overlaps(anchors, boxes)
    best_of_anchor = overlaps.max(axis=1, initial=0.0)
    labels = np.zeros(len(anchors), np.int32)
    labels[(best_of_anchor < 0.3) & no_crowd] = -1
    if len(boxes):
        labels[(overlaps == overlaps.max(axis=0)).any(axis=1)] = 1
    labels[best_of_anchor >= 0.7] = 1
    return labels


def settings_of(data, anchors_per_image=None):
    config = types.SimpleNamespace(**info(data, "config_json"))
    if anchors_per_image is not None:
        config.RPN_TRAIN_ANCHORS_PER_IMAGE = anchors_per_image
    return config


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("way", ["near", "all"])
@pytest.mark.parametrize(
    ("case", "anchors_per_image", "seed"),
    [
        ("full", 32736, None),  # nothing is subsampled
        ("seeded", 256, 1234),  # negatives are subsampled
        ("small8", 8, 99),  # positives, too
    ],
)
def test_labels_and_deltas_are_the_measured_ones(image, way, case, anchors_per_image, seed):
    data = golden("build_rpn_targets")
    anchors = data["anchors"]
    index = AnchorIndex.build(anchors, feature_shapes(256, 256)) if way == "near" else None
    random = np.random.RandomState(None if seed is None else seed + image)
    match, bbox = build_rpn_targets(
        (256, 256, 3),
        anchors,
        data[f"gt_class_ids_{image}"],
        data[f"gt_boxes_{image}"],
        settings_of(data, anchors_per_image),
        random,
        index,
    )
    assert match.dtype == np.int32 and bbox.dtype == np.float64
    np.testing.assert_array_equal(match, data[f"{case}_match_{image}"])
    expected = data[f"{case}_bbox_{image}"]
    assert bbox.shape == (anchors_per_image, 4)
    np.testing.assert_allclose(bbox[: len(expected)], expected, rtol=0, atol=1e-12)
    assert not bbox[len(expected) :].any()


def test_draws_from_the_module_by_default():
    data = golden("build_rpn_targets")
    np.random.seed(1234)
    match, _ = build_rpn_targets(
        None, data["anchors"], data["gt_class_ids_0"], data["gt_boxes_0"], settings_of(data, 256)
    )
    np.testing.assert_array_equal(match, data["seeded_match_0"])


# Sides from one pixel to larger than the image, places from far outside to inside.
BOX = st.tuples(
    st.integers(-80, 260),
    st.integers(-80, 200),
    st.one_of(st.integers(1, 12), st.integers(1, 300)),
    st.one_of(st.integers(1, 12), st.integers(1, 300)),
).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])
INSTANCES = st.lists(st.tuples(BOX, st.sampled_from([1, 2, 2, 5, -2])), max_size=8)


@settings(max_examples=100, deadline=None)
@given(INSTANCES)
@example([([0, 0, 192, 256], 1)])  # the whole image
@example([([64, 64, 96, 96], 1), ([64, 64, 96, 96], 2)])  # two equal boxes on an anchor
@example([([10, 10, 42, 42], 1)])  # between two anchors: a tie
@example([([900, 900, 910, 910], 1)])  # touches no anchor: all others become positive
@example([([900, 900, 910, 910], 1), ([20, 20, 90, 90], 2)])
@example([([0, 0, 100, 100], -1)])  # nothing but a crowd
@example([([0, 0, 100, 100], -1), ([0, 0, 100, 100], 1)])
@example([([100, 100, 101, 101], 3)])  # one pixel
@example([])
def test_looking_near_the_boxes_equals_looking_everywhere(instances):
    anchors, index = pyramid(192, 256)
    boxes = np.array([box for box, _ in instances], np.int32).reshape(-1, 4)
    class_ids = np.array([class_id for _, class_id in instances], np.int32)
    expected = plain_labels(anchors, class_ids, boxes)
    near = build_rpn_targets(None, anchors, class_ids, boxes, EVERYTHING, index=index)
    everywhere = build_rpn_targets(None, anchors, class_ids, boxes, EVERYTHING)
    np.testing.assert_array_equal(near[0], expected)
    np.testing.assert_array_equal(everywhere[0], expected)
    np.testing.assert_array_equal(near[1], everywhere[1])


@settings(max_examples=40, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.floats(-20, 150), st.floats(-20, 150), st.floats(0, 90), st.floats(0, 90)).map(
            lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_boxes_of_broken_pixels_and_without_area_too(boxes):
    anchors, index = pyramid(128, 128)
    boxes = np.array(boxes)
    class_ids = np.ones(len(boxes), np.int32)
    with np.errstate(divide="ignore"):  # the size of a box without area has no logarithm
        match, _ = build_rpn_targets(None, anchors, class_ids, boxes, EVERYTHING, index=index)
    np.testing.assert_array_equal(match, plain_labels(anchors, class_ids, boxes))


def settings_with(anchors_per_image):
    return types.SimpleNamespace(
        RPN_TRAIN_ANCHORS_PER_IMAGE=anchors_per_image, RPN_BBOX_STD_DEV=np.full(4, 0.5)
    )


@pytest.mark.parametrize(
    "random", [np.random.RandomState(3), np.random.default_rng(3)], ids=["state", "generator"]
)
def test_half_of_the_anchors_at_most_are_positive(random):
    anchors, index = pyramid(128, 128)
    # Several equal boxes on anchors, so that more than four are positive.
    boxes = np.array([[48, 48, 80, 80], [32, 32, 96, 96], [16, 16, 80, 80]], np.int32)
    match, bbox = build_rpn_targets(
        None, anchors, np.array([1, 1, 1]), boxes, settings_with(8), random, index
    )
    assert np.sum(match == 1) == 4 and np.sum(match == -1) == 4
    assert bbox.shape == (8, 4) and not bbox[4:].any()
    full, _ = build_rpn_targets(None, anchors, np.array([1, 1, 1]), boxes, EVERYTHING, index=index)
    assert np.all(full[match == 1] == 1) and np.all(full[match == -1] == -1)


def test_deltas_belong_to_the_positive_anchors_in_their_order():
    anchors, index = pyramid(128, 128)
    boxes = np.array([[40, 30, 71, 66], [5, 60, 60, 120]], np.int32)
    config = settings_with(64)
    match, bbox = build_rpn_targets(None, anchors, np.array([1, 2]), boxes, config, index=index)
    for row, anchor in enumerate(anchors[match == 1]):
        box = boxes[np.argmax(compute_overlaps(anchor[None], boxes))]
        size, box_size = anchor[2:] - anchor[:2], box[2:] - box[:2]
        shift = (box[:2] + box[2:] - anchor[:2] - anchor[2:]) / 2 / size
        expected = np.concatenate([shift, np.log(box_size / size)]) / 0.5
        np.testing.assert_allclose(bbox[row], expected, atol=1e-9)


def test_without_instances_every_anchor_may_be_negative():
    anchors, index = pyramid(64, 64)
    nothing = np.zeros(0, np.int32), np.zeros((0, 4), np.int32)
    match, bbox = build_rpn_targets(None, anchors, *nothing, settings_with(20), index=index)
    assert np.sum(match == -1) == 20 and np.sum(match == 1) == 0
    assert not bbox.any()


@pytest.mark.parametrize(
    ("anchors", "shapes"),
    [
        (np.zeros((0, 4)), [(1, 1)]),  # none at all
        (np.zeros((7, 4)), [(2, 2)]),  # not the same number for each cell
        (np.random.RandomState(0).uniform(0, 50, (12, 4)), [(2, 2)]),  # not on a grid
        (np.zeros((12, 4)), [(2, 2)]),  # without area
    ],
)
def test_anchors_of_another_layout_have_no_index(anchors, shapes):
    assert AnchorIndex.build(anchors, shapes) is None


def test_one_pixel_image_has_an_index():
    anchors, index = pyramid(1, 1)
    assert len(anchors) == 15 and index.count == 15
