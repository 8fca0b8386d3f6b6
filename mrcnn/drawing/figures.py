"""Helpers for matplotlib: creating, saving and showing figures; axes, patches, captions.

matplotlib is imported when a figure is created, not with this module.
"""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from mrcnn.drawing.painting import mask_outlines
from mrcnn.system.files import write_bytes

# matplotlib's backends that write files and open no window.
_NO_WINDOW = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}
_PANEL_INCHES, _DOTS = 4.6, 110


def new_figure(rows: int, columns: int, panel: tuple[float, float] = (1.0, 1.0)):
    """A figure of equal panels and its axes [rows, columns]; panel: relative (width, height)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = (_PANEL_INCHES * n for n in panel)
    figure = Figure(figsize=(columns * width, rows * height), dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(path: str | os.PathLike, figure) -> Path:
    """Write a figure as PNG, completely or not at all, creating its folder. Raises UserError."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return write_bytes(path, buffer.getvalue())


def axes_for(ax, figsize: tuple[float, float] | None):
    """`ax` and False, or if `ax` is None, the axes of a new figure and True."""
    if ax is not None:
        return ax, False
    from matplotlib import pyplot as plt

    return plt.subplots(1, figsize=figsize)[1], True


def frame(ax, image: np.ndarray, title: str) -> None:
    """Set title and limits for an image, with a margin for boxes that reach its edge."""
    height, width = np.shape(image)[:2]
    ax.set_ylim(height + 10, -10)
    ax.set_xlim(-10, width + 10)
    ax.axis("off")
    ax.set_title(title)


def add_box(
    ax, box: np.ndarray | Sequence[float], color, style: str = "solid", alpha: float = 1.0
) -> None:
    """Add the outline of a box [y1, x1, y2, x2] in pixels."""
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = box
    ax.add_patch(
        Rectangle(
            (x1, y1),
            x2 - x1,
            y2 - y1,
            linewidth=2,
            linestyle=style,
            alpha=alpha,
            edgecolor=color,
            facecolor="none",
        )
    )


def add_outline(ax, mask: np.ndarray, color) -> None:
    """Add the outlines of a mask [H, W]."""
    from matplotlib.patches import Polygon

    for points in mask_outlines(np.asarray(mask).astype(bool)):
        ax.add_patch(Polygon(points, closed=True, facecolor="none", edgecolor=color))


def add_caption(ax, caption: str, x: float, y: float, paper: bool = False) -> None:
    """Add a text at (x, y): white, or black on a light background if `paper` is set."""
    if not caption:
        return
    if not paper:
        ax.text(x, y, caption, color="w", size=11, clip_on=True)
        return
    ground = {"facecolor": "white", "alpha": 0.5, "pad": 2, "edgecolor": "none"}
    ax.text(x, y, caption, color="k", size=11, verticalalignment="top", bbox=ground, clip_on=True)


def displayable(image: np.ndarray) -> np.ndarray:
    """An image in the form imshow expects: colour as uint8, [H, W, 1] as [H, W]."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    return image.astype(np.uint8) if image.ndim == 3 else image


def show() -> None:
    """Show the open figures, unless matplotlib's backend has no windows."""
    import matplotlib
    from matplotlib import pyplot as plt

    if matplotlib.get_backend().lower() not in _NO_WINDOW:
        plt.show()
