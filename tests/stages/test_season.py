"""Stage 2's scripts in processes of their own: training from stage 1, testing, other labels."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from fashion.labels import SEASON_TABLE, season_label
from fashion.stages.models import describe_weights
from tests.stages.factory import copy_project, demo_weights, draw_picture, make_dataset, run_script
from tests.support import REPOSITORY

TRAIN = "model2/samples/custom/trainSeasonData.py"
TEST = "model2/samples/custom/testSeason.py"


def season_dataset(root, season="yaz"):
    """The drawn garments with season labels."""
    make_dataset(root, train=3, val=1)
    for subset in ("train", "val"):
        path = root / subset / "via_region_data.json"
        data = json.loads(path.read_text())
        for image in data.values():
            for region in image["regions"]:
                garment = region["region_attributes"]["label"]
                region["region_attributes"] = {"label": season_label(garment, season)}
        path.write_text(json.dumps(data))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the project with stage-1 weights, a data set, and pictures to test on."""
    root = copy_project(tmp_path_factory.mktemp("project"))
    shutil.copytree(REPOSITORY / "model2" / "samples", root / "model2" / "samples",
                    ignore=shutil.ignore_patterns("dataset", "__pycache__"))  # fmt: skip
    demo_weights(root / "model1" / "mask_rcnn_Modanet.h5")
    season_dataset(root / "data")
    draw_picture(root / "model2" / "images" / "street.jpg")
    return root


@pytest.fixture(scope="module")
def trained(root):
    """The output of a short training from stage 1's weights."""
    arguments = ("--epochs=1", "--steps=1", "--batch=1", "--workers=0", "--seed=1")
    done = run_script(
        root / TRAIN, "train", "--dataset=data", "--model=mask_rcnn_Modanet.h5", *arguments,
        cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_thirteen_classes_to_nine(root, trained):
    """All but the class-dependent heads is kept, and that is said."""
    for head in ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"):
        assert head in trained
    assert str(root / "model1" / "mask_rcnn_Modanet.h5") in trained
    (folder,) = (root / "model2" / "logs").iterdir()
    assert folder.name.startswith("season")
    weights = root / "model2" / "mask_rcnn_Season.h5"
    described = describe_weights(weights)
    assert (described.preset, described.classes) == ("demo", tuple(SEASON_TABLE.names))
    with (folder / "history.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 1


def test_counts_are_shown_and_few_samples_warned_of(trained):
    assert ["bag_yaz", "3", "1"] in [line.split() for line in trained.splitlines()]
    assert "warning: fewer than 30 instances" in trained
    assert "left out, not among the labels: pants_yaz (3 regions)" in trained


def test_testing_draws_what_was_trained(root, trained):
    done = run_script(root / TEST, "--min-confidence=0", cwd=root)
    assert done.returncode == 0, done.stderr
    drawn = cv2.imread(str(root / "model2" / "outputs" / "street.png"))
    assert drawn.shape == (128, 96, 3)
    assert (drawn != cv2.imread(str(root / "model2" / "images" / "street.jpg"))).any()
    assert any(f"{name} " in done.stdout for name in SEASON_TABLE.names)


def test_models_side_by_side(root, trained):
    done = run_script(root / "tools" / "compare_models.py", "--min-confidence=0", cwd=root)
    assert done.returncode == 0, done.stderr
    folder = root / "model2" / "outputs" / "compared"
    assert {path.name for path in folder.iterdir()} == {"street.png", "contact_sheet.png"}
    both = cv2.imread(str(folder / "street.png"))
    assert both.shape[1] == 2 * 96 + 3 * 8
    assert "garments: " in done.stdout and "seasons: " in done.stdout


@pytest.mark.slow
def test_other_labels_are_trained_remembered_and_tested(root):
    (root / "labels.json").write_text('["pants_yaz", "top_yaz"]')
    arguments = ("--epochs=1", "--steps=1", "--batch=1", "--workers=0", "--logs=other")
    given = ("--dataset=data", "--model=none", "--preset=demo", "--classes=labels.json")
    train = (root / TRAIN, "train", *given, *arguments, "--weights-out=two.h5")
    done = run_script(*train, cwd=root)
    assert done.returncode == 2 and "bag_yaz (3 regions)" in done.stderr
    done = run_script(*train, "--drop-unknown", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "Classes: pants_yaz, top_yaz" in done.stdout
    assert describe_weights(root / "two.h5").classes == ("pants_yaz", "top_yaz")
    done = run_script(root / TEST, "--model=two.h5", "--output=two", "--min-confidence=0", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "Classes: pants_yaz, top_yaz" in done.stdout
    assert np.any(cv2.imread(str(root / "two" / "street.png")))


@pytest.mark.parametrize(
    ("stage", "module", "names", "classes"),
    [
        ("model1", "custom", ["CustomConfig", "CustomDataset"], 14),
        ("model1", "coco", ["CocoConfig", "CLASS_NAMES"], 81),
        ("model2", "customSeason", ["CustomConfig", "CustomDataset"], 10),
    ],
)
def test_modules_that_users_import(tmp_path, root, stage, module, names, classes):
    script = tmp_path / "own.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(root / stage / 'samples' / 'custom')!r})\n"
        f"from {module} import *\nfrom {module} import {', '.join(names)}\n"
        f"config = {names[0] if names[0].endswith('Config') else names[1]}()\n"
        "config.validate()\n"
        "print(config.NUM_CLASSES, config.NAME)\n"
        "if 'CustomDataset' in globals():\n"
        "    dataset = CustomDataset()\n"
        "    dataset.classes = type(dataset).classes\n"
        f"    dataset.load_custom({str(root / 'data')!r}, 'train') if {classes} == 10 else None\n"
        "    dataset.prepare()\n"
        "    print(dataset.num_images)\n"
        "else:\n"
        "    print(len(CLASS_NAMES), CLASS_NAMES[1], CLASS_NAMES[80])\n"
    )
    done = run_script(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.split()[0] == str(classes)
    expected = {14: "0", 81: "81 person toothbrush", 10: "3"}
    assert second == expected[classes]
