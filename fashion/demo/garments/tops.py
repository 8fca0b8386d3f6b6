"""Tops and dresses of the drawn pictures: trunk, neckline, sleeves."""

import numpy as np

from fashion.demo.canvas import Canvas, Coordinates, Stroke, pen
from fashion.demo.curves import Points, Shape, along, by, mixed, outline, smooth, tube
from fashion.demo.figure import SIDES, Figure
from fashion.demo.garments.bottoms import drape_folds, hem_curve, skirt_edges
from fashion.demo.person import below_armhole
from fashion.demo.pieces import Piece, along_the_limb, round_the_body


def neck_curve(figure: Figure, neck: str) -> Points:
    """The upper edge of a trunk from the left shoulder seam to the right."""
    place = figure.place
    if neck == "bustier":
        points = [(-0.078, 0.222), (-0.035, 0.214), (0, 0.228), (0.035, 0.214), (0.078, 0.222)]
        return smooth([place(*p) for p in points])
    if neck == "straps":
        half = [(-0.058, 0.180), (-0.050, 0.215), (-0.036, 0.238), (0, 0.246)]
    elif neck == "square":
        corners = [(-0.05, 0.179), (-0.046, 0.226), (0.046, 0.226), (0.05, 0.179)]
        return np.array([place(*corner) for corner in corners])
    elif neck in ("v", "collar"):
        depth = 0.25 if neck == "v" else 0.212
        left = smooth([place(-0.036, 0.170), place(-0.022, 0.205), place(0, depth)])
        right = smooth([place(0, depth), place(0.022, 0.205), place(0.036, 0.170)])
        return np.vstack([left, right])
    else:
        half = {
            "boat": [(-0.066, 0.179), (-0.04, 0.188), (0, 0.192)],
            "turtle": [(-0.034, 0.168), (-0.02, 0.176), (0, 0.178)],
        }.get(neck, [(-0.041, 0.172), (-0.03, 0.198), (0, 0.208)])
    mirrored = [(-x, y) for x, y in half[-2::-1]]
    return smooth([place(*p) for p in [*half, *mirrored]])


def trunk_side(figure: Figure, piece: Piece, side: int, hem: float) -> Points:
    """The edge of a trunk from the shoulder seam down to the height `hem`."""
    sleeveless = piece.sleeve <= 0
    armpit = figure.side(side, 0.245, piece.ease * 0.6)
    if piece.neck == "bustier":
        top = [figure.side(side, 0.225, 0.001)]
    elif sleeveless:
        reach = figure.half_width(0.19) - (0.018 if piece.neck == "straps" else 0.011)
        inner = figure.place(side * (reach - 0.006), 0.215)
        top = [figure.place(side * reach, 0.1825), inner]
    else:
        top = [figure.side(side, 0.1775, -0.004), figure.side(side, 0.1865, 0.0015)]
        top.append(figure.side(side, 0.2, 0.003))
    heights = [y for y in (0.29, 0.33, 0.37, 0.415, 0.46, 0.51, 0.56) if y < hem - 0.015]
    eases = np.linspace(piece.ease, piece.ease * 1.3, len(heights) + 1).tolist()
    if "cinched" not in piece.details and piece.ease > 0.012:
        # Loose cloth hangs from the chest and does not follow the waist.
        chest = figure.half_width(0.27) + piece.ease
        below = [
            max(figure.half_width(y) + e, chest) for y, e in zip(heights, eases[:-1], strict=True)
        ]
        eases = [w - figure.half_width(y) for w, y in zip(below, heights, strict=True)]
        eases.append(max(chest - figure.half_width(hem), piece.ease))
    points = [figure.side(side, y, e) for y, e in zip([*heights, hem], eases, strict=True)]
    return smooth([*top, armpit, *points])


def sleeve_shape(figure: Figure, piece: Piece, side: int, extra: float = 0.0) -> Shape:
    """A sleeve down to the share `piece.sleeve` of the arm."""
    shares = np.linspace(0, piece.sleeve, 16)
    line = along(figure.arm(side), shares)
    place = shares / max(piece.sleeve, 1e-6)
    ease = np.interp(place, (0, 0.75, 1), (piece.sleeve_ease, _middle(piece), piece.cuff_ease))
    if "puffed" not in piece.details:  # cloth lies flat on the shoulder
        ease = np.interp(shares, (0, 0.22), (0.25, 1)) * ease + 0.001
    widths = figure.arm_width(shares) + (ease + extra) * figure.unit
    return tube(line, widths, round_ends="start")


def _middle(piece: Piece) -> float:
    if "puffed" in piece.details:
        return max(piece.sleeve_ease, piece.cuff_ease) + 0.014
    return 0.45 * piece.sleeve_ease + 0.55 * piece.cuff_ease


def paint_sleeve(canvas: Canvas, figure: Figure, piece: Piece, side: int) -> None:
    """A sleeve from the armhole down, over arm and trunk."""
    if piece.sleeve <= 0:
        return
    arm = figure.arm(side)
    shape = sleeve_shape(figure, piece, side)
    start = min(0.2, 0.45 * piece.sleeve)
    armhole = figure.side(side, 0.186, 0.002), figure.side(side, 0.245, -0.002)
    middle = mixed(*armhole, 0.55) - by(side * 0.008 * figure.unit, 0)
    seam = pen([armhole[0], middle, armhole[1]], 1.1, 0.55, "both")
    clip = below_armhole(figure, side, start)
    canvas.shade(shape, 2, 4, 3, 0.25, clip=clip)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=along_the_limb(arm),
        folds=_sleeve_folds(canvas, figure, piece, side),
        lines=_cuff(figure, piece, side),
        finish=piece.finish,
        ink=piece.fabric.ink,
        clip=clip,
    )
    canvas.draw([seam], piece.fabric.ink, within=piece.owner)


def _cuff(figure: Figure, piece: Piece, side: int) -> list[Stroke]:
    arm = figure.arm(side)
    share = piece.sleeve - (0.05 if piece.sleeve > 0.6 else 0.03)
    here, before = along(arm, share), along(arm, share - 0.02)
    direction = (here - before) / np.linalg.norm(here - before)
    across = np.array([-direction[1], direction[0]])
    reach = float(figure.arm_width(share)) + (piece.cuff_ease + 0.02) * figure.unit
    return [pen([here - across * reach, here + direction * 1.5, here + across * reach], 1.1, 0.55)]


def _sleeve_folds(canvas: Canvas, figure: Figure, piece: Piece, side: int) -> list[Stroke]:
    arm, rng = figure.arm(side), canvas.rng
    folds = []
    places = (0.3, 0.46, 0.54, 0.82) if piece.sleeve > 0.7 else (0.55 * piece.sleeve,)
    for share in places:
        share = min(share + rng.uniform(-0.03, 0.03), piece.sleeve - 0.02)
        here, after = along(arm, share), along(arm, min(share + 0.09, 1))
        reach = float(figure.arm_width(share)) + piece.sleeve_ease * figure.unit
        # Creases start at the inside of the bend.
        start = here - by(side * reach * 0.95, 0)
        end = after + by(side * reach * rng.uniform(0.1, 0.5), 0)
        folds.append(pen([start, mixed(start, end, 0.5) + by(0, 1.5), end], 3.6, 0.55, "end"))
    return folds


def _with_sleeves(figure: Figure, piece: Piece, trunk: Shape) -> Shape:
    if piece.sleeve <= 0:
        return trunk
    return trunk + sleeve_shape(figure, piece, -1) + sleeve_shape(figure, piece, 1)


