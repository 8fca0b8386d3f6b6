"""Persons who are small in an image are cut out and detected on again."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.inference.closer_look import MOST_PERSONS, CloserLook, cut_through, halves, shares_inside

PERSON, SHIRT, SHOE = 3, 1, 2
CONFIG = SimpleNamespace(IMAGE_SHAPE=(448, 320, 3), DETECTION_NMS_THRESHOLD=0.4)


def result_of(shape, *rows):
    """Rows `(class id, score, [y1, x1, y2, x2])` as `MaskRCNN.detect` gives them, masks full."""
    masks = np.zeros((len(rows), *shape[:2]), bool)
    for mask, (_, _, (y1, x1, y2, x2)) in zip(masks, rows, strict=True):
        mask[y1:y2, x1:x2] = True
    return {
        "rois": np.array([box for *_, box in rows], np.int32).reshape(-1, 4),
        "class_ids": np.array([number for number, *_ in rows], np.int32),
        "scores": np.array([score for _, score, _ in rows], np.float32),
        "masks": np.moveaxis(masks, 0, -1),
    }


class Scripted:
    """A model with given results; it records the shapes of what it was shown."""

    config = CONFIG

    def __init__(self, *results):
        self.results, self.seen = list(results), []

    def detect(self, images, *, soft_masks=False):
        found = []
        for image in images:
            self.seen.append(image.shape[:2])
            one = result_of(image.shape, *self.results.pop(0))
            if soft_masks:
                scores = one["scores"]
                one["soft_masks"] = np.broadcast_to(scores[:, None, None], (len(scores), 2, 2))
            found.append(one)
        return found


def picture(height=800, width=1100):
    return np.zeros((height, width, 3), np.uint8)


SMALL = (PERSON, 0.8, [200, 300, 500, 400])  # its cut-out: 24 pixels more on each side


def rows_of(found):
    columns = found["class_ids"], found["scores"].round(3), found["rois"]
    return [(int(c), round(float(s), 3), box.tolist()) for c, s, box in zip(*columns, strict=True)]


def test_a_small_person_is_looked_at_again_and_garments_come_back_to_their_place():
    closer = [(SHIRT, 0.9, [60, 30, 160, 110]), (PERSON, 0.99, [24, 24, 324, 124])]
    model = Scripted([SMALL, (SHIRT, 0.75, [240, 310, 330, 380])], closer)
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture()])
    assert model.seen == [(800, 1100), (348, 148)]
    assert rows_of(found) == [(SHIRT, 0.9, [236, 306, 336, 386])]
    assert found["masks"].shape == (800, 1100, 1)
    assert np.argwhere(found["masks"][..., 0]).min(0).tolist() == [236, 306]
    assert found["masks"].sum() == 100 * 80


def test_what_is_elsewhere_in_the_image_stays():
    bag = (SHOE, 0.9, [100, 900, 200, 1000])
    model = Scripted([SMALL, bag], [])
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture()])
    assert rows_of(found) == [bag]


def test_a_person_who_fills_the_image_is_not_looked_at_again():
    rows = [(PERSON, 0.9, [50, 300, 780, 600]), (SHIRT, 0.8, [100, 320, 300, 500])]
    model = Scripted(rows)
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture(800, 600)])
    assert len(model.seen) == 1
    assert rows_of(found) == rows[1:]


def test_half_a_figure_is_not_looked_at_again():
    model = Scripted([(PERSON, 0.9, [500, 300, 650, 400])])
    CloserLook(model, PERSON, 0.7).detect([picture()])
    assert len(model.seen) == 1


def test_unlikely_persons_are_not_looked_at():
    model = Scripted([(PERSON, 0.4, SMALL[2]), (SHIRT, 0.6, [240, 310, 330, 380])])
    CloserLook(model, PERSON, 0.2).detect([picture()])
    assert len(model.seen) == 1


def test_people_too_small_to_be_found_are_looked_for_in_parts_of_the_image():
    person = (PERSON, 0.7, [100, 100, 400, 200])  # in the part at the lower right
    again = (PERSON, 0.6, [545, 425, 845, 525])  # the same one, in the middle
    parts = [[], [], [], [person], [again]]
    model = Scripted([], *parts, [(SHIRT, 0.9, [60, 30, 160, 110])])
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture(1800, 1300)])
    assert model.seen == [(1800, 1300), *[(910, 650)] * 5, (348, 148)]
    assert rows_of(found) == [(SHIRT, 0.9, [1026, 756, 1126, 836])]


@pytest.mark.parametrize("rows", [[(SHIRT, 0.6, [0, 0, 9, 9])], []], ids=["likely", "small"])
def test_parts_are_looked_at_only_if_nothing_is_found_and_they_have_the_pixels(rows):
    model = Scripted(rows)
    CloserLook(model, PERSON, 0.7).detect([picture(1800, 1300) if rows else picture(800, 600)])
    assert len(model.seen) == 1


def test_a_wide_image_is_looked_at_in_three_parts_whatever_was_found():
    boxes = halves((800, 3000, 3), 2 * 320 / 3000, (448, 320, 3))
    assert boxes == [(0, 0, 800, 1500), (0, 1500, 800, 3000), (0, 750, 800, 2250)]
    bag = (SHOE, 0.9, [100, 900, 200, 1000])
    model = Scripted([bag, SMALL], [], [(PERSON, 0.9, [100, 300, 500, 400])], [], [], [bag])
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture(800, 3000)])
    assert model.seen == [(800, 3000), *[(800, 1500)] * 3, (464, 164), (348, 148)]
    assert rows_of(found)[0] == bag


def test_at_most_so_many_persons_are_looked_at_the_largest_first():
    crowd = [(PERSON, 0.9, [100, 60 * n, 200 + n, 60 * n + 50]) for n in range(MOST_PERSONS + 3)]
    model = Scripted(crowd, *[[]] * MOST_PERSONS)
    CloserLook(model, PERSON, 0.7).detect([picture()])
    heights = [height for height, _ in model.seen[1:]]
    assert len(heights) == MOST_PERSONS
    assert heights == sorted(heights, reverse=True)


def test_persons_are_returned_where_they_are_wanted_and_scores_below_the_minimum_are_not():
    rows = [(PERSON, 0.6, [0, 0, 800, 600]), (SHIRT, 0.55, [0, 0, 100, 100])]
    unseen, seen = (CloserLook(Scripted(rows), PERSON, least, True) for least in (0.7, 0.5))
    assert unseen.detect([picture(800, 600)])[0]["scores"].tolist() == []
    assert rows_of(seen.detect([picture(800, 600)])[0]) == rows
    assert (CloserLook.least_score(0.7), CloserLook.least_score(0.2)) == (0.5, 0.2)


def test_the_person_of_the_first_look_remains_if_the_closer_one_finds_none():
    (found,) = CloserLook(Scripted([SMALL], []), PERSON, 0.7, True).detect([picture()])
    assert rows_of(found) == [SMALL]


def test_what_two_looks_find_is_reported_once_and_cut_off_neighbours_not_at_all():
    left, right = [200, 300, 500, 400], [200, 400, 500, 500]
    shirt, half = [100, 44, 180, 104], [60, 128, 160, 148]
    model = Scripted(
        [(PERSON, 0.9, left), (PERSON, 0.8, right)],
        [(SHIRT, 0.9, shirt), (SHIRT, 0.85, half)],  # half of the neighbour's
        [(SHIRT, 0.8, [100, 24, 180, 54]), (SHOE, 0.95, [300, 50, 320, 90])],
    )
    (found,) = CloserLook(model, PERSON, 0.7).detect([picture()])
    assert rows_of(found) == [
        (SHOE, 0.95, [476, 426, 496, 466]),
        (SHIRT, 0.9, [276, 320, 356, 380]),
        (SHIRT, 0.8, [276, 400, 356, 430]),
    ]


def test_soft_masks_and_several_images_keep_their_order():
    bag = (SHOE, 0.9, [100, 900, 200, 1000])
    model = Scripted([bag], [SMALL], [SMALL], [(SHIRT, 0.9, [60, 30, 160, 110])], [])
    once, first, second = CloserLook(model, PERSON, 0.7).detect([picture()] * 3, soft_masks=True)
    assert [len(one["scores"]) for one in (once, first, second)] == [1, 1, 0]
    assert first["soft_masks"] == pytest.approx(np.full((1, 2, 2), 0.9))
    assert second["soft_masks"].shape == (0, 2, 2)
    assert second["masks"].shape == (800, 1100, 0)


def test_no_images_and_one_pixel():
    assert CloserLook(Scripted(), PERSON, 0.7).detect([]) == []
    (found,) = CloserLook(Scripted([]), PERSON, 0.7).detect([picture(1, 1)])
    assert rows_of(found) == []


def test_shares_of_boxes_inside_others():
    rois, boxes = np.array([[0, 0, 10, 10], [0, 5, 10, 15]]), np.array([[0, 0, 10, 10]])
    assert shares_inside(rois, boxes).tolist() == [[1.0], [0.5]]
    assert shares_inside(np.zeros((0, 4)), boxes).shape == (0, 1)


def test_the_images_own_borders_cut_nobody():
    rois = np.array([[0, 50, 100, 90], [50, 0, 100, 90], [50, 50, 200, 90], [50, 50, 100, 100]])
    assert cut_through(rois, (0, 0, 200, 100), (200, 100, 3)).tolist() == [False] * 4
    assert cut_through(rois, (10, 10, 210, 110), (300, 300, 3)).tolist() == [True] * 4
