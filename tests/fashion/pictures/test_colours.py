"""The dominant colour and its name."""

import cv2
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
    for name, shades in NAMED_COLOURS.items():
        for rgb in shades:
            assert dominant_colour(pixels((rgb, 4))).name == name


def photographed(rgb, seed=0):
    """A cloth of one colour as a camera sees it: folds, a warm light, noise, JPEG. RGB [n, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0.45, 1.25, (6, 4)).astype(np.float32)
    folds = cv2.resize(coarse, (100, 150), interpolation=cv2.INTER_CUBIC)[..., None]
    light = np.array([1.03, 1, 0.96], np.float32)
    seen = np.float32(rgb) * folds * light + random.normal(0, 4, (150, 100, 3))
    picture = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].reshape(-1, 3)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((24, 23, 24), "black"),
        ((14, 14, 15), "black"),
        ((66, 67, 70), "charcoal"),
        ((84, 16, 34), "burgundy"),
        ((60, 12, 22), "burgundy"),
        ((40, 9, 15), "burgundy"),
        ((30, 38, 84), "navy"),
        ((20, 26, 58), "navy"),
        ((16, 19, 46), "navy"),
        ((24, 64, 42), "dark green"),
        ((20, 50, 33), "dark green"),
        ((15, 40, 25), "dark green"),
        ((58, 36, 25), "dark brown"),
        ((46, 29, 20), "dark brown"),
        ((38, 24, 17), "dark brown"),
        ((30, 84, 96), "teal"),
        ((74, 74, 40), "olive"),
        ((58, 80, 124), "denim blue"),
        ((170, 26, 34), "red"),
        ((70, 32, 84), "purple"),
    ],
)
def test_dark_colours_of_photographed_cloth(rgb, name):
    assert {dominant_colour(photographed(rgb, seed)).name for seed in range(5)} == {name}


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
