import importlib
import subprocess
import sys

import pytest

from mrcnn import utils
from tests.support import REPOSITORY

# Every public name of Matterport's utils.py, and where it lives here.
LEGACY_NAMES = {
    "extract_bboxes": "geometry.boxes",
    "compute_iou": "geometry.boxes",
    "compute_overlaps": "geometry.boxes",
    "compute_overlaps_masks": "geometry.boxes",
    "non_max_suppression": "geometry.boxes",
    "apply_box_deltas": "geometry.boxes",
    "box_refinement": "geometry.boxes",
    "norm_boxes": "geometry.boxes",
    "denorm_boxes": "geometry.boxes",
    "Dataset": "data.dataset",
    "resize": "images.resizing",
    "resize_image": "images.resizing",
    "resize_mask": "geometry.masks",
    "minimize_mask": "geometry.masks",
    "expand_mask": "geometry.masks",
    "mold_mask": "geometry.masks",
    "unmold_mask": "geometry.masks",
    "generate_anchors": "geometry.anchors",
    "generate_pyramid_anchors": "geometry.anchors",
    "trim_zeros": "evaluation.image_ap",
    "compute_matches": "evaluation.image_ap",
    "compute_ap": "evaluation.image_ap",
    "compute_ap_range": "evaluation.image_ap",
    "compute_recall": "evaluation.image_ap",
}
# Those that are imported when first used.
LATER_NAMES = {
    "COCO_MODEL_URL": "weights.known_files",
    "batch_slice": "network.box_graph",
    "box_refinement_graph": "network.box_graph",
    "download_trained_weights": "weights.known_files",
}


@pytest.mark.parametrize(("name", "module"), [*LEGACY_NAMES.items(), *LATER_NAMES.items()])
def test_legacy_name_is_the_modules_own(name, module):
    home = importlib.import_module(f"mrcnn.{module}")
    assert getattr(utils, name) is getattr(home, name)
    assert name in dir(utils)


def test_from_import_reaches_later_names():
    from mrcnn.utils import download_trained_weights

    assert callable(download_trained_weights)


def test_coco_model_url():
    assert utils.COCO_MODEL_URL.endswith("/releases/download/v2.0/mask_rcnn_coco.h5")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_helper'"):
        _ = utils.no_such_helper


def test_geometry_imports_no_heavy_package():
    """Scripts answer --help at once: neither TensorFlow nor the image packages come along."""
    modules = ["geometry.boxes", "geometry.masks", "geometry.anchors", "images.resizing"]
    modules += ["data.dataset", "evaluation.image_ap", "utils", "config"]
    code = (
        f"import sys, {', '.join(f'mrcnn.{name}' for name in modules)}; "
        "print({'tensorflow', 'keras', 'skimage', 'scipy', 'cv2', 'PIL', 'matplotlib'} "
        "& set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
