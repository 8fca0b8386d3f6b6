"""Charts of an evaluation: curves, bars, calibration, overlaps, confusion matrices.

Every function returns a matplotlib Figure, which `mrcnn.drawing.figures.save_figure` writes.
Figures grow with the number of classes, so that letters keep their size.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mrcnn.errors import counted
from mrcnn.evaluation.curves import (
    RECALLS,
    Calibration,
    Curve,
    IouHistogram,
    mean_precision,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK, QUIET, FAINT = "#222222", "#6b7280", "#d8d8d8"
LIGHT, DEEP = "#93c5fd", "#1d4ed8"
RIGHT, WRONG = "#1f7a4d", "#c2571a"
DOTS = 170  # per inch; charts are viewed on telephones too
WIDTH = 5.0  # inches of a chart without neighbours
# More lines than these cannot be distinguished by colour.
MOST_COLOURED = 14
COLUMNS = 4
LONGEST_NAME = 22


def chart(
    width: float = WIDTH, height: float = 4.0, rows: int = 1, columns: int = 1
) -> "tuple[Figure, np.ndarray]":
    """A figure of that many inches, and its axes [rows, columns]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.ravel():
        each.spines[["top", "right"]].set_visible(False)
        each.spines[["left", "bottom"]].set_color(FAINT)
        each.tick_params(colors=INK, length=0, labelsize=9)
        each.set_axisbelow(True)
        each.grid(color=FAINT, linewidth=0.6)
    return figure, axes


def _label(axes: "Axes", title: str, xlabel: str = "", ylabel: str = "") -> None:
    axes.set_title(title, fontsize=10.5, loc="left", color=INK)
    axes.set_xlabel(xlabel, fontsize=9.5, color=INK)
    axes.set_ylabel(ylabel, fontsize=9.5, color=INK)


def _unit_square(axes: "Axes") -> None:
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)


