"""RoIAlign over the feature pyramid.

He et al., "Mask R-CNN" (2017), section 3; a RoI's level follows Lin et al., "Feature Pyramid
Networks" (2017), equation 1. One bilinear sample per bin, the variant all released weights expect.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from mrcnn.network.box_graph import parse_image_meta_graph

FINEST_LEVEL, COARSEST_LEVEL, CANONICAL_LEVEL = 2, 5, 4
CANONICAL_SIZE = 224.0


def log2_graph(x: tf.Tensor) -> tf.Tensor:
    """Binary logarithm."""
    return tf.math.log(x) / tf.math.log(2.0)


def roi_levels(boxes: tf.Tensor, image_area: tf.Tensor) -> tf.Tensor:
    """The pyramid level, 2 to 5, that each box is pooled from.

    Args:
        boxes: normalised, float32 `[..., 4]`.
        image_area: of the molded image in pixels, float32 scalar.

    Returns:
        int32 `[...]`. Empty or inverted boxes get level 2.
    """
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    area = height * width
    relative = tf.sqrt(area) / (CANONICAL_SIZE / tf.sqrt(image_area))
    level = tf.round(log2_graph(relative)) + CANONICAL_LEVEL
    # Casting an infinity or a NaN to an integer is undefined: decide before.
    level = tf.where(area > 0, level, FINEST_LEVEL)
    return tf.cast(tf.clip_by_value(level, FINEST_LEVEL, COARSEST_LEVEL), tf.int32)


def pyramid_roi_align(
    boxes: tf.Tensor,
    image_area: tf.Tensor,
    feature_maps: Sequence[tf.Tensor],
    pool_shape: Sequence[int],
) -> tf.Tensor:
    """Crop every box from its pyramid level and resize it to `pool_shape`.

    Args:
        boxes: normalised, float32 `[batch, rois, 4]`.
        image_area: see `roi_levels`.
        feature_maps: `[P2, P3, P4, P5]`, float32 `[batch, h, w, channels]`; or fewer, where the
            coarsest is used for all larger boxes.
        pool_shape: `(height, width)` of the output.

    Returns:
        float32 `[batch, rois, height, width, channels]`, in the order of the boxes. Values outside
        a map count as 0.
    """
    batch, rois = tf.shape(boxes)[0], tf.shape(boxes)[1]
    flat = tf.stop_gradient(tf.reshape(boxes, [-1, 4]))
    images = tf.repeat(tf.range(batch), rois)
    coarsest = FINEST_LEVEL + len(feature_maps) - 1
    levels = tf.minimum(roi_levels(flat, image_area), coarsest)
    places, crops = [], []
    for level, feature_map in enumerate(feature_maps, start=FINEST_LEVEL):
        place = tf.where(levels == level)[:, 0]
        crop = tf.image.crop_and_resize(
            feature_map, tf.gather(flat, place), tf.gather(images, place), pool_shape
        )
        places.append(tf.cast(place, tf.int32))
        crops.append(crop)
    pooled = tf.dynamic_stitch(places, crops)
    channels = feature_maps[0].shape[-1]
    return tf.reshape(pooled, tf.stack([batch, rois, *pool_shape, channels]))


@keras.saving.register_keras_serializable("mrcnn")
class PyramidROIAlign(layers.Layer):
    """`pyramid_roi_align` as a layer.

    Call it with `[boxes, image_meta, P2, P3, P4, P5]`. The image size that determines the levels is
    that of the first image in the batch: all have the same molded size.

    Args:
        pool_shape: `(height, width)` of the output.
    """

    def __init__(self, pool_shape: Sequence[int], **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.pool_shape = tuple(int(n) for n in pool_shape)

    def call(self, inputs):
        """Pool: see the class."""
        boxes, image_meta, *feature_maps = inputs
        image_shape = parse_image_meta_graph(image_meta)["image_shape"][0]
        image_area = tf.cast(image_shape[0] * image_shape[1], tf.float32)
        return pyramid_roi_align(boxes, image_area, feature_maps, self.pool_shape)

    def compute_output_shape(self, input_shape):
        """`[batch, rois, height, width, channels]`."""
        return (*input_shape[0][:2], *self.pool_shape, input_shape[2][-1])

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "pool_shape": self.pool_shape}
