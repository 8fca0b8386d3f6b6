"""Belts, sunglasses, scarves and ties of the drawn pictures."""

import numpy as np

from fashion.demo.canvas import Canvas, Finish, Stroke, pen
from fashion.demo.curves import Points, Shape, by, ellipse, mixed, outline, smooth, tube
from fashion.demo.figure import SIDES, Figure
from fashion.demo.pieces import Piece

GLASSES = ("round", "square", "cat-eye", "aviator")


def paint_belt(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """A belt with its upper edge at the height `piece.length`, `piece.ease` off the body."""
    wide = (0.036 if "wide" in piece.details else 0.0235) * figure.unit
    left = figure.side(-1, piece.length, piece.ease)
    right = figure.side(1, piece.length, piece.ease)
    middle = mixed(left, right, 0.5) + by(0, 0.009 * figure.unit)
    upper = smooth([left, middle, right])
    lower = upper + by(0, wide)
    lines = [
        Stroke(upper + by(0, wide * 0.2), 0.8, 0.35, ""),
        Stroke(upper + by(0, wide * 0.8), 0.8, 0.35, ""),
    ]
    shape = outline(upper, lower[::-1])
    canvas.shade(shape, 0.5, 2.5, 2, 0.4)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(left[0]), y - np.float32(left[1])),
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
    _paint_buckle(canvas, figure, piece, middle + by(0, wide / 2), wide)


def _paint_buckle(
    canvas: Canvas, figure: Figure, piece: Piece, centre: Points, wide: float
) -> None:
    if "knot" in piece.details:
        for side in SIDES:
            end = centre + by(side * 0.02 * figure.unit, 0.075 * figure.unit)
            canvas.paint(
                tube(
                    smooth([centre, mixed(centre, end, 0.5) + by(side * 2, 0), end]),
                    [wide * 0.28, wide * 0.42],
                ),
                piece.fabric,
                piece.owner,
                ink=piece.fabric.ink,
            )
        canvas.paint(
            Shape([], [(*centre, wide * 0.55)]), piece.fabric, piece.owner, ink=piece.fabric.ink
        )
        return
    metal = np.array(
        [222, 190, 112] if piece.trim[0] > piece.trim[2] else [206, 208, 214], np.float32
    )
    half_x, half_y = wide * 0.72, wide * 0.62
    frame = outline(
        centre
        + np.array([[-half_x, -half_y], [half_x, -half_y], [half_x, half_y], [-half_x, half_y]])
    )
    inside = (
        centre
        + np.array([[-half_x, -half_y], [half_x, -half_y], [half_x, half_y], [-half_x, half_y]])
        * 0.5
    )
    finish = Finish(form=0.2, gloss=0.3, outline=0.8, grain=0)
    canvas.paint(frame, metal, piece.owner, finish=finish, ink=metal * 0.4)
    canvas.paint(outline(inside), piece.fabric.base * 0.7, piece.owner, finish=finish)
    canvas.draw([Stroke(np.array([centre, centre + by(half_x, 0)]), 1.4, 0.9, "")], metal * 0.6)


