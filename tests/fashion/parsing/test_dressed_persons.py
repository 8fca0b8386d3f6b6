"""Persons get the pixels of what they wear."""

import numpy as np

from fashion.labels import PHOTO_TABLE
from fashion.parsing.detections import dress_persons

BAG, PANTS, PERSON = 1, 8, PHOTO_TABLE.id_of("person")


def result(*instances):
    """Each instance is (class, score, y1, x1, y2, x2), a mask that fills its box."""
    masks = np.zeros((len(instances), 40, 40), bool)
    for mask, (_, _, y1, x1, y2, x2) in zip(masks, instances, strict=True):
        mask[y1:y2, x1:x2] = True
    return {
        "rois": np.array([row[2:] for row in instances], np.int32).reshape(-1, 4),
        "class_ids": np.array([row[0] for row in instances], np.int32),
        "scores": np.array([row[1] for row in instances], np.float32),
        "masks": np.moveaxis(masks, 0, -1),
    }


def test_a_person_gets_what_hangs_out_of_the_mask():
    before = result((PERSON, 0.9, 0, 10, 40, 20), (PANTS, 0.5, 20, 8, 40, 20))
    after = dress_persons(before, PERSON)
    person = np.zeros((40, 40), bool)
    person[:, 10:20] = person[20:, 8:20] = True
    np.testing.assert_array_equal(after["masks"][..., 0], person)
    np.testing.assert_array_equal(after["masks"][..., 1], before["masks"][..., 1])
    assert after["rois"] is before["rois"]
    assert before["masks"][..., 0].sum() == 400  # is not changed itself


def test_unlikely_garments_and_those_beside_are_left_out():
    unlikely, beside = (PANTS, 0.3, 20, 8, 40, 20), (BAG, 0.9, 20, 16, 40, 40)
    before = result((PERSON, 0.9, 0, 10, 40, 20), unlikely, beside)
    after = dress_persons(before, PERSON)
    np.testing.assert_array_equal(after["masks"], before["masks"])


def test_each_garment_goes_to_one_person():
    left, right = (PERSON, 0.9, 0, 0, 40, 20), (PERSON, 0.8, 0, 16, 40, 40)
    after = dress_persons(result(left, right, (BAG, 0.9, 10, 13, 20, 25)), PERSON)
    assert after["masks"][..., 0].sum() == 800  # less of the bag lies within this one
    assert after["masks"][10:20, 13:25, 1].all()


def test_nobody_and_nothing():
    for empty in (result(), result((BAG, 0.9, 0, 0, 5, 5)), result((PERSON, 0.9, 0, 0, 5, 5))):
        np.testing.assert_array_equal(dress_persons(empty, PERSON)["masks"], empty["masks"])
