"""Superpixels, their vote and completion, on pictures whose right answer can be seen."""

import numpy as np
import pytest

from fashion.parsing.detections import ClassScores, scores_of_labels
from fashion.parsing.settings import ParsingSettings
from fashion.parsing.superpixels import close_gaps, refine, segment, vote
from tests.fashion.garment_pictures import (
    BELT,
    BODY_BOX,
    HAIR,
    HAIR_BOX,
    HEAD_BOX,
    PANTS,
    PANTS_BOX,
    RED,
    SKIN,
    TOP,
    TOP_BOX,
    box_mask,
    person_picture,
    window,
)

# Superpixels that take away as readily as they give.
SETTINGS = ParsingSettings(segments=150, sigma=0.5, pixel_area=0.0, removal=0.5)
BODY = box_mask(BODY_BOX)


def true_labels():
    labels = np.zeros((120, 80), np.uint8)
    labels[window(TOP_BOX)], labels[window(PANTS_BOX)] = TOP, PANTS
    return labels


def refined(labels, image=None, body=BODY, **changes):
    image = person_picture() if image is None else image
    return refine(image, labels, body, changed(**changes))


def changed(**changes):
    return ParsingSettings(**({name: getattr(SETTINGS, name) for name in KEPT} | changes))


KEPT = ("segments", "sigma", "pixel_area", "removal")


def iou(labels, truth, class_id):
    one, other = labels == class_id, truth == class_id
    return (one & other).sum() / (one | other).sum()


# ---- superpixels ----


def test_superpixels_are_numbered_connected_and_follow_the_colours():
    image = person_picture()
    found = segment(image, SETTINGS)
    assert found.dtype == np.int32
    numbers = np.unique(found)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert 100 <= len(numbers) <= 200
    red = (image == RED).all(axis=-1)
    share = np.bincount(found.ravel(), red.ravel()) / np.maximum(np.bincount(found.ravel()), 1)
    assert ((share < 0.05) | (share > 0.95)).mean() > 0.97


def test_more_segments_and_less_compactness_do_what_they_say():
    image = person_picture()
    assert segment(image, changed(segments=300)).max() > 1.5 * segment(image, SETTINGS).max()
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    rims = [
        (np.diff(segment(noisy, changed(compactness=c)), axis=1) != 0).sum() for c in (5.0, 100.0)
    ]
    assert rims[0] > 1.2 * rims[1]


def test_on_the_person_alone():
    found = segment(person_picture(), changed(person_only=True, segments=60), BODY)
    np.testing.assert_array_equal(found > 0, BODY)
    numbers = np.unique(found)
    assert numbers.tolist() == list(range(len(numbers)))
    assert 40 <= len(numbers) <= 90
    everywhere = segment(person_picture(), changed(person_only=True), np.zeros_like(BODY))
    assert everywhere.min() == 1


def test_large_pictures_are_segmented_small():
    image = person_picture().repeat(4, axis=0).repeat(4, axis=1)
    found = segment(image, changed(superpixel_side=120))
    assert found.shape == (480, 320)
    blocks = found.reshape(120, 4, 80, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (7, 7)])
@pytest.mark.parametrize("colour", [0, 255])
def test_tiny_and_plain_pictures(shape, colour):
    image = np.full((*shape, 3), colour, np.uint8)
    assert segment(image, ParsingSettings()).min() >= 1
    for labels in (np.zeros(shape, np.uint8), np.full(shape, TOP, np.uint8)):
        for body in (None, np.zeros(shape, bool), np.ones(shape, bool)):
            joint = refine(image, labels, body)
            assert (joint.shape, joint.dtype) == (shape, np.uint8)
            np.testing.assert_array_equal(joint, labels)


# ---- the vote ----


def two_superpixels(left_share):
    """Superpixels 1 and 2 of 10 x 10 pixels; `left_share` of the left one is a top."""
    superpixels = np.repeat([[1, 2]], 10, axis=1).repeat(10, axis=0).astype(np.int32)
    labels = np.zeros((10, 20), np.uint8)
    labels[: round(10 * left_share), :10] = TOP
    return superpixels, labels


@pytest.mark.parametrize(("share", "expected"), [(0.3, 0), (0.7, TOP)])
def test_half_of_the_area_makes_a_garment(share, expected):
    superpixels, labels = two_superpixels(share)
    scores = scores_of_labels(labels)
    chosen, decided = vote(superpixels, scores, np.zeros_like(labels, bool), SETTINGS)
    assert chosen[1:].tolist() == [expected, 0]
    assert decided[1:].all()


@pytest.mark.parametrize(
    ("removal", "share", "left"), [(0.5, 0.4, 0), (0.7, 0.4, 40), (0.7, 0.2, 0), (1.0, 0.01, 1)]
)
def test_taking_away_needs_the_vote_that_was_asked_for(removal, share, left):
    image, labels = np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10), np.uint8)
    labels.flat[: round(100 * share)] = TOP
    settings = changed(removal=removal, completion=False)
    one = np.ones(labels.shape, np.int32)
    assert np.count_nonzero(refine(image, labels, None, settings, superpixels=one)) == left


def test_less_agreement_than_asked_for_decides_nothing():
    superpixels, labels = two_superpixels(0.7)
    none = np.zeros_like(labels, bool)
    for agreement, expected in ((0.7, True), (0.8, False)):
        _, decided = vote(
            superpixels, scores_of_labels(labels), none, ParsingSettings(agreement=agreement)
        )
        assert decided[1:].tolist() == [expected, True]


