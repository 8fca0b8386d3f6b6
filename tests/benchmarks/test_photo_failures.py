"""Photographs that are changed to count where the photo weights fail."""

import numpy as np
import pytest

from benchmarks.photo_failures import (
    CASES,
    LEAST_LEFT,
    figures,
    on_white,
    together,
    upper_half,
    within,
)
from fashion.photo.cuttings import cut
from fashion.photo.worn import Worn


def worn(width=20):
    """A person of 30 x 10 pixels in a shirt, in a photograph of 40 x `width`."""
    person, shirt = np.zeros((2, 40, width), bool)
    person[5:35, 5:15] = shirt[10:20, 5:15] = True
    image = np.zeros((40, width, 3), np.uint8)
    image[shirt] = 200
    return Worn(image, ["person", "top"], [person, shirt])


def columns(mask):
    return np.flatnonzero(mask.any(0))[[0, -1]].tolist()


def test_people_side_by_side_keep_their_garments():
    (pair,) = together([worn(), worn(24), worn()], 2)
    assert pair.image.shape == (40, 44, 3)
    assert pair.names == ["person", "top"] * 2
    assert [columns(mask) for mask in pair.masks] == [[5, 14], [5, 14], [25, 34], [25, 34]]
    assert (pair.image[pair.masks[3]] == 200).all()


def test_somebody_in_a_larger_photograph():
    (small,) = within([worn()], 3)
    assert small.image.shape == (120, 60, 3)
    assert columns(small.masks[1]) == [25, 34]
    assert (small.image[small.masks[1]] == 200).all()


def test_a_cut_keeps_garments_of_which_half_is_left():
    assert cut(worn(), (0, 0, 15, 20), LEAST_LEFT).names == ["person", "top"]
    assert cut(worn(), (0, 0, 14, 20), LEAST_LEFT).names == ["person"]
    (half,) = upper_half([worn()])
    assert (half.names, half.image.shape) == (["person", "top"], (16, 20, 3))


def test_a_garment_alone_on_white():
    (shop,) = on_white([worn()])
    assert shop.names == ["top"]
    assert (shop.image[shop.masks[0]] == 200).all() and (shop.image[~shop.masks[0]] == 255).all()


@pytest.mark.parametrize("case", CASES)
def test_no_photographs(case):
    assert list(CASES[case]([])) == []


class Blind:
    """A model that finds nothing."""

    config = type("Config", (), {"IMAGE_SHAPE": (448, 320, 3), "DETECTION_NMS_THRESHOLD": 0.4})

    def detect(self, images, *, soft_masks=False):
        return [
            {
                "rois": np.zeros((0, 4), np.int32),
                "class_ids": np.zeros(0, np.int32),
                "scores": np.zeros(0, np.float32),
                "masks": np.zeros((*image.shape[:2], 0), bool),
            }
            for image in images
        ]


def test_what_a_blind_model_finds():
    counted = figures([worn(), worn()], Blind(), 0.5)
    assert (counted["pictures"], counted["garments"]) == (2, 2)
    assert counted["found"] == counted["found at once"] == counted["right"] == 0
