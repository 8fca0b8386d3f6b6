"""Comparing what an exported file finds with `MaskRCNN.detect`."""

import subprocess
import sys

import numpy as np

from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tests" / "mrcnn" / "run_exported.py"
PAGE = REPOSITORY / "docs" / "export.md"


def run_elsewhere(folder, pictures, *formats) -> dict:
    """What exported files find, in a process without this project: {format/picture/key: array}."""
    np.savez(folder / "pictures.npz", **pictures)
    arguments = [folder, folder / "pictures.npz", folder / "found.npz", PAGE, *formats]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "found.npz") as stored:
        return dict(stored)


def of(found, name) -> dict:
    """One picture's detections out of those of `run_elsewhere`."""
    return {key.rpartition("/")[2]: v for key, v in found.items() if key.startswith(f"{name}/")}


def assert_same_detections(found: dict, expected: dict) -> None:
    """The tolerances of the golden tests, for rows whose scores settle their order.

    Args:
        found: boxes, class_ids, scores, masks `[N, height, width]`.
        expected: of `MaskRCNN.detect`.
    """
    scores = expected["scores"]
    assert len(found["boxes"]) == len(expected["rois"])
    np.testing.assert_allclose(found["scores"], scores, rtol=0, atol=1e-5)
    apart = np.ones(len(scores), bool)
    gaps = scores[:-1] - scores[1:] > 1e-5
    apart[1:] &= gaps
    apart[:-1] &= gaps
    assert (found["class_ids"] == expected["class_ids"])[apart].all()
    assert (np.abs(found["boxes"] - expected["rois"])[apart] <= 1).all()
    wanted = np.moveaxis(expected["masks"], -1, 0).astype(bool)
    assert found["masks"].dtype == bool and found["masks"].shape == wanted.shape
    for mask, other in zip(found["masks"][apart], wanted[apart], strict=True):
        union = np.count_nonzero(mask | other)
        assert not union or np.count_nonzero(mask & other) / union > 0.99


def assert_near_detections(found: dict, expected: dict) -> None:
    """As far as bfloat16 is exact: all but one are found, in whatever order, about as sure."""
    found_ones = 0
    for box, class_id, score in zip(
        expected["rois"], expected["class_ids"], expected["scores"], strict=True
    ):
        same = (np.abs(found["boxes"] - box) <= 2).all(axis=1) & (found["class_ids"] == class_id)
        found_ones += bool((same & (np.abs(found["scores"] - score) < 0.03)).any())
    assert found_ones >= max(1, len(expected["rois"]) - 1)
    assert abs(len(found["boxes"]) - len(expected["rois"])) <= 1
