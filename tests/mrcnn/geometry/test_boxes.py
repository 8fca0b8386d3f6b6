import numpy as np
import pytest

from mrcnn.geometry import boxes
from tests.support import golden, unpack

UTILS = golden("utils")


def random_boxes(count, seed, dtype=np.float64):
    values = np.random.default_rng(seed).uniform(0, 100, (count, 4))
    values[:, 2:] += values[:, :2]
    return values.astype(dtype)


def test_extract_bboxes_golden():
    masks = unpack(UTILS["masks_packed"], UTILS["masks_shape"])
    found = boxes.extract_bboxes(masks)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, UTILS["extract_bboxes"])


@pytest.mark.parametrize(
    ("shape", "pixels", "expected"),
    [
        # no instance
        ((4, 5, 0), [], np.zeros((0, 4))),
        # no image
        ((0, 0, 2), [], np.zeros((2, 4))),
        # an empty mask
        ((4, 5, 1), [], [[0, 0, 0, 0]]),
        # one pixel
        ((1, 1, 1), [(0, 0, 0)], [[0, 0, 1, 1]]),
        # two corners; the last column of an odd width
        ((4, 5, 1), [(0, 0, 0), (3, 4, 0)], [[0, 0, 4, 5]]),
        # instances do not mix
        ((6, 7, 2), [(2, 3, 0), (5, 6, 1)], [[2, 3, 3, 4], [5, 6, 6, 7]]),
    ],
)
def test_extract_bboxes(shape, pixels, expected):
    mask = np.zeros(shape, dtype=bool)
    for pixel in pixels:
        mask[pixel] = True
    np.testing.assert_array_equal(boxes.extract_bboxes(mask), expected)
    np.testing.assert_array_equal(boxes.extract_bboxes(mask.astype(np.uint8) * 7), expected)


def test_extract_bboxes_equals_nonzero():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 14, 3)) > 0.8
        for i, box in enumerate(boxes.extract_bboxes(mask)):
            y, x = np.nonzero(mask[..., i])
            tight = [y.min(), x.min(), y.max() + 1, x.max() + 1] if len(y) else [0] * 4
            assert box.tolist() == tight


def test_compute_iou_golden():
    box, others = UTILS["b2"][0], UTILS["b1"]
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    np.testing.assert_array_equal(
        boxes.compute_iou(box, others, area, areas), UTILS["compute_iou_b2_0_vs_b1"]
    )


def test_compute_overlaps_golden():
    found = boxes.compute_overlaps(UTILS["b1"], UTILS["b2"])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, UTILS["compute_overlaps"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int16])
def test_compute_overlaps_equals_one_by_one(dtype):
    """Many boxes, so that several blocks are computed; int16 areas would overflow."""
    boxes1, boxes2 = random_boxes(3000, 1, dtype), random_boxes(70, 2, dtype)
    found = boxes.compute_overlaps(boxes1, boxes2)
    wide = np.float64 if np.issubdtype(dtype, np.integer) else dtype
    boxes1, boxes2 = boxes1.astype(wide), boxes2.astype(wide)
    areas = (boxes1[:, 2] - boxes1[:, 0]) * (boxes1[:, 3] - boxes1[:, 1])
    for j, box in enumerate(boxes2):
        area = (box[2] - box[0]) * (box[3] - box[1])
        np.testing.assert_array_equal(found[:, j], boxes.compute_iou(box, boxes1, area, areas))


@pytest.mark.parametrize(
    ("box1", "box2", "iou"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1),
        # half of each
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        # a common edge is no overlap
        ([0, 0, 10, 10], [10, 0, 20, 10], 0),
        # no area, inside another
        ([5, 5, 5, 5], [0, 0, 10, 10], 0),
        # neither has an area
        ([5, 5, 5, 5], [5, 5, 5, 5], np.nan),
    ],
)
def test_compute_overlaps_of_two(box1, box2, iou):
    np.testing.assert_array_equal(boxes.compute_overlaps(np.array([box1]), np.array([box2])), iou)


@pytest.mark.parametrize(("n1", "n2"), [(0, 3), (3, 0), (0, 0)])
def test_compute_overlaps_of_none(n1, n2):
    assert boxes.compute_overlaps(np.zeros((n1, 4)), np.zeros((n2, 4))).shape == (n1, n2)


