"""Shoes and boots of the drawn pictures; a pair is one instance."""

import numpy as np

from fashion.demo.canvas import Canvas, Finish, Stroke, pen
from fashion.demo.curves import Points, Shape, along, by, mixed, outline, smooth
from fashion.demo.fabric import Colour
from fashion.demo.figure import SIDES, Figure, Foot
from fashion.demo.pieces import Piece

SHOES = ("sneakers", "pumps", "sandals", "loafers", "flats")
BOOTS = ("ankle", "mid", "knee", "rain")
HEELS = {"pumps": 0.028, "ankle": 0.016, "knee": 0.02}
SHAFTS = {"ankle": 0.82, "mid": 0.70, "knee": 0.56, "rain": 0.62}


def paint_pair(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """Both shoes or boots."""
    for side in figure.leg_order:
        if piece.garment == "boots":
            _paint_boot(canvas, figure, piece, side)
        else:
            _paint_shoe(canvas, figure, piece, side)


def _shoe_outline(figure: Figure, foot: Foot, top: float, wide: float, long: float) -> list[Points]:
    """Edges of a shoe from the ankle's left to its right: left edge, toe, right edge.

    top: how far above the ankle it begins, in figure heights; wide and long: shares of the foot.
    """
    half = foot.half_width * wide
    ankle = float(figure.leg_width(1.0)) + 0.006 * figure.unit
    start = foot.ankle - by(0, top * figure.unit)
    toe = foot.ankle + (foot.toe - foot.ankle) * long
    ball = foot.ankle + (toe - foot.ankle) * 0.64
    left = [start - by(ankle, 0), mixed(start, ball, 0.45) - by(ankle + 1.0, 0), ball - by(half, 0)]
    right = [
        start + by(ankle, 0),
        mixed(start, ball, 0.45) + by(ankle + 1.0, 0),
        ball + by(half, 0),
    ]
    tip = [toe + by(-half * 0.66, -1), toe + by(0, 2.5), toe + by(half * 0.66, -1)]
    return [smooth([*left, *tip, *right[::-1]])]


def _paint_shoe(canvas: Canvas, figure: Figure, piece: Piece, side: int) -> None:
    foot = figure.foot(side)
    painters = {
        "sneakers": _paint_sneaker,
        "pumps": _paint_pump,
        "sandals": _paint_sandal,
        "loafers": _paint_loafer,
        "flats": _paint_flat,
    }
    painters[piece.style](canvas, figure, piece, foot, side)


def _upper(canvas: Canvas, piece: Piece, shape: Shape, lines: list[Stroke], foot: Foot) -> None:
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(foot.ankle[0]), y - np.float32(foot.ankle[1])),
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _sole(canvas: Canvas, piece: Piece, points: Points, drop: float, colour: Colour) -> None:
    canvas.paint(
        outline(points + by(0, drop)),
        colour,
        piece.owner,
        finish=Finish(form=0.1, outline=0.9, grain=0),
        ink=piece.fabric.ink,
    )


def _paint_sneaker(canvas: Canvas, figure: Figure, piece: Piece, foot: Foot, side: int) -> None:
    (edge,) = _shoe_outline(figure, foot, 0.012, 1.18, 1.06)
    _sole(canvas, piece, edge, 0.010 * figure.unit, np.array([244, 242, 236], np.float32))
    start, toe = foot.ankle, foot.toe
    across = foot.half_width * 0.5
    laces = [
        pen(
            [mixed(start, toe, k) - by(across, 0), mixed(start, toe, k) + by(across, 1.5)],
            2.0,
            0.95,
        )
        for k in (0.18, 0.34, 0.5)
    ]
    _upper(canvas, piece, outline(edge), [], foot)
    white = np.array([250, 250, 246], np.float32)
    dark = np.abs(piece.fabric.base - white).sum() < 90
    canvas.draw(laces, piece.fabric.ink if dark else white, within=piece.owner)
    cap = mixed(start, toe, 0.74)
    curve = [cap - by(foot.half_width, -2), cap - by(0, 2), cap + by(foot.half_width, 2)]
    canvas.draw([pen(curve, 1.2, 0.7)], piece.fabric.ink, within=piece.owner)


def _throat(figure: Figure, foot: Foot, depth: float, wide: float) -> Points:
    """The opening of a low shoe, through which the instep is seen."""
    half = foot.half_width * wide
    low = mixed(foot.ankle, foot.toe, depth)
    up = foot.ankle - by(0, 0.03 * figure.unit)
    return smooth(
        [
            up - by(half * 1.5, 0),
            mixed(up, low, 0.6) - by(half, 0),
            low,
            mixed(up, low, 0.6) + by(half, 0),
            up + by(half * 1.5, 0),
        ]
    )


def _paint_pump(canvas: Canvas, figure: Figure, piece: Piece, foot: Foot, side: int) -> None:
    (edge,) = _shoe_outline(figure, foot, 0.0, 0.98, 1.04)
    shape = outline(edge)
    if figure.heel > 0.01:
        heel = foot.ankle + by(-side * 0.2 * foot.half_width, 0.01 * figure.unit)
        end = foot.ankle + by(
            -side * 0.35 * foot.half_width,
            0.035 * figure.unit + figure.heel * figure.unit,
        )
        canvas.paint(
            outline([heel - by(2.4, 0), heel + by(2.4, 0), end + by(1.6, 0), end - by(1.6, 0)]),
            piece.fabric.base * 0.6,
            piece.owner,
            ink=piece.fabric.ink,
        )
    shape.holes.append(_throat(figure, foot, 0.5, 0.62))
    _upper(canvas, piece, shape, [], foot)
    if "strap" in piece.details:
        _strap(
            canvas,
            piece,
            foot.ankle - by(0, 0.004 * figure.unit),
            float(figure.leg_width(1.0)) + 1.5,
            4.5,
        )


