"""The person in the drawn pictures: proportions, pose, and where each part of the body is.

A figure is measured in its own height: 0 at the crown, 1 at the soles. `Figure.place` turns that
into pixels. Sides are -1 (left in the picture) and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fashion.demo.curves import Points, Vector, along, by, mixed, smooth

SIDES = (-1, 1)
ARMS = ("down", "down", "relaxed", "hip", "pocket", "bent", "away")
STANCES = ("straight", "apart", "walk", "bent", "crossed")
# Heights of the torso, and half its width there: narrow-shouldered and broad-shouldered build.
TORSO_HEIGHTS = (0.155, 0.172, 0.187, 0.235, 0.27, 0.31, 0.36, 0.41, 0.465, 0.51)
TORSO_WIDTHS = (
    (0.018, 0.036, 0.088, 0.077, 0.080, 0.068, 0.060, 0.076, 0.090, 0.088),
    (0.023, 0.046, 0.104, 0.092, 0.093, 0.086, 0.080, 0.082, 0.088, 0.085),
)
LEG_SHARES = (0.0, 0.15, 0.35, 0.5, 0.64, 0.82, 1.0)
LEG_WIDTHS = (0.050, 0.048, 0.037, 0.029, 0.031, 0.021, 0.0165)
ARM_SHARES = (0.0, 0.2, 0.48, 0.6, 0.85, 1.0)
ARM_WIDTHS = (
    (0.023, 0.0235, 0.019, 0.0195, 0.0145, 0.0125),
    (0.029, 0.029, 0.022, 0.023, 0.017, 0.0145),
)
ANGLES = {  # of upper arm and forearm from straight down, outwards, degrees
    "down": ((7, 15), (0, 10)),
    "relaxed": ((14, 22), (-6, 4)),
    "hip": ((42, 52), (-62, -50)),
    "pocket": ((24, 30), (-30, -20)),
    "bent": ((10, 18), (38, 62)),
    "away": ((22, 34), (12, 24)),
}


@dataclass(frozen=True)
class Foot:
    """Where a foot is: ankle and toe in pixels, and its half width."""

    ankle: Points
    toe: Points
    half_width: float


class Figure:
    """A person in a pose.

    Attributes:
        unit: pixels of the figure's height.
        build: from 0, narrow-shouldered, to 1, broad-shouldered.
        arms: the pose of each arm by side, a key of `ANGLES`.
        heel: how high the heels are, in figure heights.
        head: centre, half width and half height of the head in pixels; `head_turn` in degrees.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.unit = height * rng.uniform(0.82, 0.90)
        self.centre = width * (0.5 + rng.uniform(-0.04, 0.04))
        lowest = height * 0.975
        self.ground = max(self.unit + height * 0.055, lowest - height * rng.uniform(0, 0.05))
        self.build = float(np.clip(rng.choice([0.0, 0.0, 1.0]) + rng.uniform(-0.1, 0.25), 0, 1))
        self.bulk = rng.uniform(0.93, 1.14)
        self.heel = 0.0
        self._pose(rng)

    def _pose(self, rng: np.random.Generator) -> None:
        self.sway = rng.uniform(-0.02, 0.02)
        self.tilt = -self.sway * rng.uniform(0.3, 0.7)
        self.stance = str(rng.choice(STANCES))
        arms = rng.choice(ARMS, 2)
        self.arms = {side: str(arm) for side, arm in zip(SIDES, arms, strict=True)}
        self._arm_chance = {side: rng.uniform(0, 1, 2) for side in SIDES}
        self._leg_chance = rng.uniform(0, 1, 4)
        self.free_leg = -1 if self.sway > 0 else 1
        self.head_turn = rng.uniform(-7, 7)
        self.gaze = rng.uniform(-0.35, 0.35)

    def place(self, x: float, y: float) -> Points:
        """The pixel of a point of the body: x from the body's axis, y from the crown down."""
        axis = np.interp(y, (0.0, 0.19, 0.36, 0.5, 1.0), self._axis())
        # Shoulders and hips lean against each other.
        lean = np.interp(y, (0.14, 0.19, 0.36, 0.5, 0.6), (0, self.tilt, 0, -self.tilt, 0))
        across = self.centre + (axis + x) * self.unit
        return np.array([across, self.ground + (y - 1 + lean * x * 8) * self.unit])

    def _axis(self) -> tuple[float, ...]:
        return (-0.2 * self.sway, -0.7 * self.sway, 0.2 * self.sway, self.sway, 0.0)

    def half_width(self, y: float) -> float:
        """Half the width of the torso at a height, in figure heights."""
        narrow, broad = (np.interp(y, TORSO_HEIGHTS, widths) for widths in TORSO_WIDTHS)
        return float(narrow + (broad - narrow) * self.build) * (0.5 + 0.5 * self.bulk)

    def side(self, side: int, y: float, ease: float = 0.0) -> Points:
        """The edge of the torso at a height, `ease` figure heights further out, in pixels."""
        return self.place(side * (self.half_width(y) + ease), y)

    def sides(self, side: int, heights: Sequence[float], eases: Vector) -> Points:
        """A smooth edge of the torso, or of cloth over it, from the first height to the last.

        eases: one for each height, or those of the first and the last.
        """
        if len(eases) == 2:
            eases = np.interp(heights, (heights[0], heights[-1]), eases)
        return smooth([self.side(side, y, e) for y, e in zip(heights, eases, strict=True)])

    def shoulder(self, side: int) -> Points:
        """The joint of an arm."""
        radius = float(self.arm_width(0.0)) / self.unit
        return self.place(side * (self.half_width(0.19) - 0.8 * radius), 0.188 + 0.97 * radius)

    def arm(self, side: int) -> Points:
        """The middle line of an arm from the shoulder to the wrist, rounded at the elbow."""
        upper, fore = ANGLES[self.arms[side]]
        chance = self._arm_chance[side]
        angles = np.radians(
            [
                upper[0] + chance[0] * (upper[1] - upper[0]),
                fore[0] + chance[1] * (fore[1] - fore[0]),
            ]
        )
        shoulder = self.shoulder(side)
        step = self.unit * np.array([[side, 1.0]])
        elbow = shoulder + 0.158 * (step * [np.sin(angles[0]), np.cos(angles[0])])[0]
        wrist = elbow + 0.140 * (step * [np.sin(angles[1]), np.cos(angles[1])])[0]
        bend = [mixed(shoulder, elbow, 0.55), mixed(shoulder, elbow, 0.92)]
        bend += [mixed(elbow, wrist, 0.08), mixed(elbow, wrist, 0.45)]
        return smooth([shoulder, *bend, wrist], 6)

    def arm_width(self, share: float | np.ndarray) -> np.ndarray:
        """Half the width of an arm at a share of its length, in pixels."""
        narrow, broad = (np.interp(share, ARM_SHARES, widths) for widths in ARM_WIDTHS)
        return np.asarray((narrow + (broad - narrow) * self.build) * self.unit * self.bulk)

    def hand(self, side: int) -> tuple[Points, Points]:
        """Wrist, and the direction in which the hand points (a unit vector)."""
        arm = self.arm(side)
        direction = arm[-1] - arm[-4]
        return arm[-1], direction / np.linalg.norm(direction)

    def leg(self, side: int) -> Points:
        """The middle line of a leg from the hip to the ankle."""
        hip = self.place(side * 0.043, 0.475)
        reach = {"straight": 0.036, "apart": 0.085, "walk": 0.03, "bent": 0.045, "crossed": 0.03}
        ankle_x, ankle_y = side * (reach[self.stance] + 0.012 * self._leg_chance[0]), 0.945
        knee_out = 0.004
        if side == self.free_leg:
            if self.stance == "walk":
                ankle_x, ankle_y, knee_out = side * 0.004, 0.925, 0.012
            elif self.stance == "bent":
                ankle_x, ankle_y, knee_out = side * (0.06 + 0.02 * self._leg_chance[1]), 0.94, 0.022
            elif self.stance == "crossed":
                ankle_x, ankle_y, knee_out = -side * 0.018, 0.95, 0.006
        elif self.stance in ("walk", "crossed"):
            ankle_x = side * 0.030
        ankle = self.place(ankle_x + 0.3 * self.sway, ankle_y - self.heel)
        knee = mixed(hip, ankle, 0.5) + by(side * knee_out * self.unit, 0)
        shin = mixed(knee, ankle, 0.45) + by(side * 0.004 * self.unit, 0)
        return smooth([hip, mixed(hip, knee, 0.5), knee, shin, ankle], 8)

    def leg_width(self, share: float | np.ndarray) -> np.ndarray:
        """Half the width of a leg at a share of its length, in pixels."""
        width = np.interp(share, LEG_SHARES, LEG_WIDTHS)
        return np.asarray(width * self.unit * (0.4 + 0.6 * self.bulk) * (1 + 0.04 * self.build))

    def leg_edge(self, leg: int, edge: int, share: float, ease: float = 0.0) -> Points:
        """A point on one edge (-1 left, 1 right) of a leg; `ease` in figure heights outwards."""
        point = along(self.leg(leg), share)
        return point + by(edge * (float(self.leg_width(share)) + ease * self.unit), 0)

    def foot(self, side: int) -> Foot:
        """Where a foot is; it points a little outwards and down, more so on heels."""
        ankle = self.leg(side)[-1]
        out = 0.012 + 0.018 * self._leg_chance[2]
        if side == self.free_leg and self.stance in ("bent", "walk"):
            out += 0.014
        toe = ankle + self.unit * np.array([side * out, 0.052 + 0.55 * self.heel])
        return Foot(ankle, toe, 0.0235 * self.unit)

    @property
    def leg_order(self) -> tuple[int, int]:
        """The legs from the farther to the nearer."""
        return (-self.free_leg, self.free_leg)

    @property
    def head(self) -> tuple[Points, float, float]:
        """Centre, half width and half height of the head, in pixels."""
        half_width = (0.0505 + 0.002 * self.build) * self.unit
        return self.place(0.0, 0.072), half_width, 0.0745 * self.unit

    def on_head(self, x: float, y: float) -> Points:
        """The pixel of a point of the head: x across the face, y down from the crown, -1 to 1."""
        centre, half_width, half_height = self.head
        angle = np.radians(self.head_turn)
        dx, dy = x * half_width, y * half_height
        turn = np.array([dx * np.cos(angle) - dy * np.sin(angle)])
        return centre + by(turn[0], dx * np.sin(angle) + dy * np.cos(angle))

    def head_curve(self, points: Sequence[Sequence[float]], *, closed: bool = False) -> Points:
        """A smooth curve through points of the head."""
        return smooth([self.on_head(x, y) for x, y in points], closed=closed)
