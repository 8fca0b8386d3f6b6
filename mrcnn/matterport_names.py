"""The functions and layers of Matterport's `model.py`, under their original names.

`mrcnn.model` exports them all, so that scripts written for Matterport's code find them.
"""

import datetime
import logging
import math
import multiprocessing
import os
import random
import re
from collections import OrderedDict
from typing import Any

import keras
import keras.backend as K
import keras.layers as KL
import keras.models as KM
import numpy as np
import tensorflow as tf

from mrcnn import utils
from mrcnn.data.anchor_matching import build_rpn_targets
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.legacy_generator import data_generator
from mrcnn.data.legacy_head_targets import build_detection_targets, generate_random_rois
from mrcnn.geometry.anchors import compute_backbone_shapes
from mrcnn.geometry.boxes import denorm_boxes, norm_boxes
from mrcnn.images.molding import (
    compose_image_meta,
    mold_image,
    parse_image_meta,
    unmold_image,
)
from mrcnn.network.backbone import build_backbone, conv_block, identity_block, resnet_graph
from mrcnn.network.box_graph import (
    apply_box_deltas_graph,
    batch_pack_graph,
    batch_slice,
    box_refinement_graph,
    clip_boxes_graph,
    denorm_boxes_graph,
    norm_boxes_graph,
    overlaps_graph,
    parse_image_meta_graph,
    trim_zeros_graph,
)
from mrcnn.network.detection import DetectionLayer, refine_detections_graph
from mrcnn.network.heads import build_fpn_mask_graph, fpn_classifier_graph
from mrcnn.network.layers import BatchNorm
from mrcnn.network.losses import (
    mrcnn_bbox_loss_graph,
    mrcnn_class_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_graph,
    rpn_class_loss_graph,
    smooth_l1_loss,
)
from mrcnn.network.roi_align import PyramidROIAlign, log2_graph
from mrcnn.network.rpn import ProposalLayer, build_rpn_model, rpn_graph
from mrcnn.network.targets import DetectionTargetLayer, detection_targets_graph

# Its modules too, for scripts that import everything from there.
__all__ = [
    "KL",
    "KM",
    "BatchNorm",
    "DetectionLayer",
    "DetectionTargetLayer",
    "K",
    "OrderedDict",
    "ProposalLayer",
    "PyramidROIAlign",
    "apply_box_deltas_graph",
    "batch_pack_graph",
    "batch_slice",
    "box_refinement_graph",
    "build_backbone",
    "build_detection_targets",
    "build_fpn_mask_graph",
    "build_rpn_model",
    "build_rpn_targets",
    "clip_boxes_graph",
    "compose_image_meta",
    "compute_backbone_shapes",
    "conv_block",
    "data_generator",
    "datetime",
    "denorm_boxes",
    "denorm_boxes_graph",
    "detection_targets_graph",
    "fpn_classifier_graph",
    "generate_random_rois",
    "identity_block",
    "keras",
    "load_image_gt",
    "log2_graph",
    "logging",
    "math",
    "mold_image",
    "mrcnn_bbox_loss_graph",
    "mrcnn_class_loss_graph",
    "mrcnn_mask_loss_graph",
    "multiprocessing",
    "norm_boxes",
    "norm_boxes_graph",
    "np",
    "os",
    "overlaps_graph",
    "parse_image_meta",
    "parse_image_meta_graph",
    "random",
    "re",
    "refine_detections_graph",
    "resnet_graph",
    "rpn_bbox_loss_graph",
    "rpn_class_loss_graph",
    "rpn_graph",
    "smooth_l1_loss",
    "tf",
    "trim_zeros_graph",
    "unmold_image",
    "utils",
]


def __getattr__(name: str) -> Any:
    """The error for names that no longer exist; `mrcnn.model` uses it, too."""
    if name == "DataGenerator":
        raise AttributeError(
            "mrcnn.model has no class DataGenerator: take data_generator(dataset, config, ...), "
            "which gives the same batches"
        )
    raise AttributeError(f"module 'mrcnn.model' has no attribute {name!r}")
