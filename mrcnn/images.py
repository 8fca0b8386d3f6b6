"""Images: reading, resizing to the network's input, mean subtraction, and the meta vector.

Images are [height, width, channels], RGB; boxes and windows are (y1, x1, y2, x2) in pixels with
(y2, x2) exclusive. The resampling here is the reference for all of training and inference: what
lies outside the picture counts as 0, so enlarged pictures darken towards their border.
"""

import os
import random as python_random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrcnn.errors import ConfigError, DatasetError

# Pillow warns of larger images as possible decompression bombs: 268 MB as RGB.
MAX_PIXELS = 89_478_485

# What Pillow's decoders raise at damaged files.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError)

_EXIF_ORIENTATION = 0x0112

# Output rows computed at once: keeps the float64 temporaries within the cache.
_VALUES_AT_ONCE = 1 << 15


def read_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture file as RGB, upright.

    The EXIF orientation is applied, alpha is dropped, grey is repeated, palette and CMYK are
    converted, 16 bits a channel become 8. Of an animation the first frame is taken.

    Args:
        path: a file in any format Pillow reads.
        max_pixels: greatest height * width that is decoded. From `MAX_PIXELS` on Pillow warns
            (DecompressionBombWarning), above twice as many it refuses by itself.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DatasetError: no such file, not a picture, damaged, or too large.
    """
    from PIL import Image

    path = Path(path)
    if not path.is_file():
        raise DatasetError(
            f"{path}: there is no such image file; check its name and the image folder."
        )
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height <= max_pixels:
                return _to_rgb(image)
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{path}: {error} Make the image smaller.") from error
    except _DECODER_ERRORS as error:
        raise DatasetError(
            f"{path}: not a readable image ({str(error).rstrip('.')}); "
            f"replace the file or take it out of the data set."
        ) from error
    raise DatasetError(
        f"{path}: the image has {width} x {height} pixels, more than the {max_pixels} that are "
        f"accepted; make it smaller."
    )


def _to_rgb(image):
    from PIL import ImageOps

    if image.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            raise ValueError("its grey values are not whole numbers of 8 or 16 bits")
        # 65535 = 255 * 257: the nearest of the 256 grey levels.
        return np.repeat(((grey.astype(np.int64) + 128) // 257).astype(np.uint8)[..., None], 3, 2)
    if image.mode in ("P", "PA"):
        # By way of RGBA, as Pillow advises for palettes with transparent entries.
        image = image.convert("RGBA")
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image)


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
    the range of the input. The default settings are computed here, equal to scikit-image to the
    last bit; others are handed to it.

    Args:
        image: [height, width] or [height, width, channels]; bool counts as 0 and 1.
        output_shape: (height, width) in pixels.
        order: 0 nearest, 1 bilinear, up to 5.
        mode, cval: what lies outside the image.
        clip: limit the result to the input's least and greatest value.
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


def _resize_bilinear(image, height, width):
    # One row and column of zeros on each side stand for everything outside.
    bordered = np.pad(image, [(1, 1), (1, 1)] + [(0, 0)] * (image.ndim - 2))
    top, above, below = _sample_points(image.shape[0], height, (-1,) + (1,) * (image.ndim - 1))
    left, before, after = _sample_points(image.shape[1], width, (1, -1) + (1,) * (image.ndim - 2))
    top, left = top.ravel(), left.ravel()
    out = np.empty((height, width, *image.shape[2:]), _float_type(image))
    step = max(1, _VALUES_AT_ONCE // max(1, out[:1].size))
    for start in range(0, height, step):
        part = slice(start, start + step)
        out[part] = _blend_rows(bordered, top[part], above[part], below[part], left, before, after)
    return np.clip(out, image.min(), image.max(), out=out)


def _blend_rows(bordered, top, above, below, left, before, after):
    upper, lower = bordered[top], bordered[top + 1]
    # Weighting rows before picking columns saves work unless columns are left out. The order of
    # the products and sums is scipy.ndimage's in both cases: another one rounds differently.
    if len(left) > bordered.shape[1]:
        upper, lower = upper * above, lower * below
        above = below = None
    total = _columns(upper, left, above) * before
    total += _columns(upper, left + 1, above) * after
    total += _columns(lower, left, below) * before
    total += _columns(lower, left + 1, below) * after
    return total


def _columns(rows, indices, weights):
    picked = rows.take(indices, axis=1)
    return picked if weights is None else picked * weights


def _float_type(image):
    return image.dtype if image.dtype.kind == "f" else np.dtype(np.float64)


def _sample_points(size, new_size, shape):
    """Index of the first neighbour (in the bordered image), weights of the first and second."""
    position = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    first = np.floor(position)
    weight_first = 1.0 - (position - first)
    weights = weight_first.reshape(shape), (1.0 - weight_first).reshape(shape)
    return first.astype(np.intp) + 1, *weights


def resize_image(
    image: np.ndarray,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    *,
    random=python_random,
) -> tuple[np.ndarray, tuple, float, list, tuple | None]:
    """Bring an image to the network's input size, keeping its proportions.

    Args:
        image: [height, width, channels].
        min_dim: enlarge so that the shorter side has at least this many pixels. In crop mode the
            side of the result; in pad64 mode needed, a multiple of 64.
        max_dim: in square mode the side of the result; limits the longer side.
        min_scale: least factor of enlargement, whatever `min_dim` asks for.
        mode: "none", "square", "pad64" or "crop", see `Config.IMAGE_RESIZE_MODE`. "crop" draws
            its window from `random`.
        random: a `random.Random`; Python's own module by default.

    Returns:
        image: of the input's dtype (integers are truncated); [height, width, channels].
        window: (y1, x1, y2, x2), the part of it that is picture, not padding; in crop mode all.
        scale: factor of the resizing, 1 if there was none.
        padding: [(top, bottom), (left, right), (0, 0)] in pixels.
        crop: (y, x, height, width) taken from the scaled image, or None.

    Raises:
        DatasetError: the image has no pixel.
        ConfigError: unknown mode, or a mode without the size that it needs.
    """
    _check_resize_arguments(image, min_dim, max_dim, mode)
    height, width = image.shape[:2]
    no_padding = [(0, 0), (0, 0), (0, 0)]
    if mode == "none":
        return image, (0, 0, height, width), 1, no_padding, None
    scale = _scale_factor(height, width, min_dim, max_dim if mode == "square" else None, min_scale)
    if scale != 1:
        shape = (round(height * scale), round(width * scale))
        image = resize(image, shape, preserve_range=True).astype(image.dtype)
        height, width = shape
    if mode == "crop":
        y = random.randint(0, height - min_dim)
        x = random.randint(0, width - min_dim)
        image = image[y : y + min_dim, x : x + min_dim]
        return image, (0, 0, min_dim, min_dim), scale, no_padding, (y, x, min_dim, min_dim)
    target = (
        (max_dim, max_dim) if mode == "square" else (-(-height // 64) * 64, -(-width // 64) * 64)
    )
    top, left = (target[0] - height) // 2, (target[1] - width) // 2
    padding = [(top, target[0] - height - top), (left, target[1] - width - left), (0, 0)]
    image = np.pad(image, padding[: image.ndim])
    return image, (top, left, top + height, left + width), scale, padding, None


def _check_resize_arguments(image, min_dim, max_dim, mode):
    if image.shape[0] == 0 or image.shape[1] == 0:
        raise DatasetError(
            f"An image of {image.shape[0]} x {image.shape[1]} pixels cannot be resized; "
            f"take it out of the data set."
        )
    if mode not in ("none", "square", "pad64", "crop"):
        raise ConfigError(
            f"The resize mode is {mode!r}, but must be one of 'none', 'square', 'pad64', 'crop'."
        )
    if mode == "square" and not max_dim:
        raise ConfigError("The resize mode 'square' needs max_dim, the side of the result.")
    if mode == "crop" and not min_dim:
        raise ConfigError("The resize mode 'crop' needs min_dim, the side of the result.")
    if mode == "pad64" and (not min_dim or min_dim % 64):
        raise ConfigError(f"min_dim is {min_dim}, but the mode 'pad64' needs a multiple of 64.")


def _scale_factor(height, width, min_dim, max_dim, min_scale):
    scale = 1
    if min_dim:
        scale = max(1, min_dim / min(height, width))
    if min_scale and scale < min_scale:
        scale = min_scale
    if max_dim and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale


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
    """Add the mean pixel again: the inverse of `mold_image`, truncated to uint8."""
    return (normalized_images + config.MEAN_PIXEL).astype(np.uint8)


def compose_image_meta(
    image_id: int,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    scale: float,
    active_class_ids: Sequence[int],
) -> np.ndarray:
    """Put what the network must know of an image into one vector.

    Args:
        image_id: index in the data set; 0 where there is none.
        original_image_shape: (height, width, channels) before resizing and padding.
        image_shape: (height, width, channels) after it.
        window: (y1, x1, y2, x2) in pixels, the picture's place in the padded image.
        scale: factor of the resizing.
        active_class_ids: a flag for each class, 1 where the image's source annotates it.

    Returns:
        [12 + classes]; float64, or int64 where `scale` is an int (no resizing).
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
    """Take meta vectors apart: the inverse of `compose_image_meta` for a batch.

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
