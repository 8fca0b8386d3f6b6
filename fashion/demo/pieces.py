"""What a garment of the drawn pictures is: its kind, cut, lengths and fabric."""

from dataclasses import dataclass, field

import numpy as np

from fashion.demo.canvas import Coordinates, Finish
from fashion.demo.curves import Points
from fashion.demo.fabric import Colour, Fabric


@dataclass(frozen=True)
class Piece:
    """One garment as it is worn.

    Attributes:
        garment: ModaNet's name. owner: its number on the canvas, from 1.
        style: the cut; the choice depends on the garment.
        fabric: what it is made of; trim: colour of buttons, buckles, soles.
        length: where it ends; a height of the figure for tops, a share of the leg otherwise.
        ease: how far it stands off the body, in figure heights.
        neck: the neckline, of tops and dresses. sleeve: share of the arm it covers; sleeve_ease
        and cuff_ease: how wide it is at the shoulder and at its end.
        side: -1 or 1, where it is carried. details: further traits by name.
    """

    garment: str
    owner: int
    style: str
    fabric: Fabric
    trim: Colour
    length: float = 0.0
    ease: float = 0.008
    neck: str = "round"
    sleeve: float = 0.0
    sleeve_ease: float = 0.006
    cuff_ease: float = 0.006
    side: int = 1
    details: frozenset[str] = field(default_factory=frozenset)

    @property
    def finish(self) -> Finish:
        """How its material reflects light."""
        if self.fabric.material == "leather":
            return Finish(form=0.26, gloss=0.28, grain=0.015)
        if self.fabric.material == "knit":
            return Finish(form=0.2, outline=1.1, grain=0.02)
        return Finish(form=0.18, grain=0.025)


def round_the_body(centre: Points, half_width: float, bend: float) -> Coordinates:
    """Fabric that goes round a body: lines across sag by `bend` pixels in the middle."""

    def coordinates(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = x - np.float32(centre[0])
        round_off = np.minimum(np.abs(u) * np.float32(0.87 / half_width), 1) ** 2
        # Towards the sides the cloth turns away, and what is on it crowds together.
        return u * (1 + np.float32(0.16) * round_off), y - np.float32(centre[1]) + bend * round_off

    return coordinates


def along_the_limb(curve: Points) -> Coordinates:
    """Fabric of a sleeve or a leg: v runs down the limb, round its bend."""
    start, middle, end = curve[0], curve[len(curve) // 2], curve[-1]

    def coordinates(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sections = ((start, middle), (middle, end))
        reach = float(np.linalg.norm(middle - start))
        (u1, v1, away1), (u2, v2, away2) = (_section(x, y, a, b) for a, b in sections)
        nearer = away1 <= away2
        return np.where(nearer, u1, u2), np.where(nearer, v1, v2 + np.float32(reach))

    return coordinates


def _section(
    x: np.ndarray, y: np.ndarray, start: Points, end: Points
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u, v of a straight section, and the distance from it."""
    length = max(float(np.linalg.norm(end - start)), 1e-6)
    dx, dy = ((end - start) / length).tolist()
    left, top = x - np.float32(start[0]), y - np.float32(start[1])
    v = left * np.float32(dx) + top * np.float32(dy)
    u = left * np.float32(dy) - top * np.float32(dx)
    beyond = np.maximum(np.maximum(-v, v - length), 0)
    return u, v.astype(np.float32), np.hypot(u, beyond)
