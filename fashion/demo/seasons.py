"""What the five seasons look like in the drawn pictures: colours, patterns and materials.

Any garment alone shows the season: spring by pastels with blossoms and soft blotches,
summer by bright colours with dots and bold stripes, autumn by earth tones with plaid and
herringbone, winter by dark cold colours with knit, chevrons and snow stars, "all seasons" by greys
and denim, plain.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from fashion.demo.fabric import Colour, Fabric

SMALL = ("bag", "belt", "boots", "footwear", "sunglasses", "headwear", "scarf/tie")
LEATHERY = ("bag", "belt", "boots", "footwear")


@dataclass(frozen=True)
class Season:
    """A family of looks.

    Attributes:
        schemes: sets of colours that go together, "#rrggbb": ground colours of the garments.
        marks: colours of the pattern drawn on the ground.
        patterns: of cloth, and how often (weights); `small_patterns` those of bags, shoes, hats.
        materials: how often cloth, denim, knit and leather are chosen (leather for small things).
        jitter: how far hue, saturation and value stray.
    """

    schemes: tuple[tuple[str, ...], ...]
    marks: tuple[str, ...]
    patterns: dict[str, float]
    small_patterns: dict[str, float]
    materials: dict[str, float]
    jitter: tuple[float, float, float] = (0.012, 0.06, 0.04)


LOOKS = {
    "ilkb": Season(
        schemes=(
            ("#f6cdd6", "#cfe6d4", "#f7efc9", "#d9d0ee"),
            ("#c9e3f1", "#f8d9c4", "#f3c9dc", "#dcefd0"),
            ("#e3d3f0", "#fbe6b9", "#c8e9dd", "#f9d3cc"),
            ("#d2e9c6", "#f5c6cf", "#cfdff5", "#fbeacb"),
        ),
        marks=("#e88fa6", "#ffffff", "#b48fd0", "#7fbf9b", "#f0b45f", "#86aee0"),
        patterns={"blossoms": 6, "blotches": 3, "plain": 1.2},
        small_patterns={"blossoms": 4, "blotches": 3, "plain": 2},
        materials={"cloth": 1.0},
        jitter=(0.012, 0.03, 0.03),
    ),
    "yaz": Season(
        schemes=(
            ("#f0342c", "#ffd21f", "#1597d6", "#ff7a1a"),
            ("#00a79d", "#ff4f79", "#ffcf0a", "#1f6fe0"),
            ("#ff3d8b", "#17b9c9", "#ffe03a", "#ff6a13"),
            ("#2255e0", "#f9392f", "#1bb35f", "#ffc400"),
        ),
        marks=("#ffffff", "#fff3b0", "#ffe14d", "#103a8c"),
        patterns={"dots": 4, "stripes": 4, "long stripes": 2, "plain": 1.2},
        small_patterns={"dots": 3, "stripes": 4, "plain": 2},
        materials={"cloth": 1.0},
    ),
    "sonb": Season(
        schemes=(
            ("#a4552a", "#6b6b35", "#c9942f", "#74492b"),
            ("#8a4b2d", "#bf8a45", "#5d5f33", "#b1632c"),
            ("#c07f2c", "#7a3f28", "#8c8348", "#a2683d"),
            ("#74713a", "#b8692e", "#8d5a34", "#c59b55"),
        ),
        marks=("#3d2717", "#e8c987", "#8c2f1c", "#f0dcb0", "#3f4a25"),
        patterns={"plaid": 6, "herringbone": 4, "plain": 1.2},
        small_patterns={"plaid": 3, "herringbone": 2, "plain": 4},
        materials={"cloth": 0.8, "leather": 0.2},
    ),
    "kis": Season(
        schemes=(
            ("#1c2747", "#4a1628", "#16382f", "#2b2a33"),
            ("#232c3d", "#1f4038", "#3a2347", "#101c33"),
            ("#51182d", "#202533", "#17304e", "#233f3f"),
            ("#143043", "#3b1d3d", "#1d2b26", "#2c3350"),
        ),
        marks=("#d9e6f2", "#8fb3d4", "#b8c4d6", "#c4405a"),
        patterns={"chevrons": 3, "snow": 3, "cables": 3, "quilted": 1.5, "plain": 1},
        small_patterns={"chevrons": 3, "quilted": 3, "cables": 2, "plain": 2},
        materials={"knit": 0.6, "cloth": 0.4},
    ),
    "4mev": Season(
        schemes=(
            ("#8d9096", "#5d7fa8", "#d8d8d6", "#6b6e75"),
            ("#6d8db3", "#b4b5b6", "#7b7e83", "#e4e3df"),
            ("#a6a8ab", "#dedddb", "#56779f", "#83858a"),
            ("#c3c4c4", "#7690b0", "#96999d", "#6f7278"),
        ),
        marks=("#f2f2f0", "#3f4248", "#c9a15d"),
        patterns={"plain": 9, "fine stripes": 1},
        small_patterns={"plain": 1},
        materials={"cloth": 1.0},
    ),
}


class Wardrobe:
    """Fabrics of one season that go together; each call draws another."""

    def __init__(self, season: str, rng: np.random.Generator) -> None:
        self.season = season
        self.look = LOOKS[season]
        self.rng = rng
        scheme = self.look.schemes[rng.integers(len(self.look.schemes))]
        self.colours = [rgb(text) for text in rng.permutation(scheme)]
        self.marks = [rgb(mark) for mark in rng.permutation(self.look.marks)]
        self._taken = 0
        self._patterned = 0

    def fabric(self, garment: str, *, patterned: bool = False) -> Fabric:
        """A fabric for a garment of ModaNet. `patterned` asks for the season's own patterns."""
        rng, look = self.rng, self.look
        base = strayed(self.colours[self._taken % len(self.colours)], look.jitter, rng)
        self._taken += 1
        small = garment in SMALL
        weights = dict(look.small_patterns if small else look.patterns)
        if patterned and weights["plain"] < sum(weights.values()) / 2:
            del weights["plain"]
        elif self._patterned > 1 and not small:  # three loud garments are too many
            weights["plain"] *= 6
        pattern = chosen(rng, weights)
        self._patterned += pattern != "plain" and not small
        material = chosen(rng, look.materials)
        if self.season == "4mev" and base[2] > base[0] + 20:  # the blues are denim
            material = "denim"
        if material == "leather" and garment not in (*LEATHERY, "outer", "skirt"):
            material = "cloth"
        if pattern in ("chevrons", "snow") and garment in LEATHERY:
            material = "cloth"
        # A picture has few marks; those that stand out from the ground come first.
        marks = sorted(self.marks, key=lambda mark: np.abs(mark - base).sum() < 130)
        if garment in LEATHERY:
            marks = [0.6 * mark + 0.4 * base for mark in marks]
        scale = rng.uniform(0.8, 1.25) * (0.62 if small else 1.0)
        if pattern == "plain":
            material = "leather" if garment in LEATHERY and material == "cloth" else material
        seed = int(rng.integers(1 << 31))
        return Fabric(pattern, (base, marks[0], marks[1]), scale, seed, material)

    def accent(self) -> Colour:
        """A colour of the scheme for trimmings."""
        return self.colours[int(self.rng.integers(len(self.colours)))]


def rgb(text: str) -> Colour:
    """float32 [3] of "#rrggbb"."""
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32)


def strayed(colour: Colour, jitter: tuple[float, float, float], rng: np.random.Generator) -> Colour:
    """The colour, moved at random in hue, saturation and value."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(colour / 255).tolist())
    shift = rng.uniform(-1, 1, 3) * jitter
    moved = (
        (hue + shift[0]) % 1,
        float(np.clip(saturation + shift[1] * (saturation > 0.08), 0, 1)),
        float(np.clip(value + shift[2], 0, 1)),
    )
    return np.array(colorsys.hsv_to_rgb(*moved), dtype=np.float32) * 255


def chosen(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One of the keys, at random by their weights."""
    values = np.array(list(weights.values()), dtype=np.float64)
    return list(weights)[int(rng.choice(len(values), p=values / values.sum()))]
