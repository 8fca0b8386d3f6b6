"""The canvas of the drawn pictures: paint with soft edges, and which garment owns which pixel.

Everything is painted from back to front. Each shape is filled at four times the size and shrunk,
which gives its coverage of every pixel. A pixel belongs to the last shape that covered at least
half of it, so the masks are exact by construction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fashion.demo.curves import Points, Shape, Vector, by, smooth

SUPERSAMPLING = 4
BACKDROP_SUPERSAMPLING = 2
INK_DARKENS = 0.6
FRACTION_BITS = 3  # of the coordinates that OpenCV fills
NOBODY = 0

Coordinates = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
Texture = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stroke:
    """A drawn line: points, greatest width in pixels, how dark (0 to 1), and which ends thin out.

    `taper` is "", "start", "end" or "both".
    """

    points: Points
    width: float = 1.2
    strength: float = 0.7
    taper: str = "end"


@dataclass(frozen=True)
class Finish:
    """How a surface reflects light: depth of form and folds, gloss, width of its outline."""

    form: float = 0.16
    gloss: float = 0.0
    outline: float = 1.0
    grain: float = 0.02


class Canvas:
    """A picture in the making.

    Attributes:
        image: float32 [height, width, 3], RGB 0 to 255.
        owner: int16 [height, width], the number of the garment seen there, `NOBODY` elsewhere.
        figure: bool [height, width], where the person is, dressed or not.
        rng: the random generator of everything that is painted.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        self.image = np.full((height, width, 3), 255, dtype=np.float32)
        self.owner = np.zeros((height, width), dtype=np.int16)
        self.figure = np.zeros((height, width), dtype=bool)
        self.rng = rng
        # How the paper takes the paint, and how hard the pen presses, everywhere on the sheet.
        self._grain = self.noise(height, width, 9)
        self._pressure = self.noise(height, width, 22)

    def paint(
        self,
        shape: Shape,
        texture: Texture | Vector,
        owner: int = NOBODY,
        *,
        coordinates: Coordinates | None = None,
        folds: Sequence[Stroke] = (),
        lines: Sequence[Stroke] = (),
        finish: Finish | None = None,
        ink: Vector | None = None,
        line_ink: Vector | None = None,
        clip: Shape | None = None,
        backdrop: bool = False,
    ) -> None:
        """Paint a shape over what is there.

        texture: a colour, or a function of the fabric's coordinates u, v in pixels, each float32
            [h, w], that returns float32 [h, w, 3].
        coordinates: from the image's x, y to u, v; unchanged by default.
        folds: soft shadows with a thin line. lines: seams and edges, in `line_ink` (else `ink`).
            Neither leaves the shape. ink: of the outline; the darkened texture by default.
        clip: paint only inside this shape too, without an outline at its edge.
        backdrop: part of the background, not of the person.
        """
        window = self._window(shape) if clip is None else self._window(shape, around=clip)
        if window is None:
            return
        top, left, bottom, right = window
        finish = finish or Finish()
        alpha = _coverage(shape, window, BACKDROP_SUPERSAMPLING if backdrop else SUPERSAMPLING)
        drawn = _stroke_coverage(folds, window, thin=True)
        if finish.outline:
            drawn = np.maximum(drawn, self._contour(alpha, window, finish.outline))
        light = self._light(alpha, window, finish) - _soft_folds(folds, window)
        # Ink covers; without a colour of its own it darkens what is there.
        light *= 1 - (INK_DARKENS if ink is None else 1.0) * drawn
        colour = _base(texture, coordinates, window) * light[:, :, None]
        if ink is not None:
            colour += np.asarray(ink, np.float32) * drawn[:, :, None]
        if finish.gloss:
            colour += self._gloss(alpha, finish.gloss)[:, :, None]
        if lines:
            seam = _stroke_coverage(lines, window)
            colour *= (1 - seam)[:, :, None]
            seam_ink = line_ink if line_ink is not None else (40, 32, 34) if ink is None else ink
            colour += np.asarray(seam_ink, np.float32) * seam[:, :, None]
        if clip is not None:
            alpha = alpha * _coverage(clip, window)
        here = (slice(top, bottom), slice(left, right))
        below = self.image[here]
        colour -= below
        colour *= alpha[:, :, None]
        below += colour
        solid = alpha >= 0.5
        self.owner[here][solid] = owner
        self.figure[here][solid] = not backdrop

    def shade(
        self,
        shape: Shape,
        dx: float,
        dy: float,
        blur: float,
        strength: float,
        *,
        clip: Shape | None = None,
    ) -> None:
        """Darken the person where `shape`, moved by dx, dy, casts its shadow, within `clip`."""
        window = self._window(shape, margin=int(3 * blur + abs(dx) + abs(dy)))
        if window is None:
            return
        top, left, bottom, right = window
        here = (slice(top, bottom), slice(left, right))
        moved = _coverage(shape, window, BACKDROP_SUPERSAMPLING, dx, dy)
        alpha = cv2.GaussianBlur(moved, (0, 0), blur) * self.figure[here]
        if clip is not None:
            alpha *= _coverage(clip, window, BACKDROP_SUPERSAMPLING)
        tint = np.array([0.82, 0.9, 0.8], dtype=np.float32)  # shadows are not plain black
        self.image[here] *= 1 - strength * tint * alpha[:, :, None]

    def draw(self, strokes: Sequence[Stroke], colour: Vector, *, within: int | None = None) -> None:
        """Draw lines over the picture, or only where `within` is the owner; owners stay."""
        if not strokes:
            return
        points = np.vstack([stroke.points for stroke in strokes])
        window = self._window(Shape([points]), margin=4)
        if window is None:
            return
        top, left, bottom, right = window
        here = (slice(top, bottom), slice(left, right))
        drawn = _stroke_coverage(strokes, window)
        if within is not None:
            drawn *= (self.owner[here] == within) & self.figure[here]
        drawn = drawn[:, :, None]
        self.image[here] += (np.asarray(colour, np.float32) - self.image[here]) * drawn

    def noise(self, height: int, width: int, cell: float) -> np.ndarray:
        """Smooth random values, about -1 to 1, float32 [height, width], grain `cell` pixels."""
        small = (int(height / cell) + 3, int(width / cell) + 3)
        values = self.rng.standard_normal(small, dtype=np.float32) * 0.6
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)

    def _window(
        self, shape: Shape, margin: int = 1, *, around: Shape | None = None
    ) -> tuple[int, int, int, int] | None:
        """Top, left, bottom, right of the part of the image a shape can touch, near `around`."""
        height, width = self.owner.shape
        x1, y1, x2, y2 = shape.extent()
        if around is not None:  # with room for the outline, which must not follow the window
            low_x, low_y, high_x, high_y = around.extent()
            x1, y1 = max(x1, low_x - 6), max(y1, low_y - 6)
            x2, y2 = min(x2, high_x + 6), min(y2, high_y + 6)
        left, top = max(0, int(x1) - margin), max(0, int(y1) - margin)
        right, bottom = min(width, int(x2) + margin + 1), min(height, int(y2) + margin + 1)
        return (top, left, bottom, right) if right > left and bottom > top else None

    def _light(
        self, alpha: np.ndarray, window: tuple[int, int, int, int], finish: Finish
    ) -> np.ndarray:
        """Brightness of a rounded form lit from the upper left, with the unevenness of a brush."""
        height, width = alpha.shape
        small = cv2.resize(alpha, (width // 4 + 1, height // 4 + 1), interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder(small, 4, 4, 4, 4, cv2.BORDER_CONSTANT)
        soft = cv2.GaussianBlur(small, (0, 0), 2.2)
        slope = np.roll(soft, (-2, -2), (0, 1)) - np.roll(soft, (1, 2), (0, 1))
        slope = slope[4:-4, 4:-4]
        # A marker lays one shadow with a readable edge, not a gradient.
        shadow = np.clip((-slope - 0.22) * 5, 0, 1)
        light = 1 + finish.form * (0.55 * slope - 0.75 * shadow)
        whole = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
        top, left, bottom, right = window
        return whole + finish.grain * self._grain[top:bottom, left:right]

    def _gloss(self, alpha: np.ndarray, gloss: float) -> np.ndarray:
        """A highlight along the edge that faces the light."""
        soft = cv2.GaussianBlur(alpha, (0, 0), 3)
        edge = soft - np.roll(soft, (5, 5), (0, 1))
        return 255 * gloss * np.clip(edge * 1.6 - 0.25, 0, 0.5)

    def _contour(
        self, alpha: np.ndarray, window: tuple[int, int, int, int], width: float
    ) -> np.ndarray:
        """How much ink a pixel gets: a line inside the edge, swelling as a hand presses."""
        padded = cv2.copyMakeBorder(alpha, 3, 3, 3, 3, cv2.BORDER_CONSTANT)
        soft = cv2.GaussianBlur(padded, (0, 0), 0.75 + 0.35 * width)
        # Lines are heavier on the side away from the light.
        soft = np.minimum(soft, np.roll(soft, (-1, -1), (0, 1)) * 0.5 + soft * 0.5)
        soft = soft[3:-3, 3:-3]
        top, left, bottom, right = window
        reach = 0.80 + 0.09 * self._pressure[top:bottom, left:right]
        return np.clip((reach - soft) * 5.5, 0, 0.92)


def _base(
    texture: Texture | Vector,
    coordinates: Coordinates | None,
    window: tuple[int, int, int, int],
) -> np.ndarray:
    """The colour of the bare material in the window, float32 [h, w, 3] or [3]."""
    if not callable(texture):
        return np.asarray(texture, np.float32)
    top, left, bottom, right = window
    size = (bottom - top, right - left)
    x = np.broadcast_to(np.arange(left, right, dtype=np.float32) + np.float32(0.5), size)
    y = np.broadcast_to(np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5), size)
    return texture(*(coordinates(x, y) if coordinates else (x, y)))


def _coverage(
    shape: Shape,
    window: tuple[int, int, int, int],
    scale: int = SUPERSAMPLING,
    dx: float = 0.0,
    dy: float = 0.0,
) -> np.ndarray:
    """How much of each pixel of the window is in the shape: float32 [h, w], 0 to 1.

    It is filled at `scale` times the size, moved by dx, dy.
    """
    top, left, bottom, right = window
    offset = np.array([left - dx, top - dy])
    big = np.zeros(((bottom - top) * scale, (right - left) * scale), np.uint8)
    for points in shape.polygons:
        cv2.fillPoly(big, [_enlarged(points, offset, scale)], 255, shift=FRACTION_BITS)
    if shape.discs:
        discs = np.asarray(shape.discs)
        centres = _enlarged(discs[:, :2], offset, scale).tolist()
        sizes = np.round(discs[:, 2] * (scale << FRACTION_BITS)).astype(int).tolist()
        for centre, size in zip(centres, sizes, strict=True):
            cv2.circle(big, centre, size, 255, cv2.FILLED, shift=FRACTION_BITS)
    for points in shape.holes:
        cv2.fillPoly(big, [_enlarged(points, offset, scale)], 0, shift=FRACTION_BITS)
    return _shrunk(big, scale)


def _enlarged(points: Points, offset: np.ndarray, scale: int) -> np.ndarray:
    # OpenCV counts from pixel centres, hence the half.
    factor = scale << FRACTION_BITS
    return np.rint(points * factor - (offset * factor + (1 << FRACTION_BITS) / 2)).astype(np.int32)


def _shrunk(big: np.ndarray, scale: int) -> np.ndarray:
    size = (big.shape[1] // scale, big.shape[0] // scale)
    small = cv2.resize(big, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) * np.float32(1 / 255)


def _stroke_coverage(
    strokes: Sequence[Stroke], window: tuple[int, int, int, int], *, thin: bool = False
) -> np.ndarray:
    """Coverage of drawn lines, float32 [h, w]; `thin` draws them at a third of their width."""
    top, left, bottom, right = window
    if not strokes:
        return np.zeros((bottom - top, right - left), np.float32)
    offset = np.array([left, top])
    big = np.zeros(((bottom - top) * SUPERSAMPLING, (right - left) * SUPERSAMPLING), np.uint8)
    for stroke in strokes:
        points = _enlarged(stroke.points, offset, SUPERSAMPLING).tolist()
        width = stroke.width / 3 if thin else stroke.width
        tone = int(255 * min(1.0, stroke.strength))
        widths = (width * SUPERSAMPLING * _pressure(len(points) - 1, stroke.taper)).tolist()
        for start, end, thickness in zip(points[:-1], points[1:], widths, strict=True):
            cv2.line(big, start, end, tone, max(1, round(thickness)), shift=FRACTION_BITS)
    return _shrunk(big, SUPERSAMPLING)


def _pressure(count: int, taper: str) -> np.ndarray:
    """The width of each of `count` pieces of a stroke, as a share of its greatest width."""
    place = (np.arange(count) + 0.5) / max(count, 1)
    if taper == "both":
        return np.sin(np.pi * place) ** 0.6
    if taper == "end":
        return (1 - place) ** 0.6
    return place**0.6 if taper == "start" else np.ones(count)


def _soft_folds(folds: Sequence[Stroke], window: tuple[int, int, int, int]) -> np.ndarray:
    """How much folds darken: float32 [h, w]."""
    top, left, bottom, right = window
    if not folds:
        return np.zeros((bottom - top, right - left), np.float32)
    half = np.zeros(((bottom - top + 1) // 2, (right - left + 1) // 2), np.float32)
    for fold in folds:
        # The shadow is on the side of the line away from the light.
        points = np.rint((fold.points + by(1.2 - left, 0.4 - top)) * 4).astype(np.int32).tolist()
        widths = (fold.width * 0.5 * _pressure(len(points) - 1, fold.taper)).tolist()
        for start, end, width in zip(points[:-1], points[1:], widths, strict=True):
            cv2.line(half, start, end, fold.strength, max(1, round(width)), shift=3)
    soft = cv2.GaussianBlur(half, (0, 0), 1.6)
    return 0.38 * cv2.resize(soft, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)


def pen(
    points: Sequence[Vector] | Points, width: float = 1.2, strength: float = 0.75, taper: str = ""
) -> Stroke:
    """A smooth drawn line through a few points."""
    return Stroke(smooth(points), width, strength, taper)
