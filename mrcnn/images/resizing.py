"""Resizing images to the network's input.

Images are [height, width, channels], RGB; boxes and windows are (y1, x1, y2, x2) in pixels with
(y2, x2) exclusive. The resampling here is the reference for all of training and inference: pixels
outside the picture count as 0, so enlarged pictures darken towards their border.

Reading image files (`mrcnn.images.reading`) and molding (`mrcnn.images.molding`) are re-exported.
"""

import random as python_random
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.images.molding import (
    compose_image_meta,
    mold_image,
    parse_image_meta,
    unmold_image,
)
from mrcnn.images.reading import MAX_PIXELS, read_image

__all__ = [
    "MAX_PIXELS",
    "RESIZE_MODES",
    "compose_image_meta",
    "mold_image",
    "parse_image_meta",
    "read_image",
    "resize",
    "resize_image",
    "unmold_image",
]

# Output rows computed at once: keeps the float64 temporaries within the cache.
_VALUES_AT_ONCE = 1 << 15

# The values of Config.IMAGE_RESIZE_MODE, where they are explained.
RESIZE_MODES = ("none", "square", "shape", "fit64", "pad64", "crop")


def resize(
    image: np.ndarray,
    output_shape: Sequence[int],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma: float | None = None,
) -> np.ndarray:
    """Resample an image as `skimage.transform.resize` does, by default without anti-aliasing.

    Bilinear with half-pixel centres; pixels outside count as `cval`; the result is clipped to
    the range of the input. The default settings are implemented here, bit-identical to
    scikit-image; others are passed on to it.

    Args:
        image: [height, width] or [height, width, channels]; bool counts as 0 and 1.
        output_shape: (height, width) in pixels.
        order: 0 nearest, 1 bilinear, up to 5.
        mode, cval: values outside the image.
        clip: clip the result to the input's range.
        preserve_range: False maps integer images to 0..1 (uint8: divides by 255).
        anti_aliasing: smooth before shrinking, with `anti_aliasing_sigma` if given.

    Returns:
        float32 for float32 images, else float64.
    """
    if image.dtype == bool:
        image, preserve_range = image.astype(np.uint8), True
    plain = (order, mode, cval, clip, anti_aliasing) == (1, "constant", 0, True, False)
    keeps_values = image.dtype.char in "fd" or (preserve_range and image.dtype.kind in "iu")
    if plain and keeps_values and image.ndim in (2, 3) and len(output_shape) == 2 and image.size:
        return _resize_bilinear(image, output_shape[0], output_shape[1])
    import skimage.transform

    return skimage.transform.resize(
        image,
        output_shape,
        order=order,
        mode=mode,
        cval=cval,
        clip=clip,
        preserve_range=preserve_range,
        anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )


def _resize_bilinear(image, height, width, dtype=None):
    """Like `resize` by default; with an integer `dtype`, clipped values are truncated to it."""
    pixels = image if image.ndim == 3 else image[..., None]
    out = np.empty((width, height, pixels.shape[2]), dtype or _float_type(image))
    if out.size:
        _fill_columns(out, pixels)
    out = _swapped(out)
    return out if image.ndim == 3 else out[..., 0]


