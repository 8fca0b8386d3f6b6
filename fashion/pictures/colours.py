"""The dominant colour of a garment, and what people call it."""

from typing import NamedTuple

import cv2
import numpy as np

RGB = tuple[int, int, int]

# Name and sRGB of common garment colours. Where one colour is an unlikely guess for its darker
# shades (by Lab distance a dark red is nearer to black than to red), these are given too.
NAMED_COLOURS: dict[str, tuple[RGB, ...]] = {
    "black": ((20, 20, 22), (4, 4, 5), (27, 27, 30)),
    "charcoal": ((60, 62, 66),),
    "grey": ((128, 128, 128),),
    "light grey": ((196, 196, 198),),
    "white": ((245, 245, 245),),
    "cream": ((244, 234, 208),),
    "beige": ((214, 190, 152),),
    "camel": ((184, 136, 84),),
    "brown": ((110, 70, 40),),
    "dark brown": ((62, 40, 28), (38, 24, 17), (44, 18, 9)),
    "burgundy": ((110, 20, 45), (66, 14, 28), (36, 7, 14)),
    "red": ((205, 30, 40), (160, 28, 34)),
    "coral": ((250, 120, 100),),
    "orange": ((240, 130, 30),),
    "mustard": ((205, 160, 40),),
    "yellow": ((248, 222, 70),),
    "olive": ((110, 112, 50), (66, 66, 36)),
    "khaki": ((165, 155, 110),),
    "lime": ((160, 215, 60),),
    "green": ((40, 145, 65),),
    "dark green": ((22, 70, 45), (14, 38, 24), (44, 66, 52)),
    "mint": ((165, 225, 195),),
    "teal": ((15, 120, 125), (16, 72, 92), (44, 80, 82), (18, 44, 54)),
    "turquoise": ((60, 200, 205),),
    "light blue": ((160, 200, 235),),
    "denim blue": ((85, 120, 160), (58, 78, 118)),
    "blue": ((35, 85, 190), (34, 66, 140), (66, 86, 166), (60, 72, 150)),
    "navy": ((24, 32, 74), (14, 17, 42), (40, 50, 88)),
    "lavender": ((190, 175, 225),),
    "purple": ((110, 50, 140), (78, 62, 128), (60, 28, 72), (34, 16, 42)),
    "magenta": ((200, 40, 130),),
    "pink": ((245, 165, 190),),
    "light pink": ((248, 215, 220),),
}
_BIN = 16  # levels of 8-bit Lab in one bin of the histogram
_SAMPLE = 50_000  # pixels that show the colour of a garment
_REACH = 18.0  # Lab distance within which pixels belong to the dominant colour


class NamedColour(NamedTuple):
    """A colour: its name, CIE Lab (L 0 to 100), sRGB, and the share of pixels that are near it."""

    name: str
    lab: tuple[float, float, float]
    rgb: tuple[int, int, int]
    share: float


def dominant_colour(pixels: np.ndarray) -> NamedColour | None:
    """The colour near which most of the pixels, uint8 RGB [n, 3], are; None without a pixel.

    The fullest cell of a coarse Lab histogram, refined by the mean of all pixels near it: a striped
    shirt gets the colour of its more frequent stripe, not the mean of both.
    """
    pixels = np.asarray(pixels, np.uint8).reshape(-1, 1, 3)
    if not len(pixels):
        return None
    # Every n-th of them. A step of a row's length would only see one column of the garment.
    pixels = np.ascontiguousarray(pixels[:: -(-len(pixels) // _SAMPLE) | 1])
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, 0]
    cells = np.floor((lab + np.array([0, 128, 128], np.float32)) * (2.55, 1, 1) / _BIN).astype(
        np.int64
    )
    keys = cells @ (1, 64, 64 * 64)
    fullest = np.bincount(keys).argmax()
    centre = lab[keys == fullest].mean(axis=0)
    near = np.linalg.norm(lab - centre, axis=1) <= _REACH
    centre = lab[near].mean(axis=0)
    rgb = cv2.cvtColor(centre[None, None].astype(np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (int(n) for n in np.rint(np.clip(rgb, 0, 1) * 255))
    lightness, a, b = (round(float(n), 1) for n in centre)
    return NamedColour(
        colour_name(centre),
        (lightness, a, b),
        (red, green, blue),
        round(float(near.mean()), 3),
    )


def colour_name(lab: np.ndarray) -> str:
    """The name in `NAMED_COLOURS` that is nearest to a Lab colour, float [3], by CIEDE2000."""
    from skimage.color import deltaE_ciede2000

    shades = [(name, rgb) for name, colours in NAMED_COLOURS.items() for rgb in colours]
    table = np.array([rgb for _, rgb in shades], np.float32)[None] / 255
    known = cv2.cvtColor(table, cv2.COLOR_RGB2LAB)[0]
    nearest = deltaE_ciede2000(known, np.broadcast_to(lab, known.shape)).argmin()
    return shades[int(nearest)][0]
