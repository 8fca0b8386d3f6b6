"""Box arithmetic on tensors: graph versions of `mrcnn.geometry.boxes`, and the image meta row.

All boxes are float32 `[..., (y1, x1, y2, x2)]`; unless a docstring says otherwise they are
normalised (`(pixel - [0, 0, 1, 1]) / [height - 1, width - 1, ...]`).
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

META_SIZE_WITHOUT_CLASSES = 12


def norm_boxes_graph(boxes: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Convert pixel boxes `[..., 4]` to normalised ones; `shape` is `(height, width)` in pixels."""
    scale, shift = _norm_scale_and_shift(shape)
    return (tf.cast(boxes, tf.float32) - shift) / scale


def denorm_boxes_graph(boxes: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Convert normalised boxes `[..., 4]` to int32 pixel boxes, rounded half to even."""
    scale, shift = _norm_scale_and_shift(shape)
    return tf.cast(tf.round(boxes * scale + shift), tf.int32)


def _norm_scale_and_shift(shape: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    height, width = tf.split(tf.cast(shape, tf.float32), 2)
    scale = tf.concat([height, width, height, width], axis=-1) - 1.0
    return scale, tf.constant([0.0, 0.0, 1.0, 1.0])


def apply_box_deltas_graph(boxes: tf.Tensor, deltas: tf.Tensor) -> tf.Tensor:
    """Move boxes `[..., 4]` by `[..., (dy, dx, log(dh), log(dw))]` (Faster R-CNN, section 3.1.2).

    Boxes may be normalised or in pixels: the deltas are relative to each box's size.
    """
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    centre_y, centre_x = boxes[..., 0] + 0.5 * height, boxes[..., 1] + 0.5 * width
    centre_y += deltas[..., 0] * height
    centre_x += deltas[..., 1] * width
    height *= tf.exp(deltas[..., 2])
    width *= tf.exp(deltas[..., 3])
    y1, x1 = centre_y - 0.5 * height, centre_x - 0.5 * width
    return tf.stack([y1, x1, y1 + height, x1 + width], axis=-1)


def box_refinement_graph(box: tf.Tensor, gt_box: tf.Tensor) -> tf.Tensor:
    """The deltas that move `box` `[..., 4]` onto `gt_box`: `[..., (dy, dx, log(dh), log(dw))]`."""
    box, gt_box = tf.cast(box, tf.float32), tf.cast(gt_box, tf.float32)
    height, width = box[..., 2] - box[..., 0], box[..., 3] - box[..., 1]
    gt_height, gt_width = gt_box[..., 2] - gt_box[..., 0], gt_box[..., 3] - gt_box[..., 1]
    shift_y = (gt_box[..., 0] + 0.5 * gt_height) - (box[..., 0] + 0.5 * height)
    shift_x = (gt_box[..., 1] + 0.5 * gt_width) - (box[..., 1] + 0.5 * width)
    stretch = [tf.math.log(gt_height / height), tf.math.log(gt_width / width)]
    return tf.stack([shift_y / height, shift_x / width, *stretch], axis=-1)


def clip_boxes_graph(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Clip boxes `[..., 4]` to `window`, whose last axis is `(y1, x1, y2, x2)`.

    `window` broadcasts against `boxes`: `[4]` for one window, `[batch, 1, 4]` for one per image.
    """
    low, high = window[..., :2], window[..., 2:]
    corners = [boxes[..., :2], boxes[..., 2:]]
    return tf.concat([tf.maximum(tf.minimum(c, high), low) for c in corners], axis=-1)


def overlaps_graph(boxes1: tf.Tensor, boxes2: tf.Tensor) -> tf.Tensor:
    """Intersection over union, `[..., N, 4]` and `[..., M, 4]` -> `[..., N, M]`."""
    first, second = boxes1[..., :, None, :], boxes2[..., None, :, :]
    top_left = tf.maximum(first[..., :2], second[..., :2])
    bottom_right = tf.minimum(first[..., 2:], second[..., 2:])
    size = tf.maximum(bottom_right - top_left, 0.0)
    intersection = size[..., 0] * size[..., 1]
    return tf.math.divide_no_nan(intersection, _area(first) + _area(second) - intersection)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def parse_image_meta_graph(meta: tf.Tensor) -> dict[str, tf.Tensor]:
    """Split image meta rows `[batch, 12 + NUM_CLASSES]` into their named parts.

    `window` is `(y1, x1, y2, x2)` in pixels of the molded image; shapes are `(h, w, channels)`.
    """
    return {
        "image_id": meta[:, 0],
        "original_image_shape": meta[:, 1:4],
        "image_shape": meta[:, 4:7],
        "window": meta[:, 7:11],
        "scale": meta[:, 11],
        "active_class_ids": meta[:, META_SIZE_WITHOUT_CLASSES:],
    }


def trim_zeros_graph(boxes: tf.Tensor, name: str | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Drop the all-zero padding rows of `[N, 4]`; also returns the bool mask of kept rows."""
    kept = tf.reduce_sum(tf.abs(boxes), axis=1) > 0
    return tf.boolean_mask(boxes, kept, name=name), kept


def batch_pack_graph(x: tf.Tensor, counts: tf.Tensor, num_rows: int) -> tf.Tensor:
    """Concatenate the first `counts[i]` rows of each `x[i]`, for i below `num_rows`."""
    return tf.concat([x[i, : counts[i]] for i in range(num_rows)], axis=0)


def batch_slice(
    inputs: tf.Tensor | Sequence[tf.Tensor],
    graph_fn: Callable,
    batch_size: int,
    names: Sequence[str] | None = None,
) -> tf.Tensor | list[tf.Tensor]:
    """Apply `graph_fn` to each of `batch_size` slices of the inputs and stack the outputs.

    A legacy helper for graph code that handles one image at a time. Our own layers work on whole
    batches, which is faster.
    """
    inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
    rows = []
    for i in range(batch_size):
        row = graph_fn(*[x[i] for x in inputs])
        rows.append(row if isinstance(row, list | tuple) else (row,))
    columns = list(zip(*rows, strict=True))
    labels: Sequence[str | None] = names or [None] * len(columns)
    stacked = [tf.stack(c, axis=0, name=n) for c, n in zip(columns, labels, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked
