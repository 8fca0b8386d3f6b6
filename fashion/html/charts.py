"""Charts of the pipeline's page as HTML and SVG: curves, bars, the confusion matrix.

Colours are classes and custom properties of `static/pipeline.css`, so that one chart fits the light
and the dark scheme. All text is escaped here.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn.errors import counted

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 14, 44
NOTHING = "\u2013"
Series = tuple[str, str, Sequence[tuple[float, float]]]


def number(value: float | None, decimals: int = 2) -> str:
    """A share or figure as text; a dash if there was nothing to measure."""
    if value is None or not math.isfinite(value) or value < 0:
        return NOTHING
    return f"{value:.{decimals}f}"


def ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to `top` or just above, in about `count` steps of 1, 2 or 5."""
    if not math.isfinite(top) or top <= 0:
        return [0.0, 1.0]
    rough = top / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((f * power for f in (1, 2, 5) if f * power >= rough * 0.999), 10 * power)
    return [index * step for index in range(math.ceil(top / step - 1e-9) + 1)]


def line_chart(title: str, series: Sequence[Series], x_label: str = "epoch") -> str:
    """Curves as SVG, the y axis from 0.

    series: label, CSS class and points (x, y) of each. Without any point, a sentence instead.
    """
    points = [point for _, _, line in series for point in line]
    if not points:
        return f'<p class="none">{html.escape(title)}: no epoch is finished.</p>'
    xs = [x for x, _ in points]
    low, high = min(xs), max(xs)
    marks = ticks(max(y for _, y in points))
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(x: float) -> float:
        return LEFT + (wide * (x - low) / (high - low) if high > low else wide / 2)

    def down(y: float) -> float:
        return TOP + tall * (1 - y / marks[-1])

    parts = []
    for mark in marks:
        y = down(mark)
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
        parts += [f'<line class="grid" {ends}/>', _tick(f"{mark:g}", LEFT - 7, y + 4, "end")]
    floor = HEIGHT - BOTTOM
    parts += [_tick(f"{x:g}", across(x), floor + 18, "middle") for x in _x_marks(low, high)]
    parts.append(_tick(x_label, LEFT + wide / 2, HEIGHT - 6, "middle"))
    for label, kind, line in series:
        parts.append(_curve(label, kind, [(across(x), down(y), x, y) for x, y in line]))
    text = html.escape(f"{title}: {_spoken(series, x_label)}", quote=True)
    legend = "".join(
        f'<span class="key {html.escape(kind, quote=True)}">{html.escape(label)}</span>'
        for label, kind, line in series
        if line
    )
    return (
        f'<figure class="chart"><figcaption><b>{html.escape(title)}</b>'
        f'<span class="legend">{legend}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _tick(text: str, x: float, y: float, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="tick" {place}>{html.escape(text)}</text>'


def _x_marks(low: float, high: float) -> list[float]:
    """Whole numbers to write below the axis, at most eight."""
    if high == low:
        return [low]
    step = max(1, math.ceil((high - low) / 7))
    first = math.ceil(low / step) * step
    return [low, *(x for x in range(first, int(high) + 1, step) if x > low)]


def _curve(label: str, kind: str, places: Sequence[tuple[float, float, float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    kind = html.escape(kind, quote=True)
    dots = ""
    if len(places) <= 40:
        dots = "".join(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>'
            f"{html.escape(label)}, {at:g}: {value:.3f}</title></circle>"
            for x, y, at, value in places
        )
    return f'<polyline class="{kind}" points="{path}"/>{dots}'


def _spoken(series: Sequence[Series], x_label: str) -> str:
    texts = []
    for label, _, line in series:
        if line:
            (first, begin), (last, end) = line[0], line[-1]
            texts.append(f"{label} {begin:.3f} at {x_label} {first:g}, {end:.3f} at {last:g}")
    return "; ".join(texts)


def bar_cell(value: float | None, decimals: int = 2) -> str:
    """A table cell with a figure from 0 to 1, and a bar of that length behind it."""
    share = min(max(value or 0.0, 0.0), 1.0)
    return (
        f'<td class="bar" style="--share:{share:.3f}"><span>{number(value, decimals)}</span></td>'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kind: str = "") -> str:
    """A table; the first cell of each row is its heading.

    head, caption: text. rows: the first cell as text, the others as HTML cells (`<td>`).
    """
    columns = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>{"".join(cells)}</tr>'
        for first, *cells in rows
    )
    return _scrolling(
        f'<table class="{html.escape(kind, quote=True)}">{_caption(caption)}'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>",
        caption,
    )


def _caption(text: str) -> str:
    return f"<caption><span>{html.escape(text)}</span></caption>"


def _scrolling(content: str, label: str) -> str:
    """A wide table in a frame that can be scrolled, also by keyboard."""
    label = html.escape(label, quote=True)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{content}</div>'


def cell(text: Any) -> str:
    """A plain table cell."""
    return f"<td>{html.escape(str(text))}</td>"


def confusion_table(confusion: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """The confusion matrix as a coloured table, without classes that never occur.

    confusion: `labels`, `matrix` (rows: truth; the first label is the background), `iou`, `score`.
    colours: "#rrggbb" by label, for the swatches beside the names.
    """
    labels, matrix = confusion["labels"], confusion["matrix"]
    kept = [
        index
        for index in range(len(labels))
        if index == 0 or any(matrix[index]) or any(row[index] for row in matrix)
    ]
    order = [*kept[1:], 0]  # the background last, as a margin
    if len(order) < 2:
        return '<p class="none">There was nothing to find, and nothing was found.</p>'
    head = "".join(
        f'<th scope="col"><span>{_swatch(labels[c], colours)}'
        f"{_name(labels[c], c, 'missed')}</span></th>"
        for c in order
    )
    body = ""
    for row in order:
        total = sum(matrix[row][column] for column in order)
        cells = "".join(
            _confusion_cell(matrix[row][column], total, labels, row, column) for column in order
        )
        name = _name(labels[row], row, "nothing there")
        body += f'<tr><th scope="row">{_swatch(labels[row], colours)}{name}</th>{cells}</tr>'
    counts = ""
    if "images" in confusion:
        instances = counted(confusion.get("instances", 0), "instance")
        counts = f"{counted(confusion['images'], 'picture')}, {instances}. "
    caption = (
        f"{counts}Rows: the true class. Columns: the class that was found. Detections with a score "
        f"of {confusion['score']:g} or more; a match overlaps with an IoU of {confusion['iou']:g} "
        f"or more. The last column counts what was missed, the last row what was found where there "
        f"is nothing."
    )
    return _scrolling(
        f'<table class="confusion">{_caption(caption)}'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>",
        "Confusion matrix",
    )


def _name(label: str, index: int, background: str) -> str:
    return html.escape(label) if index else f"<em>{background}</em>"


def _swatch(label: str, colours: Mapping[str, str]) -> str:
    colour = colours.get(label)
    return f'<i class="swatch" style="background:{colour}"></i>' if colour else ""


def _confusion_cell(count: int, total: int, labels: Sequence[str], row: int, column: int) -> str:
    if row == column == 0:
        return '<td class="void"></td>'
    share = count / total if total else 0.0
    kind = "right" if row == column else "wrong"
    strong = " strong" if share > 0.55 else ""
    there = labels[row] if row else "nothing"
    found = labels[column] if column else "nothing"
    title = html.escape(f"{there} found as {found}: {count} of {total}", quote=True)
    text = str(count) if count else '<span class="zero">·</span>'
    return f'<td class="{kind}{strong}" style="--share:{share:.3f}" title="{title}">{text}</td>'
