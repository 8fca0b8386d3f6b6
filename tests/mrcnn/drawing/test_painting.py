import colorsys

import cv2
import numpy as np
import pytest

from mrcnn.drawing import painting
from mrcnn.errors import UserError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def grey(height=60, width=80, level=100):
    return np.full((height, width, 3), level, np.uint8)


def one_mask(height, width, *boxes):
    """bool [height, width, N]: one filled rectangle [y1, x1, y2, x2] for each mask."""
    masks = np.zeros((height, width, len(boxes)), bool)
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, index] = True
    return masks


def result(height, width, *boxes, scores=None):
    found = {
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "class_ids": np.arange(1, 1 + len(boxes), dtype=np.int32),
        "masks": one_mask(height, width, *boxes),
    }
    if scores is not None:
        found["scores"] = np.array(scores, np.float32)
    return found


EMPTY = {
    "rois": np.zeros((0, 4), np.int32),
    "class_ids": np.zeros(0, np.int32),
    "scores": np.zeros(0, np.float32),
    "masks": np.zeros((60, 80, 0)),  # float64, as detect gives it where nothing is found
}


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7)),  # grey without channels
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 4), (1, 2, 3, 9), np.uint8), (1, 2, 3)),  # alpha is dropped
        (np.ones((2, 3), bool), (255, 255, 255)),
        (np.full((2, 3, 3), (-5.0, 99.7, 300.0)), (0, 99, 255)),  # clipped, not wrapped round
        (np.full((2, 3, 3), np.nan), (0, 0, 0)),
        (np.full((2, 3, 3), 255, np.int64), (255, 255, 255)),
    ],
)
def test_every_usual_image_becomes_rgb(image, pixel):
    rgb = painting.as_rgb(image)
    assert rgb.shape == (2, 3, 3) and rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    assert (rgb == pixel).all()


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 3, 1), (0, 4, 3)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(UserError, match="cannot draw on an array of this shape"):
        painting.as_rgb(np.zeros(shape))


def test_class_colours_are_stable_and_differ():
    colours = [painting.class_colour(class_id) for class_id in range(1, 81)]
    assert len(set(colours)) == 80
    assert colours == [painting.class_colour(np.int32(class_id)) for class_id in range(1, 81)]
    assert all(type(channel) is int and 0 <= channel <= 255 for c in colours for channel in c)
    lab = cv2.cvtColor(np.float32([colours[:20]]) / 255, cv2.COLOR_RGB2LAB)[0]
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1e3 * np.eye(20)
    assert distance.min() > 20  # ten times what the eye can distinguish side by side


def test_background_and_crowds_are_grey():
    for class_id in (0, -3):
        assert colorsys.rgb_to_hsv(*painting.class_colour(class_id))[1] == 0


def test_overlay_blends_inside_the_mask_only():
    image = grey()
    painted = painting.overlay_masks(image, one_mask(60, 80, (10, 20, 30, 40)), [RED], alpha=0.5)
    inside = np.zeros((60, 80), bool)
    inside[10:30, 20:40] = True
    assert (painted[inside] == (178, 50, 50)).all()  # half of 100 and half of 255, 0, 0
    assert (painted[~inside] == 100).all()
    assert (image == 100).all()  # not in place


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_overlay_equals_the_plain_formula(alpha):
    random = np.random.default_rng(4)
    image = random.integers(0, 256, (37, 23, 3), dtype=np.uint8)
    masks = random.random((37, 23, 3)) < 0.3
    masks[..., 1] = False  # an instance without a pixel
    colours = [RED, GREEN, (10, 200, 77)]
    expected = image
    for index, colour in enumerate(colours):
        blend = np.rint(expected * (1 - alpha) + np.array(colour) * alpha).astype(np.uint8)
        expected = np.where(masks[..., index : index + 1], blend, expected)
    assert np.array_equal(painting.overlay_masks(image, masks, colours, alpha), expected)


