"""The measures of parsed clothing as text for a terminal, as CSV and as a PNG of charts.

`levels` are the measures by the name of a level, such as the pixel level and the joint level, over
the same images and classes; the others are compared with the first.
"""

import csv
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion.json_files import write_json, write_text
from fashion.parsing.measuring.measures import OVERALL, ClassFigures, ParsingMeasures
from fashion.terminal import text_table
from mrcnn.drawing.figures import save_figure
from mrcnn.errors import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Levels = Mapping[str, ParsingMeasures]

TITLES = {
    "pixel_accuracy": "pixel accuracy",
    "foreground_accuracy": "foreground accuracy",
    "mean_iou": "mean IoU",
    "garment_iou": "mean IoU, garments",
    "mean_f1": "mean F1",
    "boundary_f": "boundary F",
}
CLASS_FIGURES = ("iou", "f1", "boundary_f")
SHORT = {"iou": "IoU", "f1": "F1", "boundary_f": "boundary F"}
_ONLY_OVERALL = ("pixel_accuracy", "foreground_accuracy", "garment_iou")
INK, FAINT, COLOURS = "#222222", "#dddddd", ("#9aa7b5", "#2171b5", "#08306b", "#6baed6")


def overall_text(levels: Levels) -> str:
    """A table of the figures over all classes, in per cent; with two levels also the gain."""
    figures = [measures.overall() for measures in levels.values()]
    head = ["over all, %", *levels, *(["gain"] if len(levels) == 2 else [])]
    rows = []
    for name in OVERALL:
        values = [one[name] for one in figures]
        rows.append([TITLES[name], *map(_percent, values), *_gain(values)])
    return text_table(head, rows)


def classes_text(levels: Levels) -> str:
    """A table of IoU, F1 and boundary F of each class that occurs, in per cent."""
    head = ["class, %", "pixels"]
    head += [f"{SHORT[name]}, {level}" for name in CLASS_FIGURES for level in levels]
    rows = []
    for columns in _occurring(levels):
        cells = [columns[0].name, f"{columns[0].truth:,}"]
        for name in CLASS_FIGURES:
            cells += [_percent(getattr(column, name)) for column in columns]
        rows.append(cells)
    return text_table(head, rows)


def recap_text(measures: ParsingMeasures) -> str:
    """The class-by-class table: true labels by predicted ones, in per cent of the true pixels."""
    shares = _shares(measures)
    used = _used(measures)
    head = ["truth by predicted, %", *(str(number) for number in used), "pixels"]
    rows = []
    for row in used:
        cells = ["-" if np.isnan(v) or v < 0.05 else f"{v:.1f}" for v in shares[row, used]]
        pixels = f"{measures.confusion[row].sum():,}"
        rows.append([f"{row} {measures.names[row]}", *cells, pixels])
    return text_table(head, rows)


def measures_text(levels: Levels) -> str:
    """All tables, one below the other."""
    first = next(iter(levels.values()))
    parts = [
        f"{counted(first.images, 'picture')}; outlines may be off by {first.tolerance:.2%} of the "
        "diagonal",
        overall_text(levels),
        classes_text(levels),
    ]
    parts += [f"{level}\n{recap_text(measures)}" for level, measures in levels.items()]
    return "\n\n".join(parts)


def write_tables(levels: Levels, folder: str | os.PathLike[str]) -> str:
    """Write all tables into a folder, which is created if need be; return the tables as text.

    measures.csv: a line for each level and class, and one "all" for each level.
    confusion_LEVEL.csv: pixels by true label (lines) and predicted label (columns).
    measures.json: all of it. measures.png: charts. Raises `UserError` if a file cannot be
    written.
    """
    folder = Path(folder)
    write_json(folder / "measures.json", {k: v.as_json() for k, v in levels.items()}, indent=1)
    write_text(folder / "measures.csv", measures_csv(levels))
    for level, measures in levels.items():
        name = f"confusion_{level.split()[0]}.csv"
        write_text(folder / name, confusion_csv(measures))
    write_png(folder / "measures.png", levels)
    return measures_text(levels)


def measures_csv(levels: Levels) -> str:
    """The figures as CSV, from 0 to 1; an empty cell where there is nothing to measure by."""
    columns = [field for field in ClassFigures.__slots__ if field != "name"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["level", "class", *columns, *_ONLY_OVERALL])
    for level, measures in levels.items():
        for row in measures.classes():
            cells = [_cell(getattr(row, column)) for column in columns]
            writer.writerow([level, row.name, *cells, *("" for _ in _ONLY_OVERALL)])
        writer.writerow([level, "all", *_overall_cells(measures, columns)])
    return stream.getvalue()