def _paint_flat(canvas: Canvas, figure: Figure, piece: Piece, foot: Foot, side: int) -> None:
    (edge,) = _shoe_outline(figure, foot, -0.004, 1.05, 1.05)
    shape = outline(edge)
    shape.holes.append(_throat(figure, foot, 0.55, 0.66))
    _upper(canvas, piece, shape, [], foot)
    bow = mixed(foot.ankle, foot.toe, 0.64)
    wings = [np.array([bow, bow + by(s * 6, -3), bow + by(s * 6, 3)]) for s in SIDES]
    canvas.paint(Shape(wings), piece.trim, piece.owner, ink=piece.fabric.ink)


def _paint_loafer(canvas: Canvas, figure: Figure, piece: Piece, foot: Foot, side: int) -> None:
    (edge,) = _shoe_outline(figure, foot, -0.002, 1.12, 1.05)
    _sole(canvas, piece, edge, 0.006 * figure.unit, piece.fabric.base * 0.4)
    shape = outline(edge)
    shape.holes.append(_throat(figure, foot, 0.28, 0.7))
    middle = mixed(foot.ankle, foot.toe, 0.48)
    half = foot.half_width
    lines = [
        pen([middle - by(half, -2), middle - by(0, 2), middle + by(half, 2)], 3.4, 0.6),
        pen(
            [
                mixed(foot.ankle, foot.toe, 0.6) - by(half * 0.6, 0),
                mixed(foot.ankle, foot.toe, 0.84),
                mixed(foot.ankle, foot.toe, 0.6) + by(half * 0.6, 0),
            ],
            1.1,
            0.7,
        ),
    ]
    _upper(canvas, piece, shape, lines, foot)


def _paint_sandal(canvas: Canvas, figure: Figure, piece: Piece, foot: Foot, side: int) -> None:
    (edge,) = _shoe_outline(figure, foot, -0.012, 1.2, 1.08)
    rim = edge + by(0, 0.005 * figure.unit)
    inside = foot.ankle + (edge - foot.ankle) * [0.72, 0.86]
    sole = outline(rim)
    sole.holes.append(inside)
    sole.holes.append(_throat(figure, foot, 0.1, 0.7))
    canvas.paint(sole, piece.fabric.base * 0.62, piece.owner, ink=piece.fabric.ink)
    for share, width in ((0.28, 6.0), (0.68, 7.0)):
        _strap(
            canvas,
            piece,
            mixed(foot.ankle, foot.toe, share),
            foot.half_width * (0.75 + 0.4 * share),
            width,
        )
    _strap(
        canvas,
        piece,
        foot.ankle - by(0, 0.006 * figure.unit),
        float(figure.leg_width(1.0)) + 1.5,
        5.0,
    )


def _strap(canvas: Canvas, piece: Piece, centre: Points, half: float, width: float) -> None:
    left, right = centre - by(half, 0), centre + by(half, 0)
    upper = smooth([left, centre + by(0, 2.0), right])
    canvas.paint(
        outline(upper, (upper + by(0, width))[::-1]),
        piece.fabric,
        piece.owner,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _paint_boot(canvas: Canvas, figure: Figure, piece: Piece, side: int) -> None:
    foot, unit = figure.foot(side), figure.unit
    top = SHAFTS[piece.style]
    (edge,) = _shoe_outline(figure, foot, 0.004, 1.16, 1.06)
    shares = np.linspace(top, 0.985, 6)
    loose = {"ankle": 0.006, "mid": 0.008, "knee": 0.006, "rain": 0.012}[piece.style]
    eases = np.linspace(loose + 0.002, loose, 6)
    left = [figure.leg_edge(side, -1, s, e) for s, e in zip(shares, eases, strict=True)]
    right = [figure.leg_edge(side, 1, s, e) for s, e in zip(shares, eases, strict=True)]
    rim = smooth([right[0], mixed(left[0], right[0], 0.5) + by(0, 0.007 * unit), left[0]])
    shape = outline(smooth(left), edge[4:-4], smooth(right)[::-1], rim)
    sole_drop = 0.009 if piece.style in ("mid", "rain", "ankle") else 0.004
    _sole(canvas, piece, edge, sole_drop * unit, piece.fabric.base * 0.35)
    folds = []
    for share in (0.9, 0.94):
        a, b = figure.leg_edge(side, -side, share, loose), along(figure.leg(side), share + 0.02)
        folds.append(pen([a, mixed(a, b, 0.5) + by(0, 2), b + by(side * 3, 0)], 3.4, 0.6, "end"))
    lines = [Stroke(rim + by(0, 0.012 * unit), 1.2, 0.6, "")]
    if piece.style == "mid":
        for k in np.linspace(0.25, 0.95, 6):
            spot = mixed(along(figure.leg(side), top + 0.03), mixed(foot.ankle, foot.toe, 0.45), k)
            lines.append(pen([spot - by(4.2, 1), spot + by(4.2, 2)], 1.6, 0.85))
    if piece.style == "knee":
        zip_line = [figure.leg_edge(side, -side, s, -0.006) for s in (top + 0.02, 0.75, 0.97)]
        lines.append(pen(zip_line, 1.0, 0.6))
    canvas.shade(shape, 2, 3, 3, 0.25)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(foot.ankle[0]), y - np.float32(foot.ankle[1])),
        folds=folds,
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
