"""Skin, hair and face of the person in the drawn pictures."""

from dataclasses import dataclass

import numpy as np

from fashion.demo.canvas import Canvas, Finish, Stroke, pen
from fashion.demo.curves import Points, Shape, along, by, ellipse, outline, smooth, tube
from fashion.demo.fabric import Colour
from fashion.demo.figure import SIDES, Figure
from fashion.demo.seasons import rgb

SKINS = ("#f6d5c0", "#efc3a4", "#e3ab86", "#c98d63", "#a66d47", "#83502f", "#5f3a25")
HAIRS = ("#2a1d18", "#4a2e1f", "#6f4526", "#a5703c", "#d9b26b", "#9c4a24", "#8f8a86", "#1b1a20")
HAIR_STYLES = ("long", "wavy", "bob", "bun", "ponytail", "short", "curls", "cropped", "parted")
SKIN_FINISH = Finish(form=0.12, outline=0.7, grain=0.006)
HAIR_FINISH = Finish(form=0.22, outline=0.8, grain=0.03)


@dataclass(frozen=True)
class Person:
    """Tone of skin, colour and style of the hair, colour of the lips, tights (None: bare legs)."""

    skin: Colour
    hair: Colour
    style: str
    lips: Colour
    tights: Colour | None = None

    @property
    def skin_ink(self) -> Colour:
        """The colour in which the edges of skin are drawn."""
        return self.skin * np.array([0.58, 0.45, 0.42], dtype=np.float32)


def make_person(rng: np.random.Generator, figure: Figure, tights: Colour | None) -> Person:
    """A random person for a figure."""
    skin = rgb(str(rng.choice(SKINS))) * rng.uniform(0.97, 1.02)
    hair = rgb(str(rng.choice(HAIRS[:3] if skin.mean() < 120 else HAIRS)))
    broad = figure.build > 0.5
    styles = ("short", "short", "cropped", "parted", "curls", "bun") if broad else HAIR_STYLES
    red = np.array([190, 60, 70], dtype=np.float32)
    lips = skin * (0.75 if broad else 0.45) + red * (0.18 if broad else 0.5)
    return Person(np.clip(skin, 0, 255), hair, str(rng.choice(styles)), lips, tights)


def paint_body(canvas: Canvas, figure: Figure, person: Person) -> None:
    """Legs, feet, torso and arms, as far as clothes may show them."""
    for side in figure.leg_order:
        paint_leg(canvas, figure, person, side)
    heights = (0.16, 0.172, 0.187, 0.21, 0.24, 0.27, 0.31, 0.36, 0.41, 0.465, 0.5)
    left = figure.sides(-1, heights, (0, 0))
    right = figure.sides(1, heights, (0, 0))
    torso = outline(left, [figure.place(0, 0.515)], right[::-1])
    width = (0.024 + 0.006 * figure.build) * figure.unit
    neck = tube(
        np.array([figure.place(0, 0.115), figure.place(0, 0.19)]), [width, width, width * 1.1]
    )
    # One shape, so that no line separates the neck and the arms from the trunk.
    body = torso + neck + arm_shape(figure, -1) + arm_shape(figure, 1)
    navel = pen([figure.place(0, 0.392), figure.place(0.001, 0.4)], 1.6, 0.5)
    bones = [
        pen([figure.place(s * 0.012, 0.192), figure.place(s * 0.06, 0.186)], 1.8, 0.35, "end")
        for s in SIDES
    ]
    canvas.paint(body, person.skin, folds=[navel, *bones], finish=SKIN_FINISH, ink=person.skin_ink)
    for side in SIDES:
        paint_arm(canvas, figure, person, side)


def paint_leg(canvas: Canvas, figure: Figure, person: Person, side: int) -> None:
    """One leg with its foot, in tights or bare."""
    shares = np.linspace(0, 1, 15)
    shape = tube(figure.leg(side), figure.leg_width(shares), round_ends="end")
    colour = person.skin if person.tights is None else person.tights
    ink = person.skin_ink if person.tights is None else person.tights * 0.45
    knee = along(figure.leg(side), 0.5)
    size = 0.012 * figure.unit
    folds = [
        pen([knee + by(-size, size), knee + by(0, 1.5 * size), knee + by(size, size)], 1.6, 0.35)
    ]
    canvas.paint(shape + foot_shape(figure, side), colour, folds=folds, finish=SKIN_FINISH, ink=ink)