def _fill_columns(out, pixels):
    """Resample `pixels` [rows, columns, channels] into `out` [new columns, new rows, channels].

    Columns come first, so that picking the neighbours of a new column copies contiguous memory. The
    order of products and sums is that of scipy.ndimage: any other rounds differently.
    """
    new_columns, new_rows, channels = out.shape
    rows, top, above, below = _sample_points(pixels.shape[0], new_rows)
    columns, left, before, after = _sample_points(pixels.shape[1], new_columns)
    picked = _swapped(_picked(_picked(pixels, rows, 0), columns, 1))
    flat = len(columns), new_rows * channels
    upper = picked.take(top, axis=1).reshape(flat) * np.repeat(above, channels)
    lower = picked.take(top + 1, axis=1).reshape(flat) * np.repeat(below, channels)
    before, after = before[:, None], after[:, None]
    least, most = pixels.min(), pixels.max()
    flat_out = out.reshape(new_columns, -1)
    step = max(1, _VALUES_AT_ONCE // flat[1])
    buffers = np.empty((2, min(step, new_columns), flat[1]))
    for start in range(0, new_columns, step):
        part = slice(start, min(start + step, new_columns))
        total, product = buffers[:, : part.stop - start]
        _times(upper, left[part], before[part], total)
        for rows, first, weights in (
            (upper, left[part] + 1, after[part]),
            (lower, left[part], before[part]),
            (lower, left[part] + 1, after[part]),
        ):
            total += _times(rows, first, weights, product)
        if out.dtype.kind == "f":
            flat_out[part] = total
            np.clip(flat_out[part], least, most, out=flat_out[part])
        else:
            flat_out[part] = np.clip(total, least, most, out=total)


def _times(rows, indices, weights, out):
    np.take(rows, indices, axis=0, out=out, mode="clip")  # without "clip" it would copy twice
    return np.multiply(out, weights, out=out)


def _float_type(image):
    return image.dtype if image.dtype.kind == "f" else np.dtype(np.float64)


def _sample_points(size, new_size):
    """The source pixels needed (-1 and `size` are outside), the index among them of each new
    pixel's first neighbour, and the weights of that and of the next one."""
    position = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    first = np.floor(position)
    weight_first = 1.0 - (position - first)
    first = first.astype(np.intp)
    if new_size >= size:
        sources = np.arange(first[0], first[-1] + 2)
        places = first - first[0]
    else:
        sources = np.unique(np.concatenate([first, first + 1]))
        places = np.searchsorted(sources, first)
    return sources, places, weight_first, 1.0 - weight_first


def _picked(pixels, sources, axis):
    """The given rows (axis 0) or columns (1) of a picture, ascending, zeros for those outside."""
    picked = pixels.take(sources, axis=axis, mode="clip")
    lines = picked.swapaxes(0, axis)
    if sources[0] < 0:
        lines[0] = 0
    if sources[-1] >= pixels.shape[axis]:
        lines[-1] = 0
    return picked


def _swapped(pixels):
    """[a, b, channels] as [b, a, channels], contiguous."""
    if pixels.size and pixels.shape[2] <= 4 and pixels.dtype.char in "Bfd":
        import cv2

        return cv2.transpose(pixels).reshape(pixels.shape[1], pixels.shape[0], -1)
    return np.ascontiguousarray(pixels.transpose(1, 0, 2))


def _resize_quickly(image, height, width):
    """Bilinear like `resize`, but the border is repeated outside; rounded, not truncated."""
    import cv2

    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).reshape(
        height, width, image.shape[2]
    )


def resize_image(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    *,
    shape: Sequence[int] | None = None,
    random=python_random,
    resample: str = "exact",
) -> tuple[np.ndarray, tuple, float, list, tuple | None]:
    """Bring an image to the network's input size, keeping its aspect ratio.

    Args:
        image: [height, width, channels].
        min_dim: enlarge so that the shorter side has at least this many pixels. In crop mode, the
            side of the result; in pad64 mode required, a multiple of 64.
        max_dim: in square and fit64 mode limits the longer side; the side of a square result.
        min_scale: minimum scale factor, whatever `min_dim` asks for.
        mode: "none", "square", "shape", "fit64", "pad64" or "crop", see
            `Config.IMAGE_RESIZE_MODE`. "crop" draws its window from `random`.
        shape: (height, width) of the result in shape mode, which ignores the other sizes.
        random: a `random.Random`; Python's module by default.
        resample: "exact" is bit-identical to Matterport. "fast" uses OpenCV for uint8 images of up
            to 4 channels: grey levels differ by 1, and the picture's border does not darken.

    Returns:
        image: of the input's dtype (integers are truncated); [height, width, channels].
        window: (y1, x1, y2, x2), the part of it that is picture, not padding; in crop mode all.
        scale: resize factor, 1 if there was no resizing.
        padding: [(top, bottom), (left, right), (0, 0)] in pixels.
        crop: (y, x, height, width) cropped from the scaled image, or None.

    Raises:
        DatasetError: the image has no pixels.
        ConfigError: unknown mode or `resample`, or a mode without the size it needs.
    """
    _check_resize_arguments(image, min_dim, max_dim, mode, shape, resample)
    height, width = image.shape[:2]
    no_padding = [(0, 0), (0, 0), (0, 0)]
    if mode == "none":
        return image, (0, 0, height, width), 1, no_padding, None
    if mode == "shape" and shape is not None:
        scale = min(shape[0] / height, shape[1] / width)
    else:
        most = max_dim if mode in ("square", "fit64") else None
        scale = _scale_factor(height, width, min_dim, most, min_scale)
    if scale != 1:
        # A side of less than half a pixel would leave nothing of an extremely long image.
        height, width = (max(1, round(height * scale)), max(1, round(width * scale)))
        image = resample_image(image, (height, width), resample)
    if mode == "crop":
        y = random.randint(0, height - min_dim)
        x = random.randint(0, width - min_dim)
        image = image[y : y + min_dim, x : x + min_dim]
        return image, (0, 0, min_dim, min_dim), scale, no_padding, (y, x, min_dim, min_dim)
    target = -(-height // 64) * 64, -(-width // 64) * 64
    if mode == "square":
        target = max_dim, max_dim
    elif mode == "shape" and shape is not None:
        target = shape[0], shape[1]
    top, left = (target[0] - height) // 2, (target[1] - width) // 2
    padding = [(top, target[0] - height - top), (left, target[1] - width - left), (0, 0)]
    image = np.pad(image, padding[: image.ndim])
    return image, (top, left, top + height, left + width), scale, padding, None


class InputSize(Protocol):
    """The IMAGE_* attributes of a Config that determine an image's size."""

    IMAGE_MIN_DIM: Any
    IMAGE_MAX_DIM: int
    IMAGE_MIN_SCALE: Any
    IMAGE_RESIZE_MODE: str
    IMAGE_HEIGHT: int
    IMAGE_WIDTH: int


def resize_to_config(
    image: np.ndarray, config: InputSize, *, random=python_random, resample: str = "exact"
) -> tuple[np.ndarray, tuple, float, list, tuple | None]:
    """`resize_image` with the IMAGE_* attributes of a Config."""
    return resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        shape=fixed_size(config) if config.IMAGE_RESIZE_MODE == "shape" else None,
        random=random,
        resample=resample,
    )


def fixed_size(config: InputSize) -> tuple[int, int] | None:
    """(height, width) of every picture in detection; None if it depends on the picture."""
    if config.IMAGE_RESIZE_MODE == "square":
        return config.IMAGE_MAX_DIM, config.IMAGE_MAX_DIM
    if config.IMAGE_RESIZE_MODE == "shape":
        return config.IMAGE_HEIGHT, config.IMAGE_WIDTH
    return None


def resample_image(image: np.ndarray, shape: Sequence[int], resample: str) -> np.ndarray:
    """Resample an image [height, width, channels] to another (height, width) for `resize_image`."""
    is_colour = image.dtype == np.uint8 and image.ndim == 3
    if resample == "fast" and is_colour and image.shape[2] <= 4:
        return _resize_quickly(image, *shape)
    if is_colour:
        height, width = shape
        # Truncate piece by piece: the whole in float64 would be eight times the picture's size.
        return _resize_bilinear(image, height, width, image.dtype)
    return resize(image, shape, preserve_range=True).astype(image.dtype)


def _check_resize_arguments(image, min_dim, max_dim, mode, shape, resample):
    height, width = image.shape[:2]
    if not height or not width:
        raise DatasetError(
            f"an image of {height} x {width} pixels cannot be resized",
            advice="take it out of the data set",
        )
    if mode not in RESIZE_MODES:
        known = " or ".join(map(repr, RESIZE_MODES))
        raise _bad_setting("IMAGE_RESIZE_MODE", repr(mode), known)
    if resample not in ("exact", "fast"):
        raise _bad_setting("resample", repr(resample), "'exact' or 'fast'")
    if mode in ("square", "fit64") and not max_dim:
        raise _bad_setting(
            "IMAGE_MAX_DIM", max_dim, f"the longest side in pixels, for mode {mode!r}"
        )
    if mode == "shape" and not shape:
        raise _bad_setting("shape", shape, "the result's height and width, for mode 'shape'")
    if mode == "crop" and not min_dim:
        raise _bad_setting("IMAGE_MIN_DIM", min_dim, "the side of the result, for mode 'crop'")
    if mode == "pad64" and (not min_dim or min_dim % 64):
        raise _bad_setting("IMAGE_MIN_DIM", min_dim, "a multiple of 64, for mode 'pad64'")


def _bad_setting(name, value, expected):
    return ConfigError(f"{{{name}}} is not valid", settings=(name,), expected=expected, found=value)


def _scale_factor(height, width, min_dim, max_dim, min_scale):
    scale = 1
    if min_dim:
        scale = max(1, min_dim / min(height, width))
    if min_scale and scale < min_scale:
        scale = min_scale
    if max_dim and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale
