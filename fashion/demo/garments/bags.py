"""Bags of the drawn pictures: in the hand, over the shoulder, across the body."""

import numpy as np

from fashion.demo.canvas import Canvas, Finish, Stroke, pen
from fashion.demo.curves import Points, Shape, by, mixed, outline, smooth, tube
from fashion.demo.figure import Figure
from fashion.demo.pieces import Piece

IN_HAND = ("tote", "handbag", "bucket", "clutch")
WITH_STRAP = ("crossbody", "shoulder")


def paint_strapped_bag(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """A bag that hangs from a shoulder, before the arms are painted."""
    place, side, unit = figure.place, piece.side, figure.unit
    hip = place(side * (figure.half_width(0.46) + 0.022), 0.425)
    if piece.style == "crossbody":
        path = [
            place(-side * 0.06, 0.176),
            place(-side * 0.02, 0.25),
            place(side * 0.05, 0.35),
            hip,
        ]
    else:
        path = [
            place(side * 0.062, 0.178),
            place(side * 0.07, 0.25),
            place(side * 0.085, 0.34),
            hip,
        ]
    strap = tube(smooth(path), [0.0075 * unit] * 2)
    _plain(canvas, piece, strap, 0.8)
    if piece.style == "crossbody":
        _paint_satchel(canvas, figure, piece, hip - by(0, 0.008 * unit), 0.145 * unit, 0.105 * unit)
    else:
        _paint_hobo(canvas, figure, piece, hip - by(0, 0.01 * unit))


def paint_hand_bag(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """A bag held in a hand, before the hand is painted."""
    wrist, direction = figure.hand(piece.side)
    grip = wrist + direction * 0.045 * figure.unit
    painters = {
        "tote": _paint_tote,
        "handbag": _paint_handbag,
        "bucket": _paint_bucket,
        "clutch": _paint_clutch,
    }
    painters[piece.style](canvas, figure, piece, grip)


def _plain(canvas: Canvas, piece: Piece, shape: Shape, tone: float) -> None:
    canvas.paint(
        shape,
        piece.fabric.base * tone,
        piece.owner,
        finish=Finish(form=0.1, outline=0.9, grain=0),
        ink=piece.fabric.ink,
    )


def _body(
    canvas: Canvas, piece: Piece, points: Points, lines: list[Stroke], folds: list[Stroke]
) -> None:
    corner = points.min(axis=0)
    shape = outline(points)
    canvas.shade(shape, 3, 5, 4, 0.35)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(corner[0]), y - np.float32(corner[1])),
        folds=folds,
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _rounded(
    left: float, top: float, right: float, bottom: float, belly: float, inset: float
) -> Points:
    """A bag's outline: narrower by `inset` at the top, its sides and bottom bulging by `belly`."""
    corner = 0.12 * (right - left)
    return np.vstack(
        [
            [[left + inset, top], [right - inset, top]],
            smooth(
                [
                    (right - inset, top),
                    (right + belly * 0.4, (top + bottom) / 2),
                    (right, bottom - corner),
                ]
            ),
            smooth(
                [
                    (right, bottom - corner),
                    (right - corner * 0.3, bottom - corner * 0.3),
                    (right - corner, bottom),
                ]
            ),
            smooth(
                [
                    (right - corner, bottom),
                    ((left + right) / 2, bottom + belly),
                    (left + corner, bottom),
                ]
            ),
            smooth(
                [
                    (left + corner, bottom),
                    (left + corner * 0.3, bottom - corner * 0.3),
                    (left, bottom - corner),
                ]
            ),
            smooth(
                [
                    (left, bottom - corner),
                    (left - belly * 0.4, (top + bottom) / 2),
                    (left + inset, top),
                ]
            ),
        ]
    )


def _handle(grip: Points, left: Points, right: Points, width: float) -> Shape:
    """A loop through the hand down to two places of the bag."""
    path = [
        left,
        mixed(left, grip, 0.6) + by(-2, 0),
        grip - by(0, 2),
        mixed(right, grip, 0.6) + by(2, 0),
        right,
    ]
    return tube(smooth(path), [width, width])


def _paint_tote(canvas: Canvas, figure: Figure, piece: Piece, grip: Points) -> None:
    unit = figure.unit
    wide, high, drop = 0.17 * unit, 0.16 * unit, 0.07 * unit
    x, top = grip[0], grip[1] + drop
    shift = piece.side * 0.012 * unit
    left, right = x - wide / 2 + shift, x + wide / 2 + shift
    points = _rounded(left, top, right, top + high, 3, -0.04 * wide)
    for lift in (2.5, 0):
        feet = by(left + 0.26 * wide + lift, top + 3), by(right - 0.26 * wide + lift, top + 3)
        _plain(canvas, piece, _handle(grip - by(0, lift), *feet, 0.0065 * unit), 0.75)
    fold = pen(
        [(left + 0.3 * wide, top + high * 0.95), (left + 0.36 * wide, top + high * 0.5)],
        4,
        0.5,
        "end",
    )
    lines = [pen([(left - 2, top + 7), (right + 2, top + 7)], 1.1, 0.55)]
    _body(canvas, piece, points, lines, [fold])


def _paint_handbag(canvas: Canvas, figure: Figure, piece: Piece, grip: Points) -> None:
    unit = figure.unit
    wide, high, drop = 0.165 * unit, 0.115 * unit, 0.045 * unit
    top = grip[1] + drop
    left, right = grip[0] - wide / 2, grip[0] + wide / 2
    feet = by(left + 0.24 * wide, top + 2), by(right - 0.24 * wide, top + 2)
    _plain(canvas, piece, _handle(grip, *feet, 0.0085 * unit), 0.72)
    points = _rounded(left, top, right, top + high, 3, 0.1 * wide)
    middle = (left + right) / 2
    flap = pen(
        [
            (left + 0.08 * wide, top + 1),
            (left + 0.2 * wide, top + 0.45 * high),
            (middle, top + 0.52 * high),
            (right - 0.2 * wide, top + 0.45 * high),
            (right - 0.08 * wide, top + 1),
        ],
        1.3,
        0.75,
    )
    _body(canvas, piece, points, [flap], [])
    _clasp(canvas, piece, np.array([middle, top + 0.52 * high]), 0.011 * unit)


def _paint_bucket(canvas: Canvas, figure: Figure, piece: Piece, grip: Points) -> None:
    unit = figure.unit
    wide, high, drop = 0.125 * unit, 0.13 * unit, 0.06 * unit
    top = grip[1] + drop
    left, right = grip[0] - wide / 2, grip[0] + wide / 2
    feet = by(left + 0.1 * wide, top + 4), by(right - 0.1 * wide, top + 4)
    _plain(canvas, piece, _handle(grip, *feet, 0.0065 * unit), 0.75)
    points = _rounded(left, top, right, top + high, 4, 0.06 * wide)
    cord = pen(
        [
            (left, top + 0.2 * high),
            ((left + right) / 2, top + 0.25 * high),
            (right, top + 0.2 * high),
        ],
        2.0,
        0.8,
    )
    folds = [
        pen(
            [(left + k * wide, top + 0.02 * high), (left + k * wide, top + 0.3 * high)],
            3.5,
            0.7,
            "end",
        )
        for k in (0.25, 0.42, 0.6, 0.78)
    ]
    _body(canvas, piece, points, [cord], folds)


def _paint_clutch(canvas: Canvas, figure: Figure, piece: Piece, grip: Points) -> None:
    unit = figure.unit
    wide, high = 0.16 * unit, 0.095 * unit
    left, top = grip[0] - wide * (0.5 + 0.18 * piece.side * -1), grip[1] - 0.3 * high
    points = _rounded(left, top, left + wide, top + high, 1, 0.01 * wide)
    flap = pen(
        [(left + 1, top + 2), (left + wide / 2, top + 0.62 * high), (left + wide - 1, top + 2)],
        1.3,
        0.75,
    )
    _body(canvas, piece, points, [flap], [])
    _clasp(canvas, piece, np.array([left + wide / 2, top + 0.6 * high]), 0.009 * unit)


def _paint_satchel(
    canvas: Canvas, figure: Figure, piece: Piece, hang: Points, wide: float, high: float
) -> None:
    left, top = hang[0] - wide / 2, hang[1]
    points = _rounded(left, top, left + wide, top + high, 2, 0.02 * wide)
    flap = pen(
        [
            (left, top + 0.5 * high),
            (left + wide / 2, top + 0.64 * high),
            (left + wide, top + 0.5 * high),
        ],
        1.4,
        0.8,
    )
    _body(canvas, piece, points, [flap], [])
    _clasp(canvas, piece, np.array([left + wide / 2, top + 0.62 * high]), 0.010 * figure.unit)


def _paint_hobo(canvas: Canvas, figure: Figure, piece: Piece, hang: Points) -> None:
    unit = figure.unit
    wide, high = 0.155 * unit, 0.13 * unit
    x, y = hang
    points = smooth(
        [
            (x, y - 0.01 * unit),
            (x + 0.28 * wide, y + 0.25 * high),
            (x + 0.52 * wide, y + 0.3 * high),
            (x + 0.5 * wide, y + 0.85 * high),
            (x, y + high),
            (x - 0.5 * wide, y + 0.85 * high),
            (x - 0.52 * wide, y + 0.3 * high),
            (x - 0.28 * wide, y + 0.25 * high),
        ],
        closed=True,
    )
    edge = pen(
        [(x - 0.5 * wide, y + 0.42 * high), (x, y + 0.6 * high), (x + 0.5 * wide, y + 0.42 * high)],
        1.3,
        0.7,
    )
    _body(canvas, piece, points, [edge], [])


def _clasp(canvas: Canvas, piece: Piece, centre: Points, size: float) -> None:
    box = centre + np.array(
        [[-size, -size * 0.7], [size, -size * 0.7], [size, size * 0.7], [-size, size * 0.7]]
    )
    gold = np.array([214, 178, 94], np.float32)
    canvas.paint(
        outline(box), gold, piece.owner, finish=Finish(form=0.3, gloss=0.3, grain=0), ink=gold * 0.4
    )
