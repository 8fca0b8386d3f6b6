"""Panels and sheets: what is on them, and that they hold for odd pictures."""

import numpy as np
import pytest

from fashion.labels import MODANET_TABLE
from fashion.parsing.parse import ParsingSettings, parse
from fashion.parsing.sheet import (
    PANELS,
    SheetOptions,
    draw_labels,
    draw_panels,
    draw_sheet,
    palette,
)
from tests.fashion.garment_pictures import (
    HEIGHT,
    TOP,
    TOP_BOX,
    WIDTH,
    detections,
    outfit,
    person,
    person_picture,
    window,
)

SETTINGS = ParsingSettings(segments=150, sigma=0.5)


def parsed(garments=None, persons=None, image=None):
    garments = outfit() if garments is None else garments
    image = person_picture() if image is None else image
    return parse(image, garments, persons, SETTINGS)


def test_panels_of_the_pictures_size_in_their_order():
    panels = draw_panels(parsed(persons=person()))
    assert tuple(panels) == PANELS[:6]
    for panel in panels.values():
        assert (panel.shape, panel.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_array_equal(panels["original"], person_picture())


def test_what_was_added_takes_the_place_of_the_body_that_nobody_looked_for():
    assert tuple(draw_panels(parsed())) == tuple(p for p in PANELS if p != "body")
    added_only = tuple(draw_panels(parsed(persons=person()), options=SheetOptions(added_only=True)))
    assert added_only == tuple(p for p in PANELS if p != "joint")


def test_what_was_added_shows_only_that():
    shifted = detections((TOP, 0.9, (28, 34, 64, 66)))
    result = parsed(shifted)
    panel = draw_panels(result)["added by superpixels"]
    coloured = panel.max(axis=-1) != panel.min(axis=-1)
    np.testing.assert_array_equal(coloured, result.added)


def test_a_class_has_its_colour_and_the_rest_is_grey():
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[window(TOP_BOX)] = TOP
    panel = draw_labels(person_picture(), labels, MODANET_TABLE, alpha=1.0)
    assert tuple(panel[45, 40]) == MODANET_TABLE.colour_of(TOP)
    assert (panel[labels == 0].max(axis=-1) == panel[labels == 0].min(axis=-1)).all()


def test_the_palette_is_the_class_tables():
    colours = palette(MODANET_TABLE)
    assert colours.shape == (256, 3) and tuple(colours[0]) == (0, 0, 0)
    for row in MODANET_TABLE:
        assert tuple(colours[row.id]) == row.colour


def test_boxes_and_boundaries_are_drawn_on_request():
    result = parsed(persons=person())
    plain, rich = draw_panels(result), draw_panels(result, options=SheetOptions(True, True))
    changed = {name for name in plain if (plain[name] != rich[name]).any()}
    assert changed == {"body", "clothing", "pixel level", "joint"}


def test_the_legend_grows_with_the_classes_and_tells_when_there_is_none():
    def sheet(result):
        return draw_sheet(result, draw_panels(result), title="a")

    few = sheet(parsed(persons=person()))
    items = [(row.id, 0.9, (8 * row.id, 10, 8 * row.id + 6, 70)) for row in MODANET_TABLE]
    many = sheet(parsed(detections(*items), person()))
    none = sheet(parsed(detections(), person()))
    assert many.shape[0] > few.shape[0] and many.shape[1] == few.shape[1]
    top = np.array(MODANET_TABLE.colour_of(TOP))
    assert (few[-40:] == top).all(axis=-1).any()
    assert not (none[-40:] == top).all(axis=-1).any()
    assert (none[-40:] < 200).any()  # a line of text


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (40, 200), (900, 700)])
def test_odd_shapes(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    whole = detections((TOP, 0.9, np.ones(shape, bool)), shape=shape)
    result = parsed(whole, detections((1, 0.9, np.ones(shape, bool)), shape=shape), image)
    sheet = draw_sheet(result, draw_panels(result, options=SheetOptions(True, True)))
    assert sheet.dtype == np.uint8 and max(sheet.shape) < 4000
