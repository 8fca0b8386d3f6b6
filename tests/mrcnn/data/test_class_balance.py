"""Rare classes: how often their images are shown, and what they weigh in the loss."""

import numpy as np
import pytest

from mrcnn.data.pass_order import (
    class_balance,
    class_factors,
    class_weights,
    classes_of_images,
    places_of_a_pass,
    repeat_factors,
    repeated,
)
from mrcnn.errors import ConfigError
from tests.mrcnn.golden_dataset import MemoryDataset, make_config

NAMES = ["BG", "c1", "c2", "c3", "c4"]


def dataset_of(*class_ids):
    """An image for each list of class ids; a negative one is a crowd."""
    image = np.zeros((8, 8, 3), np.uint8)
    return MemoryDataset([(image, np.ones((8, 8, len(ids)), bool), ids) for ids in class_ids])


def test_classes_of_images_come_from_masks_or_from_what_is_known():
    dataset = dataset_of([1, 1, -2], [], [3])
    dataset.image_info[2]["class_ids"] = [4, 2]
    found = [ids.tolist() for ids in classes_of_images(dataset)]
    assert found == [[1, 1], [], [4, 2]]


def test_a_class_below_the_threshold_is_repeated_by_the_root_of_what_it_lacks():
    classes = [np.array(ids) for ids in ([1], [1, 1], [1, 2], [1])]
    # class 1 in all images, class 2 in a quarter of them, 3 and 4 in none
    np.testing.assert_allclose(class_factors(classes, 5, 0.5), [1, 1, 2**0.5, 1, 1])
    np.testing.assert_allclose(repeat_factors(classes, 5, 0.5), [1, 1, 2**0.5, 1])
    np.testing.assert_allclose(repeat_factors(classes, 5, 0.25), 1)


def test_an_image_without_instances_is_shown_once():
    assert repeat_factors([np.array([], int), np.array([2])], 5, 1.0).tolist() == [1, 2**0.5]
    assert repeat_factors([], 5, 1.0).shape == (0,)


def test_counts_are_floor_or_ceiling_and_right_on_average():
    factors = np.array([1.0, 2.25, 1.5, 1.0, 3.75])
    counts = np.array([repeated(factors, np.random.default_rng(seed)) for seed in range(2000)])
    assert (counts.sum(axis=1) == places_of_a_pass(factors)).all()
    assert places_of_a_pass(factors) == 10  # 9.5, rounded up
    assert (counts >= np.floor(factors)).all() and (counts <= np.ceil(factors)).all()
    # Two extra places for 1.5 that are wanted.
    expected = np.floor(factors) + factors % 1 * 2 / 1.5
    np.testing.assert_allclose(counts.mean(axis=0), expected, atol=0.05)


@pytest.mark.parametrize("factors", [[1.0, 1.0], [2.0, 3.0], [1.0]])
def test_whole_factors_are_kept(factors):
    assert repeated(np.array(factors), np.random.default_rng(0)).tolist() == factors


def test_fractions_that_add_up_to_a_whole_number_get_no_more():
    factors = np.full(10, 1.1)
    assert places_of_a_pass(factors) == 11
    assert repeated(factors, np.random.default_rng(3)).sum() == 11


def test_balanced_weights_go_by_the_inverse_of_the_instances():
    counts = np.array([0, 30, 10, 20, 0])
    np.testing.assert_allclose(class_weights("balanced", NAMES, counts), [1, 2 / 3, 2, 1, 1])
    rare = np.array([0, 10_000, 1, 0, 0])
    assert class_weights("balanced", NAMES, rare)[2] == 10, "no more than that"


def test_weights_by_list_and_by_name_or_number():
    assert class_weights(None, NAMES) is None
    assert class_weights([1, 2, 3, 4, 5], NAMES).tolist() == [1, 2, 3, 4, 5]
    assert class_weights({"c2": 3, 4: 0.5, "BG": 2}, NAMES).tolist() == [2, 1, 3, 1, 0.5]
    assert class_weights({}, NAMES).tolist() == [1] * 5
    assert class_weights([1] * 5, NAMES).dtype == np.float32


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ([1, 2], "expected a number for each of 5 classes, .* found 2"),
        ({"hat": 2}, "a class that the data set does not have: expected BG or c1 .* found 'hat'"),
        ({5: 2}, "found 5"),
    ],
)
def test_weights_that_do_not_fit(setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        class_weights(setting, NAMES)


def test_nothing_is_done_unless_asked():
    class Untouchable(MemoryDataset):
        def load_mask(self, image_id):
            raise AssertionError("no mask is needed")

    balance = class_balance(Untouchable([(0, 0, [1])]), make_config())
    assert (balance.factors, balance.weights, balance.summary) == (None, None, "")


def test_what_the_configuration_asks_for():
    dataset = dataset_of(*[[1]] * 8, [1, 2], [1])
    config = make_config(REPEAT_FACTOR_THRESHOLD=0.4, CLASS_WEIGHTS="balanced")
    balance = class_balance(dataset, config)
    np.testing.assert_allclose(balance.factors, [1] * 8 + [2, 1])
    np.testing.assert_allclose(balance.weights, [1, 0.55, 5.5, 1, 1])
    assert "c2 x2; 11 places in a pass over 10 images" in balance.summary
    assert "c1 0.55, c2 5.5" in balance.summary
    nobody = class_balance(dataset, make_config(REPEAT_FACTOR_THRESHOLD=0.05))
    assert "no class is rare" in nobody.summary
