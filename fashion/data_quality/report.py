"""The statistics of a data set as text for a terminal."""

import numpy as np

from fashion.annotations.problems import problem_text
from fashion.data_quality.counting import SIZES, ClassCounts, Statistics
from fashion.terminal import text_table
from mrcnn.errors import counted


def statistics_text(statistics: Statistics) -> str:
    """Totals, a table of the classes, the most frequent pairs, and what was skipped."""
    lines = [title(statistics, "Data set")]
    if statistics.subsets:
        lines.append(", ".join(f"{name} {count}" for name, count in statistics.subsets.items()))
    sizes = [f"{w} x {h} ({n})" for (w, h), n in statistics.image_sizes.most_common(3)]
    if sizes:
        more = len(statistics.image_sizes) - len(sizes)
        lines.append(f"image sizes: {', '.join(sizes)}{f' and {more} more' if more else ''}")
    lines += ["", class_table(statistics)]
    pairs = frequent_pairs(statistics)
    if pairs:
        lines += ["", "most often together: " + ", ".join(pairs)]
    text = "\n".join(lines)
    if statistics.problems:
        text += "\nskipped" + problem_text(statistics.problems)
    return text


def title(statistics: Statistics, name: str) -> str:
    """One line with the number of images and instances."""
    empty = statistics.instances_per_image.count(0)
    return (
        f"{name}: {counted(len(statistics.instances_per_image), 'image')}"
        f"{f' ({empty:,} without instances)' if empty else ''}, "
        f"{counted(sum(statistics.instances_per_image), 'instance')}"
    )


def class_table(statistics: Statistics) -> str:
    """A row for each class of the table, even if it does not occur; shares in percent."""
    total = statistics.everything()
    images = len(statistics.instances_per_image)
    head = ["class", "instances", "%", "images", "% of images", "area", "% of image"]
    head += ["% of garments", *SIZES, "polygons", "points"]
    rows = [_row(name, counts, total, images) for name, counts in statistics.classes.items()]
    rows.append(_row("all", total, total, images))
    note = (
        "area, % of image: medians; sizes: % of instances; "
        "polygons per instance and points per polygon: means"
    )
    return f"{text_table(head, rows)}\n{note}"


def _row(name: str, counts: ClassCounts, total: ClassCounts, images: int) -> list[str]:
    number = len(counts.areas)
    shares = np.array(counts.area_shares, dtype=float)
    shares = shares[np.isfinite(shares)]
    return [
        name,
        str(number),
        _percent(number, len(total.areas)),
        str(counts.images),
        _percent(counts.images, images),
        f"{np.median(counts.areas):.0f}" if number else "-",
        f"{100 * np.median(shares):.2f}" if len(shares) else "-",
        _percent(sum(counts.areas), sum(total.areas)),
        *(_percent(size, number) for size in counts.sizes()),
        f"{np.mean(counts.polygons):.2f}" if number else "-",
        f"{np.mean(counts.points):.1f}" if number else "-",
    ]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def frequent_pairs(statistics: Statistics, limit: int = 5) -> list[str]:
    """The pairs of classes most often in one image, with the number of images."""
    names = statistics.table.names
    upper = np.triu(statistics.together, 1)
    order = np.argsort(-upper, axis=None, kind="stable")[:limit]
    pairs = (np.unravel_index(index, upper.shape) for index in order)
    return [f"{names[i]} and {names[j]} ({upper[i, j]})" for i, j in pairs if upper[i, j]]