def foot_shape(figure: Figure, side: int, ease: float = 0.0) -> Shape:
    """A foot seen from the front, `ease` pixels wider."""
    foot = figure.foot(side)
    ball = foot.ankle + 0.66 * (foot.toe - foot.ankle)
    ankle = float(figure.leg_width(1.0)) + ease
    wide = foot.half_width * 0.9 + ease
    points = [
        foot.ankle + by(-ankle, 0),
        ball + by(-wide, 0),
        foot.toe + by(-wide * 0.55, ease * 0.4),
        foot.toe + by(wide * 0.55, ease * 0.4),
        ball + by(wide, 0),
        foot.ankle + by(ankle, 0),
    ]
    return outline(smooth(points))


def arm_shape(figure: Figure, side: int) -> Shape:
    """A bare arm."""
    return tube(figure.arm(side), figure.arm_width(np.linspace(0, 1, 15)), round_ends="both")


def below_armhole(figure: Figure, side: int, start: float = 0.2) -> Shape:
    """A wide strip about an arm from the share `start` to beyond the hand, to clip with."""
    arm = figure.arm(side)
    _, direction = figure.hand(side)
    strip = np.vstack(
        [along(arm, np.linspace(start, 1, 12)), arm[-1] + 0.12 * figure.unit * direction]
    )
    return tube(strip, [0.06 * figure.unit] * 2)


def paint_arm(canvas: Canvas, figure: Figure, person: Person, side: int) -> None:
    """One bare arm from the armpit down; sleeves come over it."""
    canvas.paint(
        arm_shape(figure, side),
        person.skin,
        finish=SKIN_FINISH,
        ink=person.skin_ink,
        clip=below_armhole(figure, side),
    )


def hand_shape(figure: Figure, side: int) -> Shape:
    """A hand: the palm with the fingers together, and the thumb."""
    wrist, direction = figure.hand(side)
    across = np.array([-direction[1], direction[0]])
    inwards = -side if across[0] > 0 else side
    size = 0.066 * figure.unit
    line = np.array([wrist - direction * 2, wrist + direction * size])
    palm = tube(line, np.array([0.17, 0.21, 0.25, 0.235, 0.16, 0.09]) * size, round_ends="both")
    thumb = [
        wrist + direction * 0.1 * size,
        wrist + direction * 0.32 * size + across * inwards * 0.3 * size,
        wrist + direction * 0.62 * size + across * inwards * 0.34 * size,
    ]
    return palm + tube(smooth(thumb), np.array([0.1, 0.09, 0.06]) * size, round_ends="both")


def paint_hand(canvas: Canvas, figure: Figure, person: Person, side: int) -> None:
    """One hand, over sleeve and bag."""
    wrist, direction = figure.hand(side)
    across = np.array([-direction[1], direction[0]])
    size = 0.066 * figure.unit
    fingers = [
        Stroke(
            np.array(
                [
                    wrist + direction * size * 0.55 + across * k,
                    wrist + direction * size * 0.95 + across * k * 0.6,
                ]
            ),
            0.8,
            0.4,
        )
        for k in (-0.09 * size, 0.01 * size, 0.11 * size)
    ]
    canvas.paint(
        hand_shape(figure, side) + arm_shape(figure, side),
        person.skin,
        lines=fingers,
        finish=SKIN_FINISH,
        ink=person.skin_ink,
        clip=below_armhole(figure, side, 0.985),
    )


def face_outline(figure: Figure, ease: float = 0.0) -> Points:
    """The edge of the face."""
    jaw = 0.62 + 0.1 * figure.build
    right = [
        (0.0, -1.0),
        (0.62, -0.82),
        (0.97, -0.3),
        (0.95, 0.15),
        (jaw + 0.14, 0.6),
        (0.28, 0.97),
    ]
    left = [(-x, y) for x, y in right[:0:-1]]
    points = [(x * (1 + ease), y * (1 + ease)) for x, y in [*right, (0.0, 1.02), *left]]
    return figure.head_curve(points, closed=True)


