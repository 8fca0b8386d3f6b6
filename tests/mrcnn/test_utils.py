import importlib
import subprocess
import sys

import pytest

from mrcnn import utils
from tests.support import REPOSITORY

# Every public name of Matterport's utils.py, and where it lives here.
LEGACY_NAMES = {
    "extract_bboxes": "boxes",
    "compute_iou": "boxes",
    "compute_overlaps": "boxes",
    "compute_overlaps_masks": "boxes",
    "non_max_suppression": "boxes",
    "apply_box_deltas": "boxes",
    "box_refinement": "boxes",
    "norm_boxes": "boxes",
    "denorm_boxes": "boxes",
    "Dataset": "dataset",
    "resize": "images",
    "resize_image": "images",
    "resize_mask": "masks",
    "minimize_mask": "masks",
    "expand_mask": "masks",
    "mold_mask": "masks",
    "unmold_mask": "masks",
    "generate_anchors": "anchors",
    "generate_pyramid_anchors": "anchors",
    "trim_zeros": "evaluate",
    "compute_matches": "evaluate",
    "compute_ap": "evaluate",
    "compute_ap_range": "evaluate",
    "compute_recall": "evaluate",
}
# Those that are imported when first used.
LATER_NAMES = {
    "COCO_MODEL_URL": "downloads",
    "batch_slice": "box_graph",
    "box_refinement_graph": "box_graph",
    "download_trained_weights": "downloads",
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
    modules = ["boxes", "masks", "anchors", "images", "dataset", "evaluate", "utils", "config"]
    code = (
        f"import sys, {', '.join(f'mrcnn.{name}' for name in modules)}; "
        "print({'tensorflow', 'keras', 'skimage', 'scipy', 'cv2', 'PIL', 'matplotlib'} "
        "& set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
