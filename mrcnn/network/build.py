"""The training graph and the inference graph, each on one screen, and their precision."""

import base64
import contextlib
import pathlib
import zlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.geometry.anchors import compute_backbone_shapes, generate_pyramid_anchors
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.network.backbone import build_backbone, build_fpn
from mrcnn.network.box_graph import norm_boxes_graph
from mrcnn.network.detection import DetectionLayer
from mrcnn.network.heads import (
    build_fpn_mask_graph,
    fpn_classifier_graph,
    mask_detail_graph,
)
from mrcnn.network.losses import (
    LossLayer,
    class_loss_of_meta,
    mrcnn_bbox_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_of_batch,
    rpn_class_loss_graph,
)
from mrcnn.network.rpn import ProposalLayer, apply_rpn, build_rpn_model
from mrcnn.network.targets import DetectionTargetLayer, PositiveRows


@keras.saving.register_keras_serializable("mrcnn")
class NormaliseBoxes(layers.Layer):
    """Converts pixel boxes `[batch, n, 4]` to normalised ones, given their image."""

    def call(self, inputs):
        """`[boxes, image]` -> float32 boxes."""
        boxes, image = inputs
        return norm_boxes_graph(boxes, tf.shape(image)[1:3])

    def compute_output_spec(self, inputs):
        """The boxes' shape, float32."""
        return keras.KerasTensor(inputs[0].shape, "float32")


@keras.saving.register_keras_serializable("mrcnn")
class GroundTruthProposals(layers.Layer):
    """The instances' boxes as additional proposals, `[batch, n, 4]`; padding rows are zero.

    Zero rows mark padding among proposals. The padding of the boxes is zero only in pixels: once
    normalised, it is no longer zero.
    """

    def call(self, inputs):
        """`[boxes, class ids]` -> boxes."""
        boxes, class_ids = inputs
        return tf.where((class_ids != 0)[..., None], boxes, 0.0)

    def compute_output_spec(self, inputs):
        """The boxes' shape, float32."""
        return keras.KerasTensor(inputs[0].shape, "float32")


@keras.saving.register_keras_serializable("mrcnn")
class Anchors(layers.Layer):
    """The normalised anchors of the training size, repeated for each image in the batch.

    Args:
        anchors: float32 `[anchors, 4]`, or the text that `get_config` encodes them as.
    """

    def __init__(self, anchors: np.ndarray | str, **kwargs):
        super().__init__(**kwargs)
        if isinstance(anchors, str):
            packed = zlib.decompress(base64.b64decode(anchors))
            anchors = np.frombuffer(packed, "<f4").reshape(-1, 4)
        self.anchors = np.asarray(anchors, np.float32)

    def call(self, image):
        """float32 `[batch, anchors, 4]`."""
        return tf.repeat(tf.constant(self.anchors)[None], tf.shape(image)[0], axis=0)

    def compute_output_spec(self, image):
        """One row per image."""
        return keras.KerasTensor((image.shape[0], *self.anchors.shape), "float32")

    def get_config(self) -> dict:
        """Keras configuration."""
        # A million values at 1024 x 1024: as a list they would cost Keras seconds.
        packed = base64.b64encode(zlib.compress(self.anchors.astype("<f4").tobytes()))
        return {**super().get_config(), "anchors": packed.decode("ascii")}


@keras.saving.register_keras_serializable("mrcnn")
class Leading(layers.Layer):
    """The first values along an axis: a slice, but as a layer, which a saved `.h5` can hold.

    Args:
        count: how many to keep.
        axis: 1 for RoIs, -1 for columns.
    """

    def __init__(self, count: int, axis: int, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.count, self.axis = count, axis

    def call(self, inputs):
        """`[batch, rois, ...]`, any dtype -> the same with fewer RoIs or columns."""
        return inputs[:, : self.count] if self.axis == 1 else inputs[..., : self.count]

    def compute_output_spec(self, inputs):
        """The shape of the slice."""
        shape = list(inputs.shape)
        shape[self.axis] = min(shape[self.axis], self.count)
        return keras.KerasTensor(shape, inputs.dtype)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "count": self.count, "axis": self.axis}


def pyramid_anchors(config: Config, image_shape: Sequence[int]) -> np.ndarray:
    """Anchors of all levels for a molded size, float64 pixels `[anchors, 4]`."""
    return generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        np.asarray(compute_backbone_shapes(config, image_shape)).tolist(),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )


def build_model(mode: str, config: Config, kind: type[keras.Model] = keras.Model) -> keras.Model:
    """The Keras model for `mode`, 'training' or 'inference', in the precision of the config.

    Args:
        mode: which graph to build.
        config: its settings.
        kind: class of the model.

    Raises:
        ConfigError: training with a resize mode whose images differ in size, or Keras is set to
            another data format.
    """
    if mode == "training" and config.IMAGE_RESIZE_MODE == "fit64":
        raise ConfigError(
            "{IMAGE_RESIZE_MODE} is 'fit64', which gives images different sizes and is for "
            "detection only",
            settings=("IMAGE_RESIZE_MODE",),
            advice="train with 'square'; the weights serve both",
        )
    if keras.config.image_data_format() != "channels_last":
        raise ConfigError(
            "Keras is set to images whose channels come first",
            advice="call keras.config.set_image_data_format('channels_last') before",
        )
    build = {"training": _training_model, "inference": _inference_model}[mode]
    with building_in(config.PRECISION):
        return build(config, kind)


def _inputs(config: Config):
    image = layers.Input((None, None, config.IMAGE_CHANNEL_COUNT), name="input_image")
    meta = layers.Input((config.IMAGE_META_SIZE,), name="input_image_meta", dtype="float32")
    return image, meta


def _features_and_rpn(image, config):
    """Feature maps for the heads, and `rpn_class_logits`, `rpn_class`, `rpn_bbox`."""
    stages = build_backbone(image, config.BACKBONE, config.TRAIN_BN)
    pyramid = build_fpn(stages[1:], config.TOP_DOWN_PYRAMID_SIZE)
    rpn_model = build_rpn_model(
        config.RPN_ANCHOR_STRIDE,
        len(config.RPN_ANCHOR_RATIOS),
        config.TOP_DOWN_PYRAMID_SIZE,
        config.RPN_CHANNELS,
    )
    return pyramid[:4], apply_rpn(rpn_model, pyramid)


def _proposals(rpn_class, rpn_bbox, anchors, count, config):
    return ProposalLayer(
        count,
        config.RPN_NMS_THRESHOLD,
        pre_nms_limit=config.PRE_NMS_LIMIT,
        bbox_std_dev=config.RPN_BBOX_STD_DEV,
        name="ROI",
    )([rpn_class, rpn_bbox, anchors])


def _class_head(rois, features, meta, config):
    return fpn_classifier_graph(
        rois,
        features,
        meta,
        config.POOL_SIZE,
        config.NUM_CLASSES,
        config.TRAIN_BN,
        config.FPN_CLASSIF_FC_LAYERS_SIZE,
    )


def _mask_head(rois, features, meta, config):
    detail = None
    if config.MASK_DETAIL:
        detail = mask_detail_graph(features[0], config.NUM_CLASSES, config.MASK_HEAD_CHANNELS)
    return build_fpn_mask_graph(
        rois,
        features,
        meta,
        config.MASK_POOL_SIZE,
        config.NUM_CLASSES,
        config.TRAIN_BN,
        config.MASK_HEAD_CHANNELS,
        doublings=2 if config.MASK_SHAPE[0] > 2 * config.MASK_POOL_SIZE else 1,
        detail=detail,
    )


def _inference_model(config: Config, kind: type[keras.Model]) -> keras.Model:
    image, meta = _inputs(config)
    anchors = layers.Input((None, 4), name="input_anchors", dtype="float32")
    features, (_, rpn_class, rpn_bbox) = _features_and_rpn(image, config)
    rois = _proposals(rpn_class, rpn_bbox, anchors, config.POST_NMS_ROIS_INFERENCE, config)
    _, mrcnn_class, mrcnn_bbox = _class_head(rois, features, meta, config)
    detections = DetectionLayer(config, name="mrcnn_detection")(
        [rois, mrcnn_class, mrcnn_bbox, meta]
    )
    boxes = Leading(4, axis=-1, name="detected_boxes")(detections)
    mrcnn_mask = _mask_head(boxes, features, meta, config)
    outputs = [detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rois, rpn_class, rpn_bbox]
    return kind([image, meta, anchors], outputs, name="mask_rcnn")


def _ground_truth_inputs(config):
    if config.USE_MINI_MASK:
        mask_size = tuple(config.MINI_MASK_SHAPE)
    else:
        mask_size = (config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
    return [
        layers.Input((None, 1), name="input_rpn_match", dtype="int32"),
        layers.Input((None, 4), name="input_rpn_bbox", dtype="float32"),
        layers.Input((None,), name="input_gt_class_ids", dtype="int32"),
        layers.Input((None, 4), name="input_gt_boxes", dtype="float32"),
        layers.Input((*mask_size, None), name="input_gt_masks", dtype="bool"),
    ]


def _training_model(config: Config, kind: type[keras.Model]) -> keras.Model:
    image, meta = _inputs(config)
    truth = _ground_truth_inputs(config)
    rpn_match, rpn_bbox_target, gt_class_ids, gt_boxes, gt_masks = truth
    inputs = [image, meta, *truth]
    features, (rpn_logits, rpn_class, rpn_bbox) = _features_and_rpn(image, config)

    anchors = norm_boxes(pyramid_anchors(config, config.IMAGE_SHAPE), config.IMAGE_SHAPE[:2])
    anchors = Anchors(anchors, name="anchors", dtype="float32")(image)
    rois = _proposals(rpn_class, rpn_bbox, anchors, config.POST_NMS_ROIS_TRAINING, config)
    candidates = rois
    if not config.USE_RPN_ROIS:
        given = layers.Input((config.POST_NMS_ROIS_TRAINING, 4), name="input_roi", dtype="int32")
        inputs.append(given)
        candidates = NormaliseBoxes(name="norm_input_roi", dtype="float32")([given, image])
    gt_boxes_norm = NormaliseBoxes(name="norm_gt_boxes", dtype="float32")([gt_boxes, image])
    if config.ADD_GT_TO_PROPOSALS:
        own = GroundTruthProposals(name="gt_proposals", dtype="float32")
        candidates = layers.Concatenate(axis=1, name="candidates", dtype="float32")(
            [candidates, own([gt_boxes_norm, gt_class_ids])]
        )
    targets = DetectionTargetLayer(config, name="proposal_targets")
    sampled, class_ids, bbox_target, mask_target = targets(
        [candidates, gt_class_ids, gt_boxes_norm, gt_masks]
    )

    logits, mrcnn_class, mrcnn_bbox = _class_head(sampled, features, meta, config)
    # The mask loss uses positive RoIs only, and they come first. Where batch norm uses batch
    # statistics, the other RoIs must pass through the mask head as well.
    masked = [class_ids, sampled, mask_target]
    if config.TRAIN_BN is False:
        masked = [Leading(targets.most_positives, axis=1)(x) for x in masked]
        if targets.most_positives:
            masked = PositiveRows(name="positive_rows", dtype="float32")(masked)
    mask_class_ids, mask_rois, mask_target = masked
    mrcnn_mask = _mask_head(mask_rois, features, meta, config)
    losses = [
        LossLayer(rpn_class_loss_graph, name="rpn_class_loss")([rpn_match, rpn_logits]),
        LossLayer(rpn_bbox_loss_of_batch, name="rpn_bbox_loss")(
            [rpn_bbox_target, rpn_match, rpn_bbox]
        ),
        LossLayer(class_loss_of_meta, name="mrcnn_class_loss")([class_ids, logits, meta]),
        LossLayer(mrcnn_bbox_loss_graph, name="mrcnn_bbox_loss")(
            [bbox_target, class_ids, mrcnn_bbox]
        ),
        LossLayer(mrcnn_mask_loss_graph, name="mrcnn_mask_loss")(
            [mask_target, mask_class_ids, mrcnn_mask]
        ),
    ]
    output_rois = layers.Identity(name="output_rois", dtype="float32")(sampled)
    heads = [logits, mrcnn_class, mrcnn_bbox, mrcnn_mask]
    outputs = [rpn_logits, rpn_class, rpn_bbox, *heads, rois, output_rois, *losses]
    return kind(inputs, outputs, name="mask_rcnn")


NATIVE_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
FIRST_GPU_GENERATION_WITH_BFLOAT16 = 8


def resolve_precision(precision: str) -> str:
    """'float32' or 'bfloat16' for Config.PRECISION.

    'auto' is bfloat16 if every GPU, or the CPU where there is none, supports it natively;
    otherwise bfloat16 would be slower than float32.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    native = all(_gpu_has_bfloat16(g) for g in gpus) if gpus else _processor_has_bfloat16()
    return "bfloat16" if native else "float32"


def _gpu_has_bfloat16(gpu) -> bool:
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0))[0] >= FIRST_GPU_GENERATION_WITH_BFLOAT16


def _processor_has_bfloat16() -> bool:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in text for flag in NATIVE_BFLOAT16_FLAGS)


@contextlib.contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Layers created inside compute in `precision`; weights stay float32.

    A backbone given as a function accepts no policy, so Keras' default is changed while the model
    is built. Keras stores it per thread: other threads do not see the change.
    """
    before = keras.config.dtype_policy()
    policy = "mixed_bfloat16" if resolve_precision(precision) == "bfloat16" else "float32"
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
