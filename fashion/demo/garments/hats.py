"""Headwear of the drawn pictures."""

from collections.abc import Sequence

import numpy as np

from fashion.demo.canvas import Canvas, Stroke, pen
from fashion.demo.curves import Shape, ellipse, outline, tube
from fashion.demo.figure import Figure
from fashion.demo.pieces import Piece

HATS = ("beanie", "bucket hat", "sun hat", "cap", "beret", "fedora", "headband")


def paint_hat(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """The hat on the head."""
    painters = {
        "beanie": _paint_beanie,
        "bucket hat": _paint_bucket_hat,
        "sun hat": _paint_sun_hat,
        "cap": _paint_cap,
        "beret": _paint_beret,
        "fedora": _paint_fedora,
        "headband": _paint_headband,
    }
    painters[piece.style](canvas, figure, piece)


def _hat_part(
    canvas: Canvas,
    figure: Figure,
    piece: Piece,
    points: Sequence[Sequence[float]],
    lines: Sequence[Stroke] = (),
    folds: Sequence[Stroke] = (),
    tone: float = 1.0,
) -> None:
    """A part of a hat, its outline through places of the head."""
    shape = Shape([figure.head_curve(points, closed=True)])
    centre, _, _ = figure.head

    def fabric(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return piece.fabric(u, v) * tone

    canvas.paint(
        shape,
        fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(centre[0]), y - np.float32(centre[1])),
        lines=lines,
        folds=folds,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )


def _crown(top: float, low: float, wide: float) -> list[tuple[float, float]]:
    return [
        (-wide, low), (-wide * 0.97, (low + top) / 2), (-wide * 0.66, top + 0.08), (0, top),
        (wide * 0.66, top + 0.08), (wide * 0.97, (low + top) / 2), (wide, low), (0, low + 0.1),
    ]  # fmt: skip


def _paint_beanie(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    on = figure.on_head
    if "bobble" in piece.details:
        spot = on(0, -1.5)
        size = 0.3 * figure.head[1]
        discs = [
            (*(spot + size * 0.35 * np.array([np.cos(a), np.sin(a)])), size * 0.75)
            for a in np.arange(0, 6.2, 0.9)
        ]
        canvas.paint(Shape([], discs), piece.fabric.colours[1], piece.owner, ink=piece.fabric.ink)
    folds = [
        pen([on(x, -0.62), on(x * 0.7, -1.25)], 2.6, 0.5, "end") for x in (-0.6, -0.2, 0.2, 0.6)
    ]
    _hat_part(canvas, figure, piece, _crown(-1.42, -0.5, 1.1), folds=folds)
    band = [
        (-1.14, -0.78),
        (-0.5, -0.68),
        (0, -0.65),
        (0.5, -0.68),
        (1.14, -0.78),
        (1.14, -0.36),
        (0.5, -0.26),
        (0, -0.24),
        (-0.5, -0.26),
        (-1.14, -0.36),
    ]
    ribs = [pen([on(x, -0.66), on(x, -0.28)], 1.1, 0.45) for x in np.linspace(-0.95, 0.95, 10)]
    _hat_part(canvas, figure, piece, band, lines=ribs, tone=0.93)


def _paint_bucket_hat(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    _hat_part(canvas, figure, piece, _crown(-1.3, -0.55, 1.05))
    brim = [
        (-1.08, -0.66),
        (0, -0.56),
        (1.08, -0.66),
        (1.5, -0.18),
        (0.7, -0.26),
        (0, -0.22),
        (-0.7, -0.26),
        (-1.5, -0.18),
    ]
    _shadow_on_face(canvas, figure, -0.2)
    stitches = [
        Stroke(
            figure.head_curve([(-1.24 - k, -0.44 + k), (0, -0.4 + k), (1.24 + k, -0.44 + k)]),
            0.9,
            0.45,
            "",
        )
        for k in (0.0, 0.09)
    ]
    _hat_part(canvas, figure, piece, brim, lines=stitches)


def _paint_sun_hat(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    _shadow_on_face(canvas, figure, -0.22)
    brim = [
        (-2.0, -0.38),
        (-1.2, -0.7),
        (0, -0.78),
        (1.2, -0.7),
        (2.0, -0.38),
        (1.1, -0.24),
        (0, -0.2),
        (-1.1, -0.24),
    ]
    _hat_part(canvas, figure, piece, brim)
    _hat_part(canvas, figure, piece, _crown(-1.38, -0.6, 1.02))
    _ribbon(canvas, figure, piece, 1.03, -0.8, -0.58)


def _ribbon(
    canvas: Canvas, figure: Figure, piece: Piece, wide: float, top: float, low: float
) -> None:
    upper = figure.head_curve([(-wide, top), (0, top + 0.1), (wide, top)])
    lower = figure.head_curve([(-wide, low), (0, low + 0.1), (wide, low)])
    canvas.paint(
        outline(upper, lower[::-1]), piece.fabric.base * 0.55, piece.owner, ink=piece.fabric.ink
    )


def _paint_cap(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    on = figure.on_head
    seams = [pen([on(x * 0.3, -1.3), on(x, -0.55)], 1.1, 0.55) for x in (-0.45, 0.45)]
    _hat_part(canvas, figure, piece, _crown(-1.32, -0.45, 1.07), lines=seams)
    side = 1 if figure.gaze > 0 else -1
    _shadow_on_face(canvas, figure, -0.2)
    peak = [
        (-0.85, -0.5),
        (0, -0.62),
        (0.85, -0.5),
        (0.8 + 0.25 * (side > 0), -0.16),
        (0.1 * side, -0.12),
        (-0.8 - 0.25 * (side < 0), -0.16),
    ]
    _hat_part(canvas, figure, piece, peak, tone=0.82)
    canvas.paint(Shape([], [(*on(0, -1.33), 2.4)]), piece.fabric.base * 0.7, piece.owner)


def _paint_beret(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    side = 1 if figure.head_turn >= 0 else -1
    points = [
        (-1.0, -0.6),
        (-1.15, -0.85),
        (-0.6, -1.3),
        (0.2, -1.48),
        (1.1, -1.3),
        (1.55, -0.85),
        (1.2, -0.58),
        (0.2, -0.58),
    ]
    mirrored = [(x * side, y) for x, y in points]
    fold = pen([figure.on_head(0.9 * side, -0.66), figure.on_head(1.3 * side, -0.9)], 3, 0.5, "end")
    _hat_part(canvas, figure, piece, mirrored, folds=[fold])
    canvas.draw(
        [pen([figure.on_head(0.2 * side, -1.44), figure.on_head(0.26 * side, -1.58)], 2.6, 0.9)],
        piece.fabric.ink,
    )


def _paint_fedora(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    _shadow_on_face(canvas, figure, -0.26)
    crown = [
        (-0.98, -0.5),
        (-0.9, -1.05),
        (-0.55, -1.42),
        (0, -1.32),
        (0.55, -1.42),
        (0.9, -1.05),
        (0.98, -0.5),
        (0, -0.42),
    ]
    dent = [pen([figure.on_head(0, -1.32), figure.on_head(0.03, -1.05)], 3, 0.6, "end")]
    brim = [
        (-1.62, -0.62),
        (-0.9, -0.7),
        (0, -0.66),
        (0.9, -0.7),
        (1.62, -0.62),
        (0.9, -0.36),
        (0, -0.28),
        (-0.9, -0.36),
    ]
    _hat_part(canvas, figure, piece, brim)
    _hat_part(canvas, figure, piece, crown, folds=dent)
    _ribbon(canvas, figure, piece, 0.98, -0.76, -0.54)


def _paint_headband(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    on = figure.on_head
    upper = figure.head_curve([(-1.1, -0.3), (-0.75, -0.9), (0, -1.12), (0.75, -0.9), (1.1, -0.3)])
    lower = figure.head_curve(
        [(-1.06, 0.02), (-0.72, -0.5), (0, -0.68), (0.72, -0.5), (1.06, 0.02)]
    )
    centre = figure.head[0]
    canvas.paint(
        outline(upper, lower[::-1]),
        piece.fabric,
        piece.owner,
        coordinates=lambda x, y: (x - np.float32(centre[0]), y - np.float32(centre[1])),
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
    knot = [ellipse(on(0.0, -0.9), 0.2 * figure.head[1], 0.26 * figure.head[2], 20)]
    canvas.paint(Shape(knot), piece.fabric, piece.owner, finish=piece.finish, ink=piece.fabric.ink)


def _shadow_on_face(canvas: Canvas, figure: Figure, height: float) -> None:
    line = figure.head_curve([(-0.8, height), (0, height + 0.03), (0.8, height)])
    canvas.shade(tube(line, [3, 3]), 0, 2, 3, 0.3)
