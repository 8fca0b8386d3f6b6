"""Replacements for the layers whose operations other runtimes lack.

They work on one image of a fixed size. Each replaces a layer of the network with the same settings,
and their results agree up to rounding. CropAndResize becomes a gather of neighbours, and NMS within
classes becomes one NonMaxSuppressionV4 per class, which ONNX and LiteRT both support; every shape
is static.
"""

import keras
import tensorflow as tf
from keras import layers

from mrcnn.network.box_graph import (
    apply_box_deltas_graph,
    clip_boxes_graph,
    norm_boxes_graph,
    parse_image_meta_graph,
)
from mrcnn.network.detection import DetectionLayer
from mrcnn.network.roi_align import (
    CANONICAL_LEVEL,
    CANONICAL_SIZE,
    COARSEST_LEVEL,
    FINEST_LEVEL,
    PyramidROIAlign,
    log2_graph,
)
from mrcnn.network.rpn import ProposalLayer

NO_CANDIDATE = -1.0  # below every probability
SMALLEST_AREA = 1e-20  # normalised; even boxes far larger than this get the finest level


class PortableProposals(layers.Layer):
    """`ProposalLayer` for one image."""

    def __init__(self, original: ProposalLayer, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self._original = lambda: original
        self.built = True

    def call(self, inputs):
        """See `ProposalLayer`; a batch of 1."""
        probabilities, deltas, anchors = inputs
        own = self._original()
        scores = probabilities[0, :, 1]
        scores, best = tf.math.top_k(scores, k=min(own.pre_nms_limit, scores.shape[0]))
        deltas = tf.gather(deltas[0], best) * tf.constant(own.bbox_std_dev, tf.float32)
        boxes = apply_box_deltas_graph(tf.gather(anchors[0], best), deltas)
        boxes = clip_boxes_graph(boxes, tf.constant([0.0, 0.0, 1.0, 1.0]))
        kept, is_kept = _suppress(boxes, scores, own.proposal_count, own.nms_threshold)
        return (tf.gather(boxes, kept) * tf.cast(is_kept, tf.float32)[:, None])[None]

    def compute_output_spec(self, inputs):
        """`[1, proposals, 4]`."""
        return keras.KerasTensor((inputs[0].shape[0], self._original().proposal_count, 4))


def _suppress(boxes, scores, count, threshold):
    """Indices by descending score, int32 `[count]`, and which of them are valid.

    A box of zero area overlaps nothing, not even itself, so LiteRT would return it repeatedly. Each
    such box is therefore moved to its own place outside the image, where it overlaps no other.
    """
    is_flat = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) <= 0.0
    begin = 2.0 * tf.range(1, boxes.shape[0] + 1, dtype=tf.float32)[:, None]
    apart = tf.concat([begin, begin, begin + 1.0, begin + 1.0], axis=1)
    boxes = tf.where(is_flat[:, None], apart, boxes)
    kept, valid = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=count,
        iou_threshold=threshold,
        score_threshold=NO_CANDIDATE / 2,
        pad_to_max_output_size=True,
    )
    kept = tf.ensure_shape(kept, [count])
    return kept, tf.range(count) < valid


