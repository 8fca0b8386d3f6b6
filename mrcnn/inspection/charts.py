"""Charts and grids for `mrcnn.inspection.stages`: anchor fit, histograms, activations, weights.

Every function returns a matplotlib Figure, see `mrcnn.inspection.pictures`.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn.drawing.figures import new_figure
from mrcnn.drawing.palette import class_colour
from mrcnn.inspection.anchors import POSITIVE as POSITIVE_IOU
from mrcnn.inspection.anchors import USABLE, AnchorFit
from mrcnn.inspection.feature_maps import FeatureMaps
from mrcnn.inspection.pictures import LEVEL_COLOURS
from mrcnn.inspection.stages import ProposalStages
from mrcnn.inspection.weight_statistics import WeightStatistics

INK, FAINT, BAR, ALARM = "#222222", "#d8d8d8", "#3b82f6", "#dc2626"
# Maximum number of a layer's channels in a grid.
MOST_CHANNELS = 32


def _plain(axes, title: str, xlabel: str = "", ylabel: str = "") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, length=0, labelsize=8)
    axes.set_axisbelow(True)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(xlabel, fontsize=9)
    axes.set_ylabel(ylabel, fontsize=9)


def anchor_fit_chart(fit: AnchorFit, class_names: Sequence[str]):
    """Best IoU of the instances: of all, by class, and against their size, with the scales."""
    figure, panels = new_figure(1, 3, panel=(1.15, 1.0))
    spread, classes, sizes = panels[0]
    spread.hist(fit.best_iou, bins=np.linspace(0, 1, 41), color=BAR)
    for limit in (USABLE, POSITIVE_IOU):
        spread.axvline(limit, color=INK, linestyle="dashed", linewidth=1)
    _plain(spread, "best anchor of each instance", "IoU", "instances")
    _fit_by_class(classes, fit, class_names)
    sizes.scatter(np.maximum(fit.sides, 1), fit.best_iou, s=8, alpha=0.5, color=BAR, linewidths=0)
    for number, scale in enumerate(fit.scales):
        colour = LEVEL_COLOURS[number % len(LEVEL_COLOURS)]
        sizes.axvline(scale, color=colour, linewidth=1.5, label=f"anchors of {scale:g}")
    sizes.set_xscale("log", base=2)
    sizes.set_ylim(0, 1)
    sizes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    sizes.legend(fontsize=7, loc="lower right")
    _plain(sizes, "by size", "side of the instance's area, pixels of the molded image", "IoU")
    return figure


def _fit_by_class(axes, fit: AnchorFit, class_names: Sequence[str]) -> None:
    of = {name: one for name, one in fit.by_class(class_names).items() if one["instances"]}
    rows = np.arange(len(of))
    axes.barh(rows, [one["at_50"] for one in of.values()], color="#93c5fd", label="IoU .5 or more")
    axes.barh(rows, [one["at_70"] for one in of.values()], color="#1d4ed8", label="IoU .7 or more")
    means = [one["mean"] for one in of.values()]
    axes.plot(means, rows, "|", color=INK, markersize=12, markeredgewidth=2, label="mean IoU")
    axes.set_yticks(rows, [f"{name} ({one['instances']})" for name, one in of.items()])
    axes.set_ylim(len(of) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, frameon=False)
    _plain(axes, "by class: share of instances, and mean IoU")


def rpn_histograms(stages: ProposalStages):
    """The foreground scores of all anchors, and the four deltas of all and of the best anchors."""
    figure, panels = new_figure(1, 5, panel=(0.75, 0.8))
    scores, *deltas = panels[0]
    scores.hist(stages.all_scores, bins=np.linspace(0, 1, 41), color=BAR)
    scores.set_yscale("log")
    _plain(scores, "foreground score", "score", "anchors")
    best = stages.all_scores >= stages.scores[-1] if len(stages.scores) else np.zeros(0, bool)
    for axes, name, values in zip(
        deltas, ("dy", "dx", "log dh", "log dw"), stages.all_deltas.T, strict=True
    ):
        low, high = np.quantile(values, (0.001, 0.999)) if len(values) else (0, 1)
        bins = np.linspace(low, max(high, low + 1e-6), 41)
        axes.hist(values, bins=bins, color="#93c5fd", label="all anchors")
        axes.hist(values[best], bins=bins, color="#1d4ed8", label="the best by score")
        axes.set_yscale("log")
        _plain(
            axes, f"{name}, mean {values.mean():+.2f}, std {values.std():.2f}", "delta / std dev"
        )
    deltas[0].legend(fontsize=7)
    return figure


def recall_chart(figures: dict[str, dict]):
    """Number of boxes and recall at each stage of `ProposalStages.figures`."""
    figure, panels = new_figure(1, 2, panel=(1.1, 0.75))
    names, rows = list(figures), np.arange(len(figures))
    counts, recalls = panels[0]
    numbers = [one["boxes"] for one in figures.values()]
    counts.barh(rows, numbers, color=BAR, height=0.6)
    for row, number in zip(rows, numbers, strict=True):
        counts.annotate(f" {number:,}", (number, row), va="center", fontsize=8)
    _plain(counts, "boxes")
    counts.margins(x=0.15)
    for offset, (key, colour) in enumerate((("recall_50", "#93c5fd"), ("recall_70", "#1d4ed8"))):
        shares = [one[key] if one[key] is not None else 0 for one in figures.values()]
        places = rows - 0.18 + 0.36 * offset
        recalls.barh(places, shares, color=colour, height=0.34, label=f"at IoU .{key[-2:]}")
        for place, share in zip(places, shares, strict=True):
            recalls.annotate(f" {share:.0%}", (share, place), va="center", fontsize=8)
    recalls.set_xlim(0, 1.12)
    recalls.legend(
        fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, frameon=False
    )
    _plain(recalls, "share of the instances that some box hits")
    for axes in (counts, recalls):
        axes.set_yticks(rows, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
    return figure


def class_histogram(counts: dict[str, int], title: str, class_names: Sequence[str]):
    """A bar chart of counts by class; background grey, classes in their colours."""
    figure, panels = new_figure(1, 1, panel=(1.5, 0.25 + 0.055 * len(counts)))
    axes = panels[0, 0]
    rows = np.arange(len(counts))
    known = list(class_names)
    colours = [np.array(class_colour(known.index(n))) / 255 for n in counts]
    axes.barh(rows, list(counts.values()), color=colours, height=0.7)
    for row, number in zip(rows, counts.values(), strict=True):
        axes.annotate(f" {number}", (number, row), va="center", fontsize=8)
    axes.set_yticks(rows, list(counts))
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.margins(x=0.12)
    _plain(axes, title)
    axes.grid(axis="y", visible=False)
    return figure


def activation_grid(maps: FeatureMaps, most: int = MOST_CHANNELS):
    """The channels of a layer, each scaled from its minimum (dark) to its maximum (bright).

    If there are more than `most`, those that vary most are shown, with their channel numbers.
    """
    values = maps.values
    channels = values.shape[-1]
    spread = values.reshape(-1, channels).std(axis=0)
    shown = np.sort(np.argsort(-spread, kind="stable")[:most])
    columns = min(8, len(shown))
    figure, panels = new_figure(-(-len(shown) // columns), columns, panel=(0.38, 0.42))
    for axes in panels.ravel():
        axes.axis("off")
    for axes, channel in zip(panels.ravel(), shown, strict=False):
        axes.imshow(values[..., channel], cmap="magma", interpolation="nearest")
        axes.set_title(str(channel), fontsize=7, pad=2)
    height, width = values.shape[:2]
    note = f", the {len(shown)} that vary most" if channels > len(shown) else ""
    figure.suptitle(
        f"{maps.layer}: {height} x {width}, {channels} channels{note}; "
        f"{values.min():.3g} to {values.max():.3g}, {maps.flat_channels()} flat",
        fontsize=10,
    )
    return figure


def weight_chart(statistics: Sequence[WeightStatistics]):
    """Spread and maximum of every kernel, from the image to the heads; alarms in red."""
    figure, panels = new_figure(1, 1, panel=(3.2, 1.1))
    axes = panels[0, 0]
    kernels = [weight for weight in statistics if weight.is_kernel]
    places = np.arange(len(kernels))
    std = np.array([weight.std for weight in kernels])
    largest = np.array([max(abs(weight.minimum), abs(weight.maximum)) for weight in kernels])
    for values, colour, label in ((std, "#1d4ed8", "std"), (largest, "#93c5fd", "largest |value|")):
        positive = values > 0
        axes.plot(places[positive], values[positive], "o", ms=3.5, color=colour, label=label)
    alarms = [i for i, weight in enumerate(kernels) if weight.alarm]
    for place in alarms:
        axes.axvline(place, color=ALARM, linewidth=1, alpha=0.7)
    if (largest > 0).any():
        axes.set_yscale("log")
    step = max(1, len(kernels) // 45)
    marked = sorted({*places[::step].tolist(), *alarms})
    axes.set_xticks(marked, [kernels[i].name.split("/")[0] for i in marked], rotation=90)
    for label, place in zip(axes.get_xticklabels(), marked, strict=True):
        label.set_color(ALARM if place in alarms else INK)
    axes.legend(fontsize=8)
    _plain(
        axes, f"{len(kernels)} kernels" + (f", {len(alarms)} look wrong (red)" if alarms else "")
    )
    axes.tick_params(axis="x", labelsize=6)
    return figure
