"""Coats, jackets and cardigans of the drawn pictures, open over a top or closed."""

import numpy as np

from fashion.demo.canvas import Canvas, Stroke, pen
from fashion.demo.curves import Points, by, mixed, outline, smooth
from fashion.demo.figure import SIDES, Figure
from fashion.demo.garments.bottoms import leg_at
from fashion.demo.garments.tops import button_front, sleeve_shape
from fashion.demo.pieces import Piece, round_the_body

HEM_FLARE = {"coat": 0.045, "blazer": 0.008, "jacket": 0.002, "cardigan": 0.014, "puffer": 0.012}


def outer_side(figure: Figure, piece: Piece, side: int) -> Points:
    """The outer edge of a coat from the shoulder seam to the hem."""
    hem = piece.length
    chest = figure.half_width(0.27) + piece.ease
    heights = [y for y in (0.245, 0.30, 0.36, 0.42, 0.47) if y < hem - 0.02]
    points = [figure.side(side, 0.1765, -0.003), figure.side(side, 0.1855, 0.004)]
    points.append(figure.side(side, 0.2, 0.007))
    waist = 0.006 if piece.details & {"belted", "fitted"} else 0.0
    for y in heights:
        width = figure.half_width(y) + piece.ease
        if y > 0.27 and not waist:
            width = max(width, chest)
        points.append(figure.place(side * width, y))
    flare = HEM_FLARE[piece.style] * max(0.0, (hem - 0.36) / 0.25)
    width = max(figure.half_width(min(hem, 0.47)) + piece.ease, 0 if waist else chest) + flare
    points.append(figure.place(side * width, hem))
    if hem > 0.55:  # it must not end inside the legs
        spans = [leg_at(figure, s, points[-1][1]) for s in SIDES]
        reach = min(s[0] for s in spans) if side < 0 else max(s[1] for s in spans)
        points[-1][0] = side * max(side * points[-1][0], side * reach + 0.012 * figure.unit)
    return smooth(points)


def opening(figure: Figure, piece: Piece, side: int) -> Points:
    """The front edge of one half from the neck to the hem."""
    gap = 0.0
    if "open" in piece.details:
        gap = 0.034 if piece.style in ("cardigan", "coat") else 0.042
    place, hem = figure.place, piece.length
    neck = 0.036 if piece.style != "cardigan" else 0.042
    points = [place(side * neck, 0.167), place(side * max(gap * 0.85, 0.012), 0.235)]
    over = -side * 0.012 if not gap else side * gap
    points += [place(over, 0.32), place(over * 1.05, (0.32 + hem) / 2), place(over * 1.35, hem)]
    return smooth(points)


