"""The statistics of a data set as one sheet of plots."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fashion.data_quality.counting import SIZE_LIMITS, SIZES, ClassCounts, Statistics
from mrcnn.drawing.figures import save_figure
from mrcnn.errors import DatasetError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


INK, FAINT = "#222222", "#d8d8d8"
# Light to dark, for everything that is counted in steps.
STEPS = ("#c6dbef", "#6baed6", "#2171b5", "#08306b")
MOST_POLYGONS = 4  # instances with more polygons are counted with these
INCHES = (21.0, 11.5)


def write_sheet(path: str | os.PathLike[str], statistics: Statistics, title: str = "") -> None:
    """Draw the sheet as a PNG file, whole or not at all.

    Classes that do not occur are not drawn. Raises `DatasetError` when there is no instance at all,
    `UserError` when the file cannot be written.
    """
    names = statistics.present()
    if not names:
        raise DatasetError("there is no instance to draw statistics of")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=INCHES, layout=layout)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 4, width_ratios=(1, 1, 1, 0.95))
    sheet = _Sheet(statistics, names)
    for place, draw in (
        (grid[0, 0], sheet.instances),
        (grid[0, 1], sheet.sizes),
        (grid[0, 2], sheet.areas),
        (grid[0, 3], sheet.per_image),
        (grid[1, 0], sheet.polygons),
        (grid[1, 1], sheet.points),
        (grid[1, 2:], sheet.together),
    ):
        axes = figure.add_subplot(place)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(colors=INK, length=0, labelsize=11)
        draw(axes)
    figure.suptitle(title or "Data set", fontsize=17, color=INK, x=0.01, ha="left")
    save_figure(path, figure)


class _Sheet:
    """One method for each plot, which draws on the given axes."""

    def __init__(self, statistics: Statistics, names: list[str]) -> None:
        self.statistics = statistics
        self.names = names
        self.counts = [statistics.classes[name] for name in names]
        table = statistics.table
        colours = np.array([table.colour_of(table.id_of(name)) for name in names]) / 255
        self.colours = list(1 - 0.75 * (1 - colours))  # paler, so that ink shows on all of them
        self.rows = np.arange(len(names))

    def _class_rows(self, axes: "Axes", title: str, labels: bool = True) -> None:
        axes.set_title(title, loc="left", fontsize=13, color=INK, pad=12)
        axes.set_yticks(self.rows, self.names if labels else [""] * len(self.names))
        axes.set_ylim(len(self.names) - 0.4, -0.6)
        axes.set_axisbelow(True)
        axes.grid(axis="x", color=FAINT, linewidth=0.6)

    def instances(self, axes: "Axes") -> None:
        """Bars of instances, with ticks for the images that have the class."""
        numbers = [len(counts.areas) for counts in self.counts]
        images = [counts.images for counts in self.counts]
        axes.barh(self.rows, numbers, color=self.colours, height=0.68)
        axes.plot(images, self.rows, "|", color=INK, markersize=13, markeredgewidth=2)
        for row, number in zip(self.rows, numbers, strict=True):
            axes.annotate(
                f"{number:,}",
                (max(number, images[row]), row),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
                color=INK,
            )
        axes.margins(x=0.14)
        self._class_rows(axes, "Instances (bars) and images (ticks)")

    def _stacked(self, axes: "Axes", shares: np.ndarray, steps: list[str], title: str) -> None:
        """Bars of 100 % from `shares`, [classes, steps], with a legend above."""
        left = np.zeros(len(self.names))
        for index, step in enumerate(steps):
            colour = STEPS[index]
            axes.barh(self.rows, shares[:, index], left=left, color=colour, height=0.68, label=step)
            for row in np.flatnonzero(shares[:, index] >= 8):
                dark = index >= 2
                axes.text(
                    left[row] + shares[row, index] / 2,
                    row,
                    f"{shares[row, index]:.0f}",
                    ha="center",
                    va="center",
                    fontsize=9.5,
                    color="white" if dark else INK,
                )
            left += shares[:, index]
        axes.set_xlim(0, 100)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
        self._class_rows(axes, title)
        axes.grid(visible=False)
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.05),
            ncols=len(steps),
            frameon=False,
            fontsize=10.5,
            handlelength=1,
            columnspacing=1.2,
        )

    def sizes(self, axes: "Axes") -> None:
        """Shares of small, medium and large instances."""
        shares = np.array([counts.sizes() for counts in self.counts], dtype=float)
        sides = [round(limit**0.5) for limit in SIZE_LIMITS]
        texts = [f"{SIZES[0]} < {sides[0]}²", SIZES[1], f"{SIZES[2]} ≥ {sides[1]}² pixels"]
        self._stacked(axes, _percent(shares), texts, "Size (% of instances)")

    def polygons(self, axes: "Axes") -> None:
        """Shares of instances with one, two, three or more polygons."""
        shares = np.zeros((len(self.names), MOST_POLYGONS))
        for row, counts in zip(shares, self.counts, strict=True):
            for number, instances in Counter(counts.polygons).items():
                row[min(number, MOST_POLYGONS) - 1] += instances
        texts = [*map(str, range(1, MOST_POLYGONS)), f"{MOST_POLYGONS} or more"]
        self._stacked(axes, _percent(shares), texts, "Polygons per instance (% of instances)")

    def _boxes(self, axes: "Axes", values: list[np.ndarray], title: str) -> None:
        """Boxes of quartiles, whiskers from 5 to 95 %, on a logarithmic axis."""
        drawn = [row for row in self.rows if len(values[row])]
        marks = np.array([np.percentile(values[row], (5, 25, 50, 75, 95)) for row in drawn])
        low, first, middle, third, high = marks.T
        axes.hlines(drawn, low, high, color="#888888", linewidth=1)
        axes.plot([low, high], [drawn, drawn], "|", color="#888888", markersize=9)
        colours = [self.colours[row] for row in drawn]
        axes.barh(drawn, third - first, left=first, color=colours, height=0.6, zorder=2)
        axes.plot(middle, drawn, "|", color=INK, markersize=16, markeredgewidth=2)
        axes.set_xscale("log")
        axes.minorticks_off()
        self._class_rows(axes, title)

    def areas(self, axes: "Axes") -> None:
        """The share of its image that an instance covers."""
        shares = [100 * np.array(counts.area_shares) for counts in self.counts]
        shares = [s[np.isfinite(s) & (s > 0)] for s in shares]
        if not any(map(len, shares)):
            self._class_rows(axes, "Area (the sizes of the images are not known)")
            return
        self._boxes(axes, shares, "Area (% of the image)")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    def points(self, axes: "Axes") -> None:
        """The number of points per polygon."""
        self._boxes(axes, [np.array(counts.points) for counts in self.counts], "Points per polygon")
        axes.set_xticks(_round_steps(self.counts))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    def per_image(self, axes: "Axes") -> None:
        """The number of images by their number of instances."""
        from matplotlib.ticker import MaxNLocator

        numbers = Counter(self.statistics.instances_per_image)
        xs = range(max(numbers) + 1)
        axes.bar(xs, [numbers[x] for x in xs], color=STEPS[1], width=0.8)
        axes.set_title("Images by number of instances", loc="left", fontsize=13, color=INK, pad=12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)

    def together(self, axes: "Axes") -> None:
        """A matrix: how often a class occurs together with another."""
        index = [self.statistics.table.id_of(name) - 1 for name in self.names]
        together = self.statistics.together[np.ix_(index, index)]
        shares = 100 * together / np.maximum(np.diag(together)[:, None], 1)
        shown = shares.copy()
        np.fill_diagonal(shown, np.nan)
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            own = row == column
            axes.text(
                column,
                row,
                f"{together[row, row]:,} im." if own else f"{share:.0f}",
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold" if own else "normal",
                color="white" if not own and share > 60 else INK,
            )
        axes.set_xticks(self.rows, self.names, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(self.rows, self.names)
        axes.set_title(
            "Together: % of the images with the row's class that also have the column's",
            loc="left",
            fontsize=13,
            color=INK,
            pad=12,
        )
        axes.spines[:].set_visible(False)


def _percent(values: np.ndarray) -> np.ndarray:
    return 100 * values / np.maximum(values.sum(axis=1, keepdims=True), 1)


def _round_steps(counts: Sequence[ClassCounts]) -> list[int]:
    """Ticks 3, 5, 10, 20, 50, .. over the range of nearly all polygons."""
    least = min(np.percentile(entry.points, 5) for entry in counts)
    most = max(np.percentile(entry.points, 95) for entry in counts)
    steps = [3, 5, *(factor * 10**power for power in range(1, 7) for factor in (1, 2, 5))]
    return [step for step in steps if least / 2 < step <= 1.3 * most]
