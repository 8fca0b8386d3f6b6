import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from fashion.polygons.filling import (
    polygons_to_crop,
    polygons_to_mask,
    rle_to_mask,
    run_lengths_of,
)
from fashion.polygons.run_lengths import RunLengthError
from fashion.polygons.tracing import mask_to_polygons
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.geometry.masks import minimize_mask
from mrcnn.geometry.mini_masks import shrink_masks
from tests.support import shared

# pycocotools 2.0.10 and NumPy 2 do not agree on a keyword yet; nothing depends on it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def box(x1, y1, x2, y2):
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=float)


def filled(parts, height, width):
    mask = np.zeros((height, width), dtype=bool)
    for part in parts:
        mask |= polygons_to_mask([part.outline], part.holes, height, width)
    return mask


def iou(mask, other):
    return np.count_nonzero(mask & other) / np.count_nonzero(mask | other)


def modanet_instances():
    """(polygons [n, 2], the lists of the file, height, width) of every ModaNet instance."""
    data = json.loads(shared("modanet", "instances_val.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    for annotation in data["annotations"]:
        lists = annotation["segmentation"]
        outlines = [np.array(flat, dtype=float).reshape(-1, 2) for flat in lists]
        yield outlines, lists, *sizes[annotation["image_id"]]


# --- polygons to masks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("polygons", "holes", "pixels"),
    [
        ([box(2, 3, 6, 8)], [], 20),  # whole pixels: x 2 to 5, y 3 to 7
        ([box(2.4, 3.4, 6.4, 8.4)], [], 20),  # the centre of a pixel decides
        ([box(2.6, 3.4, 6.4, 8.4)], [], 15),
        ([box(0, 0, 2, 2), box(5, 5, 7, 7)], [], 8),  # two parts
        ([box(0, 0, 4, 4), box(2, 2, 6, 6)], [], 28),  # overlapping parts are united
        ([box(0, 0, 4, 4), box(0, 0, 4, 4)], [], 16),
        ([box(0, 0, 6, 6)], [box(1, 1, 3, 3)], 32),
        ([box(0, 0, 6, 6)], [box(1, 1, 3, 3), box(2, 2, 4, 4)], 29),  # overlapping holes
        ([box(0, 0, 6, 6)], [box(4, 4, 9, 9)], 32),  # a hole that sticks out
        ([box(0, 0, 6, 6)], [box(-1, -1, 9, 9)], 0),
        ([box(-5, -5, 3, 3)], [], 9),  # partly outside: clipped
        ([box(8, 8, 90, 90)], [], 4),
        ([box(-9, -9, 99, 99)], [], 100),
        ([box(20, 20, 30, 30)], [], 0),  # wholly outside
        ([box(2.1, 2.1, 2.4, 2.4)], [], 0),  # between the centres
        ([], [], 0),
        ([np.zeros((0, 2)), box(1, 1, 2, 2), box(1, 1, 2, 2)[:2]], [], 1),  # no area is nothing
    ],
)
def test_polygons_to_mask(polygons, holes, pixels):
    mask = polygons_to_mask(polygons, holes, 10, 10)
    assert mask.shape == (10, 10)
    assert mask.dtype == bool
    assert np.count_nonzero(mask) == pixels
    crop, (top, left) = polygons_to_crop(polygons, holes, 10, 10)
    assert (mask[top : top + crop.shape[0], left : left + crop.shape[1]] == crop).all()
    assert np.count_nonzero(crop) == pixels


def test_rows_are_y_and_columns_are_x():
    mask = polygons_to_mask([box(2, 3, 6, 8)], [], 10, 12)
    assert mask.shape == (10, 12)
    assert mask[3:8, 2:6].all()


def test_an_outline_that_crosses_itself_follows_the_even_odd_rule():
    bow_tie = np.array([[0, 0], [8, 8], [8, 0], [0, 8]], dtype=float)
    mask = polygons_to_mask([bow_tie], [], 8, 8)
    assert mask[4, 0]
    assert mask[4, 7]
    assert not mask[0, 4]
    assert not mask[7, 4]


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_pixels(size):
    assert polygons_to_mask([box(0, 0, 3, 3)], [], *size).shape == size


@pytest.mark.parametrize("far", [5e3, 1e6, 1e9, 1e300])
def test_far_points_cost_nothing_and_keep_the_part_inside(far):
    near = polygons_to_mask([box(-50, 3, 6, 60)], [], 40, 30)
    assert (polygons_to_mask([box(-far, 3, 6, far)], [], 40, 30) == near).all()
    hole = polygons_to_mask([box(0, 0, 30, 40)], [box(-far, -far, 6, far)], 40, 30)
    assert np.count_nonzero(hole) == 24 * 40
    assert not polygons_to_mask([box(far, far, 2 * far, 2 * far)], [], 40, 30).any()


def test_a_far_slanted_edge_is_cut_where_it_was():
    corner = np.array([[0, 0], [1e6, 0], [0, 1e6]], dtype=float)  # x + y < 1e6: all of the image
    assert polygons_to_mask([corner], [], 40, 30).all()
    wedge = np.array([[0, 0], [30000, 40000], [0, 40000]], dtype=float)  # y > 4/3 x
    y, x = np.mgrid[:40, :30] + 0.5
    assert iou(polygons_to_mask([wedge], [], 40, 30), y > x * 4 / 3) > 0.99


def test_masks_agree_with_pycocotools_on_all_of_modanet():
    worst, checked = 1.0, 0
    for outlines, lists, height, width in modanet_instances():
        expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(lists, height, width)))
        if expected.sum() > 100:
            mask = polygons_to_mask(outlines, [], height, width)
            worst, checked = min(worst, iou(mask, expected.astype(bool))), checked + 1
    assert checked > 5300
    assert worst > 0.99