def paint_head(canvas: Canvas, figure: Figure, person: Person) -> None:
    """Ears, face and features."""
    ears = Shape(
        [
            ellipse(figure.on_head(s * 0.99, 0.12), 0.1 * figure.head[1], 0.15 * figure.head[2])
            for s in SIDES
        ]
    )
    canvas.paint(ears, person.skin, finish=SKIN_FINISH, ink=person.skin_ink)
    canvas.shade(Shape([face_outline(figure)]), 1.5, 7, 3, 0.3)
    canvas.paint(
        Shape([face_outline(figure)]), person.skin, finish=SKIN_FINISH, ink=person.skin_ink
    )
    _paint_features(canvas, figure, person)


def _paint_features(canvas: Canvas, figure: Figure, person: Person) -> None:
    gaze, on = figure.gaze * 0.25, figure.on_head
    blush = person.skin * np.array([1.0, 0.8, 0.78], dtype=np.float32)
    for side in SIDES:
        x = side * 0.42 + gaze * 0.5
        cheek = Stroke(np.array([on(x - 0.14, 0.34), on(x + 0.14, 0.32)]), 5.5, 0.35, "")
        canvas.draw([cheek], blush)
        _paint_eye(canvas, figure, person, side, x)
    nose = pen([on(gaze * 0.6 + 0.02, 0.08), on(gaze + 0.1, 0.36), on(gaze - 0.04, 0.41)], 1.3, 0.7)
    canvas.draw([nose], person.skin * 0.62)
    mouth_x, mouth_y = gaze * 0.7, 0.65
    lips = [
        (mouth_x - 0.29, mouth_y - 0.045),
        (mouth_x - 0.08, mouth_y - 0.07),
        (mouth_x, mouth_y - 0.045),
        (mouth_x + 0.08, mouth_y - 0.07),
        (mouth_x + 0.29, mouth_y - 0.05),
        (mouth_x, mouth_y + 0.11),
    ]
    canvas.paint(
        Shape([figure.head_curve(lips, closed=True)]),
        person.lips,
        finish=Finish(form=0.1, outline=0, grain=0),
    )
    line = pen(
        [
            on(mouth_x - 0.3, mouth_y - 0.05),
            on(mouth_x, mouth_y + 0.03),
            on(mouth_x + 0.3, mouth_y - 0.055),
        ],
        1.0,
        0.7,
        "both",
    )
    canvas.draw([line], person.lips * 0.45)


def _paint_eye(canvas: Canvas, figure: Figure, person: Person, side: int, x: float) -> None:
    on = figure.on_head
    dark = np.array([40, 28, 26], dtype=np.float32)
    white = [(x - 0.19, 0.03), (x, -0.055), (x + 0.19, 0.02), (x, 0.085)]
    finish = Finish(form=0, outline=0, grain=0)
    canvas.paint(Shape([figure.head_curve(white, closed=True)]), (250, 246, 242), finish=finish)
    look = x + figure.gaze * 0.12
    size = 0.085 * figure.head[1]
    canvas.paint(Shape([], [(*on(look, 0.01), size)]), dark, finish=finish)
    lid = pen(
        [on(x - side * 0.2, 0.035), on(x, -0.06), on(x + side * 0.21, 0.01)], 2.0, 0.9, "start"
    )
    canvas.draw([lid], dark)
    brow = pen(
        [on(x - side * 0.2, -0.21), on(x + side * 0.02, -0.26), on(x + side * 0.24, -0.18)],
        2.2,
        0.8,
    )
    canvas.draw([brow], person.hair * 0.6 + dark * 0.2)


