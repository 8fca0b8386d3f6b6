import numpy as np
import pytest

from fashion.demo.fabric import PATTERNS, WEAVES, Fabric
from fashion.demo.seasons import LOOKS, Wardrobe, chosen, rgb, strayed
from fashion.labels import MODANET, SEASONS

COLOURS = (rgb("#c03020"), rgb("#ffffff"), rgb("#203080"))


def swatch(fabric):
    v, u = np.mgrid[0:80, 0:80].astype(np.float32)
    return fabric(u, v)


@pytest.mark.parametrize("material", WEAVES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_in_every_material(pattern, material):
    cloth = swatch(Fabric(pattern, COLOURS, seed=3, material=material))
    assert cloth.shape == (80, 80, 3)
    assert cloth.min() >= 0 and cloth.max() <= 255
    assert cloth.std(axis=(0, 1)).max() > 5 or (pattern, material) == ("plain", "cloth")
    np.testing.assert_array_equal(
        cloth, swatch(Fabric(pattern, COLOURS, seed=3, material=material))
    )


def test_plain_cloth_is_its_colour():
    np.testing.assert_allclose(
        swatch(Fabric("plain", COLOURS)), np.broadcast_to(COLOURS[0], (80, 80, 3))
    )


def test_scale_makes_the_pattern_larger():
    def changes(scale):
        cloth = swatch(Fabric("stripes", COLOURS, scale))[:, 0, 1] > 128
        return np.count_nonzero(cloth[1:] != cloth[:-1])

    assert changes(0.5) > 1.5 * changes(1.0) > 2 * changes(2.0)


@pytest.mark.parametrize("season", SEASONS)
def test_a_wardrobe_for_every_garment(season):
    wardrobe = Wardrobe(season, np.random.default_rng(2))
    fabrics = [wardrobe.fabric(garment, patterned=True) for garment in MODANET]
    patterns = {*LOOKS[season].patterns, *LOOKS[season].small_patterns}
    assert {fabric.pattern for fabric in fabrics} <= patterns
    assert all(np.isfinite(swatch(fabric)).all() for fabric in fabrics)
    if season != "4mev":
        assert "plain" not in {fabric.pattern for fabric in fabrics}


def test_seasons_are_those_of_the_labels():
    assert set(LOOKS) == set(SEASONS)


def test_colours_stray_little():
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert np.abs(strayed(rgb("#a4552a"), (0.01, 0.05, 0.05), rng) - rgb("#a4552a")).max() < 40


def test_chosen_follows_the_weights():
    rng = np.random.default_rng(1)
    picks = [chosen(rng, {"a": 3, "b": 1, "c": 0}) for _ in range(400)]
    assert 260 < picks.count("a") < 340
    assert "c" not in picks
