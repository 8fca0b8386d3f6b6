"""Molding: mean subtraction, and the meta vector that describes an image to the network.

Images are [height, width, channels], RGB; windows are (y1, x1, y2, x2) in pixels with (y2, x2)
exclusive.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mrcnn.errors import DatasetError


class MeanPixel(Protocol):
    """The part of a Config that molding uses."""

    MEAN_PIXEL: np.ndarray


def grey_levels(image: np.ndarray, config: MeanPixel) -> np.ndarray:
    """An RGB image with grey levels 0 to 255, the scale of the mean pixel.

    Values from 0 to 255 are kept, floats from 0 to 1 become uint8. Nothing is checked unless
    MEAN_PIXEL has three values on that scale.

    Raises:
        DatasetError: other values, such as those of a 16-bit picture.
    """
    is_plain = image.dtype == np.uint8 or not image.size
    if is_plain or np.shape(config.MEAN_PIXEL) != (3,) or np.max(config.MEAN_PIXEL) <= 1:
        return image
    kind = image.dtype.kind
    if kind in "iuf" and image.dtype != np.uint16:
        low, high = image.min(), image.max()
        if kind == "f" and low >= 0 and high <= 1:
            return np.rint(image * 255).astype(np.uint8)
        if low >= 0 and high <= 255:
            return image
    raise DatasetError(
        "the image's values are not levels of red, green and blue",
        expected="uint8, numbers from 0 to 255, or floats from 0 to 1",
        found=f"{image.dtype} from {image.min()} to {image.max()}",
        advice="convert it to uint8",
    )


def mold_image(images: np.ndarray, config) -> np.ndarray:
    """Subtract the mean pixel.

    Args:
        images: [..., height, width, channels], RGB, 0 to 255.
        config: its MEAN_PIXEL is subtracted.

    Returns:
        float64 of the same shape (float32 minus float64, as in Matterport).
    """
    return images.astype(np.float32) - config.MEAN_PIXEL


def unmold_image(normalized_images: np.ndarray, config) -> np.ndarray:
    """Add the mean pixel back: the inverse of `mold_image`, truncated to uint8."""
    return (normalized_images + config.MEAN_PIXEL).astype(np.uint8)


def compose_image_meta(
    image_id: int,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    scale: float,
    active_class_ids: np.ndarray | Sequence[int],
) -> np.ndarray:
    """Put what the network must know about an image into one vector.

    Args:
        image_id: index in the data set; 0 if there is none.
        original_image_shape: (height, width, channels) before resizing and padding.
        image_shape: (height, width, channels) afterwards.
        window: (y1, x1, y2, x2) in pixels, the picture's position in the padded image.
        scale: resize factor.
        active_class_ids: a flag for each class, 1 if the image's source annotates it.

    Returns:
        [12 + classes]; float64, or int64 if `scale` is an int (no resizing).
    """
    return np.array(
        [
            image_id,
            *original_image_shape,
            *image_shape,
            *window,
            scale,
            *active_class_ids,
        ]
    )


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """Split meta vectors into their parts: the inverse of `compose_image_meta` for a batch.

    Args:
        meta: [batch, 12 + classes].

    Returns:
        image_id [batch], original_image_shape [batch, 3], image_shape [batch, 3],
        window [batch, 4], active_class_ids [batch, classes], all int32, and scale [batch],
        float32.
    """
    return {
        "image_id": meta[:, 0].astype(np.int32),
        "original_image_shape": meta[:, 1:4].astype(np.int32),
        "image_shape": meta[:, 4:7].astype(np.int32),
        "window": meta[:, 7:11].astype(np.int32),
        "scale": meta[:, 11].astype(np.float32),
        "active_class_ids": meta[:, 12:].astype(np.int32),
    }