def paint_hair_behind(canvas: Canvas, figure: Figure, person: Person) -> None:
    """The hair that falls behind the shoulders, before the body is painted."""
    on, style = figure.on_head, person.style
    shape = None
    if style in ("long", "wavy"):
        swing = 0.12 if style == "wavy" else 0.0
        right = [(0.0, -1.12), (0.8, -1.0), (1.22, -0.3), (1.25 + swing, 0.6), (1.4 - swing, 1.4)]
        right += [(1.35 + swing, 2.2), (1.0, 2.7)]
        shape = _mirrored(figure, right)
    elif style == "bob":
        shape = _mirrored(
            figure, [(0.0, -1.1), (0.85, -0.98), (1.28, -0.2), (1.34, 0.6), (1.1, 1.1)]
        )
    elif style == "curls":
        _, half_width, half_height = figure.head
        rng = np.random.default_rng(int(person.hair[0]))
        discs = []
        for angle in np.radians(np.arange(140, 405, 17)):
            place = on(1.1 * np.cos(angle), 0.85 * np.sin(angle) - 0.25)
            discs.append((*place, half_width * rng.uniform(0.36, 0.5)))
        shape = Shape([ellipse(on(0, -0.3), half_width * 1.15, half_height * 0.95)], discs)
    elif style == "ponytail":
        side = -1 if figure.head_turn > 0 else 1
        tail = smooth(
            [on(0, -0.9), on(side * 1.25, -0.75), on(side * 1.6, 0.4), on(side * 1.25, 1.7)]
        )
        shape = tube(
            tail, np.array([0.1, 0.3, 0.34, 0.28, 0.08]) * figure.head[1], round_ends="both"
        )
    if shape is not None:
        canvas.paint(shape, person.hair * 0.82, finish=HAIR_FINISH)


def _mirrored(figure: Figure, right: list[tuple[float, float]]) -> Shape:
    left = [(-x, y) for x, y in right[:0:-1]]
    return Shape([figure.head_curve([*right, *left], closed=True)])


def paint_hair(canvas: Canvas, figure: Figure, person: Person, *, covered: bool) -> None:
    """The hair on the head, around the face; `covered` leaves out what a hat would flatten."""
    style = person.style
    if style == "bun" and not covered:
        centre = figure.on_head(0.0, -1.22)
        canvas.paint(Shape([], [(*centre, 0.46 * figure.head[1])]), person.hair, finish=HAIR_FINISH)
    for shape, strands in _front_hair(figure, style):
        canvas.paint(shape, person.hair, folds=strands, finish=HAIR_FINISH)


def _front_hair(figure: Figure, style: str) -> list[tuple[Shape, list[Stroke]]]:
    """The cap of hair in one or two pieces, with their strands."""
    if style == "cropped":
        points = [(-0.98, -0.15), (-1.0, -0.6), (-0.6, -1.02), (0, -1.1), (0.6, -1.02), (1.0, -0.6)]
        inner = [
            (0.98, -0.15),
            (0.85, -0.42),
            (0.5, -0.62),
            (0, -0.66),
            (-0.5, -0.62),
            (-0.85, -0.42),
        ]
        return [(outline(figure.head_curve(points), figure.head_curve(inner)), [])]
    if style in ("bun", "ponytail", "curls"):
        points = [
            (-1.02, 0.1),
            (-1.08, -0.5),
            (-0.7, -1.04),
            (0, -1.14),
            (0.7, -1.04),
            (1.08, -0.5),
        ]
        inner = [(1.02, 0.1), (0.86, -0.3), (0.45, -0.62), (0, -0.7), (-0.45, -0.62), (-0.86, -0.3)]
        strands = [
            pen([figure.on_head(x, -0.6), figure.on_head(x * 0.5, -1.05)], 1.6, 0.5, "both")
            for x in (-0.6, -0.2, 0.25, 0.65)
        ]
        return [(outline(figure.head_curve(points), figure.head_curve(inner)), strands)]
    low = {"long": 1.0, "wavy": 1.0, "bob": 0.85, "parted": 0.1, "short": 0.05}[style]
    part = 0.25 if style in ("parted", "short") else 0.1
    return [_lock(figure, side, low, part) for side in SIDES]


def _lock(figure: Figure, side: int, low: float, part: float) -> tuple[Shape, list[Stroke]]:
    """The hair to one side of the parting, down to `low`."""
    on = figure.on_head
    outer = [(part, -1.1), (side * 0.62, -1.08), (side * 1.1, -0.55), (side * 1.16, 0.0)]
    outer += [(side * 1.18, low)]
    inner = [
        (side * 0.93, low),
        (side * 0.94, 0.05),
        (side * 0.88, -0.3),
        (part + side * 0.3, -0.72),
    ]
    inner += [(part, -0.82)]
    shape = outline(figure.head_curve(outer), figure.head_curve(inner))
    strands = [
        pen(
            [on(part + side * 0.1, -0.95), on(side * k, -0.7), on(side * (k + 0.14), low - 0.2)],
            1.5,
            0.5,
            "both",
        )
        for k in (0.78, 0.92)
    ]
    return shape, strands
