"""Pictures for people: detections as PNGs, sheets of several images, loss curves.

Images are uint8 RGB [H, W, 3]. Files appear whole or not at all.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mrcnn.drawing import captions, painting
from mrcnn.drawing.figures import save_figure
from mrcnn.errors import UserError
from mrcnn.system.files import write_bytes
from mrcnn.training.history import read_history

ClassNames = Sequence[str] | Mapping[int, str]
Colours = Sequence[painting.Colour] | Mapping[int, painting.Colour]

HISTORY = "history.csv"
_GAP = 8
_PAPER = (255, 255, 255)
_INK = (30, 30, 30)
# Columns of a training's history other than losses.
_NOT_LOSSES = {"epoch", "step", "learning_rate", "lr", "seconds", "images_per_second"}


def save_png(path: str | os.PathLike, image: np.ndarray) -> Path:
    """Write an image as PNG, whatever the suffix of `path`, and return the path.

    A fourth channel, of uint8, is its transparency.
    Missing folders are created. Raises `UserError` if the file cannot be written.
    """
    path = Path(path)
    if image.ndim == 3 and image.shape[2] == 4:
        pixels = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA)
    else:
        pixels = cv2.cvtColor(painting.as_rgb(image), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise UserError(f"an image of shape {image.shape} cannot be stored as PNG", path=path)
    return write_bytes(path, data.tobytes())


def save_detections_png(
    path: str | os.PathLike,
    image: np.ndarray,
    result: Mapping[str, np.ndarray],
    class_names: ClassNames,
    colours: Colours | None = None,
    *,
    legend: bool = False,
) -> Path:
    """Draw detections on an image and write it as a PNG of the image's own size.

    result: see `mrcnn.drawing.painting.draw_detections`. class_names, colours: by class id. With
    `legend` a strip that lists the classes is added below the image. Returns the path.
    """
    picture = painting.draw_detections(image, result, class_names, colours)
    if legend:
        picture = add_legend(picture, result["class_ids"], class_names, colours)
    return save_png(path, picture)


def add_legend(
    image: np.ndarray,
    class_ids: Iterable[int],
    class_names: ClassNames,
    colours: Colours | None = None,
) -> np.ndarray:
    """The image with a strip below that lists each class found, its colour and its count."""
    image = painting.as_rgb(image)
    height, width = image.shape[:2]
    size = painting.style_for(height, width).text
    swatch, margin, tall = size, max(2, size // 3), round(1.7 * size)
    room = max(width - swatch - 3 * margin, 1)
    rows: list[list[tuple[int, str, int]]] = [[]]
    across = 0
    for class_id, count in sorted(Counter(int(i) for i in class_ids).items()):
        name = painting.name_of(class_id, class_names)
        text = captions.shorten(f"{name} ({count})" if count > 1 else name, size, room)
        wide = swatch + captions.text_width(text, size) + 4 * margin
        if across and across + wide > width:
            rows.append([])
            across = 0
        rows[-1].append((class_id, text, across))
        across += wide
    if not rows[0]:
        rows = [[(-1, captions.shorten("nothing found", size, room), 0)]]
    strip = np.full((len(rows) * tall + 2 * margin, width, 3), _PAPER, np.uint8)
    for index, row in enumerate(rows):
        top = margin + index * tall
        for class_id, text, left in row:
            y, x = top + (tall - swatch) // 2, left + margin
            if class_id >= 0:
                strip[y : y + swatch, x : x + swatch] = painting.colour_of(class_id, colours)
            captions.write_text(strip, text, (y, x + swatch + margin), size, _INK)
    return np.vstack([image, strip])


def side_by_side(images: Sequence[np.ndarray], titles: Sequence[str] | None = None) -> np.ndarray:
    """Images in one row, each at its own size and aligned at the top, with titles above them.

    titles: one for each image, or None for no titles. Without an image it is one white pixel.
    """
    return _sheet([painting.as_rgb(image) for image in images], titles, max(len(images), 1))


def contact_sheet(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    tile: int = 320,
) -> np.ndarray:
    """Images in a grid, each shrunk to fit into `tile` x `tile` pixels, with titles above them.

    columns: images per row, by default about as many as rows.
    """
    columns = columns or max(1, math.ceil(math.sqrt(len(images))))
    return _sheet([_fit(painting.as_rgb(image), tile) for image in images], titles, columns)


def plot_losses(csv_path: str | os.PathLike, png_path: str | os.PathLike) -> Path:
    """Plot a training's CSV: the total loss and its parts over the epochs, and write a PNG.

    Args:
        csv_path: a header with epoch (or step) and columns of losses; each column `x` may have a
            `val_x`, drawn dashed in the same colour. Empty cells are gaps. A folder means the
            newest `history.csv` in it or in the folders of trainings in it.
        png_path: the file to write.

    Returns:
        `png_path`.

    Raises:
        UserError: the CSV cannot be read or has no losses, or the PNG cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    csv_path = _newest_history(Path(csv_path))
    table = _read_numbers(csv_path)
    axis = "epoch" if "epoch" in table else "step"
    losses = [name for name in table if name not in _NOT_LOSSES and not name.startswith("val_")]
    losses = [name for name in losses if np.isfinite(table[name]).any()]
    if axis not in table or not losses:
        raise UserError(
            "there is nothing to plot",
            path=csv_path,
            expected="a header with epoch, loss, rpn_class_loss, ..., val_loss, ... and at least "
            "one row of numbers",
        )
    figure = Figure(figsize=(11, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    parts = [name for name in losses if name != "loss"]
    for panel, names, title in zip(
        panels,
        ([n for n in losses if n == "loss"], parts),
        ("total loss", "its parts"),
        strict=True,
    ):
        for index, name in enumerate(names):
            _plot_pair(panel, table, axis, name, f"C{index}")
        panel.set(title=title, xlabel=axis)
        panel.set_ylim(bottom=0)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        if names:
            panel.legend(fontsize=8)
    return save_figure(png_path, figure)


def _plot_pair(
    panel: Any, table: Mapping[str, np.ndarray], axis: str, name: str, colour: str
) -> None:
    x = table[axis]
    order = np.argsort(x, kind="stable")
    marker = "o" if len(x) < 40 else None
    label = name.removesuffix("_loss")
    panel.plot(x[order], table[name][order], color=colour, marker=marker, ms=3, label=label)
    validation = table.get(f"val_{name}")
    if validation is not None and np.isfinite(validation).any():
        known = order[np.isfinite(validation[order])]
        panel.plot(
            x[known], validation[known], "--", color=colour, marker=marker, ms=3, alpha=0.8,
            label=f"{label} (validation)",
        )  # fmt: skip


def _newest_history(path: Path) -> Path:
    """The file itself; of a folder the history of the last training by name, else the path."""
    found = [path / HISTORY, *sorted(path.glob(f"*/{HISTORY}"), reverse=True)]
    return next((file for file in found if file.is_file()), path)


def _read_numbers(path):
    """The columns of a history as float64 arrays, NaN where a row has no number."""
    rows = read_history(path)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, math.nan) for row in rows]) for name in names}