def _overall_cells(measures: ParsingMeasures, columns: list[str]) -> list[str]:
    figures = measures.overall()
    pixels = int(measures.confusion.sum())
    known = {"truth": pixels, "predicted": pixels, "iou": figures["mean_iou"]}
    known |= {"f1": figures["mean_f1"], "boundary_f": figures["boundary_f"]}
    cells = [known.get(column, "") for column in columns]
    return [_cell(value) for value in (*cells, *(figures[name] for name in _ONLY_OVERALL))]


def confusion_csv(measures: ParsingMeasures) -> str:
    """Pixels by true label (lines) and predicted label (columns) as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["truth", *measures.names])
    for name, row in zip(measures.names, measures.confusion.tolist(), strict=True):
        writer.writerow([name, *row])
    return stream.getvalue()


def write_png(path: str | os.PathLike[str], levels: Levels) -> None:
    """Draw IoU and boundary F of each class, and each level's recap table, as one PNG.

    Raises `UserError` if it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=(15, 6 + 6.6 * math.ceil(len(levels) / 2)),
        layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15),
    )
    FigureCanvasAgg(figure)
    rows = math.ceil(len(levels) / 2)
    grid = figure.add_gridspec(1 + rows, 2, height_ratios=[5.6, *[6.6] * rows])
    for column, name in enumerate(("iou", "boundary_f")):
        _bars(figure.add_subplot(grid[0, column]), levels, name, legend=column == 0)
    for index, (level, measures) in enumerate(levels.items()):
        _recap(figure.add_subplot(grid[1 + index // 2, index % 2]), level, measures)
    first = next(iter(levels.values()))
    figure.suptitle(counted(first.images, "picture"), fontsize=15, color=INK, x=0.01, ha="left")
    save_figure(path, figure)


def _bars(axes: "Axes", levels: Levels, name: str, legend: bool) -> None:
    """Bars of each class, one for each level; the mean over the garments in the title."""
    rows = _occurring(levels)
    places = np.arange(len(rows))
    wide = 0.8 / len(levels)
    for index, level in enumerate(levels):
        values = [100 * getattr(columns[index], name) for columns in rows]
        heights = np.nan_to_num(values)
        colour = COLOURS[index % len(COLOURS)]
        axes.bar(places + (index + 0.5) * wide - 0.4, heights, wide, color=colour, label=level)
    axes.set_xticks(places, [columns[0].name for columns in rows], rotation=40, ha="right")
    axes.set_ylim(0, 100)
    key = {"iou": "mean_iou"}.get(name, name)
    means = ", ".join(f"{level} {_percent(m.overall()[key])}" for level, m in levels.items())
    axes.set_title(f"{TITLES[key]}, %: {means}", loc="left", fontsize=12, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=FAINT)
    if legend:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.22), ncols=len(levels))


def _recap(axes: "Axes", level: str, measures: ParsingMeasures) -> None:
    """The recap table: darker where more of a true class's pixels got a label."""
    used = _used(measures)
    axes.set_title(f"{level}: truth (lines) by predicted, % of the true pixels", loc="left")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    names = [measures.names[number] for number in used]
    axes.set_xticks(range(len(used)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(used)), names)
    if not used:
        return
    shares = _shares(measures)[np.ix_(used, used)]
    axes.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share) and share >= 0.5:
            colour = "white" if share > 55 else INK
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour)


def _used(measures: ParsingMeasures) -> list[int]:
    """The labels that occur in the truth or the prediction."""
    counts = measures.confusion.sum(axis=0) + measures.confusion.sum(axis=1)
    return np.flatnonzero(counts).tolist()


def _shares(measures: ParsingMeasures) -> np.ndarray:
    """The confusion in per cent of each line; NaN for labels that are not in the truth."""
    confusion = measures.confusion.astype(float)
    whole = confusion.sum(axis=1, keepdims=True)
    empty = np.full(confusion.shape, np.nan)
    return np.divide(100 * confusion, whole, out=empty, where=whole > 0)


def _occurring(levels: Levels) -> list[tuple[ClassFigures, ...]]:
    """The figures of each class in the truth or a prediction, one per level."""
    rows = zip(*(measures.classes() for measures in levels.values()), strict=True)
    return [row for row in rows if any(one.truth + one.predicted for one in row)]


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _gain(values: list[float]) -> list[str]:
    if len(values) != 2:
        return []
    gain = values[1] - values[0]
    return ["-" if math.isnan(gain) else f"{100 * gain:+.1f}"]


def _cell(value: float | int | str) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6f}"
    return str(value)
