"""Means over superpixels and common borders, against what can be counted by hand."""

import numpy as np

from fashion.parsing.superpixels import find_borders, node_centres, node_means

#  0 0 1
#  0 2 1
NODES = np.array([[0, 0, 1], [0, 2, 1]], np.int32)


def test_borders_count_pixel_edges_in_both_directions():
    borders = find_borders(NODES)
    pairs = {
        (int(a), int(b)): int(n)
        for a, b, n in zip(borders.of, borders.to, borders.length, strict=True)
    }
    assert pairs == {(0, 1): 1, (1, 0): 1, (0, 2): 2, (2, 0): 2, (1, 2): 1, (2, 1): 1}


def test_one_superpixel_touches_nobody():
    assert find_borders(np.zeros((3, 3), np.int32)).of.tolist() == []
    assert find_borders(np.zeros((1, 1), np.int32)).length.tolist() == []


def test_means():
    values = np.array([[1, 2, 5], [3, 7, 9]])
    assert node_means(NODES, values).tolist() == [2, 7, 7]
    assert node_means(NODES, np.stack([values, -values])).tolist() == [[2, 7, 7], [-2, -7, -7]]


def test_weights_choose_pixels_and_a_superpixel_without_any_is_0():
    values = np.array([[1, 2, 5], [3, 7, 9]])
    weights = np.array([[0, 1, 1], [1, 0, 0]], bool)
    assert node_means(NODES, values, weights).tolist() == [2.5, 5, 0]


def test_a_number_that_no_pixel_has_is_0():
    assert node_means(np.array([[2, 2]]), np.array([[4, 6]])).tolist() == [0, 0, 5]


def test_centres_are_pixels():
    rows, columns = node_centres(np.repeat(np.arange(3, dtype=np.int32)[:, None], 5, axis=1))
    assert rows.tolist() == [0, 1, 2]
    assert columns.tolist() == [2, 2, 2]