def paint_sunglasses(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """Glasses with dark lenses, a little wider than the face."""
    on = figure.on_head
    shift = figure.gaze * 0.10
    lens, frame = [], []
    for side in SIDES:
        points = [(side * (0.12 + x * 0.80) + shift, y) for x, y in _lens(piece.style)]
        curve = figure.head_curve(points, closed=True)
        centre = curve.mean(axis=0)
        frame.append(centre + (curve - centre) * 1.2)
        lens.append(curve)
    bridge = tube(
        smooth([on(-0.16 + shift, -0.04), on(shift, -0.09), on(0.16 + shift, -0.04)]), [2.0, 2.0]
    )
    temples = Shape()
    for side in SIDES:
        start, end = on(side * 0.84 + shift, -0.06), on(side * 1.06, -0.02)
        temples = temples + tube(np.array([start, end]), [2.2, 2.0])
    metal = Finish(form=0.2, outline=0.7, grain=0, gloss=0.1)
    shape = Shape(frame) + bridge + temples
    canvas.shade(shape, 1, 3, 2, 0.3)
    canvas.paint(shape, piece.fabric, piece.owner, finish=metal, ink=piece.fabric.ink)
    tint = piece.trim * 0.28 + 18
    for curve in lens:
        low, high = curve[:, 1].min(), curve[:, 1].max()

        def glass(u, v, low=low, high=high):
            share = np.clip((v - low) / (high - low), 0, 1)[:, :, None].astype(np.float32)
            return tint * (1 - share) + (tint * 0.55 + piece.trim * 0.45) * share

        canvas.paint(Shape([curve]), glass, piece.owner, finish=Finish(0, 0, 0, 0))
        centre = curve.mean(axis=0)
        size = 0.14 * figure.head[1]
        shine = [
            pen(
                [centre + by(-size * 1.3, size * 0.6), centre + by(-size * 0.2, -size)],
                2.2,
                0.55,
                "both",
            )
        ]
        canvas.draw(shine, (255, 255, 255))


def _lens(style: str) -> list[tuple[float, float]]:
    """The edge of a lens: x from the nose (0) to the temple (1), y of the head."""
    if style == "round":
        return [(0.5 + 0.46 * np.cos(a), 0.03 + 0.24 * np.sin(a)) for a in np.arange(0, 6.2, 0.52)]
    if style == "square":
        return [
            (0.03, -0.17),
            (0.5, -0.2),
            (0.97, -0.18),
            (0.95, 0.1),
            (0.8, 0.25),
            (0.2, 0.25),
            (0.04, 0.1),
        ]
    if style == "cat-eye":
        return [
            (0.04, -0.1),
            (0.5, -0.19),
            (1.08, -0.3),
            (0.97, 0.03),
            (0.7, 0.23),
            (0.25, 0.21),
            (0.03, 0.05),
        ]
    return [
        (0.04, -0.14),
        (0.5, -0.2),
        (0.98, -0.14),
        (0.93, 0.14),
        (0.62, 0.33),
        (0.24, 0.22),
        (0.06, 0.02),
    ]


def paint_scarf(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """A scarf about the neck, a kerchief, or a tie."""
    if piece.style == "tie":
        _paint_tie(canvas, figure, piece)
        return
    place, unit, side = figure.place, figure.unit, piece.side
    if piece.style == "kerchief":
        tails = [
            [(0.0, 0.186), (side * 0.022, 0.215), (side * 0.046, 0.232)],
            [(0.0, 0.186), (-side * 0.004, 0.222), (side * 0.008, 0.25)],
        ]
        for tail in tails:
            curve = smooth([place(x, y) for x, y in tail])
            _cloth(canvas, figure, piece, tube(curve, np.array([0.007, 0.017, 0.004]) * unit))
        _cloth(canvas, figure, piece, _neck_roll(figure, 0.150, 0.185, 0.040))
        _cloth(canvas, figure, piece, Shape([ellipse(place(0, 0.187), 0.014 * unit, 0.011 * unit)]))
        return
    long = 0.43 if piece.style == "long" else 0.33
    for x, end in ((side * 0.03, long), (-side * 0.018, long - 0.055)):
        if piece.style == "wrapped" and x * side < 0:
            continue
        top, bottom = place(x * 0.6, 0.19), place(x * 1.35, end)
        curve = smooth([top, mixed(top, bottom, 0.5) + by(x * 30, 0), bottom])
        _fringe(canvas, figure, piece, bottom)
        _cloth(canvas, figure, piece, tube(curve, np.array([0.02, 0.027, 0.029]) * unit))
    _cloth(canvas, figure, piece, _neck_roll(figure, 0.145, 0.212, 0.062))
    creases = [
        pen(
            [place(-0.055, 0.172 + k), place(0, 0.192 + k), place(0.055, 0.168 + k)],
            3.6,
            0.65,
            "both",
        )
        for k in (-0.008, 0.008)
    ]
    canvas.draw(creases, piece.fabric.base * 0.5, within=piece.owner)


def _neck_roll(figure: Figure, top: float, low: float, wide: float) -> Shape:
    place = figure.place
    middle = (top + low) / 2
    points = [
        (-wide * 0.62, top),
        (0, top + 0.018),
        (wide * 0.62, top),
        (wide, middle),
        (wide * 0.72, low - 0.006),
        (0, low),
        (-wide * 0.72, low - 0.006),
        (-wide, middle),
    ]
    return Shape([smooth([place(x, y) for x, y in points], closed=True)])


def _cloth(canvas: Canvas, figure: Figure, piece: Piece, shape: Shape) -> None:
    centre = figure.place(0, 0.17)
    canvas.shade(shape, 2, 4, 3, 0.35)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(centre[0]), y - np.float32(centre[1])),
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _fringe(canvas: Canvas, figure: Figure, piece: Piece, bottom: Points) -> None:
    unit = figure.unit
    threads = [
        np.array([[x - 1.4, -2], [x + 1.4, -2], [x + 1.0, 0.024 * unit], [x - 1.0, 0.024 * unit]])
        + bottom
        for x in np.linspace(-0.023, 0.023, 6) * unit
    ]
    canvas.paint(
        Shape(threads),
        piece.fabric.base * 0.9,
        piece.owner,
        finish=Finish(0, 0, 0.6, 0),
        ink=piece.fabric.ink,
    )


def _paint_tie(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    place = figure.place
    end = piece.length
    blade = [(-0.008, 0.208), (0.008, 0.208), (0.021, end - 0.03), (0.0, end), (-0.021, end - 0.03)]
    _cloth(canvas, figure, piece, outline([place(x, y) for x, y in blade]))
    knot = [(-0.017, 0.178), (0.017, 0.178), (0.009, 0.212), (-0.009, 0.212)]
    _cloth(canvas, figure, piece, outline([place(x, y) for x, y in knot]))