@pytest.mark.parametrize(
    "box", [(5, 7, 6, 8), (0, 0, 1, 80), (0, 79, 60, 80), (59, 79, 60, 80), (0, 0, 60, 80)]
)
def test_overlay_of_single_pixels_and_lines(box):
    masks = one_mask(60, 80, box)
    painted = painting.overlay_masks(grey(), masks, [RED], alpha=1)
    assert np.array_equal((painted == RED).all(axis=-1), masks[..., 0])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_masks_of_other_types_count_as_set_where_not_zero(dtype):
    masks = one_mask(60, 80, (5, 7, 16, 18)).astype(dtype)
    painted = painting.overlay_masks(grey(), masks, [RED], alpha=1)
    assert np.array_equal((painted == RED).all(axis=-1), masks[..., 0] != 0)
    assert len(painting.mask_outlines(masks[..., 0])) == 1


def test_later_masks_lie_on_top():
    masks = one_mask(60, 80, (0, 0, 60, 80), (10, 10, 20, 20))
    painted = painting.overlay_masks(grey(), masks, [RED, BLUE], alpha=1)
    assert tuple(painted[15, 15]) == BLUE and tuple(painted[40, 40]) == RED


def test_outlines_of_parts_and_holes():
    mask = one_mask(20, 20, (2, 3, 10, 12))[..., 0]
    mask[4:7, 6:9] = False
    mask[15:18, 15:18] = True
    outlines = painting.mask_outlines(mask)
    assert len(outlines) == 3  # two parts and a hole
    outer = next(points for points in outlines if {3, 11} <= set(points[:, 0].tolist()))
    assert outer.min(axis=0).tolist() == [3, 2] and outer.max(axis=0).tolist() == [11, 9]
    assert painting.mask_outlines(np.zeros((5, 5), bool)) == []
    assert painting.mask_outlines(np.ones((1, 1), bool))[0].tolist() == [[0, 0]]


def test_contours_stay_near_the_border():
    drawn = painting.draw_contours(grey(), one_mask(60, 80, (10, 20, 30, 50)), [RED], thickness=1)
    changed = (drawn != 100).any(axis=-1)
    assert changed[10, 20:50].all() and changed[29, 20:50].all()
    assert not changed[13:27, 23:47].any() and not changed[:8].any() and not changed[32:].any()


def test_a_box_is_drawn_just_inside_its_border():
    drawn = painting.draw_boxes(grey(), np.array([[10, 20, 30, 50]]), [GREEN], thickness=1)
    border = np.zeros((60, 80), bool)
    border[10:30, 20:50] = True
    border[11:29, 21:49] = False  # y2 and x2 are exclusive
    assert np.array_equal((drawn == GREEN).all(axis=-1), border)


@pytest.mark.parametrize(
    "box",
    [
        [10, 10, 10, 30],  # no height
        [30, 10, 20, 20],  # upside down
        [0, 0, 0, 0],
        [-40, 5, -10, 20],  # above the image
        [70, 90, 80, 99],  # right below it
    ],
)
def test_a_box_that_cannot_be_seen_is_left_out(box):
    assert (painting.draw_boxes(grey(), np.array([box]), [GREEN]) == 100).all()


def test_a_box_beyond_the_image_is_cut_and_not_moved():
    drawn = painting.draw_boxes(grey(), np.array([[-1000, 20, 100_000, 50]]), [GREEN], thickness=1)
    columns = np.flatnonzero((drawn == GREEN).all(axis=-1).all(axis=0))
    assert columns.tolist() == [20, 49]


def test_lines_and_letters_grow_with_the_image():
    small, large = painting.style_for(400, 600), painting.style_for(3000, 4000)
    assert all(a < b for a, b in zip(small, large, strict=True))
    assert min(painting.style_for(1, 1)) >= 1


