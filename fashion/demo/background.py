"""Backgrounds of the drawn pictures: from a plain studio to a cluttered room or street."""

from collections.abc import Sequence

import cv2
import numpy as np

from fashion.demo.canvas import Canvas, Finish, pen
from fashion.demo.curves import Shape, by, ellipse, outline, smooth, tube
from fashion.demo.fabric import Colour
from fashion.demo.figure import Figure
from fashion.demo.seasons import rgb

WALLS = ("#efe9e1", "#e4e6ea", "#f3ece6", "#dfe5e2", "#eee4dd", "#e6e2ee", "#d5d9dc", "#c9cfd2")
FLOORS = ("#cfc3b4", "#d8d2ca", "#bfb5a8", "#c9c7c4", "#d9c9b3", "#a9a7a6")
GREENS = ("#9db59a", "#b4c4a4", "#8aa58f", "#a9bba9")
MUTED = ("#c9b6a6", "#b9c2c9", "#cdc4b3", "#bcb0b8", "#d6cfc4", "#aab4b0", "#c2a99a")
FLAT = Finish(form=0.05, outline=0.45, grain=0.01)


def paint_background(canvas: Canvas, figure: Figure) -> None:
    """One of the settings, and the shadow of the person on the ground."""
    settings = (_studio, _studio, _wash, _wall, _room, _room, _street, _street, _park)
    settings[int(canvas.rng.integers(len(settings)))](canvas, figure.ground)
    _paint_ground_shadow(canvas, figure)


def _colour(canvas: Canvas, choices: Sequence[str]) -> np.ndarray:
    return rgb(str(canvas.rng.choice(choices))) * canvas.rng.uniform(0.95, 1.02)


def _fill(canvas: Canvas, colour: np.ndarray, top: float = 0.0, fade: float = 0.06) -> None:
    """A colour from the height `top` down, a little darker towards the bottom."""
    height, width = canvas.owner.shape
    first = int(max(0, top))
    rows = np.linspace(1 + fade / 2, 1 - fade / 2, height - first, dtype=np.float32)[:, None, None]
    noise = canvas.noise(height - first, width, 40)[:, :, None]
    canvas.image[first:] = colour * (rows + 0.012 * noise)


def _paint_ground_shadow(canvas: Canvas, figure: Figure) -> None:
    height, width = canvas.owner.shape
    centre = (int(figure.centre + 0.05 * figure.unit), int(figure.ground - 0.006 * figure.unit))
    axes = (int(0.17 * figure.unit), int(0.022 * figure.unit))
    small = np.zeros((height // 2, width // 2), np.float32)
    cv2.ellipse(
        small, (centre[0] // 2, centre[1] // 2), (axes[0] // 2, axes[1] // 2), 0, 0, 360, 1.0, -1
    )
    soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 4), (width, height))
    canvas.image *= 1 - 0.3 * soft[:, :, None]


def _steps(start: float, end: float, step: float) -> list[float]:
    return np.arange(start, end, step).tolist()


def _rectangle(x1: float, y1: float, x2: float, y2: float) -> Shape:
    return outline([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def _put(canvas: Canvas, shape: Shape, colour: np.ndarray, finish: Finish = FLAT) -> None:
    canvas.paint(shape, colour, finish=finish, backdrop=True)


def _studio(canvas: Canvas, ground: float) -> None:
    """Paper without a horizon."""
    colour = _colour(canvas, WALLS + MUTED)
    _fill(canvas, colour, fade=0.1)
    height, width = canvas.owner.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.exp(
        -(((x - 0.4 * width) / (0.7 * width)) ** 2 + ((y - 0.35 * height) / (0.6 * height)) ** 2)
    )
    canvas.image *= 0.92 + 0.12 * light[:, :, None]


def _wash(canvas: Canvas, ground: float) -> None:
    """White paper with broad strokes of a brush behind the person."""
    height, width = canvas.owner.shape
    _fill(canvas, rgb("#f7f4ee"), fade=0.02)
    colour = _colour(canvas, MUTED + GREENS)
    for _ in range(int(canvas.rng.integers(4, 8))):
        y = canvas.rng.uniform(0.1, 0.85) * height
        x1, x2 = canvas.rng.uniform(-0.1, 0.3) * width, canvas.rng.uniform(0.7, 1.1) * width
        bend = canvas.rng.uniform(-40, 40, 2)
        path = smooth(
            [
                (x1, y),
                (0.35 * width, y + bend[0]),
                (0.65 * width, y + bend[1]),
                (x2, y - bend[0] / 2),
            ]
        )
        wide = canvas.rng.uniform(18, 46)
        tone = colour + (250 - colour) * canvas.rng.uniform(0.25, 0.65)
        stroke = tube(path, np.array([0.5, 0.9, 1.0, 0.95, 0.4]) * wide, round_ends="both")
        _put(canvas, stroke, tone, Finish(0, 0, 0, 0.03))


def _wall(canvas: Canvas, ground: float) -> None:
    """A wall and a floor, the wall plain, panelled or tiled."""
    height, width = canvas.owner.shape
    wall = _colour(canvas, WALLS + MUTED)
    _fill(canvas, wall)
    edge = ground - canvas.rng.uniform(0.06, 0.16) * height
    _fill(canvas, _colour(canvas, FLOORS), top=edge, fade=0.12)
    kind = canvas.rng.integers(3)
    lines = []
    if kind == 1:
        for x in _steps(canvas.rng.uniform(0, 60), width, canvas.rng.uniform(50, 90)):
            lines.append(pen([(x, 0), (x, edge)], 1.4, 0.5))
    elif kind == 2:
        size = canvas.rng.uniform(28, 46)
        for row, y in enumerate(_steps(0, edge, size * 0.5)):
            lines.append(pen([(0, y), (width, y)], 1.1, 0.35))
            for x in _steps((row % 2) * size / 2, width, size):
                lines.append(pen([(x, y), (x, min(y + size * 0.5, edge))], 1.1, 0.35))
    canvas.draw(lines, wall * 0.72)
    _put(canvas, _rectangle(-2, edge - 9, width + 2, edge), wall * 1.05)


def _room(canvas: Canvas, ground: float) -> None:
    """A living room: window or pictures, a plant, furniture."""
    height, width = canvas.owner.shape
    rng = canvas.rng
    wall = _colour(canvas, WALLS + MUTED)
    _fill(canvas, wall)
    edge = ground - rng.uniform(0.07, 0.14) * height
    floor = _colour(canvas, FLOORS)
    _fill(canvas, floor, top=edge, fade=0.12)
    boards = [
        pen([(x, edge), (x + (x - width / 2) * 0.5, height)], 1.0, 0.35)
        for x in _steps(-60, width + 80, 44)
    ]
    canvas.draw(boards, floor * 0.7)
    _put(canvas, _rectangle(-2, edge - 8, width + 2, edge), wall * 1.06)
    left_first = rng.random() < 0.5
    places = (0.16 * width, 0.84 * width) if left_first else (0.84 * width, 0.16 * width)
    things = [_window, _pictures, _shelf, _lamp]
    picked = rng.permutation(len(things))[:2]
    for place, number in zip(places, picked, strict=True):
        things[number](canvas, place, edge)
    low = [_plant, _chair, _rail]
    for place, number in zip(places, rng.permutation(len(low))[:2], strict=True):
        if rng.random() < 0.75:
            low[number](canvas, place, edge + rng.uniform(4, 20))
    if rng.random() < 0.5:
        centre = (width / 2 + rng.uniform(-30, 30), ground)
        rug = _colour(canvas, MUTED)
        _put(canvas, Shape([ellipse(centre, 0.46 * width, 26)]), rug)
        _put(canvas, Shape([ellipse(centre, 0.41 * width, 21)]), rug * 1.07)


def _window(canvas: Canvas, x: float, edge: float) -> None:
    wide, top = 62, canvas.rng.uniform(30, 90)
    low = top + canvas.rng.uniform(150, 230)
    _put(canvas, _rectangle(x - wide - 6, top - 6, x + wide + 6, low + 6), rgb("#f4f1ea"))
    _put(canvas, _rectangle(x - wide, top, x + wide, low), rgb("#cfe0e8"))
    for bar in (
        _rectangle(x - 2, top, x + 2, low),
        _rectangle(x - wide, (top + low) / 2 - 2, x + wide, (top + low) / 2 + 2),
    ):
        _put(canvas, bar, rgb("#f4f1ea"))


def _pictures(canvas: Canvas, x: float, edge: float) -> None:
    for y in (np.arange(70, 330, 125) + canvas.rng.uniform(-20, 20)).tolist():
        wide, high = canvas.rng.uniform(30, 44), canvas.rng.uniform(36, 52)
        _put(canvas, _rectangle(x - wide, y - high, x + wide, y + high), rgb("#6d5b4b"))
        _put(
            canvas,
            _rectangle(x - wide + 5, y - high + 5, x + wide - 5, y + high - 5),
            rgb("#f1ece2"),
        )
        for _ in range(3):
            centre = (
                x + canvas.rng.uniform(-0.4, 0.4) * wide,
                y + canvas.rng.uniform(-0.4, 0.4) * high,
            )
            _put(
                canvas,
                Shape([ellipse(centre, wide * 0.3, high * 0.3)]),
                _colour(canvas, MUTED + GREENS),
            )


def _shelf(canvas: Canvas, x: float, edge: float) -> None:
    for y in _steps(140, edge - 60, 95):
        _put(canvas, _rectangle(x - 62, y, x + 62, y + 7), rgb("#a58a6c"))
        place = x - 56.0
        while place < x + 40:
            wide, high = canvas.rng.uniform(8, 18), canvas.rng.uniform(28, 58)
            _put(
                canvas,
                _rectangle(place, y - high, place + wide, y),
                _colour(canvas, MUTED + GREENS) * 0.92,
            )
            place += wide + canvas.rng.choice([1, 1, 9])


def _lamp(canvas: Canvas, x: float, edge: float) -> None:
    _put(canvas, _rectangle(x - 2, 175, x + 2, edge + 12), rgb("#57514b"))
    _put(canvas, Shape([ellipse((x, edge + 12), 24, 5)]), rgb("#57514b"))
    _put(
        canvas,
        outline([(x - 20, 110), (x + 20, 110), (x + 40, 178), (x - 40, 178)]),
        rgb("#f2dfb6"),
    )


def _plant(canvas: Canvas, x: float, floor: float) -> None:
    green = _colour(canvas, GREENS) * 0.82
    root = np.array([x, floor - 52])
    for angle in np.radians(np.linspace(-150, -30, 9) + canvas.rng.uniform(-6, 6, 9)):
        reach = canvas.rng.uniform(70, 125)
        tip = root + reach * np.array([np.cos(angle), np.sin(angle)])
        middle = root + 0.55 * (tip - root) + by(0, -14)
        leaf = tube(smooth([root, middle, tip]), [2.5, 9, 11, 1.0])
        _put(
            canvas,
            leaf,
            green * canvas.rng.uniform(0.85, 1.12),
            Finish(form=0.14, outline=0.5, grain=0.02),
        )
    pot = outline([(x - 27, floor - 58), (x + 27, floor - 58), (x + 20, floor), (x - 20, floor)])
    _put(
        canvas,
        pot,
        _colour(canvas, ("#c98f6c", "#e6dfd5", "#8d9aa0")),
        Finish(form=0.14, outline=0.5),
    )


def _chair(canvas: Canvas, x: float, floor: float) -> None:
    colour = _colour(canvas, MUTED) * 0.92
    legs = [_rectangle(x + dx - 2.5, floor - 60, x + dx + 2.5, floor) for dx in (-34, 34)]
    _put(canvas, legs[0] + legs[1], rgb("#7c6754"))
    back = outline(
        smooth(
            [
                (x - 40, floor - 60),
                (x - 42, floor - 150),
                (x, floor - 165),
                (x + 42, floor - 150),
                (x + 40, floor - 60),
            ]
        )
    )
    _put(canvas, back, colour, Finish(form=0.14, outline=0.5))
    _put(
        canvas,
        Shape([ellipse((x, floor - 60), 46, 15)]),
        colour * 1.06,
        Finish(form=0.14, outline=0.5),
    )


def _rail(canvas: Canvas, x: float, floor: float) -> None:
    """Hangers with covers: cloth that nobody wears and no annotation names."""
    top = floor - 250
    for dx in (-55, 55):
        _put(canvas, _rectangle(x + dx - 2, top, x + dx + 2, floor), rgb("#6b665f"))
    _put(canvas, _rectangle(x - 60, top - 2, x + 60, top + 3), rgb("#6b665f"))
    for dx in np.arange(-42, 46, 16) + canvas.rng.uniform(-3, 3):
        long = canvas.rng.uniform(110, 170)
        sheet = outline(
            [
                (x + dx - 4, top + 6),
                (x + dx + 6, top + 6),
                (x + dx + 9, top + long),
                (x + dx - 7, top + long),
            ]
        )
        _put(canvas, sheet, _colour(canvas, MUTED + WALLS), Finish(form=0.12, outline=0.5))


def _street(canvas: Canvas, ground: float) -> None:
    """Houses with windows, a pavement, perhaps a lamp post and a tree."""
    height, width = canvas.owner.shape
    rng = canvas.rng
    _fill(canvas, _colour(canvas, ("#dfe9ef", "#f3e9dc", "#e4e4ea")), fade=-0.04)
    edge = ground - rng.uniform(0.07, 0.13) * height
    x = -rng.uniform(0, 60)
    while x < width:
        wide, top = rng.uniform(90, 160), rng.uniform(10, 170)
        house = _colour(canvas, MUTED + WALLS)
        _put(canvas, _rectangle(x, top, x + wide, edge), house)
        _house_windows(canvas, x, top, wide, edge, house)
        x += wide
    pavement = _colour(canvas, FLOORS)
    _fill(canvas, pavement, top=edge, fade=0.1)
    kerb = [pen([(0, edge + 9), (width, edge + 9)], 1.4, 0.5)]
    kerb += [
        pen([(x, edge + 9), (x + (x - width / 2) * 0.6, height)], 1.0, 0.35)
        for x in _steps(-80, width + 100, 62)
    ]
    canvas.draw(kerb, pavement * 0.68)
    if rng.random() < 0.6:
        _tree(canvas, rng.choice([0.08, 0.92]) * width, edge + 6)
    if rng.random() < 0.4:
        post = rng.choice([0.14, 0.86]) * width
        _put(canvas, _rectangle(post - 3, 90, post + 3, edge + 10), rgb("#5b5d60"))
        _put(canvas, Shape([ellipse((post, 84), 12, 14)]), rgb("#f6eccb"))


def _house_windows(
    canvas: Canvas, x: float, top: float, wide: float, edge: float, house: Colour
) -> None:
    columns = 2 if wide < 125 else 3
    glass = _colour(canvas, ("#b7c6cf", "#cdd9de", "#a4b3bd"))
    panes, frames = [], []
    for y in _steps(top + 24, edge - 90, 62):
        for column in range(columns):
            centre = x + wide * (column + 0.5) / columns
            frames.append(
                [(centre - 14, y), (centre + 14, y), (centre + 14, y + 38), (centre - 14, y + 38)]
            )
            panes.append(
                [
                    (centre - 11, y + 3),
                    (centre + 11, y + 3),
                    (centre + 11, y + 35),
                    (centre - 11, y + 35),
                ]
            )
    door = x + wide * 0.5
    frames.append(
        [(door - 20, edge - 76), (door + 20, edge - 76), (door + 20, edge), (door - 20, edge)]
    )
    _put(canvas, Shape([np.array(f, float) for f in frames]), house * 1.08)
    if panes:
        _put(canvas, Shape([np.array(p, float) for p in panes]), glass)
    _put(canvas, _rectangle(door - 16, edge - 72, door + 16, edge), house * 0.72)


def _tree(canvas: Canvas, x: float, floor: float) -> None:
    _put(
        canvas,
        tube(smooth([(x, floor), (x + 3, floor - 110), (x - 2, floor - 210)]), [9, 6, 4]),
        rgb("#8a7461"),
    )
    green = _colour(canvas, GREENS)
    for _ in range(9):
        centre = (x + canvas.rng.uniform(-46, 46), floor - 250 + canvas.rng.uniform(-70, 60))
        size = canvas.rng.uniform(24, 42)
        _put(
            canvas,
            Shape([], [(*centre, size)]),
            green * canvas.rng.uniform(0.88, 1.08),
            Finish(form=0.14, outline=0.4, grain=0.03),
        )


def _park(canvas: Canvas, ground: float) -> None:
    """Hills, a meadow and trees."""
    height, width = canvas.owner.shape
    rng = canvas.rng
    _fill(canvas, _colour(canvas, ("#dcebf2", "#f4ebdf", "#e6eaf0")), fade=-0.05)
    horizon = ground - rng.uniform(0.18, 0.32) * height
    for number in range(3):
        y = horizon - 60 + 30 * number
        bumps = smooth([(x, y + rng.uniform(-26, 26)) for x in np.linspace(-40, width + 40, 5)])
        hill = outline(bumps, [(width + 40, height), (-40, height)])
        _put(canvas, hill, _colour(canvas, GREENS) * (1.12 - 0.05 * number))
    for x in rng.permutation([0.06, 0.24, 0.78, 0.95])[: int(rng.integers(1, 4))]:
        _tree(canvas, x * width, horizon + rng.uniform(0, 40))
    path = outline(
        smooth([(0.42 * width, horizon + 20), (0.3 * width, ground), (0.12 * width, height)]),
        smooth([(0.95 * width, height), (0.68 * width, ground), (0.5 * width, horizon + 20)]),
    )
    _put(canvas, path, _colour(canvas, FLOORS))