def paint_lining(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """The inside of the back of an open coat that shows beside the legs."""
    if "open" not in piece.details or piece.length < 0.5:
        return
    left, right = (outer_side(figure, piece, side) for side in SIDES)
    hem = smooth(
        [left[-1], mixed(left[-1], right[-1], 0.5) - by(0, 0.006 * figure.unit), right[-1]]
    )
    shape = outline(left[::-1], right, hem[::-1])
    dark = piece.fabric.base * 0.55
    canvas.paint(shape, dark, piece.owner, finish=piece.finish, ink=piece.fabric.ink)


def paint_outer(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """Both halves of the front; sleeves follow later."""
    half = (figure.half_width(0.27) + piece.ease) * figure.unit
    coordinates = round_the_body(figure.place(0, 0.27), half, 0.012 * figure.unit)
    for side in SIDES:
        edge, front = outer_side(figure, piece, side), opening(figure, piece, side)
        low = mixed(edge[-1], front[-1], 0.5) + by(0, 0.006 * figure.unit)
        shape = outline(
            [figure.place(side * 0.04, 0.166)],
            edge,
            smooth([edge[-1], low, front[-1]]),
            front[::-1],
        )
        shape = shape + sleeve_shape(figure, piece, side)
        canvas.shade(shape, -2 * side + 2, 5, 4, 0.45)
        canvas.paint(
            shape,
            piece.fabric,
            piece.owner,
            coordinates=coordinates,
            folds=_panel_folds(canvas, figure, piece, side),
            lines=_panel_lines(figure, piece, side),
            finish=piece.finish,
            ink=piece.fabric.ink,
        )
    if "open" not in piece.details and piece.style != "puffer":
        marks = button_front(figure, 0.255, piece.length - 0.03, 0.0)[1:]
        canvas.draw(marks, piece.trim * 0.55, within=piece.owner)
    _paint_collar(canvas, figure, piece)


def _panel_folds(canvas: Canvas, figure: Figure, piece: Piece, side: int) -> list[Stroke]:
    rng, place, hem = canvas.rng, figure.place, piece.length
    folds = []
    if piece.style == "puffer":
        for height in np.arange(0.225, hem - 0.01, 0.036).tolist():
            wide = figure.half_width(min(height, 0.5)) + piece.ease + 0.02
            curve = [
                place(side * wide, height - 0.004),
                place(side * 0.05, height + 0.006),
                place(-side * 0.012, height),
            ]
            folds.append(pen(curve, 5, 0.8, ""))
        return folds
    start = figure.side(side, 0.25, piece.ease * 0.5)
    tip = place(side * 0.05, 0.29)
    folds.append(pen([start, mixed(start, tip, 0.5) + by(0, 2), tip], 4, 0.55, "end"))
    start = figure.side(side, 0.37, piece.ease)
    tip = place(side * 0.055, rng.uniform(0.375, 0.395))
    folds.append(pen([start, mixed(start, tip, 0.5) + by(0, 2), tip], 4, 0.55, "end"))
    if hem > 0.52:
        for x in (0.055, 0.085):
            bottom = place(side * (x + 0.012), hem - 0.004)
            folds.append(
                pen(
                    [bottom, place(side * x, hem - 0.08), place(side * x * 0.95, 0.44)],
                    4.5,
                    0.6,
                    "end",
                )
            )
    return folds


def _panel_lines(figure: Figure, piece: Piece, side: int) -> list[Stroke]:
    place, hem = figure.place, piece.length
    lines = []
    if hem > 0.43 and piece.style != "cardigan":
        y = 0.425 if hem < 0.52 else 0.45
        pocket = [place(side * 0.048, y), place(side * 0.088, y - 0.006)]
        low = [place(side * 0.048, y + 0.014), place(side * 0.088, y + 0.008)]
        lines += [pen(pocket, 1.2, 0.7), pen(low, 1.0, 0.55)]
        lines += [pen([pocket[0], low[0]], 1.0, 0.6), pen([pocket[1], low[1]], 1.0, 0.6)]
    if piece.style in ("jacket", "cardigan", "puffer"):
        edge = [figure.side(side, hem - 0.022, piece.ease + 0.02), place(0, hem - 0.016)]
        lines.append(pen(edge, 1.2, 0.6))
    if piece.style == "cardigan":
        lines.append(
            Stroke(opening(figure, piece, side) + by(side * 0.014 * figure.unit, 0), 1.0, 0.5, "")
        )
    if piece.style == "jacket":
        yoke = [figure.side(side, 0.235, 0), place(side * 0.03, 0.238)]
        lines.append(pen(yoke, 1.0, 0.55))
        dart = [place(side * 0.05, 0.25), place(side * 0.045, hem - 0.025)]
        lines.append(pen(dart, 1.0, 0.5))
    return lines


def _paint_collar(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    place = figure.place
    if piece.style == "cardigan":
        return
    for side in SIDES:
        if piece.style == "puffer":
            points = [(0.026, 0.148), (0.048, 0.158), (0.05, 0.186), (0.02, 0.205), (0.012, 0.19)]
            shape = outline(smooth([place(side * x, y) for x, y in points], closed=True))
        elif piece.style == "jacket":
            points = [(0.028, 0.156), (0.046, 0.168), (0.062, 0.212), (0.034, 0.218), (0.02, 0.195)]
            shape = outline([place(side * x, y) for x, y in points])
        else:  # a lapel with its notch
            gap = 0.042 if "open" in piece.details and piece.style != "coat" else 0.034
            gap = gap if "open" in piece.details else 0.004
            points = [
                (0.028, 0.154),
                (0.048, 0.167),
                (0.064, 0.207),
                (0.050, 0.212),
                (0.068, 0.226),
            ]
            points += [(gap + 0.012, 0.31), (gap * 0.9, 0.315), (max(gap * 0.8, 0.006), 0.24)]
            shape = outline([place(side * x, y) for x, y in points])
        canvas.shade(shape, 1, 3, 2, 0.35)
        canvas.paint(shape, piece.fabric, piece.owner, finish=piece.finish, ink=piece.fabric.ink)
