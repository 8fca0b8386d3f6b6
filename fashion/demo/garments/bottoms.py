"""Trousers, shorts and skirts of the drawn pictures."""

import numpy as np

from fashion.demo.canvas import Canvas, Stroke, pen
from fashion.demo.curves import Points, Shape, along, by, mixed, outline, smooth
from fashion.demo.figure import SIDES, Figure
from fashion.demo.pieces import Piece, along_the_limb, round_the_body

HIP, CROTCH = 0.465, 0.523
# How far trousers stand off the leg at hip, knee and hem, in figure heights.
TROUSER_EASE = {
    "skinny": (0.004, 0.004, 0.004),
    "straight": (0.007, 0.010, 0.013),
    "wide": (0.010, 0.022, 0.034),
    "flared": (0.004, 0.006, 0.032),
    "joggers": (0.010, 0.016, 0.004),
    "shorts": (0.008, 0.016, 0.02),
    "flared shorts": (0.008, 0.022, 0.036),
}


def waist_curve(figure: Figure, height: float, ease: float, sag: float = 0.008) -> Points:
    """The upper edge of a skirt or of trousers, from left to right."""
    left, right = figure.side(-1, height, ease), figure.side(1, height, ease)
    middle = (left + right) / 2 + by(0, sag * figure.unit)
    return smooth([left, middle, right])


def paint_trousers(canvas: Canvas, figure: Figure, piece: Piece, rise: float) -> None:
    """Trousers or shorts down to the share `piece.length` of the leg, from the height `rise`."""
    for side in figure.leg_order:
        _paint_trouser_leg(canvas, figure, piece, rise, side)
    band = _waistband(figure, rise, 0.022)
    lines = _trouser_details(figure, piece, rise)
    canvas.paint(band, piece.fabric, piece.owner, finish=piece.finish, ink=piece.fabric.ink)
    seam = piece.fabric.ink
    canvas.draw(lines, seam, within=piece.owner)
    if piece.fabric.material == "denim":
        stitches = [Stroke(line.points + by(1.8, 0.8), 0.9, 0.6, "") for line in lines]
        canvas.draw(stitches, (214, 170, 104), within=piece.owner)


def _waistband(figure: Figure, rise: float, height: float) -> Shape:
    upper = waist_curve(figure, rise, 0.006)
    lower = waist_curve(figure, rise + height, 0.006)
    return outline(upper, lower[::-1])


def _paint_trouser_leg(
    canvas: Canvas, figure: Figure, piece: Piece, rise: float, side: int
) -> None:
    leg = figure.leg(side)
    hip_ease, knee_ease, hem_ease = TROUSER_EASE[piece.style]
    end = piece.length
    shares = np.linspace(0.16, end, 7)
    places = (shares - shares[0]) / max(end - shares[0], 1e-6)
    eases = np.interp(places, (0, 0.5, 1), (hip_ease, knee_ease, hem_ease)) + piece.ease
    outer = [figure.leg_edge(side, side, s, e) for s, e in zip(shares, eases, strict=True)]
    inner = [figure.leg_edge(side, -side, s, e * 0.8) for s, e in zip(shares, eases, strict=True)]
    hip = [figure.side(side, y, 0.006 + piece.ease * 0.5) for y in (rise, (rise + HIP) / 2, HIP)]
    crotch = figure.place(0, CROTCH + 0.25 * piece.ease)
    waist = figure.place(0, rise + 0.008)
    middle = figure.place(-side * 0.004, (rise + CROTCH) / 2)
    sag = mixed(outer[-1], inner[-1], 0.5) + by(0, 0.006 * figure.unit)
    shape = outline(
        smooth([*hip, *outer]),
        smooth([outer[-1], sag, inner[-1]])[1:-1],
        smooth([*inner[:0:-1], crotch + by(side * 0.002 * figure.unit, 0)]),
        [crotch, middle, waist],
    )
    folds = _leg_folds(canvas, figure, piece, side, [*outer], [*inner])
    canvas.shade(shape, 3, 3, 3, 0.25)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=along_the_limb(leg),
        folds=folds,
        lines=_hem_lines(piece, outer, inner, figure),
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _hem_lines(
    piece: Piece, outer: list[Points], inner: list[Points], figure: Figure
) -> list[Stroke]:
    lift = 0.012 * figure.unit * (2.2 if "turn-ups" in piece.details else 1)
    ends = outer[-1] - by(0, lift), inner[-1] - by(0, lift)
    middle = mixed(*ends, 0.5) + by(0, 0.006 * figure.unit)
    lines = [pen([ends[0], middle, ends[1]], 1.1, 0.6)]
    if "creases" in piece.details:
        centre = [mixed(a, b, 0.5) for a, b in zip(outer, inner, strict=True)]
        lines.append(pen(centre, 1.2, 0.55))
    return lines


