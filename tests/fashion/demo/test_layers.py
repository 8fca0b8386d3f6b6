from dataclasses import replace

import cv2
import numpy as np
import pytest

from fashion.demo.background import paint_background
from fashion.demo.canvas import NOBODY, Canvas
from fashion.demo.figure import Figure
from fashion.demo.layers import paint_figure
from fashion.demo.outfit import Dresser
from fashion.demo.person import make_person
from fashion.demo.seasons import Wardrobe
from fashion.labels import MODANET_TABLE


def prepared(number, wanted=None):
    """A canvas with its background, and who is to be painted on it."""
    rng = np.random.default_rng([8, number])
    figure = Figure(rng, 600, 400)
    outfit = Dresser(rng, Wardrobe("yaz", rng), figure, wanted).dress()
    person = make_person(rng, figure, outfit.tights)
    canvas = Canvas(600, 400, rng)
    paint_background(canvas, figure)
    return canvas, figure, person, outfit


def owned(canvas, garment):
    return canvas.owner == MODANET_TABLE.id_of(garment)


@pytest.mark.parametrize("number", range(4))
def test_masks_are_where_the_paint_is(number):
    canvas, figure, person, outfit = prepared(number)
    bare = canvas.image.copy()
    assert not canvas.figure.any()
    paint_figure(canvas, figure, person, outfit)
    difference = np.abs(canvas.image - bare).max(axis=2)
    # beyond the soft edge nothing was painted, and within there is paint
    near = cv2.dilate(canvas.figure.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert difference[~near].max() == 0
    seen = canvas.owner != NOBODY
    assert not (seen & ~canvas.figure).any()
    assert np.mean(difference[seen] > 2) > 0.97


def test_an_open_coat_shows_the_top_and_a_closed_one_hides_it():
    shown = []
    for details in ({"open"}, set()):
        canvas, figure, person, outfit = prepared(1, "top")
        other = prepared(2, "outer")[3]
        for garment in ("belt", "scarf/tie", "bag"):
            outfit.pieces.pop(garment, None)
        coat = replace(other.get("outer"), style="coat", length=0.65, details=frozenset(details))
        outfit.pieces["outer"] = coat
        paint_figure(canvas, figure, person, outfit)
        assert np.count_nonzero(owned(canvas, "outer")) > 10000
        shown.append(np.count_nonzero(owned(canvas, "top")))
    assert shown[0] > 2 * shown[1]


def test_glasses_lie_on_the_face_and_a_belt_on_the_waist():
    canvas, figure, person, outfit = prepared(3, "sunglasses")
    outfit.pieces["belt"] = prepared(4, "belt")[3].get("belt")
    outfit.pieces.pop("outer", None)
    paint_figure(canvas, figure, person, outfit)
    head, _, half_height = figure.head
    rows = np.argwhere(owned(canvas, "sunglasses"))[:, 0]
    assert abs(rows.mean() - head[1]) < 0.4 * half_height
    waist = np.argwhere(owned(canvas, "belt"))[:, 0].mean()
    assert figure.place(0, 0.32)[1] < waist < figure.place(0, 0.47)[1]
