import numpy as np
import pytest

from fashion.exchange.rings import clipped, joined, split
from fashion.polygons.filling import polygons_to_mask
from tests.fashion.export_truth import iou, ring

WIDTH, HEIGHT = 90, 60


def arrays(*rings):
    return [np.array(one, dtype=np.float64) for one in rings]


def filled(rings):
    return polygons_to_mask(rings, [], HEIGHT, WIDTH)


BIG, HOLE, FAR, OVER, OUT = (
    ring(25, 25, 20),
    ring(25, 25, 10),
    ring(70, 20, 8),
    ring(40, 30, 15),
    ring(300, 300, 5),
)


@pytest.mark.parametrize(
    ("parts", "holes"),
    [
        ([BIG], [HOLE]),
        ([FAR, BIG], []),
        ([BIG, FAR], [HOLE, ring(70, 20, 3)]),
        ([BIG, OVER], []),  # they lie over each other
        ([BIG, OVER, FAR], [HOLE]),
        ([BIG], [OVER]),  # the hole reaches out of its part
        ([ring(2, 30, 20), FAR], [ring(2, 30, 5)]),  # over the edge
        ([BIG, OUT], []),
    ],
)
def test_one_ring_is_filled_as_the_mask(parts, holes):
    parts, holes = arrays(*parts), arrays(*holes)
    mask = polygons_to_mask(parts, holes, HEIGHT, WIDTH)
    one = joined(parts, holes, WIDTH, HEIGHT)
    assert iou(filled([one]), mask) > 0.99
    assert (one >= 0).all()
    assert (one <= (WIDTH, HEIGHT)).all()


def test_a_single_outline_stays_as_it_is():
    (part,) = arrays(BIG)
    assert joined([part], [], WIDTH, HEIGHT) is part


def test_nothing_in_the_image_gives_nothing():
    assert joined(arrays(OUT), [], WIDTH, HEIGHT).shape == (0, 2)
    assert joined([], [], WIDTH, HEIGHT).shape == (0, 2)
    assert split(arrays(OUT), [], WIDTH, HEIGHT) == []
    # A part that its hole takes away altogether.
    assert joined(arrays(HOLE), arrays(BIG), WIDTH, HEIGHT).shape == (0, 2)


def test_parts_one_by_one_keep_their_own_holes():
    parts, holes = arrays(BIG, FAR), arrays(HOLE)
    rings = split(parts, holes, WIDTH, HEIGHT)
    assert len(rings) == 2
    assert iou(filled(rings), polygons_to_mask(parts, holes, HEIGHT, WIDTH)) > 0.99


def test_clipping_cuts_along_the_edges():
    square = np.array([(-10, -10), (10, -10), (10, 10), (-10, 10)], dtype=float)
    cut = clipped(square, WIDTH, HEIGHT)
    assert sorted(map(tuple, cut.tolist())) == [(0, 0), (0, 10), (10, 0), (10, 10)]
    slanted = np.array([(80, 10), (100, 20), (80, 30)], dtype=float)
    assert (90, 15) in set(map(tuple, clipped(slanted, WIDTH, HEIGHT).tolist()))
    assert clipped(square + 200, WIDTH, HEIGHT).shape == (0, 2)