def _leg_folds(
    canvas: Canvas,
    figure: Figure,
    piece: Piece,
    side: int,
    outer: list[Points],
    inner: list[Points],
) -> list[Stroke]:
    """Creases that radiate from the crotch and gather at the knee and the hem."""
    rng, unit = canvas.rng, figure.unit
    crotch = figure.place(0, CROTCH)
    folds = []
    for reach in (0.055, 0.08):
        tip = crotch + unit * np.array([side * reach, rng.uniform(-0.03, 0.012)])
        folds.append(
            pen([crotch + by(side * 2, 0), mixed(crotch, tip, 0.5) + by(0, 2), tip], 4, 0.6, "end")
        )
    if piece.length > 0.6:
        for place in (3, 5):
            start = mixed(inner[place], outer[place], rng.uniform(0.02, 0.15))
            tip = mixed(inner[place], outer[place], 0.7) + by(0, rng.uniform(-0.015, 0.02) * unit)
            folds.append(pen([start, mixed(start, tip, 0.5) + by(0, 3), tip], 4, 0.55, "end"))
    if piece.style in ("wide", "flared", "flared shorts"):
        for share in rng.uniform(0.25, 0.8, 2):
            bottom = mixed(outer[-1], inner[-1], share)
            top = mixed(outer[2], inner[2], 0.3 + 0.4 * share)
            folds.append(pen([bottom, mixed(bottom, top, 0.5), top], 4.5, 0.6, "end"))
    return folds


def _trouser_details(figure: Figure, piece: Piece, rise: float) -> list[Stroke]:
    """Fly and pockets."""
    fly = [figure.place(0.001, rise + 0.02), figure.place(0.001, CROTCH - 0.012)]
    lines = [pen(fly, 1.2, 0.7)]
    if piece.style != "joggers":
        bow = [figure.place(0.016, rise + 0.03), figure.place(0.016, rise + 0.09)]
        lines.append(pen([*bow, figure.place(0.002, CROTCH - 0.025)], 0.9, 0.5))
    for side in SIDES:
        inside = figure.half_width(rise) * 0.5
        pocket = [
            figure.place(side * inside, rise + 0.024),
            figure.place(side * (inside + 0.012), rise + 0.05),
            figure.side(side, rise + 0.068, -0.002),
        ]
        lines.append(pen(pocket, 1.1, 0.7))
    return lines


def leg_at(figure: Figure, side: int, y: float) -> tuple[float, float]:
    """Left and right edge, x in pixels, of a leg at the height y in pixels."""
    leg = figure.leg(side)
    share = float(np.interp(y, leg[:, 1], np.linspace(0, 1, len(leg))))
    x = along(leg, share)[0]
    half = float(figure.leg_width(share))
    return x - half, x + half


def hem_height(figure: Figure, share: float) -> float:
    """y in pixels at a share of the leg, the mean of both legs."""
    return float(np.mean([along(figure.leg(side), share)[1] for side in SIDES]))


def skirt_edges(
    figure: Figure, style: str, length: float, rise: float, ease: float
) -> tuple[list[Points], list[Points]]:
    """Points of the left and the right edge of a skirt, from the waist to the hem."""
    bottom = hem_height(figure, length)
    hem_y = bottom - figure.place(0, HIP)[1]
    flare = {"pencil": 0.0, "straight": 0.05, "a-line": 0.22, "pleated": 0.24, "full": 0.5}[style]
    spans = [leg_at(figure, side, bottom) for side in SIDES]
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    edges = []
    for side in SIDES:
        hip = figure.side(side, HIP, 0.008 + ease)
        reach = low if side < 0 else high
        hem_x = hip[0] + side * flare * hem_y - (side * 0.12 * hem_y if style == "pencil" else 0)
        hem_x = side * max(side * hem_x, side * reach + 0.012 * figure.unit)
        waist = figure.side(side, rise, 0.004 + ease)
        if style == "full":
            hip = hip + by(side * 0.018 * figure.unit, 0)
        middle = mixed(hip, (hem_x, bottom), 0.5)
        bulge = 0.004 if style in ("a-line", "full", "pleated") else 0.006
        middle = middle + by(side * bulge * figure.unit, 0)
        edges.append(
            [
                waist,
                mixed(waist, hip, 0.5) + by(side * 1.0, 0),
                hip,
                middle,
                np.array([hem_x, bottom]),
            ]
        )
    return edges[0], edges[1]


