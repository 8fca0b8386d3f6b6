"""Growth of labels over a row, and over a cross, of superpixels."""

import numpy as np

from fashion.parsing.superpixels import Borders, complete, find_borders

RED, NEARLY_RED, BLUE = (50, 60, 30), (52, 57, 30), (30, 20, -60)
RULES = {"distance": 10.0, "border": 0.7, "contact": 0.3}


def row(labels, colours, free=None, **rules):
    """Superpixels side by side, each touching its neighbours along ten pixel edges."""
    nodes = np.repeat(np.arange(len(labels)), 4)[None].repeat(10, axis=0)
    free = np.ones(len(labels), bool) if free is None else np.array(free, bool)
    colours = np.array(colours, float)
    return complete(
        np.array(labels), colours, find_borders(nodes), free, **(RULES | rules)
    ).tolist()


def test_it_repeats_until_nothing_changes():
    assert row([9, 0, 0, 0, 0], [RED, RED, NEARLY_RED, RED, BLUE]) == [9, 9, 9, 9, 0]


def test_what_is_not_free_stays_and_stops_the_growth():
    assert row([9, 0, 0], [RED] * 3, free=[1, 0, 1]) == [9, 0, 0]


def test_neighbours_that_disagree_keep_it_open():
    assert row([9, 0, 8], [RED, RED, RED]) == [9, 0, 8]
    # Halves are enough where they are asked for; of two equal ones the lower label wins.
    assert row([9, 0, 8], [RED, RED, RED], border=0.5) == [9, 8, 8]
    # A neighbour of another colour does not claim it, but it does object.
    assert row([9, 0, 8], [RED, RED, BLUE]) == [9, 0, 8]
    assert row([9, 0, 8], [RED, RED, BLUE], border=0.4) == [9, 9, 8]


def test_a_touch_is_not_enough():
    borders = Borders(np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1]), np.array([2, 2, 8, 8]))
    colours, free = np.array([RED] * 3, float), np.ones(3, bool)
    grown = complete(np.array([9, 0, 0]), colours, borders, free, **RULES)
    assert grown.tolist() == [9, 0, 0]
    assert complete(
        np.array([9, 0, 0]), colours, borders, free, distance=10, border=0.7, contact=0.2
    ).tolist() == [9, 9, 9]


def test_labels_are_never_replaced_and_the_input_stays():
    labels = np.array([9, 8, 0])
    before = labels.copy()
    colours = np.array([RED] * 3, float)
    nodes = np.arange(3)[None].repeat(4, axis=0)
    grown = complete(labels, colours, find_borders(nodes), np.ones(3, bool), **RULES)
    assert grown.tolist() == [9, 8, 8]
    np.testing.assert_array_equal(labels, before)


def test_nothing_to_grow():
    assert row([0, 0], [RED, RED]) == [0, 0]
    assert row([0], [RED]) == [0]
