"""Molding a photograph and unmolding its detections as a graph, like the NumPy functions.

It computes the same sums in the same order and in float64 as `mrcnn.images.resizing.resize_image`
and `mrcnn.geometry.masks.box_mask`, with operations that TensorFlow and ONNX both have, so that an
exported model sees the same grey levels as `MaskRCNN.detect` and returns the same pixels.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.geometry.masks import MASK_THRESHOLD
from mrcnn.images.resizing import fixed_size
from mrcnn.network.box_graph import norm_boxes_graph

_EXACT = tf.float64


@dataclass(frozen=True)
class Resizing:
    """How photographs are resized for the network; the values of a Config.

    Attributes:
        mode: 'square', 'shape', 'fit64', 'pad64' or 'none'.
        min_dim, max_dim, min_scale: see `mrcnn.images.resizing.resize_image`.
        size: (height, width) of every photograph; None if it depends on the photograph.
    """

    mode: str
    min_dim: int
    max_dim: int
    min_scale: float
    size: tuple[int, int] | None

    @classmethod
    def of_config(cls, config: Config) -> "Resizing":
        """The IMAGE_* attributes of a Config."""
        return cls(
            config.IMAGE_RESIZE_MODE,
            int(config.IMAGE_MIN_DIM or 0),
            int(config.IMAGE_MAX_DIM or 0),
            float(config.IMAGE_MIN_SCALE or 0),
            fixed_size(config),
        )


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decode the bytes of a JPEG or PNG file to uint8 RGB `[height, width, 3]`, not turned upright.

    The pixels equal those that Pillow decodes.
    """
    # TensorFlow's default is a faster transform, which is off by several grey levels. The
    # operation decodes PNG as well.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def resample(pixels: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Resample like `mrcnn.images.resizing.resize` by default: bilinear, with zeros outside.

    Args:
        pixels: `[rows, columns, channels]`.
        height, width: int32 scalars, the new size.

    Returns:
        float64 `[height, width, channels]`, not clipped.
    """
    shape = tf.shape(pixels)
    pixels = tf.pad(pixels, [[1, 1], [1, 1], [0, 0]])
    top, above, below = _sample_points(shape[0], height)
    left, before, after = _sample_points(shape[1], width)
    above, below = above[:, None, None], below[:, None, None]
    before, after = before[None, :, None], after[None, :, None]
    upper = tf.cast(tf.gather(pixels, top), _EXACT) * above
    lower = tf.cast(tf.gather(pixels, top + 1), _EXACT) * below
    # In the same order as the NumPy version: any other rounds differently.
    total = tf.gather(upper, left, axis=1) * before
    total += tf.gather(upper, left + 1, axis=1) * after
    total += tf.gather(lower, left, axis=1) * before
    return total + tf.gather(lower, left + 1, axis=1) * after


def _sample_points(size, new_size):
    """First neighbours in the padded picture, and the weights of both neighbours."""
    step = tf.cast(size, _EXACT) / tf.cast(new_size, _EXACT)
    half = tf.constant(0.5, _EXACT)
    position = (tf.cast(tf.range(new_size), _EXACT) + half) * step - half
    first = tf.floor(position)
    weight_first = 1.0 - (position - first)
    return tf.cast(first, tf.int32) + 1, weight_first, 1.0 - weight_first


def resized_size(height: tf.Tensor, width: tf.Tensor, resizing: Resizing) -> tuple:
    """The scale, float64, and the new height and width of a photograph, int32."""
    sides = tf.cast(tf.stack([height, width]), _EXACT)
    if resizing.mode == "shape":
        scale = tf.reduce_min(tf.constant(resizing.size, _EXACT) / sides)
    else:
        scale = _enlargement(sides, resizing)
    new = tf.cast(tf.maximum(tf.round(sides * scale), 1.0), tf.int32)
    return scale, new[0], new[1]


def _enlargement(sides, resizing):
    scale = tf.constant(1.0, _EXACT)
    if resizing.min_dim:
        scale = tf.maximum(scale, tf.constant(resizing.min_dim, _EXACT) / tf.reduce_min(sides))
    if resizing.min_scale:
        scale = tf.maximum(scale, tf.constant(resizing.min_scale, _EXACT))
    if resizing.mode in ("square", "fit64"):
        limit, longest = tf.constant(resizing.max_dim, _EXACT), tf.reduce_max(sides)
        scale = tf.where(tf.round(longest * scale) > limit, limit / longest, scale)
    return scale


def mold_graph(image: tf.Tensor, resizing: Resizing, mean_pixel: np.ndarray) -> tuple:
    """Like `mrcnn.inference.predictor.mold_one`.

    Args:
        image: uint8 RGB `[height, width, channels]`.
        resizing: how to resize.
        mean_pixel: `[channels]`, subtracted.

    Returns:
        The molded image, float32 `[h, w, channels]`, and the window, int32 `[4]`, the photograph's
        position in it, `(y1, x1, y2, x2)` in pixels.
    """
    shape = tf.shape(image)
    height, width = shape[0], shape[1]
    top = left = tf.constant(0, tf.int32)
    if resizing.mode != "none":
        _, height, width = resized_size(shape[0], shape[1], resizing)
        least, most = (tf.cast(f(image), _EXACT) for f in (tf.reduce_min, tf.reduce_max))
        # At the same size, the weights are 1 and 0, which keeps the pixels.
        image = tf.minimum(tf.maximum(resample(image, height, width), least), most)
        tall, wide = resizing.size or (_to_64(height), _to_64(width))
        top, left = (tall - height) // 2, (wide - width) // 2
        # The NumPy version truncates to uint8, and no pixel is negative.
        image = tf.floor(image)
        image = tf.pad(image, [[top, tall - height - top], [left, wide - width - left], [0, 0]])
    molded = tf.cast(tf.cast(image, _EXACT) - tf.constant(mean_pixel, _EXACT), tf.float32)
    if resizing.size:
        molded = tf.ensure_shape(molded, [*resizing.size, len(mean_pixel)])
    return molded, tf.stack([top, left, top + height, left + width])


def _to_64(size):
    return (size + 63) // 64 * 64


def boxes_in_photograph(
    boxes: tf.Tensor, window: tf.Tensor, molded_size: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Like `mrcnn.inference.predictor.boxes_in_window`.

    Args:
        boxes: normalised on the molded image, float32 `[n, 4]`.
        window: int32 `[4]` in pixels of the molded image.
        molded_size, size: int32 `[2]`, heights and widths of the molded image and the photograph.

    Returns:
        int32 `[n, 4]` in pixels of the photograph, exclusive at y2/x2.
    """
    window = norm_boxes_graph(window, molded_size)
    extent = window[2:] - window[:2]
    extent = tf.where(extent > 0, extent, tf.ones_like(extent))
    relative = (boxes - tf.tile(window[:2], [2])) / tf.tile(extent, [2])
    scale = tf.tile(tf.cast(size, _EXACT) - 1.0, [2])
    shift = tf.constant([0, 0, 1, 1], _EXACT)
    return tf.cast(tf.round(tf.cast(relative, _EXACT) * scale + shift), tf.int32)


def full_masks(
    masks: tf.Tensor, boxes: tf.Tensor, size: tf.Tensor, aligned: bool = False
) -> tf.Tensor:
    """Paste masks into their boxes, like `mrcnn.inference.predictor.paste_all`.

    Args:
        masks: float32 `[n, h, w]`, probabilities within each box.
        boxes: int32 `[n, 4]`, inside the photograph, with positive area.
        size: int32 `[2]`, (height, width) of the photograph.
        aligned: resample as with MASK_RESAMPLE 'aligned', else as with 'exact'.

    Returns:
        bool `[n, height, width]`.
    """
    enlarge = _aligned if aligned else _faded

    def paste(mask_and_box):
        mask, box = mask_and_box
        y1, x1, y2, x2 = tf.unstack(box)
        inside = enlarge(mask, y2 - y1, x2 - x1) >= MASK_THRESHOLD
        # Not every runtime can pad booleans.
        margins = [[y1, size[0] - y2], [x1, size[1] - x2]]
        return tf.pad(tf.cast(inside, tf.int32), margins) > 0

    # Add a row, which is dropped again: without rows, runtimes do not know the masks' shape.
    masks = tf.pad(masks, [[0, 1], [0, 0], [0, 0]])
    boxes = tf.concat([boxes, [[0, 0, 1, 1]]], axis=0)
    signature = tf.TensorSpec([None, None], tf.bool)
    return tf.map_fn(paste, (masks, boxes), fn_output_signature=signature)[:-1]


def _faded(mask, height, width):
    enlarged = tf.cast(resample(mask[..., None], height, width)[..., 0], tf.float32)
    return tf.minimum(tf.maximum(enlarged, tf.reduce_min(mask)), tf.reduce_max(mask))


def _aligned(mask, height, width):
    rows, columns = _between_ends(height, mask.shape[0]), _between_ends(width, mask.shape[1])
    return tf.matmul(tf.matmul(rows, mask), columns, transpose_b=True)


def _between_ends(size, values):
    """Weights, float32 `[size, values]`, of values spaced evenly from end to end."""
    step = tf.constant(values - 1, _EXACT) / tf.cast(size, _EXACT)
    position = (tf.cast(tf.range(size), _EXACT) + tf.constant(0.5, _EXACT)) * step
    distance = tf.abs(position[:, None] - tf.constant(np.arange(values), _EXACT))
    return tf.cast(tf.maximum(1.0 - distance, 0.0), tf.float32)


def anchors_graph(config: Config, shape: tf.Tensor) -> tf.Tensor:
    """Normalised anchors, float32 `[anchors, 4]`, for a molded size known only at run time.

    Args:
        config: a Config whose molded sizes are multiples of 64 and of its strides.
        shape: int32 `[2]`, (height, width) in pixels.
    """
    roots = np.sqrt(np.asarray(config.RPN_ANCHOR_RATIOS, np.float64))
    levels = []
    for scale, stride in zip(config.RPN_ANCHOR_SCALES, config.BACKBONE_STRIDES, strict=True):
        sizes = np.stack([scale / roots, scale * roots], axis=1)
        cells = (shape + (stride - 1)) // stride
        y, x = (tf.range(0, cells[k], config.RPN_ANCHOR_STRIDE) * stride for k in range(2))
        grid = tf.stack(tf.meshgrid(y, x, indexing="ij"), axis=-1)
        middles = tf.cast(tf.reshape(grid, [-1, 1, 2]), _EXACT)
        corners = tf.concat([middles - 0.5 * sizes, middles + 0.5 * sizes], axis=-1)
        levels.append(tf.reshape(corners, [-1, 4]))
    scale = tf.tile(tf.cast(shape, _EXACT) - 1.0, [2])
    anchors = tf.concat(levels, axis=0) - tf.constant([0, 0, 1, 1], _EXACT)
    return tf.cast(anchors / scale, tf.float32)
