"""`fashion.load` and what it finds, with the demo's weights on a drawn picture."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

import fashion
from fashion import DEMO_START, detector
from fashion.annotations.coco_reading import to_via
from fashion.demo.dataset import write_custom_set
from fashion.detector import Detections
from fashion.labels import MODANET_TABLE
from mrcnn.errors import ConfigError, DatasetError, WeightsError, WeightsNotFoundError
from mrcnn.images.reading import read_image
from tests.stages.factory import head_weights
from tests.support import REPOSITORY


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_custom_set(folder / "in", folder / "truth.json", 1, 1, None, 0, quiet=True, workers=1)
    (path,) = (folder / "in").glob("*.jpg")
    return path


@pytest.fixture(scope="module")
def model():
    return fashion.load(DEMO_START)


@pytest.fixture(scope="module")
def found(model, picture):
    return model.detect(picture)


def nothing():
    return Detections(
        "blank.png",
        np.zeros((8, 6, 3), np.uint8),
        MODANET_TABLE,
        np.zeros((0, 4), np.int32),
        np.zeros(0, np.int32),
        np.zeros(0, np.float32),
        np.zeros((8, 6, 0), bool),
    )


def ring():
    """One detection with a hole."""
    mask = np.zeros((40, 50, 1), bool)
    mask[5:35, 10:40] = True
    mask[15:25, 20:30] = False
    box = np.array([[5, 10, 35, 40]], np.int32)
    image = np.full((40, 50, 3), 200, np.uint8)
    return Detections(
        "", image, MODANET_TABLE, box, np.array([1]), np.array([0.75], np.float32), mask
    )


def test_the_file_says_classes_preset_and_confidence(model):
    assert model.names == MODANET_TABLE.names
    assert model.preset == "demo"
    assert model.model.config.DETECTION_MIN_CONFIDENCE == 0.7
    assert repr(model).startswith("<GarmentDetector demo_start.h5: 13 classes (bag, belt, ")


def test_what_is_found_fits_the_picture(found, picture):
    image = read_image(picture)
    assert len(found) == len(found.names) == len(found.polygons) > 0
    assert set(found.names) <= set(MODANET_TABLE.names)
    assert found.masks.shape == (*image.shape[:2], len(found))
    assert (found.scores >= 0.7).all()
    for one, (y1, x1, y2, x2) in zip(found, found.boxes, strict=True):
        ys, xs = np.nonzero(one["mask"])
        assert y1 <= ys.min() and ys.max() < y2 and x1 <= xs.min() and xs.max() < x2


def test_an_array_is_a_picture_too(model, found, picture):
    again = model.detect(read_image(picture))
    assert again.picture == ""
    np.testing.assert_array_equal(again.boxes, found.boxes)


def test_it_prints_itself(found):
    head, *lines = repr(found).splitlines()
    assert head.startswith(f"{found.picture} (") and found.names[0] in head
    assert len(lines) == len(found)
    assert lines[0].split()[:2] == [found.names[0], f"{found.scores[0]:.2f}"]
    assert repr(nothing()) == "blank.png (6 x 8): nothing found"


def test_it_saves_and_shows_itself(found, tmp_path):
    path = found.save(tmp_path / "new" / "out.png")
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == found.image.shape
    assert (drawn != found.image).any()
    shown = cv2.imdecode(np.frombuffer(found._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown[..., ::-1], drawn)


def test_coco_reads_it(found):
    coco = COCO()
    coco.dataset = found.to_coco()
    coco.createIndex()
    rows = coco.loadAnns(coco.getAnnIds())
    assert [coco.cats[row["category_id"]]["name"] for row in rows] == found.names
    for row, one in zip(rows, found, strict=True):
        mask = coco.annToMask(row).astype(bool)
        both, either = (mask & one["mask"]).sum(), (mask | one["mask"]).sum()
        assert both / either > 0.8
        assert row["score"] == one["score"]


def test_so_does_this_project(found):
    conversion = to_via(found.to_coco(), "found.json")
    assert conversion.instances == len(found)


def test_holes_become_run_lengths():
    (row,) = ring().to_coco()["annotations"]
    np.testing.assert_array_equal(
        coco_masks.decode(row["segmentation"]).astype(bool), ring().masks[..., 0]
    )
    assert row["bbox"] == [10, 5, 30, 30] and row["area"] == 800
    assert len(ring().polygons[0]) == 1


def test_nothing_found():
    assert len(nothing()) == 0 and list(nothing()) == [] and nothing().polygons == []
    coco = nothing().to_coco()
    assert coco["annotations"] == [] and len(coco["images"]) == 1
    np.testing.assert_array_equal(nothing().drawn(), nothing().image)


def test_a_picture_that_is_none(model, tmp_path):
    (tmp_path / "x.jpg").write_text("no picture")
    with pytest.raises(DatasetError, match=r"x\.jpg"):
        model.detect(tmp_path / "x.jpg")


def test_without_the_photo_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(detector, "PHOTO_WEIGHTS", tmp_path / "photo.h5")
    with pytest.raises(WeightsNotFoundError, match=r"photo\.h5: .*fashion\.load\('FILE\.h5'\)"):
        fashion.load()


def test_a_wrong_preset_is_refused_before_the_network_is_built():
    with pytest.raises(WeightsError, match="preset for a different network"):
        fashion.load(DEMO_START, preset="default")
    with pytest.raises(ConfigError, match="there is no preset 'demmo'"):
        fashion.load(DEMO_START, preset="demmo")


def test_a_file_that_does_not_name_its_classes(tmp_path):
    head_weights(tmp_path / "six.h5", classes=6)
    with pytest.raises(WeightsError, match=r"six\.h5: .*expected names, or 13 or 9"):
        fashion.load(tmp_path / "six.h5")
    with pytest.raises(WeightsNotFoundError, match=r"none\.h5"):
        fashion.load(tmp_path / "none.h5")


def test_keras_keeps_the_packages_that_it_can_use():
    """Commands leave them out for speed; somebody's own program may need them afterwards."""
    code = (
        "import fashion\n"
        "fashion.load(fashion.DEMO_START)\n"
        "from keras.src.visualization import plot_image_gallery\n"
        "print(plot_image_gallery.plt is not None)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_tensorflow_is_silent(picture):
    hidden = ("TF_CPP_MIN_LOG_LEVEL",)
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    code = (
        "import fashion, sys\n"
        "found = fashion.load(fashion.DEMO_START).detect(sys.argv[1])\n"
        "print(len(found) > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, picture],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n", "")