class PortableROIAlign(layers.Layer):
    """`PyramidROIAlign` for one image, by gathering four neighbours of each sample.

    All levels are in one table of cells, so that RoIs need not be sorted by level.
    """

    def __init__(self, original: PyramidROIAlign, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.pool_shape = original.pool_shape
        self.built = True

    def call(self, inputs):
        """See `PyramidROIAlign`; a batch of 1."""
        boxes, image_meta, *feature_maps = inputs
        image_shape = parse_image_meta_graph(image_meta)["image_shape"][0]
        levels = _levels(boxes[0], image_shape[0] * image_shape[1])
        levels = tf.minimum(levels, len(feature_maps) - 1)
        sizes = [[int(n) for n in f.shape[1:3]] for f in feature_maps]
        cells = [height * width for height, width in sizes]
        starts = tf.gather(tf.constant([sum(cells[:k]) for k in range(len(cells))]), levels)
        size = tf.gather(tf.constant(sizes, tf.int32), levels)
        channels = feature_maps[0].shape[-1]
        table = tf.concat([tf.reshape(f, [-1, channels]) for f in feature_maps], axis=0)
        top, bottom, y_part, y_inside = _samples(boxes[0, :, 0::2], size[:, 0], self.pool_shape[0])
        left, right, x_part, x_inside = _samples(boxes[0, :, 1::2], size[:, 1], self.pool_shape[1])
        x_part, y_part = x_part[:, None, :, None], y_part[:, :, None, None]

        def row(y):
            begin = starts[:, None, None] + y[:, :, None] * size[:, 1][:, None, None]
            first = tf.gather(table, begin + left[:, None, :])
            return first + (tf.gather(table, begin + right[:, None, :]) - first) * x_part

        above = row(top)
        pooled = above + (row(bottom) - above) * y_part
        inside = y_inside[:, :, None, None] * x_inside[:, None, :, None]
        return (pooled * inside)[None]

    def compute_output_spec(self, inputs):
        """`[1, rois, height, width, channels]`."""
        return keras.KerasTensor(
            (*inputs[0].shape[:2], *self.pool_shape, inputs[2].shape[-1]), "float32"
        )


def _levels(boxes, image_area):
    """Like `roi_levels`, but counted from 0 and without infinite intermediate values.

    tf2onnx turns a selection into a sum of products, in which 0 times infinity is NaN.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    relative = tf.sqrt(tf.maximum(area, SMALLEST_AREA)) / (CANONICAL_SIZE / tf.sqrt(image_area))
    level = tf.round(log2_graph(relative)) + CANONICAL_LEVEL
    level = tf.minimum(tf.maximum(level, FINEST_LEVEL), COARSEST_LEVEL)
    return tf.cast(level, tf.int32) - FINEST_LEVEL


def _samples(ends, size, count):
    """Sample points along one side of each box.

    Args:
        ends: normalised, `[rois, 2]`. size: of the map in cells, int32 `[rois]`.
        count: number of samples, from end to end.

    Returns:
        The cells before and after each sample, int32 `[rois, count]`; its fractional position
        between them; and 1 if it is inside the map, else 0.
    """
    last = tf.cast(size - 1, tf.float32)[:, None]
    begin, end = ends[:, :1], ends[:, 1:]
    if count > 1:
        steps = tf.range(count, dtype=tf.float32)[None]
        position = begin * last + steps * ((end - begin) * last / float(count - 1))
    else:
        position = 0.5 * (begin + end) * last
    inside = tf.cast((position >= 0.0) & (position <= last), tf.float32)
    position = tf.minimum(tf.maximum(position, 0.0), last)
    before = tf.floor(position)
    first = tf.cast(before, tf.int32)
    return first, tf.cast(tf.math.ceil(position), tf.int32), position - before, inside


class PortableDetections(layers.Layer):
    """`DetectionLayer` for one image."""

    def __init__(self, original: DetectionLayer, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.settings = original.settings
        self.built = True

    def call(self, inputs):
        """See `DetectionLayer`; a batch of 1."""
        rois, probabilities, deltas, image_meta = inputs
        meta = parse_image_meta_graph(image_meta)
        window = norm_boxes_graph(meta["window"], meta["image_shape"][0, :2])[0]
        settings = self.settings
        probabilities, deltas = probabilities[0], deltas[0]
        rows, classes = probabilities.shape
        most_probable = tf.argmax(probabilities, axis=1, output_type=tf.int32)
        deltas *= tf.constant(settings["bbox_std_dev"], tf.float32)
        count = settings["max_instances"]
        rows_of_classes = []
        for class_id in range(1, 1 + (settings["last_class"] or classes - 1)):
            scores = probabilities[:, class_id]
            moved = apply_box_deltas_graph(rois[0], deltas[:, class_id])
            boxes = clip_boxes_graph(moved, window)
            candidate = scores >= settings["min_confidence"]
            if not settings["every_class"]:
                candidate &= most_probable == class_id
            own = tf.where(candidate, scores, tf.constant(NO_CANDIDATE))
            kept, is_kept = _suppress(boxes, own, min(count, rows), settings["nms_threshold"])
            found = tf.where(is_kept, tf.gather(scores, kept), tf.constant(NO_CANDIDATE))
            ids = tf.fill([min(count, rows), 1], float(class_id))
            rows_of_classes.append(tf.concat([tf.gather(boxes, kept), ids, found[:, None]], axis=1))
        padding = tf.concat([tf.zeros([count, 5]), tf.fill([count, 1], NO_CANDIDATE)], axis=1)
        detections = tf.concat([*rows_of_classes, padding], axis=0)
        best, place = tf.math.top_k(detections[:, 5], k=count)
        is_one = tf.cast(best > NO_CANDIDATE / 2, tf.float32)[:, None]
        return (tf.gather(detections, place) * is_one)[None]

    def compute_output_spec(self, inputs):
        """`[1, max_instances, 6]`."""
        return keras.KerasTensor((inputs[0].shape[0], self.settings["max_instances"], 6), "float32")


class AllRows(layers.Layer):
    """Replaces `DetectedRows` if every shape must be static: it keeps all rows."""

    def call(self, inputs):
        """The RoIs unchanged."""
        return inputs[0]

    def compute_output_spec(self, inputs):
        """Their shape."""
        return keras.KerasTensor(inputs[0].shape, inputs[0].dtype)


PORTABLE = {
    ProposalLayer: PortableProposals,
    PyramidROIAlign: PortableROIAlign,
    DetectionLayer: PortableDetections,
}
