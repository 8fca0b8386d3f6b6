"""The fabrics of the drawn pictures: patterns and materials as functions of the cloth's u, v.

u runs across the cloth and v along it, in pixels of the picture, float32 [h, w]. Each function
returns float32 [h, w, 3], RGB. Edges of patterns are soft over about a pixel.
"""

from dataclasses import dataclass

import numpy as np

Colour = np.ndarray
TABLE = 32  # random values repeat after this many cells


@dataclass(frozen=True)
class Fabric:
    """A material with a pattern.

    Attributes:
        pattern: a key of `PATTERNS`.
        colours: base, second and third colour, float32 [3] each.
        scale: size of the pattern; 1 suits a dress, bags and shoes need less.
        seed: of the random part of the pattern.
        material: "cloth", "denim", "knit" or "leather".
    """

    pattern: str
    colours: tuple[Colour, Colour, Colour]
    scale: float = 1.0
    seed: int = 0
    material: str = "cloth"

    @property
    def base(self) -> Colour:
        """The ground colour."""
        return self.colours[0]

    @property
    def ink(self) -> Colour:
        """The colour in which outlines and folds of this fabric are drawn."""
        grey = self.base.mean()
        return (self.base * 0.75 + grey * 0.25) * 0.36

    def __call__(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The colour at u, v."""
        table = np.random.default_rng(self.seed).random((8, TABLE, TABLE), dtype=np.float32)
        u = u + table[0, 0, 0] * 50
        v = v + table[0, 0, 1] * 50
        colour = PATTERNS[self.pattern](u / self.scale, v / self.scale, self.colours, table)
        return np.clip(WEAVES[self.material](colour, u, v, table), 0, 255)


def step(value: np.ndarray, softness: float = 0.6) -> np.ndarray:
    """0 below zero, 1 above, a ramp of `softness` to each side."""
    return np.clip(value / (2 * softness) + 0.5, 0, 1)


def mix(below: np.ndarray, above: Colour | np.ndarray, share: np.ndarray) -> np.ndarray:
    """`share` [h, w] of the colour `above` over [h, w, 3] or [3] `below`."""
    return below + (above - below) * share[:, :, None]


def wave(value: np.ndarray, period: float) -> np.ndarray:
    """A triangle wave, -1 to 1."""
    return 4 * np.abs(value / period - np.floor(value / period + 0.5)) - 1


def band(value: np.ndarray, period: float, width: float, start: float = 0.0) -> np.ndarray:
    """Bands of `width` every `period`, 0 to 1."""
    centre = (value - start - width / 2) / period
    away = np.abs(centre - np.floor(centre + 0.5)) * period
    return step(width / 2 - away)


def _plain(u, v, colours, table):
    return np.broadcast_to(colours[0], (*u.shape, 3)).astype(np.float32)


def _stripes(u, v, colours, table):
    return mix(_plain(u, v, colours, table), colours[1], band(v, 20, 9))


def _long_stripes(u, v, colours, table):
    ground = mix(_plain(u, v, colours, table), colours[1], band(u, 18, 8))
    return mix(ground, colours[2], band(u, 18, 1.6, 12))


def _fine_stripes(u, v, colours, table):
    return mix(_plain(u, v, colours, table), colours[1], band(v, 9, 2.2))


def _dots(u, v, colours, table):
    cell = 16.0
    row = np.floor(v / cell)
    du = np.mod(u + (row % 2) * cell / 2, cell) - cell / 2
    dv = np.mod(v, cell) - cell / 2
    return mix(_plain(u, v, colours, table), colours[1], step(4.6 - np.hypot(du, dv)))


def _cells(u, v, cell, table, first):
    """Distance from, and angle about, a spot somewhere in each cell; random values."""
    column, row = np.floor(u / cell), np.floor(v / cell)
    i, j = row.astype(int) % TABLE, column.astype(int) % TABLE
    chance = table[first : first + 3, i, j]
    du = u - (column + 0.5 + 0.36 * (chance[0] - 0.5)) * cell
    dv = v - (row + 0.5 + 0.36 * (chance[1] - 0.5)) * cell
    return np.hypot(du, dv), np.arctan2(dv, du), chance


def _blossoms(u, v, colours, table):
    ground = _blotches(u, v, (colours[0], colours[0] * 0.94 + 14, colours[0]), table)
    cell = 19.0
    for shift, first, colour in ((0.0, 1, colours[1]), (cell / 2, 4, colours[2])):
        distance, angle, chance = _cells(u + shift, v + shift, cell, table, first)
        size = cell * (0.25 + 0.1 * chance[2])
        petals = size * (0.74 + 0.26 * np.cos(5 * angle + 6 * chance[0]))
        present = chance[2] > 0.22
        ground = mix(ground, colour, step(petals - distance) * present)
        heart = colours[2] if first == 1 else colours[1]
        ground = mix(ground, heart * 0.85 + 30, step(size * 0.3 - distance) * present)
    return ground


def _blotches(u, v, colours, table):
    soft = (
        np.sin(u / 11 + 5 * table[0, 0, 2] + 1.3 * np.sin(v / 15))
        + np.sin(v / 13 + 5 * table[0, 0, 3] + 1.3 * np.sin(u / 17))
        + 0.5 * np.sin((u + v) / 8)
    )
    ground = mix(_plain(u, v, colours, table), colours[1], step(soft - 0.6, 0.8) * 0.75)
    return mix(ground, colours[2], step(-soft - 1.0, 0.8) * 0.6)


def _plaid(u, v, colours, table):
    across = 0.5 * band(u, 30, 13) + 0.5 * band(v, 30, 13)
    ground = mix(_plain(u, v, colours, table), colours[1], 0.95 * across)
    thin = np.maximum(band(u, 30, 2.2, 20), band(v, 30, 2.2, 20))
    return mix(ground, colours[2], 0.85 * thin)


def _zigzag(u, v, period, height):
    return v + height * wave(u, period)


def _herringbone(u, v, colours, table):
    share = band(_zigzag(u, v, 11, 2.8), 4.6, 2.2)
    return mix(_plain(u, v, colours, table), colours[1], 0.55 * share)


def _chevrons(u, v, colours, table):
    path = _zigzag(u, v, 20, 5)
    ground = mix(_plain(u, v, colours, table), colours[1], 0.9 * band(path, 24, 5))
    return mix(ground, colours[2], 0.8 * band(path, 24, 2.5, 10))


def _snow(u, v, colours, table):
    """Rows of stars and zigzags, as on a Nordic jersey."""
    cell = 17.0
    row = np.floor(v / cell)
    dv = np.mod(v, cell) - cell / 2
    du = np.mod(u + (row % 2) * cell / 2, cell) - cell / 2
    distance, angle = np.hypot(du, dv), np.arctan2(dv, du)
    star = step(2.3 + 3.2 * np.cos(3 * angle) ** 8 - distance, 0.7)
    zigzag = band(_zigzag(u, v, 9, 2), cell * 2, 2.2)
    ground = mix(_plain(u, v, colours, table), colours[1], 0.9 * star * (row % 2 == 0))
    return mix(ground, colours[2], 0.9 * zigzag)


def _cables(u, v, colours, table):
    column = np.mod(u, 15) - 7.5
    rope = 3.2 * np.sin(v / 5.2)
    strand = np.maximum(step(1.3 - np.abs(column - rope)), step(1.3 - np.abs(column + rope)))
    ground = _plain(u, v, colours, table) * (1 - 0.2 * band(u, 15, 2)[:, :, None])
    return mix(ground, colours[1], 0.5 * strand)


def _quilted(u, v, colours, table):
    a, b = u + v, u - v
    seam = np.maximum(band(a, 17, 1.5), band(b, 17, 1.5))
    puff = (wave(a, 17) + wave(b, 17)) * 0.05
    return _plain(u, v, colours, table) * (1 - puff - 0.35 * seam)[:, :, None]


PATTERNS = {
    "plain": _plain,
    "stripes": _stripes,
    "long stripes": _long_stripes,
    "fine stripes": _fine_stripes,
    "dots": _dots,
    "blossoms": _blossoms,
    "blotches": _blotches,
    "plaid": _plaid,
    "herringbone": _herringbone,
    "chevrons": _chevrons,
    "snow": _snow,
    "cables": _cables,
    "quilted": _quilted,
}


def _cloth_weave(colour, u, v, table):
    return colour


def _denim_weave(colour, u, v, table):
    rows, columns = (v * 0.9).astype(int) % TABLE, (u * 1.3 + v * 0.5).astype(int) % TABLE
    twill = table[1, rows, columns] - 0.5
    worn = np.sin(u / 23 + table[0, 1, 0] * 9) * np.sin(v / 41 + table[0, 1, 1] * 9)
    return colour * (1 + 0.13 * twill)[:, :, None] + 9 * worn[:, :, None]


def _knit_weave(colour, u, v, table):
    stitch = band(v + 1.6 * np.abs(wave(u, 6)), 3.6, 1.3)
    rib = 0.07 * wave(u, 6)
    return colour * (1.03 + rib - 0.17 * stitch)[:, :, None]


def _leather_weave(colour, u, v, table):
    sheen = np.sin(u / 19 + table[0, 1, 0] * 9 + 0.8 * np.sin(v / 27)) ** 8
    return colour + 26 * sheen[:, :, None]


WEAVES = {
    "cloth": _cloth_weave,
    "denim": _denim_weave,
    "knit": _knit_weave,
    "leather": _leather_weave,
}
