"""One photograph parsed from what two detectors found: arrays in, arrays out."""

import numpy as np
import pytest

from fashion.labels import ClassTable
from fashion.parsing.parse import ParsingSettings, parse
from mrcnn.errors import ConfigError, DatasetError
from tests.fashion.garment_pictures import (
    BAG,
    BODY_BOX,
    PANTS,
    TOP,
    detections,
    outfit,
    person,
    person_picture,
)

SETTINGS = ParsingSettings(segments=150, sigma=0.5)


def test_person_and_garments():
    parsed = parse(person_picture(), outfit(), person(), SETTINGS)
    assert parsed.pixel_labels.dtype == parsed.joint_labels.dtype == np.uint8
    assert np.unique(parsed.pixel_labels).tolist() == [0, PANTS, TOP]
    assert parsed.worn_by.tolist() == [0, 0]
    assert [(o.kind, o.name, o.worn_by) for o in parsed.objects] == [
        ("garment", "top", 0),
        ("garment", "pants", 0),
        ("person", "person", None),
    ]
    assert [o.colour.name for o in parsed.objects[:2]] == ["red", "blue"]
    np.testing.assert_array_equal(parsed.body, person()["masks"][..., 0])
    # The masks were right, so the superpixels leave nearly all as it is.
    assert (parsed.joint_labels != parsed.pixel_labels).mean() < 0.02
    assert parsed.added.sum() < 0.02 * parsed.added.size


def test_without_a_persons_detector_and_with_nobody_found():
    alone = parse(person_picture(), outfit(), None, SETTINGS)
    nobody = parse(person_picture(), outfit(), detections(), SETTINGS)
    for parsed in (alone, nobody):
        assert parsed.body is None and len(parsed.persons) == 0
        assert parsed.worn_by.tolist() == [-1, -1]
        assert [o.worn_by for o in parsed.objects] == [None, None]
    assert (alone.looked_for_persons, nobody.looked_for_persons) == (False, True)
    np.testing.assert_array_equal(alone.joint_labels, nobody.joint_labels)


def test_no_garment():
    parsed = parse(person_picture(), detections(), person(), SETTINGS)
    assert not parsed.pixel_labels.any() and not parsed.joint_labels.any()
    assert [o.kind for o in parsed.objects] == ["person"]
    assert parsed.superpixels.max() > 50


def test_one_pixel():
    image = np.full((1, 1, 3), 200, np.uint8)
    one = detections((TOP, 0.9, (0, 0, 1, 1)), shape=(1, 1))
    parsed = parse(image, one, detections((1, 0.9, (0, 0, 1, 1)), shape=(1, 1)))
    assert parsed.joint_labels.tolist() == [[TOP]]
    assert parse(image, detections(shape=(1, 1))).joint_labels.tolist() == [[0]]


def test_of_persons_only_persons_count():
    cat_and_person = detections((16, 0.99, (0, 0, 120, 80)), (1, 0.5, BODY_BOX))
    parsed = parse(person_picture(), outfit(), cat_and_person, SETTINGS)
    assert parsed.persons.rois.tolist() == [list(BODY_BOX)]


def test_unsure_ones_are_left_out():
    settings = ParsingSettings(minimum_confidence=0.85, segments=150)
    parsed = parse(person_picture(), outfit(), person(), settings)
    assert parsed.garments.class_ids.tolist() == [TOP]


def test_two_persons_and_what_each_wears():
    image = np.hstack([person_picture(), person_picture()])
    shape = image.shape[:2]
    persons = detections((1, 0.9, (0, 0, 120, 70)), (1, 0.8, (6, 104, 110, 136)), shape=shape)
    tops = (TOP, 0.9, (28, 24, 64, 56)), (TOP, 0.8, (28, 104, 64, 136))
    garments = detections(*tops, (BAG, 0.7, (60, 75, 80, 85)), shape=shape)
    each = parse(image, garments, persons, ParsingSettings(person="each"))
    assert each.worn_by.tolist() == [0, 1, -1]
    largest = parse(image, garments, persons, ParsingSettings(person="largest"))
    assert [o.name for o in largest.objects] == ["top", "bag", "person"]
    assert not (largest.pixel_labels[:, 104:] == TOP).any()


def test_the_parts_that_touch_the_superpixels_can_be_had_alone():
    parsed = parse(person_picture(), outfit(), person(), ParsingSettings(person_only=True))
    np.testing.assert_array_equal(parsed.superpixels > 0, parsed.body)


def test_a_large_photograph_is_parsed_as_a_small_one_and_keeps_its_fine_outlines():
    small = parse(person_picture(), outfit(), person())
    image = np.repeat(np.repeat(person_picture(), 10, axis=0), 10, axis=1)
    found = {**outfit(), "rois": 10 * outfit()["rois"]}
    found["masks"] = np.repeat(np.repeat(outfit()["masks"], 10, axis=0), 10, axis=1)
    large = parse(image, found)
    assert large.joint_labels.shape == large.superpixels.shape == image.shape[:2]
    wanted = np.repeat(np.repeat(small.pixel_labels, 10, axis=0), 10, axis=1)
    np.testing.assert_array_equal(large.pixel_labels, wanted)
    assert (large.joint_labels != large.pixel_labels).mean() < 0.05
    shown = large.shrunk(120)
    assert shown.image.shape == (120, shown.superpixels.shape[1], 3)
    assert shown.objects is large.objects and len(shown.garments) == len(large.garments)
    assert large.shrunk(5000) is large


def test_another_class_table():
    table = ClassTable(["shirt", "jeans"])
    found = detections(
        (1, 0.9, (28, 24, 64, 56)), (2, 0.8, (64, 24, 110, 56)), (7, 0.9, (0, 0, 9, 9))
    )
    parsed = parse(person_picture(), found, None, SETTINGS, table)
    assert [o.name for o in parsed.objects] == ["shirt", "jeans"]


def test_masks_of_another_picture_are_refused():
    with pytest.raises(DatasetError, match=r"not the image: expected masks of shape \[50, 80, N\]"):
        parse(person_picture()[:50], outfit())


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"vote": "loud"}, "vote is 'loud': expected one of area, centroid"),
        ({"person": "all"}, "largest, each"),
        ({"skin": "tone"}, "range, face, off"),
        ({"segments": 0}, "segments is 0: expected at least 1"),
        ({"compactness": 0}, "compactness is 0: expected a number above 0"),
        ({"sigma": -1}, "sigma is -1: expected a number of at least 0"),
        ({"sigma": float("nan")}, "sigma is nan: expected a number of at least 0"),
        ({"sigma": 1e6}, "sigma is 1000000.0: expected at most 100 pixels"),
        ({"compactness": float("inf")}, "compactness is inf: expected a number above 0"),
        ({"completion_distance": float("inf")}, "completion_distance is inf: expected a number"),
        ({"agreement": 0.4}, "between .5 and 1"),
        ({"completion_border": 1.5}, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_work(changes, reported):
    with pytest.raises(ConfigError, match=reported):
        ParsingSettings(**changes)
