"""The dominant colour and its name."""

import numpy as np
import pytest

from fashion.pictures.colours import NAMED_COLOURS, colour_name, dominant_colour


def pixels(*runs):
    return np.concatenate([np.full((count, 3), colour, np.uint8) for colour, count in runs])


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((130, 130, 130), "grey"),
        ((210, 20, 30), "red"),
        ((20, 30, 80), "navy"),
        ((40, 150, 60), "green"),
        ((250, 170, 195), "pink"),
        ((105, 65, 40), "brown"),
        ((215, 190, 150), "beige"),
    ],
)
def test_names(rgb, name):
    assert dominant_colour(pixels((rgb, 10))).name == name


def test_every_colour_of_the_table_has_its_own_name():
    for name, rgb in NAMED_COLOURS.items():
        assert dominant_colour(pixels((rgb, 4))).name == name


def test_the_commoner_stripe_wins_rather_than_the_mean():
    found = dominant_colour(pixels(((200, 30, 40), 60), ((30, 60, 190), 40)))
    assert found.name == "red"
    assert found.rgb == (200, 30, 40)
    assert found.share == 0.6
    np.testing.assert_allclose(found.lab, (43, 64, 42), atol=4)


def test_noise_does_not_split_a_colour():
    random = np.random.default_rng(0)
    noisy = np.clip(random.normal((40, 110, 60), 6, (500, 3)), 0, 255).astype(np.uint8)
    found = dominant_colour(noisy)
    assert found.share > 0.95
    np.testing.assert_allclose(found.rgb, (40, 110, 60), atol=4)


def test_no_pixel_has_no_colour():
    assert dominant_colour(np.zeros((0, 3), np.uint8)) is None


def test_a_name_from_lab():
    assert colour_name(np.array([98.0, 0.0, 0.0])) == "white"
