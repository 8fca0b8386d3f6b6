"""Mask outlines that follow the edges of the photograph: a guided filter.

He, Sun, Tang, "Guided Image Filtering" (2010): around each pixel, the mask's probabilities are
approximated by a linear function of red, green and blue, so that they change where the colours do.
"Fast Guided Filter" (2015) fits these functions on reduced images. A network that outputs masks of
28 or 56 cells a side cannot know outlines better than to a cell.
"""

from collections.abc import Sequence

import numpy as np

# As shares of the side of a square of the box's area: two cells of a mask of 56.
RADIUS = 2 / 56
LEAST_RADIUS = 2  # pixels; smaller masks have cells of a pixel or less
WORKING_SIDE = 112  # pixels to which the side of that square is reduced
EPSILON = 1e-3  # variance of colours, from 0 to 1, below which there is no edge


def guided_probabilities(
    image: np.ndarray, box: Sequence[int], probabilities: np.ndarray
) -> np.ndarray:
    """The probabilities of a mask, changed to follow the edges of its photograph.

    Args:
        image: RGB [height, width, 3], grey levels 0 to 255.
        box: (y1, x1, y2, x2) in pixels, inside the image, with positive area.
        probabilities: float32 [y2 - y1, x2 - x1]; they are 0 outside the box.

    Returns:
        float32 of the same shape; a little below 0 or above 1 in places.
    """
    import cv2

    y1, x1, y2, x2 = (int(n) for n in box)
    side = ((y2 - y1) * (x2 - x1)) ** 0.5
    radius = RADIUS * side
    if round(radius) < LEAST_RADIUS:
        return probabilities
    margin = round(2 * radius)
    top, left = max(0, y1 - margin), max(0, x1 - margin)
    guide = image[top : y2 + margin, left : x2 + margin]
    if guide.dtype != np.uint8:  # OpenCV resizes few other types
        guide = guide.astype(np.float32)
    padded = np.zeros(guide.shape[:2], np.float32)
    inner = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    padded[inner] = probabilities
    scale = min(1.0, WORKING_SIDE / side)
    size = [max(1, round(n * scale)) for n in (guide.shape[1], guide.shape[0])]
    # At the same size, resizing copies.
    small, rough = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (guide, padded))
    functions = _linear_functions(small.astype(np.float32) / 255, rough, round(radius * scale))
    full: np.ndarray = cv2.resize(functions, (guide.shape[1], guide.shape[0]))[inner]
    colours: np.ndarray = guide[inner].astype(np.float32) / 255
    return np.einsum("hwc,hwc->hw", full[..., :3], colours) + full[..., 3]


def _linear_functions(guide: np.ndarray, values: np.ndarray, radius: int) -> np.ndarray:
    """Around each pixel, the linear function of the guide that fits the values best.

    Args:
        guide: float32 [height, width, 3], 0 to 1.
        values: float32 [height, width].
        radius: of the square windows in pixels.

    Returns:
        float32 [height, width, 4]: three factors and a constant, each the mean over the windows
        that contain the pixel.
    """
    import cv2

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    rows, columns = [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]
    rr, rg, rb, gg, gb, bb = (
        mean(guide[..., r] * guide[..., c]) - mean_guide[..., r] * mean_guide[..., c]
        for r, c in zip(rows, columns, strict=True)
    )
    rr, gg, bb = rr + EPSILON, gg + EPSILON, bb + EPSILON
    # The inverse of a symmetric 3 x 3 matrix by its cofactors: far faster than a solver per pixel.
    first, second, third = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    determinant = rr * first + rg * second + rb * third
    red, green, blue = np.moveaxis(covariance / determinant[..., None], -1, 0)
    fourth, fifth, sixth = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    factors = np.stack(
        [
            first * red + second * green + third * blue,
            second * red + fourth * green + fifth * blue,
            third * red + fifth * green + sixth * blue,
        ],
        axis=-1,
    )
    constant = mean_values - np.einsum("hwc,hwc->hw", factors, mean_guide)
    return mean(np.concatenate([factors, constant[..., None]], axis=-1))