def test_compute_overlaps_masks_golden():
    found = boxes.compute_overlaps_masks(UTILS["ovm_m1"], UTILS["ovm_m2"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, UTILS["compute_overlaps_masks"])
    none = boxes.compute_overlaps_masks(UTILS["ovm_m1"][..., :0], UTILS["ovm_m2"])
    assert none.dtype == UTILS["compute_overlaps_masks_empty"].dtype
    assert none.shape == UTILS["compute_overlaps_masks_empty"].shape


def test_two_empty_masks_overlap_by_nan():
    empty = np.zeros((3, 3, 1), dtype=bool)
    assert np.isnan(boxes.compute_overlaps_masks(empty, empty)).all()


@pytest.mark.parametrize("percent", [10, 30, 50, 70])
def test_non_max_suppression_golden(percent):
    kept = boxes.non_max_suppression(UTILS["nms_boxes"], UTILS["nms_scores"], percent / 100)
    assert kept.dtype == np.int32
    np.testing.assert_array_equal(kept, UTILS[f"nms_keep_{percent}"])


def test_non_max_suppression_edges():
    assert boxes.non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []
    # An IoU of exactly the threshold is kept; of equal scores the later box comes first.
    pair = np.array([[0, 0, 10, 10], [0, 0, 10, 5]])
    assert boxes.non_max_suppression(pair, np.array([0.5, 0.5]), 0.5).tolist() == [1, 0]
    assert boxes.non_max_suppression(pair, np.array([0.5, 0.5]), 0.49).tolist() == [1]


def test_box_deltas_golden():
    # numpy's exp and log differ by the last bit of float32 between releases.
    moved = boxes.apply_box_deltas(UTILS["deltas_boxes"], UTILS["deltas"])
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, UTILS["apply_box_deltas"], rtol=1e-6, atol=1e-6)
    # the type of the deltas does not change the result's
    assert boxes.apply_box_deltas(UTILS["b1"], np.zeros((30, 4))).dtype == np.float32
    deltas = boxes.box_refinement(UTILS["deltas_boxes"], UTILS["refine_gt"])
    assert deltas.dtype == np.float32
    np.testing.assert_allclose(deltas, UTILS["box_refinement"], rtol=1e-6, atol=1e-6)


def test_box_refinement_is_undone_by_apply_box_deltas():
    grown = np.array([0, 0, 5, 5])
    start, target = random_boxes(20, 3) + grown, random_boxes(20, 4) + grown
    found = boxes.apply_box_deltas(start, boxes.box_refinement(start, target))
    np.testing.assert_allclose(found, target, atol=1e-4)
    empty = np.zeros((0, 4))
    assert boxes.apply_box_deltas(empty, empty).shape == (0, 4)
    assert boxes.box_refinement(empty, empty).shape == (0, 4)


def test_clip_boxes_golden():
    found = boxes.clip_boxes(UTILS["clip_boxes_in"], UTILS["clip_window"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, UTILS["clip_boxes"])
    # a window of whole numbers leaves the type alone
    assert boxes.clip_boxes(UTILS["clip_boxes_in"], (0, 0, 1, 1)).dtype == np.float32
    assert boxes.clip_boxes(np.zeros((0, 4)), (0, 0, 1, 1)).shape == (0, 4)


def test_norm_and_denorm_golden():
    norm = boxes.norm_boxes(UTILS["norm_in"], (480, 640))
    assert norm.dtype == np.float32
    np.testing.assert_array_equal(norm, UTILS["norm_boxes_480x640"])
    pixels = boxes.denorm_boxes(UTILS["denorm_in"], (480, 640))
    assert pixels.dtype == np.int32
    np.testing.assert_array_equal(pixels, UTILS["denorm_boxes_480x640"])


def test_norm_boxes_spans_pixel_centres():
    np.testing.assert_array_equal(
        boxes.norm_boxes(np.array([[0, 0, 5, 9]]), (5, 9)), [[0, 0, 1, 1]]
    )
    # without area, normalised: one pixel
    assert boxes.denorm_boxes(np.array([[0.5, 0.5, 0.5, 0.5]]), (5, 9)).tolist() == [[2, 4, 3, 5]]
    assert boxes.norm_boxes(np.zeros((0, 4)), (5, 9)).shape == (0, 4)