def test_the_centroid_and_its_neighbours_may_say_otherwise():
    superpixels, labels = two_superpixels(0.0)
    labels[3:7, 3:7] = TOP  # 16 % of the area, but in the middle
    scores, none = scores_of_labels(labels), np.zeros_like(labels, bool)
    by_area, _ = vote(superpixels, scores, none, ParsingSettings(vote="area"))
    by_centre, _ = vote(superpixels, scores, none, ParsingSettings(vote="centroid"))
    assert (by_area[1], by_centre[1]) == (0, TOP)


def test_the_greater_support_names_the_garment():
    superpixels = np.ones((4, 4), np.int32)
    support = np.stack([np.full((4, 4), 0.5), np.full((4, 4), 0.3)]).astype(np.float32)
    foreground, labels = np.full((4, 4), 0.6, np.float32), np.full((4, 4), PANTS, np.uint8)
    scores = ClassScores(np.array([PANTS, TOP]), support, foreground, labels)
    chosen, decided = vote(superpixels, scores, np.zeros((4, 4), bool), ParsingSettings())
    assert chosen[1] == PANTS
    assert not decided[1]  # .375 of the vote


def test_pixels_that_stay_have_no_vote():
    superpixels, labels = two_superpixels(0.0)
    labels[:6, :10], labels[6:, :10] = BELT, TOP
    chosen, _ = vote(superpixels, scores_of_labels(labels), labels == BELT, ParsingSettings())
    assert chosen[1] == TOP


# ---- what comes out ----


@pytest.mark.parametrize("rule", ["area", "centroid"])
def test_a_shifted_mask_snaps_to_the_garment(rule):
    truth = true_labels()
    shifted = np.roll(truth, 3, axis=1)
    joint = refined(shifted, vote=rule, completion=False)
    for class_id in (TOP, PANTS):
        assert iou(joint, truth, class_id) > 0.93 > iou(shifted, truth, class_id)


def test_a_missing_part_comes_back_within_the_body():
    truth = true_labels()
    damaged = truth.copy()
    damaged[80:, 24:40] = 0
    assert iou(refined(damaged, completion=False), truth, PANTS) < 0.8
    joint = refined(damaged)
    assert iou(joint, truth, PANTS) > 0.97
    assert not joint[~BODY].any()


def test_completion_spares_skin_hair_and_what_lies_outside():
    # The hair is of the top's colour and touches it, as hair on shoulders does.
    image = person_picture()
    image[window(HAIR_BOX)] = RED
    image[10:28, 8:32] = RED
    image[26:28, 32:48] = SKIN
    labels = true_labels()
    body = box_mask((6, 8, 110, 56))
    joint = refined(labels, image, body, segments=400)
    assert not joint[window((12, *HEAD_BOX[1:]))].any()
    assert not joint[12:22, 10:30].any()
    with_hair = refined(labels, image, body, hair=False, segments=400)
    assert (with_hair[12:22, 10:30] == TOP).mean() > 0.8


def test_skin_of_the_garments_colour_is_left_alone_by_default():
    image = person_picture()
    image[window(TOP_BOX)] = SKIN  # a bare arm beside a top of its colour
    labels = true_labels()
    labels[28:64, 40:56] = 0
    # A body without a face: the range alone says what is skin.
    body = box_mask((28, 24, 110, 56))
    assert not refined(labels, image, body, hair=False)[30:62, 42:].any()
    covered = refined(labels, image, body, hair=False, skin="off")
    assert (covered[30:62, 42:54] == TOP).mean() > 0.8


def test_without_a_body_only_gaps_between_garments_are_closed():
    truth = true_labels()
    damaged = truth.copy()
    damaged[40:44, 30:50] = 0  # a crease inside the top
    damaged[90:] = 0  # and the legs from the knee on
    narrow = refined(damaged, body=None, gap=0.1, segments=600)
    assert (narrow[40:44, 30:50] == TOP).all()
    assert not narrow[97:].any()
    assert not refined(damaged, body=None, gap=0.0, completion=True)[97:].any()


def test_gaps_up_to_the_width_are_closed_and_nothing_grows_outwards():
    mask = np.zeros((60, 60), bool)
    mask[0:60, 5:20] = mask[0:60, 30:45] = True
    np.testing.assert_array_equal(close_gaps(mask, 0.0), mask)
    np.testing.assert_array_equal(close_gaps(mask, 8.0), mask)
    closed = close_gaps(mask, 14.0)
    assert closed[8:52, 20:30].all()
    assert not closed[:, :5].any() and not closed[:, 45:].any()
    assert not close_gaps(np.zeros((5, 5), bool), 9.0).any()


def test_thin_garments_and_small_pieces_stay_as_they_are():
    labels = true_labels()
    labels[62:65, 24:56] = BELT
    joint = refined(labels)
    np.testing.assert_array_equal(joint == BELT, labels == BELT)
    eaten = refined(labels, pixel_classes=())
    assert (eaten == BELT).sum() < 0.2 * (labels == BELT).sum()
    small = np.zeros_like(labels)
    small[50:53, 40:43] = TOP
    assert not refined(small, completion=False).any()
    np.testing.assert_array_equal(refined(small, pixel_area=2.0, completion=False), small)


def test_outside_the_superpixels_pixels_keep_their_labels():
    labels = true_labels()
    labels[70:90, 60:75] = TOP  # something beside the body
    joint = refined(labels, person_only=True)
    np.testing.assert_array_equal(joint[~BODY], labels[~BODY])


def test_superpixels_at_hand_are_taken():
    image, labels = person_picture(), true_labels()
    one = np.ones(labels.shape, np.int32)
    joint = refine(image, labels, None, SETTINGS, superpixels=one)
    assert not joint.any()  # garments are less than half of the picture


def test_hair_is_never_a_label():
    image = person_picture()
    image[window(HAIR_BOX)] = HAIR
    assert set(np.unique(refined(true_labels(), image))) == {0, TOP, PANTS}
