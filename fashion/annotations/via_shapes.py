"""The shapes of VIA regions as outlines.

Coordinates are VIA's own, and COCO's: continuous pixels, x to the right, y down, (0, 0) the outer
corner of the top left pixel, whose centre is (0.5, 0.5). Format: `shape_attributes` in the VGG
Image Annotator's annotation files, versions 1 and 2.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

SHAPES = ("polygon", "polyline", "rect", "circle", "ellipse")
FARTHEST = 1e9  # pixels from the corner; farther out floats no longer distinguish pixels
CURVE_ERROR = 0.1  # pixels by which the outline of a circle or an ellipse may leave its curve


class ShapeError(ValueError):
    """A region that covers nothing of the image; the message is only the reason."""


def outline(shape: Mapping[str, Any]) -> np.ndarray:
    """The closed outline of a region's `shape_attributes`: float64 [n, 2], x and y, n >= 3.

    Polygon and polyline give their vertices unchanged (the last is joined to the first, also when
    the file repeats it); rect its corners; circle and ellipse (turned by `theta` radians) as many
    points as keep within a tenth of a pixel, with the curve's exact area. Raises `ShapeError`.
    """
    if not isinstance(shape, Mapping):
        raise ShapeError("it has no shape_attributes")
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):
        points = _vertices(shape)
    elif kind == "rect":
        points = _rectangle(shape)
    elif kind in ("circle", "ellipse"):
        points = _ellipse(shape)
    else:
        raise ShapeError(f'a shape "{kind}" has no area; those with one are {", ".join(SHAPES)}')
    _check_area(points)
    return points


def check_inside(points: np.ndarray, width: int | None, height: int | None) -> None:
    """Raise `ShapeError` when no part of the outline's extent is in the image.

    Unknown sizes (None) are not checked. An outline that only reaches over the edge is fine.
    """
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    beyond_width = width is not None and x1 >= width
    beyond_height = height is not None and y1 >= height
    if beyond_width or beyond_height or x2 <= 0 or y2 <= 0:
        size = f"{width or '?'} x {height or '?'}"
        raise ShapeError(
            f"it lies outside the image (x {x1:g} to {x2:g}, y {y1:g} to {y2:g}, image {size})"
        )


def polygon_shape(points: np.ndarray) -> dict[str, Any]:
    """VIA `shape_attributes` of an outline [n, 2]; whole numbers are written without a point."""
    xs, ys = np.asarray(points, dtype=float).T
    return {
        "name": "polygon",
        "all_points_x": [_plain_number(x) for x in xs],
        "all_points_y": [_plain_number(y) for y in ys],
    }


def _plain_number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _vertices(shape: Mapping[str, Any]) -> np.ndarray:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise ShapeError("all_points_x or all_points_y is missing")
    if len(xs) != len(ys):
        raise ShapeError(f"it has {len(xs)} x but {len(ys)} y coordinates")
    if len(xs) < 3:
        raise ShapeError(f"it has fewer than 3 points ({len(xs)})")
    try:
        points = np.array([xs, ys], dtype=np.float64).T
    except (TypeError, ValueError, OverflowError):
        raise ShapeError("a coordinate is not a number") from None
    if points.ndim != 2:
        raise ShapeError("a coordinate is not a number")
    return points


def _number(shape: Mapping[str, Any], *names: str) -> float:
    for name in names:
        if name in shape:
            try:
                return float(shape[name])
            except (TypeError, ValueError, OverflowError):
                raise ShapeError(f'its {name} "{shape[name]}" is not a number') from None
    raise ShapeError(f"its {names[0]} is missing")


def _rectangle(shape: Mapping[str, Any]) -> np.ndarray:
    x, y = _number(shape, "x"), _number(shape, "y")
    right, bottom = x + _number(shape, "width", "widht"), y + _number(shape, "height")
    return np.array([[x, y], [right, y], [right, bottom], [x, bottom]])


def _ellipse(shape: Mapping[str, Any]) -> np.ndarray:
    centre = np.array([_number(shape, "cx"), _number(shape, "cy")])
    if shape["name"] == "circle":
        radius_x = radius_y = _number(shape, "r")
        theta = 0.0
    else:
        radius_x, radius_y = _number(shape, "rx"), _number(shape, "ry")
        theta = _number(shape, "theta") if "theta" in shape else 0.0
    radius = max(radius_x, radius_y)
    if not (math.isfinite(radius) and math.isfinite(theta) and min(radius_x, radius_y) > 0):
        raise ShapeError("its radius is not above 0")
    if radius > FARTHEST:
        raise ShapeError(f"its radius is greater than {FARTHEST:,.0f} pixels")
    half_angle = math.acos(max(0.0, 1.0 - CURVE_ERROR / radius))
    count = 720 if half_angle < math.pi / 720 else max(math.ceil(math.pi / half_angle), 12)
    # Stretched so that the polygon has the curve's area instead of being wholly inside it.
    stretch = math.sqrt(2 * math.pi / (count * math.sin(2 * math.pi / count)))
    angle = np.arange(count) * (2 * math.pi / count)
    along, across = stretch * radius_x * np.cos(angle), stretch * radius_y * np.sin(angle)
    cosine, sine = math.cos(theta), math.sin(theta)
    turned = np.stack([along * cosine - across * sine, along * sine + across * cosine], axis=1)
    return centre + turned


def _check_area(points: np.ndarray) -> None:
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise ShapeError("a coordinate is not a finite number")
    if max(-x1, -y1, x2, y2) > FARTHEST:
        raise ShapeError(f"a coordinate is more than {FARTHEST:,.0f} pixels away")
    if x1 == x2 or y1 == y2:
        raise ShapeError("all its points lie on one line, so it has no area")