def _nothing(axes: "Axes", text: str) -> None:
    """Write in the middle of the axes that there is nothing to draw."""
    place: dict[str, Any] = {
        "transform": axes.transAxes,
        "ha": "center",
        "va": "center",
        "zorder": 10,
    }
    ground = {"facecolor": "white", "edgecolor": "none"}
    axes.text(0.5, 0.5, text, fontsize=9, color=QUIET, bbox=ground, **place)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _reached(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """The curve up to the greatest recall, and down to the axis from there."""
    count = np.count_nonzero(curve.precision)
    recalls, precision = RECALLS[:count], curve.precision[:count]
    return (np.append(recalls, recalls[-1:]), np.append(precision, np.zeros(min(count, 1))))


def precision_recall_chart(
    names: Sequence[str], curves: Sequence[Curve], colours: Mapping[str, str], iou: float
) -> "Figure":
    """The curves of all classes at one IoU, and their mean."""
    shown = [(n, c) for n, c in zip(names, curves, strict=True) if c.instances]
    coloured = len(shown) <= MOST_COLOURED
    legend_rows = -(-(len(shown) + 1) // 3) if coloured else 1
    figure, axes = chart(height=4.1 + 0.21 * legend_rows)
    axes = axes[0, 0]
    for name, curve in shown:
        colour = colours.get(name, LIGHT) if coloured else "#9ca3af"
        label = f"{_short(name)} {curve.ap:.2f}" if coloured else None
        width = 1.3 if coloured else 0.7
        axes.plot(*_reached(curve), color=colour, linewidth=width, label=label)
    mean = mean_precision(curves)
    if mean is None:
        _nothing(axes, "there is nothing to be found")
    else:
        label = f"mean {mean.mean():.2f}"
        axes.plot(RECALLS, mean, color=INK, linewidth=2.6, label=label, zorder=9)
        place: dict[str, Any] = {
            "loc": "outside lower center",
            "ncols": 3,
            "frameon": False,
            "fontsize": 8.5,
        }
        figure.legend(**place, handlelength=1.4, columnspacing=1.2)
    _unit_square(axes)
    note = "" if coloured else ", each grey line a class"
    _label(axes, f"IoU {iou:g} or more: AP{100 * iou:.0f}{note}", "recall", "precision")
    return figure


def class_curves_chart(names: Sequence[str], curves: Mapping[float, Sequence[Curve]]) -> "Figure":
    """A small panel for each class: its curves at all IoUs, and the best F1 at the first.

    curves: by IoU, a curve for each name.
    """
    columns = max(1, min(COLUMNS, len(names)))
    rows = max(1, -(-len(names) // columns))
    figure, panels = chart(1.85 * columns + 0.3, 1.85 * rows + 0.6, rows, columns)
    styles = dict(zip(curves, (DEEP, LIGHT), strict=False))
    dot = {"label": "best F1", "linestyle": "", "zorder": 9, "clip_on": False}
    for axes in panels.ravel()[len(names) :]:
        axes.axis("off")
    for number, (axes, name) in enumerate(zip(panels.ravel(), names, strict=False)):
        # The first on top of the others, and thinner: where they coincide, both are visible.
        for width, (iou, colour) in enumerate(styles.items()):
            style = {"color": colour, "linewidth": 1.4 + 1.6 * width, "zorder": 5 - width}
            axes.plot(*_reached(curves[iou][number]), label=f"IoU {iou:g}", **style)
        first = curves[next(iter(styles))][number]
        if first.best:
            axes.plot(first.best.recall, first.best.precision, "o", ms=4.5, color=WRONG, **dot)
        if not first.instances:
            _nothing(axes, "none there")
        _unit_square(axes)
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            set_ticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=8)
        aps = [curves[iou][number].ap for iou in styles]
        shown = ", ".join("-" if ap is None else f"{ap:.2f}" for ap in aps)
        axes.set_title(f"{_short(name)}\nAP {shown}", fontsize=8.5, loc="left", color=INK)
    _legend_of_all(figure, panels)
    figure.supxlabel("recall", fontsize=9.5)
    figure.supylabel("precision", fontsize=9.5)
    return figure


def _legend_of_all(figure: "Figure", panels: np.ndarray) -> None:
    """One legend above all panels, with each label once."""
    entries: dict[str, Any] = {}
    for axes in panels.ravel():
        handles, labels = axes.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
    if entries:
        place: dict[str, Any] = {
            "loc": "outside upper left",
            "ncols": 3,
            "frameon": False,
            "fontsize": 9,
        }
        figure.legend(entries.values(), entries.keys(), **place)


def class_bars_chart(figures: Mapping[str, Any], instances: Mapping[str, int]) -> "Figure":
    """AP50 and AP of the masks as bars, AP50 of the boxes as a tick; the best class first.

    figures: of `average_precision`. instances: their number, by class name.
    """
    masks, boxes = (figures[kind].get("per_class", {}) for kind in ("segm", "bbox"))
    order = sorted(masks, key=lambda name: (-masks[name].get("AP50", -1), name))
    figure, axes = chart(height=1.2 + 0.25 * max(len(order), 3))
    axes = axes[0, 0]
    rows = np.arange(len(order))
    for figure_name, colour in (("AP50", LIGHT), ("AP", DEEP)):
        values = [max(masks[name].get(figure_name, -1), 0) for name in order]
        axes.barh(rows, values, color=colour, height=0.7, label=f"mask {figure_name}")
    ticks = [boxes.get(name, {}).get("AP50", -1) for name in order]
    known = [(value, row) for value, row in zip(ticks, rows, strict=True) if value >= 0]
    if known:
        style = {"color": INK, "markersize": 10, "markeredgewidth": 1.8, "label": "box AP50"}
        axes.plot(*zip(*known, strict=True), "|", **style)
    for row, name in zip(rows, order, strict=True):
        if masks[name].get("AP50", -1) < 0:
            axes.text(0.01, row, "none there", va="center", fontsize=8, color=QUIET)
    axes.set_yticks(rows, [f"{_short(name)} ({instances.get(name, 0)})" for name in order])
    axes.set_ylim(max(len(order), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1.01)
    axes.grid(axis="y", visible=False)
    if order:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    else:
        _nothing(axes, "no class")
    _label(axes, "average precision of each class (instances)")
    return figure


def calibration_chart(found: Calibration) -> "Figure":
    """The share of right detections in each bin of scores, and how many detections it holds."""
    figure, panels = chart(height=4.9, rows=2)
    shares, counts = panels[:, 0]
    panels[0, 0].get_gridspec().set_height_ratios((3.2, 1))
    middles, width = (found.edges[:-1] + found.edges[1:]) / 2, np.diff(found.edges) * 0.88
    used = found.counts > 0
    right, promised = found.shares_right[used], found.mean_scores[used]
    shares.bar(middles[used], right, width[used], color=DEEP, label="are right")
    bottoms, gaps = np.minimum(right, promised), np.abs(promised - right)
    label = "gap to the mean score"
    style = {"color": WRONG, "alpha": 0.35, "label": label}
    shares.bar(middles[used], gaps, width[used], bottoms, **style)
    shares.plot([0, 1], [0, 1], color=INK, linestyle="dashed", linewidth=1.2)
    _unit_square(shares)
    counts.bar(middles, found.counts, width, color=LIGHT)
    counts.set_xlim(0, 1.01)
    counts.set_ylim(0, 1.05 * max(found.counts.max(), 1))
    if found.error is None:
        _nothing(shares, "nothing was found")
        _label(shares, "scores and truth", "", "share that is right")
    else:
        shares.legend(loc="upper left", fontsize=8.5, frameon=False)
        title = f"expected calibration error {found.error:.3f}, bias {found.bias:+.3f}"
        _label(shares, title, "", "share that is right")
    _label(counts, "", "score", "detections")
    return figure


def iou_chart(found: IouHistogram, iou: float) -> "Figure":
    """How far instances and the detections of their class overlap; grey below `iou`."""
    figure, axes = chart(height=3.6)
    axes = axes[0, 0]
    middles, width = (found.edges[:-1] + found.edges[1:]) / 2, np.diff(found.edges) * 0.9
    colours = [DEEP if middle >= iou else "#9ca3af" for middle in middles]
    axes.bar(middles, found.counts, width, color=colours)
    axes.axvline(iou, color=INK, linestyle="dashed", linewidth=1.2)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.05 * max(found.counts.max(), 1))
    axes.yaxis.get_major_locator().set_params(integer=True)
    if not found.counts.any():
        _nothing(axes, "no instance was touched")
    mean = "" if found.mean_matched is None else f"mean of the matches {found.mean_matched:.3f}; "
    title = f"{mean}{counted(found.untouched, 'instance')} untouched"
    _label(axes, title, "IoU of the masks", "instances")
    return figure


def confusion_chart(
    labels: Sequence[str], matrix: Sequence[Sequence[int]], title: str = ""
) -> "Figure":
    """Counts of each true class (lines) by what it was found as (columns).

    labels, matrix: as for `fashion.html.charts.confusion_table`, the background first; it becomes
    the last line and column. Classes that never occur are left out.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    used = np.asarray(counts.any(axis=0) | counts.any(axis=1))
    order = [*(np.flatnonzero(used[1:]) + 1), 0]
    counts = counts[np.ix_(order, order)]
    names = [_short(labels[index]) for index in order[:-1]]
    right = np.eye(len(order), dtype=bool)
    void = np.zeros_like(right)
    void[-1, -1] = True
    return _grid(counts, right, void, [*names, "nothing there"], [*names, "missed"], title)


def season_chart(by_label: Mapping[str, Any]) -> "Figure":
    """The season found where the garment was right; `by_label` is that of
    `fashion.evaluation.numbers`."""
    from fashion.evaluation.numbers import split_label

    counts = np.asarray(by_label["matrix"], dtype=np.int64)
    parts = [split_label(label) for label in by_label["labels"]]
    columns = list(by_label["columns"])
    order = sorted(
        (row for row in range(len(parts)) if counts[row].any()),
        key=lambda row: (parts[row][0], columns.index(parts[row][1])),
    )
    right = np.array([[parts[row][1] == column for column in columns] for row in order], dtype=bool)
    right = right.reshape(len(order), len(columns))
    names = [_short(by_label["labels"][row]) for row in order]
    columns = [season_name(column) for column in columns]
    title = "garment (lines) and the season it got"
    return _grid(counts[order], right, np.zeros_like(right), names, columns, title)


def season_name(season: str) -> str:
    """The short name of a season with what it means: "yaz, summer"; other texts as they are."""
    from fashion.labels import SEASONS

    return f"{season}, {SEASONS[season]}" if season in SEASONS else season


def _grid(
    counts: np.ndarray,
    right: np.ndarray,
    void: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
) -> "Figure":
    """A table of counts, coloured by the share of each count in its row.

    right, void: bool, of the table's shape: cells of right detections, and cells without meaning.
    """
    side = 0.36 if len(columns) <= 20 else 0.29
    longest = 0.075 * max(map(len, (*rows, *columns)))
    wide, tall = side * len(columns) + longest + 0.3, side * max(len(rows), 1) + longest + 0.6
    figure, axes = chart(max(wide, 3.0), tall)
    axes = axes[0, 0]
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(sums, 1)
    strong = np.where(right[..., None], _rgb(RIGHT), _rgb(WRONG))
    # Even a small share is visible.
    depth = np.where(counts > 0, 0.12 + 0.88 * shares, 0.0)[..., None]
    image = _rgb("#f3f1ee") * (1 - depth) + strong * depth
    image[void] = 1.0
    if counts.any():
        axes.imshow(image, aspect="auto", interpolation="nearest")
    else:
        _nothing(axes, "nothing was there")
    size = 8 if side > 0.3 else 6.5
    for row, column in zip(*np.nonzero(counts), strict=True):
        ink = "white" if shares[row, column] > 0.55 else INK
        text = f"{counts[row, column]}"
        small = size if len(text) < 4 else size - 1.5
        axes.text(column, row, text, ha="center", va="center", fontsize=small, color=ink)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size + 0.5)
    axes.set_yticks(range(len(rows)), rows, fontsize=size + 0.5)
    lines = np.arange(-0.5, max(counts.shape), 1)
    axes.hlines(lines[: len(rows) + 1], -0.5, len(columns) - 0.5, color="white", linewidth=1.2)
    axes.vlines(lines[: len(columns) + 1], -0.5, len(rows) - 0.5, color="white", linewidth=1.2)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    if title:
        figure.suptitle(title, fontsize=10.5, x=0.01, ha="left", color=INK)
    return figure


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