# --- run lengths ----------------------------------------------------------------------------

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_run_lengths_give_the_mask_back(mask):
    rle = encode_mask(mask)
    json.dumps(rle)
    assert (rle_to_mask(rle) == mask).all()
    flat = mask.T.ravel()  # COCO counts down the columns, and starts with what is not set
    changes = np.flatnonzero(np.diff(flat.astype(int), prepend=0, append=2))
    counts = np.diff(changes, prepend=0).tolist()
    assert (rle_to_mask({"size": list(mask.shape), "counts": counts}) == mask).all()


@pytest.mark.parametrize("counts", [[5], [100], [-1, 13], []])
def test_run_lengths_of_another_size_are_refused(counts):
    with pytest.raises(ValueError, match="3 x 4"):
        rle_to_mask({"size": [3, 4], "counts": counts})


# --- mini masks -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=80)), max_size=4),
    st.sampled_from([(56, 56), (28, 28), (7, 5)]),
)
def test_mini_masks_equal_those_of_full_size_masks(crops, mini_shape):
    minis = shrink_masks(crops, mini_shape)
    assert minis.shape == (len(crops), *mini_shape)
    for mini, crop in zip(minis, crops, strict=True):
        whole = np.array([[0, 0, *crop.shape]])
        assert (mini == minimize_mask(whole, crop[:, :, None], mini_shape)[:, :, 0]).all()


# --- masks to polygons ----------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_tolerance_0_gives_every_mask_back(mask):
    parts = mask_to_polygons(mask, 0, minimum_area=0)
    assert (filled(parts, *mask.shape) == mask).all()


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_every_polygon_can_be_used(mask):
    for tolerance in (None, 0.5, 3.0, 50.0):
        for part in mask_to_polygons(mask, tolerance, minimum_area=0):
            for points in (part.outline, *part.holes):
                assert points.dtype == np.float64
                assert points.shape[1] == 2
                assert len(points) >= 3
                assert np.isfinite(points).all()


def test_one_pixel_and_the_whole_image():
    one = np.zeros((5, 6), dtype=bool)
    one[2, 3] = True
    ((outline, holes),) = mask_to_polygons(one, 0, minimum_area=0)
    assert sorted(map(tuple, outline)) == [(3, 2), (3, 3), (4, 2), (4, 3)]
    assert holes == []
    assert (filled(mask_to_polygons(one, minimum_area=0), 5, 6) == one).all()
    whole = np.ones((50, 60), dtype=bool)
    ((outline, _),) = mask_to_polygons(whole)
    assert len(outline) <= 8
    assert (filled(mask_to_polygons(whole), 50, 60) == whole).all()


@pytest.mark.parametrize("shape", [(0, 0), (5, 0), (1, 1), (5, 6)])
def test_an_empty_mask_has_no_polygon(shape):
    assert mask_to_polygons(np.zeros(shape, dtype=bool)) == []


def test_any_number_that_is_not_0_is_in():
    mask = np.zeros((20, 20), dtype=bool)
    mask[4:15, 3:12] = True
    for values in (mask.astype(np.uint8) * 255, mask * 0.25, mask.astype(int) * 256):
        assert (filled(mask_to_polygons(values), 20, 20) == mask).all()


def test_parts_come_largest_first_with_their_own_holes():
    mask = np.zeros((60, 60), dtype=bool)
    mask[2:12, 2:12] = True
    mask[20:55, 20:55] = True
    mask[5:8, 5:8] = False
    mask[30:40, 30:40] = False
    mask[42:45, 42:45] = False
    mask[33:36, 33:36] = True  # an island in a hole is a part of its own
    parts = mask_to_polygons(mask, 0)
    assert [len(part.holes) for part in parts] == [2, 1, 0]
    assert (filled(parts, 60, 60) == mask).all()
    assert iou(filled(mask_to_polygons(mask), 60, 60), mask) > 0.98