@pytest.mark.parametrize("shape", [(60, 80), (1, 1), (1, 50), (600, 400), (3, 2000)])
def test_detections_keep_the_size_of_the_image(shape):
    image = np.zeros((*shape, 3), np.uint8)
    found = result(*shape, (0, 0, *shape), scores=[0.9])
    drawn = painting.draw_detections(image, found, ["BG", "top"])
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert drawn.any() and not image.any()


def test_nothing_found_leaves_the_image():
    assert (painting.draw_detections(grey(), EMPTY, ["BG", "top"]) == 100).all()


def test_small_instances_lie_on_large_ones():
    found = result(60, 80, (20, 20, 30, 30), (0, 0, 60, 80), scores=[0.9, 0.8])
    colours = {1: RED, 2: BLUE}
    drawn = painting.draw_detections(
        grey(),
        found,
        ["BG", "belt", "dress"],
        colours,
        alpha=1,
        show_boxes=False,
        show_labels=False,
    )
    assert tuple(drawn[25, 25]) == RED and tuple(drawn[50, 50]) == BLUE


def test_parts_can_be_left_out():
    found = result(60, 80, (20, 20, 50, 60), scores=[0.9])
    hidden = dict.fromkeys(["show_masks", "show_boxes", "show_labels"], False)
    assert (painting.draw_detections(grey(), found, ["BG", "top"], **hidden) == 100).all()
    for name in hidden:
        shown = painting.draw_detections(grey(), found, ["BG", "top"], **{**hidden, name: True})
        assert (shown != 100).any()


def test_results_without_masks_or_scores_are_drawn():
    found = result(60, 80, (20, 20, 50, 60))
    del found["masks"]
    assert (painting.draw_detections(grey(), found, ["BG", "top"]) != 100).any()


def test_captions():
    ids, names = np.array([2, 1, 9]), ["BG", "bag", "belt"]
    assert painting.caption_texts(ids, None, names) == ["belt", "bag", "class 9"]
    scores = np.array([0.987, 0.5, 1], np.float32)
    mapping = {1: "bag", 2: "belt"}
    expected = ["belt 0.99", "bag 0.50", "class 9 1.00"]
    assert painting.caption_texts(ids, scores, mapping) == expected
    assert painting.name_of(-1, names) == "class -1"  # not the last one


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        (None, painting.class_colour(2)),
        ({2: BLUE}, BLUE),
        ({1: BLUE}, painting.class_colour(2)),
        ([RED, GREEN, BLUE], BLUE),
        ([RED, GREEN], painting.class_colour(2)),
        (np.array([RED, GREEN, BLUE]), BLUE),
    ],
)
def test_colour_tables(colours, expected):
    assert painting.colour_of(np.int32(2), colours) == expected


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"masks": np.zeros((10, 10, 1), bool)}, (10, 10, 1)),
        ({"masks": np.zeros((60, 80, 2), bool)}, "1 boxes and 2 masks"),
        (
            {"class_ids": np.array([1, 2]), "scores": np.ones(2)},
            "1 boxes, 2 class ids and 2 captions",
        ),
        ({"rois": np.zeros((1, 5))}, (1, 5)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, found):
    given = result(60, 80, (20, 20, 50, 60), scores=[0.9]) | change
    with pytest.raises(UserError) as caught:
        painting.draw_detections(grey(), given, ["BG", "top", "bag"])
    assert caught.value.found == found


def test_a_drawing_is_made_at_the_size_that_is_seen():
    image, mask = np.full((40, 60, 3), 90, np.uint8), np.ones((40, 60, 1), bool)
    result = {"rois": np.array([[0, 0, 40, 60]]), "class_ids": np.array([1]), "masks": mask}
    small, shown = painting.smaller_detections(image, result, 30)
    assert small.shape == (20, 30, 3) and shown["masks"].shape == (20, 30, 1)
    assert shown["rois"].tolist() == [[0, 0, 20, 30]] and shown["class_ids"] is result["class_ids"]
    same, unchanged = painting.smaller_detections(image, result, 60)
    assert same is image and unchanged is result