def paint_top(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """The trunk of a top, down to the figure height `piece.length`; sleeves follow later."""
    hem = piece.length
    left, right = (trunk_side(figure, piece, side, hem) for side in SIDES)
    sag = 0.012 * figure.unit
    low = hem_curve(left[-1], right[-1], "straight", sag, 3)
    trunk = outline(neck_curve(figure, piece.neck), right, low[::-1], left[::-1])
    lines = _trunk_lines(figure, piece, hem)
    if piece.details & {"ribbed", "knotted"} or piece.fabric.material == "knit":
        band = hem_curve(left[-1], right[-1], "straight", sag, 3) - by(0, 0.02 * figure.unit)
        lines.append(Stroke(band, 1.1, 0.5, ""))
    shape = _with_sleeves(figure, piece, trunk)
    canvas.shade(shape, 2, 6, 3, 0.35)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=_trunk_coordinates(figure, piece),
        folds=_trunk_folds(canvas, figure, piece, hem),
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
    paint_neckwear(canvas, figure, piece)


def _trunk_coordinates(figure: Figure, piece: Piece) -> Coordinates:
    half = (figure.half_width(0.27) + piece.ease) * figure.unit
    return round_the_body(figure.place(0, 0.27), half, 0.014 * figure.unit)


def _trunk_folds(canvas: Canvas, figure: Figure, piece: Piece, hem: float) -> list[Stroke]:
    """Creases from the armpits towards the chest, and about the waist."""
    rng, folds = canvas.rng, []
    waist = min(0.37, hem - 0.01)
    for side in SIDES:
        armpit = figure.side(side, 0.25, piece.ease * 0.4)
        tip = figure.place(side * rng.uniform(0.03, 0.045), rng.uniform(0.27, 0.285))
        folds.append(pen([armpit, mixed(armpit, tip, 0.5) + by(0, 2.5), tip], 4, 0.5, "end"))
        for height in (waist - 0.012, waist + 0.022):
            if height > hem - 0.008 or piece.neck == "bustier":
                continue
            start = figure.side(side, height, piece.ease)
            tip = figure.place(side * rng.uniform(0.01, 0.035), height + rng.uniform(0.004, 0.02))
            folds.append(pen([start, mixed(start, tip, 0.5) + by(0, 2), tip], 4, 0.55, "end"))
    if piece.ease > 0.014:
        x = rng.uniform(-0.03, 0.03)
        folds.append(pen([figure.place(x, hem), figure.place(x * 0.8, hem - 0.05)], 4, 0.5, "end"))
    return folds


def _trunk_lines(figure: Figure, piece: Piece, hem: float) -> list[Stroke]:
    lines = []
    if piece.neck in ("round", "boat"):
        edge = neck_curve(figure, piece.neck)
        inner = edge + by(0, 0.010 * figure.unit)
        lines.append(Stroke(inner, 1.0, 0.55, ""))
    if piece.neck == "collar" or "buttons" in piece.details:
        lines += button_front(figure, 0.215 if piece.neck == "collar" else 0.235, hem, 0.0)
    if "pocket" in piece.details:
        corners = [(0.028, 0.265), (0.028, 0.297), (0.044, 0.303), (0.06, 0.297), (0.06, 0.265)]
        points = np.array([figure.place(*c) for c in corners])
        lines.append(Stroke(np.vstack([points, points[:1]]), 1.0, 0.55, ""))
    return lines


def button_front(figure: Figure, top: float, hem: float, x: float) -> list[Stroke]:
    """The edge of an overlap and its buttons."""
    place = figure.place
    lines = [
        pen(
            [place(x + 0.011, top), place(x + 0.011, (top + hem) / 2), place(x + 0.011, hem)],
            1.0,
            0.5,
        )
    ]
    for height in np.arange(top + 0.018, hem - 0.01, 0.036).tolist():
        spot = place(x, height)
        lines.append(Stroke(np.array([spot, spot + by(0.6, 0)]), 0.0075 * figure.unit, 0.85, ""))
    return lines


def paint_neckwear(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """Collar or turtleneck."""
    if piece.neck == "turtle":
        width = (0.029 + 0.006 * figure.build) * figure.unit
        line = np.array([figure.place(0, 0.138), figure.place(0, 0.186)])
        roll = figure.place(0, 0.152)
        fold = pen([roll - by(width, 1), roll + by(0, 3), roll + by(width, -1)], 1.1, 0.6)
        canvas.paint(
            tube(line, [width, width * 1.02, width * 1.15]),
            piece.fabric,
            piece.owner,
            folds=[fold],
            finish=piece.finish,
            ink=piece.fabric.ink,
        )
    elif piece.neck == "collar":
        for side in SIDES:
            paint_collar(canvas, figure, piece, side, 0.226)


def paint_collar(
    canvas: Canvas, figure: Figure, piece: Piece, side: int, tip: float, wide: float = 0.046
) -> None:
    """One wing of a shirt's collar, its tip at the height `tip`."""
    place = figure.place
    points = [
        place(side * 0.028, 0.155),
        place(side * 0.040, 0.168),
        place(side * wide, tip - 0.006),
        place(side * 0.026, tip + 0.004),
        place(side * 0.001, 0.206),
        place(side * 0.018, 0.182),
    ]
    canvas.paint(
        outline(points), piece.fabric, piece.owner, finish=piece.finish, ink=piece.fabric.ink
    )


def paint_dress(canvas: Canvas, figure: Figure, piece: Piece) -> None:
    """Bodice and skirt of a dress as one piece of cloth, down to a share of the leg."""
    rise = 0.365
    waves = int(canvas.rng.integers(4, 7))
    edges = skirt_edges(figure, piece.style, piece.length, rise, piece.ease)
    sides = []
    for side, edge in zip(SIDES, edges, strict=True):
        above = trunk_side(figure, piece, side, rise)
        sides.append(np.vstack([above[:-1], smooth(edge)]))
    sag = figure.unit * (0.012 if piece.style in ("pencil", "straight") else 0.022)
    hem = hem_curve(edges[0][-1], edges[1][-1], piece.style, sag, waves)
    trunk = outline(neck_curve(figure, piece.neck), sides[1], hem[::-1], sides[0][::-1])
    folds = drape_folds(canvas.rng, *edges, piece.style, waves)
    folds += _trunk_folds(canvas, figure, piece, 0.36)
    lines = _trunk_lines(figure, piece, 0.36)
    if "seam" in piece.details:
        waist = mixed(edges[0][0], edges[1][0], 0.5) + by(0, 0.008 * figure.unit)
        lines.append(pen([edges[0][0], waist, edges[1][0]], 1.2, 0.65))
    shape = _with_sleeves(figure, piece, trunk)
    canvas.shade(shape, 2, 8, 4, 0.35)
    canvas.paint(
        shape,
        piece.fabric,
        piece.owner,
        coordinates=_trunk_coordinates(figure, piece),
        folds=folds,
        lines=lines,
        finish=piece.finish,
        ink=piece.fabric.ink,
    )
    paint_neckwear(canvas, figure, piece)