def hem_curve(left: Points, right: Points, style: str, sag: float, waves: int) -> Points:
    """The hem from left to right: an arc, in waves or folded where the cloth is wide."""
    share = np.linspace(0, 1, 12 * waves + 1)
    line = left + (right - left) * share[:, None]
    line[:, 1] += sag * np.sin(np.pi * share)
    if style == "full":
        line[:, 1] += 0.3 * sag * np.sin(2 * np.pi * waves * share)
    elif style == "pleated":
        saw = np.abs(np.mod(share * waves * 2, 2) - 1)
        line[:, 1] += 0.22 * sag * saw
    return line


def drape_folds(
    rng: np.random.Generator, left: list[Points], right: list[Points], style: str, waves: int
) -> list[Stroke]:
    """Folds that fall from the waist to the hem."""
    folds = []
    if style in ("pencil", "straight"):
        for low, high in ((0.25, 0.12), (0.8, 0.9)):
            a, b = mixed(left[2], right[2], low), mixed(left[1], right[1], high)
            folds.append(pen([b, mixed(a, b, 0.5) + by(0, 2), a], 3.5, 0.45, "end"))
        return folds
    count = waves if style != "pleated" else 2 * waves
    for number in range(count):
        share = (number + 0.5 + rng.uniform(-0.12, 0.12) * (style != "pleated")) / count
        bottom = mixed(left[-1], right[-1], share) + by(0, 10 * np.sin(np.pi * share))
        top = mixed(left[0], right[0], 0.12 + 0.76 * share)
        hip = mixed(left[2], right[2], 0.06 + 0.88 * share)
        reach = 1.0 if style == "pleated" else rng.uniform(0.55, 1.0)
        path = smooth([bottom, mixed(bottom, hip, 0.5), hip, top])
        path = path[: max(3, int(len(path) * reach))]
        folds.append(Stroke(path, 4.5 if style == "full" else 3.6, 0.8, "end"))
    return folds


def skirt_shape(
    figure: Figure, piece: Piece, rise: float, waves: int
) -> tuple[Shape, list[Points], list[Points]]:
    """The outline of a skirt and the points of its edges."""
    left, right = skirt_edges(figure, piece.style, piece.length, rise, piece.ease)
    sag = figure.unit * (0.012 if piece.style in ("pencil", "straight") else 0.022)
    hem = hem_curve(left[-1], right[-1], piece.style, sag, waves)
    top = waist_curve(figure, rise, 0.004 + piece.ease)
    return outline(top, smooth(right), hem[::-1], smooth(left)[::-1]), left, right


def paint_skirt(canvas: Canvas, figure: Figure, piece: Piece, rise: float) -> None:
    """A skirt down to the share `piece.length` of the leg, from the height `rise`."""
    waves = int(canvas.rng.integers(4, 7))
    shape, left, right = skirt_shape(figure, piece, rise, waves)
    folds = drape_folds(canvas.rng, left, right, piece.style, waves)
    centre = figure.place(0, HIP)
    half = (right[-1][0] - left[-1][0]) / 2
    lines = []
    if "buttons" in piece.details:
        bottom = mixed(left[-1], right[-1], 0.5) + by(0, 8)
        lines.append(
            pen(
                [figure.place(0.006, rise), mixed(figure.place(0.006, rise), bottom, 0.5), bottom],
                1.1,
                0.6,
            )
        )
    canvas.shade(shape, 2, 8, 4, 0.35)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=round_the_body(centre, half, 0.022 * figure.unit),
        folds=folds,
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
    upper = waist_curve(figure, rise, 0.006 + piece.ease)
    lower = waist_curve(figure, rise + 0.02, 0.006 + piece.ease)
    canvas.paint(
        outline(upper, lower[::-1]),
        piece.fabric,
        piece.owner,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