def test_small_parts_and_holes_are_dropped():
    mask = np.zeros((40, 40), dtype=bool)
    mask[5:25, 5:25] = True
    mask[10:12, 10:12] = False
    mask[30:33, 30:33] = True
    assert [len(part.holes) for part in mask_to_polygons(mask, minimum_area=4)] == [1, 0]
    assert [len(part.holes) for part in mask_to_polygons(mask, minimum_area=5)] == [0, 0]
    assert [len(part.holes) for part in mask_to_polygons(mask, minimum_area=10)] == [0]
    assert mask_to_polygons(mask, minimum_area=1000) == []


def test_pixels_that_touch_at_a_corner_are_one_part():
    mask = np.zeros((8, 8), dtype=bool)
    mask[1:4, 1:4] = True
    mask[4:7, 4:7] = True
    parts = mask_to_polygons(mask, 0)
    assert len(parts) == 1
    assert (filled(parts, 8, 8) == mask).all()


def test_straight_edges_are_found_to_a_fraction_of_a_pixel():
    triangle = np.array([[10.0, 12.0], [171.0, 40.0], [60.0, 180.0]])
    mask = polygons_to_mask([triangle], [], 200, 200)
    ((outline, _),) = mask_to_polygons(mask)
    distances = np.linalg.norm(outline[:, None] - triangle[None], axis=2)
    assert distances.min(axis=0).max() < 1.0  # each true corner has a point beside it
    x, y = outline.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == pytest.approx(np.count_nonzero(mask), rel=0.002)


def test_more_tolerance_means_fewer_points():
    y, x = np.mgrid[:200, :200]
    disc = (x - 100) ** 2 + (y - 90) ** 2 < 70**2
    counts = [len(mask_to_polygons(disc, t)[0].outline) for t in (0, 0.4, 0.8, 2.0, 5.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[1]
    assert iou(filled(mask_to_polygons(disc, 0.8), 200, 200), disc) > 0.99


def test_modanet_masks_survive_as_polygons_of_few_points():
    ious, points = [], []
    for outlines, _, height, width in modanet_instances():
        mask, _ = polygons_to_crop(outlines, [], height, width)
        if np.count_nonzero(mask) > 400:
            framed = np.pad(mask, 3)
            parts = mask_to_polygons(framed)
            ious.append(iou(filled(parts, *framed.shape), framed))
            points.append(sum(len(p.outline) + sum(map(len, p.holes)) for p in parts))
    assert len(ious) > 5000
    assert np.mean(ious) >= 0.99
    assert np.min(ious) >= 0.97
    assert np.mean(points) <= 60


def test_polygons_become_run_lengths():
    made = run_lengths_of([[2, 2, 6, 2, 6, 5, 2, 5], [0, 0, 1, 0, 1, 1, 0, 1]], 8, 10)
    expected = np.zeros((8, 10), bool)
    expected[2:5, 2:6] = expected[0, 0] = True
    assert np.array_equal(coco_mask.decode(made), expected)


GOOD = encode_mask(np.eye(5, 8, dtype=bool))


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ({**GOOD, "size": [8, 5]}, "size"),
        ({**GOOD, "size": None}, "size"),
        ({**GOOD, "counts": GOOD["counts"][:-1]}, "add up"),
        ({**GOOD, "counts": GOOD["counts"] + "3"}, "add up"),
        ({**GOOD, "counts": GOOD["counts"] + "P"}, "not compressed text"),  # ends within a run
        ({**GOOD, "counts": "P" * 30 + "0"}, "not compressed text"),
        ({**GOOD, "counts": "ü!"}, "not compressed text"),
        ({**GOOD, "counts": ""}, "add up"),
        ({**GOOD, "counts": [40, -5, 5]}, "add up"),
        ({**GOOD, "counts": [39]}, "add up"),
        ({**GOOD, "counts": [1.5, 38.5]}, "whole numbers"),
        ({**GOOD, "counts": [10**30]}, "whole numbers"),
        ({**GOOD, "counts": None}, "whole numbers"),
        ({"size": [5, 8]}, "neither polygons"),
        ("text", "neither polygons"),
        ([[1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "three points"),
        ([1, 2, 3, 4, 5, 6], "three points"),
        ([[1, 2, 3, 4, "a", 6]], "three points"),
    ],
)
def test_segmentations_that_cannot_be_used(segmentation, expected):
    with pytest.raises(RunLengthError, match=expected):
        run_lengths_of(segmentation, 5, 8)
