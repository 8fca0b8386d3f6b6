"""Which image stands where: a function of seed and position."""

import numpy as np

from mrcnn.data.loader import BatchLoader
from mrcnn.data.pass_order import PassOrder, places_of_a_pass
from tests.mrcnn.golden_dataset import drawn_dataset, make_config

FACTORS = np.array([1.0, 1.0, 2.5, 1.0, 1.5])


def passes(order, count):
    return [order.around(number * order.places)[0].tolist() for number in range(count)]


def test_once_a_pass_without_factors():
    order = PassOrder(np.arange(5), seed=1)
    assert order.places == 5
    assert all(sorted(one) == list(range(5)) for one in passes(order, 3))
    assert passes(PassOrder(np.arange(5), shuffle=False), 2) == [list(range(5))] * 2


def test_all_factors_of_one_show_each_image_once():
    order = PassOrder(np.arange(5), seed=1, repeat_factors=np.ones(5))
    assert all(sorted(one) == list(range(5)) for one in passes(order, 3))


def test_rare_images_stand_at_several_places_of_every_pass():
    order = PassOrder(np.arange(10, 15), seed=2, repeat_factors=FACTORS)
    assert order.places == places_of_a_pass(FACTORS) == 7
    counts = np.array([np.bincount(one, minlength=15)[10:] for one in passes(order, 200)])
    assert counts.shape == (200, 5)
    assert (counts[:, [0, 1, 3]] == 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), FACTORS, atol=0.1)
    assert len({tuple(one) for one in passes(order, 20)}) > 15, "in an order of its own"


def test_repeated_images_keep_their_order_unless_shuffled():
    order = PassOrder(np.arange(5), shuffle=False, repeat_factors=FACTORS)
    assert all(one == sorted(one) and len(one) == 7 for one in passes(order, 5))


def test_a_place_does_not_depend_on_what_was_asked_before():
    how = {"seed": 4, "repeat_factors": FACTORS}
    here, there = PassOrder(np.arange(5), **how), PassOrder(np.arange(5), **how)
    forward = [here.around(p)[0][p % 7] for p in range(35)]
    backward = [there.around(p)[0][p % 7] for p in reversed(range(35))]
    assert forward == backward[::-1]
    other = PassOrder(np.arange(5), seed=5, repeat_factors=FACTORS)
    assert passes(other, 5) != passes(here, 5)


def test_batches_with_repeated_images_are_equal_for_any_workers():
    dataset, config = drawn_dataset(5, size=(40, 40)), make_config()
    streams = []
    for workers, first in ((0, 0), (2, 0), (2, 3)):
        with BatchLoader(
            dataset, config, batch_size=2, seed=6, workers=workers, repeat_factors=FACTORS
        ) as loader:
            streams.append({s: (ids, x[0].sum()) for s, ids, x in loader.stream(first, 7)})
    assert streams[0] == streams[1]
    assert {step: streams[0][step] for step in range(3, 7)} == streams[2]
    shown = np.bincount([i for ids, _ in streams[0].values() for i in ids])  # two passes
    assert shown[2] >= 4 and (shown[[0, 1, 3]] == 2).all()
