"""Captions: Unicode text on filled backgrounds, placed so that all are readable.

The font is DejaVu Sans, which comes with matplotlib (found without importing it), so pictures look
the same on every machine.
"""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_MINIMUM_TEXT_SIZE = 8


class Label(NamedTuple):
    """A caption for the box [y1, x1, y2, x2], in pixels, on a background of `colour` (RGB)."""

    box: tuple[float, float, float, float]
    text: str
    colour: tuple[int, int, int]


@functools.lru_cache(maxsize=64)
def font(size: int, bold: bool = False):
    """A scalable font whose letters are `size` pixels high."""
    package = importlib.util.find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    for folder in package.submodule_search_locations or [] if package else []:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            # Basic layout gives the same pixels with and without the optional raqm library.
            return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


def text_width(text: str, size: int, bold: bool = False) -> int:
    """The width of `text` in pixels."""
    return int(np.ceil(font(size, bold).getlength(text)))


def text_height(size: int) -> int:
    """The height of a caption's background in pixels."""
    return _line_height(size) + 2 * _margin(size)


def shorten(text: str, size: int, width: int, bold: bool = False) -> str:
    """`text` on one line, truncated with an ellipsis if it is wider than `width` pixels."""
    text = " ".join(text.split())
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def ink_on(colour: Sequence[int]) -> tuple[int, int, int]:
    """Black or white, whichever is easier to read on `colour` (Rec. 709 luma)."""
    red, green, blue = (int(channel) for channel in colour)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 135
    return (0, 0, 0) if light else (255, 255, 255)


def write_text(
    image: np.ndarray,
    text: str,
    position: tuple[int, int],
    size: int,
    colour: tuple[int, int, int] = (0, 0, 0),
    bold: bool = False,
) -> None:
    """Write one line into a uint8 [H, W, 3] image, in place; position is its top left (y, x).

    Parts outside the image are cut off.
    """
    y, x = position
    width, height = text_width(text, size, bold), _line_height(size)
    y1, x1 = max(y, 0), max(x, 0)
    y2, x2 = min(y + height, image.shape[0]), min(x + width, image.shape[1])
    if y2 <= y1 or x2 <= x1:
        return
    patch = Image.fromarray(np.ascontiguousarray(image[y1:y2, x1:x2]))
    ascent, _ = font(size, bold).getmetrics()
    baseline = (height + round(0.73 * size)) // 2
    ImageDraw.Draw(patch).text(
        (x - x1, y - y1 + baseline - ascent), text, fill=colour, font=font(size, bold)
    )
    image[y1:y2, x1:x2] = np.asarray(patch)


def write_labels(image: np.ndarray, labels: Sequence[Label], size: int) -> np.ndarray:
    """Write all captions into a uint8 [H, W, 3] image, in place, and return it.

    A caption is placed above the left end of its box. If it would leave the image there, cover an
    earlier caption or hide a small box, it moves to the best other corner, inside or outside.
    """
    height, width = image.shape[:2]
    taken: list[tuple[int, int, int, int]] = []
    small = _small_boxes(labels, limit=30 * size * size)
    for label in labels:
        if not label.text.strip():
            continue
        fitted = _fitted_size(label.text, size, width)
        margin = _margin(fitted)
        text = shorten(label.text, fitted, width - 2 * margin)
        extent = (text_height(fitted), text_width(text, fitted) + 2 * margin)
        place = _best_place(label.box, extent, (height, width), taken, small)
        taken.append(place)
        y1, x1, y2, x2 = place
        image[y1:y2, x1:x2] = label.colour
        write_text(image, text, (y1 + margin, x1 + margin), fitted, ink_on(label.colour))
    return image


def _best_place(box, extent, image_size, taken, small):
    """The pixel box of a caption: the candidate that covers the least."""
    tall, wide = extent
    height, width = image_size
    y1, x1, y2, x2 = (round(value) for value in box)
    rows = [y1 - tall, y1, y2, y2 - tall]
    if y1 - tall < 0:
        rows = [y1, y2, y2 - tall]
    rows += [(y1 + y2 - tall) // 2]
    candidates = [
        _inside(row, column, tall, wide, height, width)
        for row in rows
        for column in (x1, x2 - wide, (x1 + x2 - wide) // 2)
    ]

    def hidden(place):
        captions = sum(_common_area(place, other) for other in taken)
        return 4 * captions + sum(_common_area(place, other) for other in small)

    return min(candidates, key=hidden)


def _small_boxes(labels, limit):
    """The boxes of at most `limit` pixels, which a caption might hide."""
    boxes = [tuple(round(value) for value in label.box) for label in labels]
    return [box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) <= limit]


def _inside(y, x, tall, wide, height, width):
    y = max(0, min(y, height - tall))
    x = max(0, min(x, width - wide))
    return y, x, min(y + tall, height), min(x + wide, width)


def _common_area(a, b):
    rows = min(a[2], b[2]) - max(a[0], b[0])
    columns = min(a[3], b[3]) - max(a[1], b[1])
    return max(rows, 0) * max(columns, 0)


def _fitted_size(text, size, width):
    while size > _MINIMUM_TEXT_SIZE and text_width(text, size) + 2 * _margin(size) > width:
        size -= 1
    return size


def _margin(size):
    return max(1, round(size / 6))


def _line_height(size):
    return round(1.15 * size)
