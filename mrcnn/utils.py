"""Matterport's helper functions under the names by which scripts import them.

They live in the modules named below; modules that are slow to import (TensorFlow) are imported on
first use, so that `import mrcnn.utils` stays fast.
"""

import importlib
import logging
import math
import os
import random
import shutil
import sys
import warnings

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.evaluation.image_ap import (
    compute_ap,
    compute_ap_range,
    compute_matches,
    compute_recall,
    trim_zeros,
)
from mrcnn.geometry.anchors import generate_anchors, generate_pyramid_anchors
from mrcnn.geometry.boxes import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    compute_overlaps_masks,
    denorm_boxes,
    extract_bboxes,
    non_max_suppression,
    norm_boxes,
)
from mrcnn.geometry.masks import (
    expand_mask,
    minimize_mask,
    mold_mask,
    resize_mask,
    unmold_mask,
)
from mrcnn.images.resizing import resize, resize_image

# Name -> module that is imported on first use.
_LATER = {
    "COCO_MODEL_URL": "mrcnn.weights.known_files",
    "batch_slice": "mrcnn.network.box_graph",
    "box_refinement_graph": "mrcnn.network.box_graph",
    "download_trained_weights": "mrcnn.weights.known_files",
}

# The modules it imported, too, for scripts that import everything from here.
_MODULES = {"tf": "tensorflow", "scipy": "scipy", "skimage": "skimage", "urllib": "urllib.request"}

__all__ = [
    *_LATER,
    *_MODULES,
    "Dataset",
    "apply_box_deltas",
    "box_refinement",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "logging",
    "math",
    "minimize_mask",
    "mold_mask",
    "non_max_suppression",
    "norm_boxes",
    "np",
    "os",
    "random",
    "resize",
    "resize_image",
    "resize_mask",
    "shutil",
    "sys",
    "trim_zeros",
    "unmold_mask",
    "warnings",
]


def __getattr__(name: str):
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _MODULES:
        module = importlib.import_module(_MODULES[name])
        return sys.modules["urllib"] if name == "urllib" else module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})
