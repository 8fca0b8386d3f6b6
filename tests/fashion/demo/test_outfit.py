from collections import Counter

import numpy as np
import pytest

from fashion.demo.figure import SIDES, Figure
from fashion.demo.garments.bags import IN_HAND
from fashion.demo.outfit import Dresser
from fashion.demo.seasons import Wardrobe
from fashion.labels import MODANET, SEASONS


def dressed(number, season=None, wanted=None):
    """A figure and its outfit; nothing is painted."""
    rng = np.random.default_rng([3, number])
    season = season or list(SEASONS)[number % len(SEASONS)]
    figure = Figure(rng, 600, 400)
    return figure, Dresser(rng, Wardrobe(season, rng), figure, wanted).dress()


def test_every_class_is_frequent():
    counts = Counter(garment for n in range(400) for garment in dressed(n)[1].pieces)
    assert set(counts) == set(MODANET)
    assert min(counts.values()) > 0.15 * 400


@pytest.mark.parametrize("wanted", MODANET)
def test_the_wanted_garment_is_worn(wanted):
    assert all(wanted in dressed(number, None, wanted)[1] for number in range(20))


def test_what_is_worn_goes_together():
    for number in range(200):
        figure, outfit = dressed(number)
        lower = [g for g in ("dress", "skirt", "shorts", "pants") if g in outfit]
        assert len(lower) == 1
        assert ("top" in outfit) != ("dress" in outfit)
        assert not ("boots" in outfit and "footwear" in outfit)
        bag = outfit.get("bag")
        if bag is not None and bag.style in IN_HAND:
            assert figure.arms[bag.side] in ("down", "relaxed")
        scarf = outfit.get("scarf/tie")
        if scarf is not None and scarf.style == "tie":
            assert outfit.get("top").neck == "collar"


def test_sleeves_fit_into_those_of_a_coat():
    outfits = [dressed(number, "kis", "outer")[1] for number in range(30)]
    for outfit in outfits:
        under = outfit.get("top") or outfit.get("dress")
        assert under.sleeve_ease < outfit.get("outer").sleeve_ease


def test_figures_keep_their_proportions_and_stay_in_the_picture():
    for number in range(60):
        figure, _ = dressed(number)
        head, half_width, half_height = figure.head
        assert head[1] - 1.5 * half_height > 0
        assert 2 * half_width >= 40
        for side in SIDES:
            arm, leg, foot = figure.arm(side), figure.leg(side), figure.foot(side)
            assert (np.diff(leg[:, 1]) > 0).all()
            assert foot.ankle[1] < foot.toe[1] < 600
            assert arm[:, 0].min() > 0 and arm[:, 0].max() < 400
            assert side * (arm[0, 0] - figure.centre) > 0
