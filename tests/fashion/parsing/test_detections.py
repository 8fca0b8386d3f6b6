"""Detections put in order, and garments given to their wearers."""

import numpy as np
import pytest

from fashion.parsing.detections import chosen_wearers, detections_of, wearers
from mrcnn.errors import DatasetError
from tests.fashion.garment_pictures import BAG, PANTS, TOP, detections

SHAPE = (40, 60)
LEFT, RIGHT = (0, 0, 40, 20), (0, 30, 40, 60)


def found(*items):
    return detections_of(detections(*items, shape=SHAPE), SHAPE)


def test_the_surest_come_first_and_the_unsure_not_at_all():
    result = detections((TOP, 0.6, LEFT), (BAG, 0.9, RIGHT), (PANTS, 0.2, LEFT), shape=SHAPE)
    result["soft_masks"] = np.arange(3, dtype=np.float32).reshape(3, 1, 1)
    instances = detections_of(result, SHAPE, minimum_confidence=0.5)
    assert instances.class_ids.tolist() == [BAG, TOP]
    assert instances.rois[0].tolist() == list(RIGHT)
    assert instances.masks[..., 0].sum() == 1200
    assert instances.soft_masks.ravel().tolist() == [1, 0]


def test_other_classes_and_empty_masks_are_left_out():
    nothing = np.zeros(SHAPE, bool)
    result = detections((1, 0.9, LEFT), (2, 0.9, RIGHT), shape=SHAPE)
    assert detections_of(result, SHAPE, class_ids=[1]).class_ids.tolist() == [1]
    result["masks"][..., 0] = nothing
    assert detections_of(result, SHAPE).class_ids.tolist() == [2]


def test_nothing_found_is_an_answer():
    # MaskRCNN.detect then gives masks of float64, as Matterport's.
    empty = {
        "class_ids": np.zeros(0, np.int32),
        "scores": np.zeros(0, np.float32),
        "rois": np.zeros((0, 4), np.int32),
        "masks": np.empty((*SHAPE, 0)),
    }
    for result in (empty, None):
        instances = detections_of(result, SHAPE)
        assert len(instances) == 0
        assert (instances.masks.shape, instances.masks.dtype) == ((*SHAPE, 0), bool)


def test_masks_of_another_size_are_refused():
    with pytest.raises(
        DatasetError, match=r"expected masks of shape \[40, 61, N\], .*found masks of shape"
    ):
        detections_of(detections((TOP, 0.9, LEFT), shape=SHAPE), (40, 61))


def test_a_garment_belongs_to_whom_most_of_it_lies_on():
    persons = found((1, 0.9, LEFT), (1, 0.8, RIGHT))
    garments = found(
        (TOP, 0.9, (0, 15, 40, 38)), (BAG, 0.8, (0, 10, 40, 32)), (PANTS, 0.7, (0, 22, 40, 28))
    )
    assert wearers(garments, persons).tolist() == [1, 0, -1]
    assert wearers(garments, found()).tolist() == [-1, -1, -1]
    assert wearers(found(), persons).tolist() == []


def test_the_largest_person_keeps_its_garments_and_those_of_nobody():
    persons = found((1, 0.9, LEFT), (1, 0.8, RIGHT))
    garments = found((TOP, 0.9, LEFT), (BAG, 0.8, (0, 22, 40, 28)), (PANTS, 0.7, RIGHT))
    kept, people, worn_by = chosen_wearers(garments, persons, "largest")
    assert kept.class_ids.tolist() == [BAG, PANTS]
    assert worn_by.tolist() == [-1, 0]
    assert people.rois.tolist() == [list(RIGHT)]
    kept, people, worn_by = chosen_wearers(garments, persons, "each")
    assert (len(kept), len(people), worn_by.tolist()) == (3, 2, [0, -1, 1])
