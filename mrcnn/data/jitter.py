"""Random jitter of scale, position and colour for training photographs.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method" (2021), for the large-scale
jitter. OpenCV does each in one pass; masks are resized along with their image.
"""

import copy
import math
import random as python_random
from collections.abc import Sequence

import cv2
import numpy as np

from mrcnn.config import Config
from mrcnn.images.resizing import resample_image

# Weights of red, green and blue in a grey level (ITU-R BT.601).
GREY = np.array([0.299, 0.587, 0.114])


def jitter_scale(
    image: np.ndarray,
    shape: Sequence[int],
    factors: Sequence[float],
    *,
    random: python_random.Random,
    resample: str = "exact",
) -> tuple[np.ndarray, tuple, float, list, tuple]:
    """Bring an image to the network's input size at a random scale and position.

    Args:
        image: [height, width, channels].
        shape: (height, width, ...) of the result in pixels.
        factors: minimum and maximum factor relative to the scale at which the image just fits; one
            between them is drawn log-uniformly.
        random: random number generator.
        resample: "exact" or "fast", see `mrcnn.images.resizing.resize_image`.

    Returns:
        What `mrcnn.images.resizing.resize_image` returns: image, window, scale, padding and crop.
        Parts that exceed the shape are cropped, then missing parts are padded with zeros.
    """
    height, width = shape[:2]
    low, high = (math.log(factor) for factor in factors)
    scale = min(height / image.shape[0], width / image.shape[1])
    scale *= math.exp(random.uniform(low, high))
    scaled = tuple(max(1, round(side * scale)) for side in image.shape[:2])
    image = resample_image(image, scaled, resample)
    places = [_place(had, has, random) for had, has in zip(scaled, (height, width), strict=True)]
    (y, rows, top), (x, columns, left) = places
    padding = [(top, height - rows - top), (left, width - columns - left), (0, 0)]
    image = np.pad(image[y : y + rows, x : x + columns], padding)
    window = (top, left, top + rows, left + columns)
    return image, window, scale, padding, (y, x, rows, columns)


def _place(had: int, has: int, random: python_random.Random) -> tuple[int, int, int]:
    """Along one side: where a crop begins, its length in pixels, and where it is placed."""
    place = random.randint(0, abs(had - has))
    return (place, has, 0) if had > has else (0, had, place)


def jitter_colour(
    image: np.ndarray, strength: float, *, random: python_random.Random
) -> np.ndarray:
    """Randomly change saturation, hue, contrast and brightness of an RGB image.

    Args:
        image: uint8 [height, width, 3].
        strength: saturation and contrast change by up to this share, brightness by up to that of
            half the grey levels, hue by up to half so many radians.
        random: random number generator.

    Returns:
        A new image of the same shape and dtype.
    """
    saturation, contrast = (1 + strength * random.uniform(-1, 1) for _ in range(2))
    brightness = 127.5 * strength * random.uniform(-1, 1)
    hue = _rotation_about_grey(0.5 * strength * random.uniform(-1, 1))
    grey = np.tile(GREY, (3, 1))
    matrix = contrast * ((saturation * np.eye(3) + (1 - saturation) * grey) @ hue)
    shift = np.full((3, 1), 127.5 * (1 - contrast) + brightness)
    return cv2.transform(image, np.hstack([matrix, shift]))


def _rotation_about_grey(angle: float) -> np.ndarray:
    """The matrix [3, 3] that rotates colours about the grey axis by an angle in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cosine * np.eye(3) + sine * cross + (1 - cosine) / 3


def without_jitter(config: Config) -> Config:
    """A copy of a configuration for validation, whose images are not jittered."""
    plain = copy.copy(config)
    plain.SCALE_JITTER, plain.COLOUR_JITTER = None, 0.0
    return plain