def _sheet(images: Sequence[np.ndarray], titles: Sequence[str] | None, columns: int) -> np.ndarray:
    if titles is not None and len(titles) != len(images):
        raise UserError("each image needs one title", expected=str(len(images)), found=len(titles))
    if not images:
        return np.full((1, 1, 3), _PAPER, np.uint8)
    rows = [range(i, min(i + columns, len(images))) for i in range(0, len(images), columns)]
    widths = [max(image.shape[1] for image in images[c::columns]) for c in range(len(rows[0]))]
    heights = [max(images[i].shape[0] for i in row) for row in rows]
    size = max(11, min(22, round(max(widths) / 28)))
    band = round(1.6 * size) if titles is not None else 0
    sheet = np.full(
        (
            sum(heights) + len(rows) * (band + _GAP) + _GAP,
            sum(widths) + len(widths) * _GAP + _GAP,
            3,
        ),
        _PAPER,
        np.uint8,
    )
    y = _GAP
    for row, height in zip(rows, heights, strict=True):
        x = _GAP
        for column, index in enumerate(row):
            if titles is not None:
                title = captions.shorten(str(titles[index]), size, widths[column])
                captions.write_text(sheet, title, (y + (band - size) // 3, x), size, _INK)
            image = images[index]
            sheet[y + band : y + band + image.shape[0], x : x + image.shape[1]] = image
            x += widths[column] + _GAP
        y += band + height + _GAP
    return sheet


def _fit(image: np.ndarray, tile: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = min(tile / height, tile / width, 1.0)
    if factor == 1.0:
        return image
    new_size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, new_size, interpolation=cv2.INTER_AREA)
