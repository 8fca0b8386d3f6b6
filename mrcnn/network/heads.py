"""The two heads that are applied to each RoI: class and box, and mask.

He et al., "Mask R-CNN" (2017), section 3.1 and figure 4 (right).
"""

from collections.abc import Sequence

import keras
from keras import layers

from mrcnn.network.layers import BatchNorm, TimeDistributed, WholeWindowConv2D
from mrcnn.network.roi_align import PyramidROIAlign


def fpn_classifier_graph(
    rois: keras.KerasTensor,
    feature_maps: Sequence[keras.KerasTensor],
    image_meta: keras.KerasTensor,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
    fc_layers_size: int = 1024,
) -> list[keras.KerasTensor]:
    """Class scores and box deltas of each RoI.

    Args:
        rois: normalised boxes, float `[batch, rois, 4]`.
        feature_maps: `[P2, P3, P4, P5]`.
        image_meta: float `[batch, 12 + num_classes]`.
        pool_size: side of RoIAlign's square output.
        num_classes: background included.
        train_bn: see `BatchNorm`.
        fc_layers_size: width of the two fully connected layers.

    Returns:
        `mrcnn_class_logits` and `mrcnn_class` (softmax), `[batch, rois, num_classes]`, and
        `mrcnn_bbox` `[batch, rois, num_classes, (dy, dx, log(dh), log(dw))]`.
    """
    x = PyramidROIAlign([pool_size, pool_size], name="roi_align_classifier")(
        [rois, image_meta, *feature_maps]
    )
    for index, kernel in enumerate((pool_size, 1), start=1):
        conv = WholeWindowConv2D(fc_layers_size, kernel, name=f"mrcnn_class_conv{index}")
        x = _each_roi(conv)(x)
        x = _each_roi(BatchNorm(train_bn, name=f"mrcnn_class_bn{index}"))(x)
        x = layers.Activation("relu")(x)
    shared = layers.Reshape((-1, fc_layers_size), name="pool_squeeze")(x)
    logits = layers.Dense(num_classes, name="mrcnn_class_logits", dtype="float32")
    logits = _each_roi(logits)(shared)
    softmax = layers.Activation("softmax", name="mrcnn_class", dtype="float32")
    probabilities = _each_roi(softmax)(logits)
    x = _each_roi(layers.Dense(4 * num_classes, name="mrcnn_bbox_fc"))(shared)
    deltas = layers.Reshape((-1, num_classes, 4), name="mrcnn_bbox", dtype="float32")(x)
    return [logits, probabilities, deltas]


def build_fpn_mask_graph(
    rois: keras.KerasTensor,
    feature_maps: Sequence[keras.KerasTensor],
    image_meta: keras.KerasTensor,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
    channels: int = 256,
    doublings: int = 1,
    detail: keras.KerasTensor | None = None,
) -> keras.KerasTensor:
    """A mask for each RoI and class.

    Args:
        rois: normalised boxes, float `[batch, rois, 4]`.
        feature_maps: `[P2, P3, P4, P5]`.
        image_meta: float `[batch, 12 + num_classes]`.
        pool_size: side of RoIAlign's square output.
        num_classes: background included.
        train_bn: see `BatchNorm`.
        channels: of the convolutions.
        doublings: of the side, 1 or 2; the second has half the channels.
        detail: output of `mask_detail_graph`, added to the mask logits; None adds nothing.

    Returns:
        `mrcnn_mask`, float in 0..1, `[batch, rois, side, side, num_classes]` where `side` is
        `pool_size * 2**doublings`.
    """
    x = PyramidROIAlign([pool_size, pool_size], name="roi_align_mask")(
        [rois, image_meta, *feature_maps]
    )
    for index in range(1, 5):
        conv = layers.Conv2D(channels, 3, padding="same", name=f"mrcnn_mask_conv{index}")
        x = _each_roi(conv)(x)
        x = _each_roi(BatchNorm(train_bn, name=f"mrcnn_mask_bn{index}"))(x)
        x = layers.Activation("relu")(x)
    for name, width in (("", channels), ("2", channels // 2))[:doublings]:
        deconv = layers.Conv2DTranspose(
            width, 2, strides=2, activation="relu", name=f"mrcnn_mask_deconv{name}"
        )
        x = _each_roi(deconv)(x)
    if detail is None:
        mask = layers.Conv2D(
            num_classes, 1, activation="sigmoid", name="mrcnn_mask", dtype="float32"
        )
        return _each_roi(mask)(x)
    logits = layers.Conv2D(num_classes, 1, name="mrcnn_mask_logits", dtype="float32")
    side = pool_size * 2**doublings
    align = PyramidROIAlign([side, side], name="roi_align_mask_detail")
    cut = align([rois, image_meta, detail])
    x = layers.Add(name="mrcnn_mask_sum", dtype="float32")([_each_roi(logits)(x), cut])
    return layers.Activation("sigmoid", name="mrcnn_mask", dtype="float32")(x)


def mask_detail_graph(
    finest: keras.KerasTensor, num_classes: int, channels: int = 256
) -> keras.KerasTensor:
    """Logits of every class for every cell of P2, which add detail to each RoI's mask.

    The mask head alone sees a large RoI in cells of 16 or 32 pixels. Like PointRend (Kirillov et
    al., 2020), this takes outlines from the finest level, but in one pass over the image. Its last
    layer is initialised to zero, so that it does not change a trained mask head at first.

    Args:
        finest: P2, float `[batch, h, w, depth]`.
        num_classes: background included.
        channels: of the convolutions.

    Returns:
        `mrcnn_mask_detail`, float32 `[batch, h, w, num_classes]`.
    """
    x = finest
    for index in (1, 2):
        name = f"mrcnn_mask_detail_conv{index}"
        x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
    return layers.Conv2D(
        num_classes, 1, kernel_initializer="zeros", name="mrcnn_mask_detail", dtype="float32"
    )(x)


def _each_roi(layer: layers.Layer) -> TimeDistributed:
    """Apply a layer to every RoI; wrapper and layer share the name, as in the weight files."""
    return TimeDistributed(layer, name=layer.name, dtype=layer.dtype_policy)
