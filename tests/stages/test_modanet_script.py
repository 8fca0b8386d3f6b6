"""testModaNet.py and splash in processes of their own, with weights that have learned nothing."""

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.stages.factory import copy_project, demo_weights, draw_picture, run_script

SIZES = {"street.jpg": (96, 128), "wide.png": (300, 70)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the project with weights and pictures where the defaults look for them."""
    root = copy_project(tmp_path_factory.mktemp("project"))
    demo_weights(root / "model1" / "mask_rcnn_Modanet.h5")
    for seed, (name, size) in enumerate(SIZES.items()):
        draw_picture(root / "model1" / "images" / name, seed, size)
    (root / "here").mkdir()
    return root


def run(root, script, *arguments):
    path = root / "model1" / "samples" / "custom" / script
    done = run_script(path, *arguments, cwd=root / "here")
    assert done.returncode == 0, done.stderr
    return done


def pixels(path):
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def test_without_options_all_is_in_the_stages_folder(root):
    done = run(root, "testModaNet.py", "--min-confidence=0")
    assert str(root / "model1" / "mask_rcnn_Modanet.h5") in done.stdout
    outputs = root / "model1" / "outputs"
    written = {"street.png", "wide.png", "garments.csv", "predictions.json", "index.html"}
    assert {path.name for path in outputs.iterdir()} == written
    for name, (width, height) in SIZES.items():
        drawn = pixels((outputs / name).with_suffix(".png"))
        assert drawn.shape == (height, width, 3)
        # Random weights score everything low, but at a confidence of 0 something is drawn.
        assert (drawn != pixels(root / "model1" / "images" / name)).any()
    assert "2 pictures" in done.stdout and "found: nothing" not in done.stdout
    assert not any((root / "here").iterdir())


def test_splash_of_a_picture(root):
    picture = root / "model1" / "images" / "street.jpg"
    arguments = ("--model=mask_rcnn_Modanet.h5", "--image", picture, "--output=grey.png")
    done = run(root, "trainModaNet.py", "splash", *arguments, "--min-confidence=1")
    written = root / "here" / "grey.png"
    assert f"Written: {written}" in done.stdout
    # Nothing is certain, so all is grey.
    grey = pixels(written)
    assert grey.shape == (128, 96, 3)
    assert (np.ptp(grey.astype(int), axis=-1) == 0).all()


def test_splash_of_a_video(root):
    source = root / "here" / "walk.avi"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 128))
    frame = pixels(root / "model1" / "images" / "street.jpg")[..., ::-1]
    for shift in range(3):
        writer.write(np.ascontiguousarray(np.roll(frame, shift, 1)))
    writer.release()
    weights = root / "model1" / "mask_rcnn_Modanet.h5"
    done = run(root, "trainModaNet.py", "splash", "--weights", weights, "--video=walk.avi")
    (written,) = (root / "here").glob("splash_walk.*")
    assert f"Written: {written}" in done.stdout
    capture = cv2.VideoCapture(str(written))
    shapes = []
    while (read := capture.read())[0]:
        shapes.append(read[1].shape)
    capture.release()
    assert shapes == [(128, 96, 3)] * 3
