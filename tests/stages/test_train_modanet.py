"""Stage 1 as a user walks through it: train, resume, look at the result. Real scripts and files."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.labels import MODANET_TABLE
from fashion.pictures.sheets import plot_losses
from fashion.stages.models import describe_weights
from fashion.stages.presets import find_preset
from mrcnn.weights.h5_reading import read_layers
from tests.stages.factory import HEIGHT, WIDTH, copy_project, make_dataset, run_script

RATE = find_preset("demo").values["LEARNING_RATE"]
SMALL = ("--steps=2", "--batch=2", "--workers=1")


class Project:
    """A copy of the project, and a folder elsewhere in which the user stands."""

    def __init__(self, root: Path):
        self.root = copy_project(root / "project")
        self.here = root / "here"
        self.model1 = self.root / "model1"
        make_dataset(self.here / "data")

    def run(self, script: str, *arguments):
        path = self.model1 / "samples" / "custom" / script
        done = run_script(path, *arguments, cwd=self.here)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def log(self) -> Path:
        (folder,) = (self.model1 / "logs").iterdir()
        return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("stage1"))


@pytest.fixture(scope="module")
def first(project):
    """One epoch; what it printed, and a copy of what it left."""
    arguments = ("--preset=demo", "--seed=5", "--epochs=1")
    done = project.run("trainModaNet.py", "train", "--dataset=data", *arguments, *SMALL)
    left = project.here / "after the first epoch"
    shutil.copytree(project.model1, left)
    return done, left


@pytest.fixture(scope="module")
def second(project, first):
    """One more epoch, in another process that does not know the preset."""
    arguments = ("--model=last", "--epochs=2")
    return project.run("trainModaNet.py", "train", "--dataset=data", *arguments, *SMALL)


def history(folder: Path) -> list[dict]:
    with (folder / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_training_writes_what_the_readme_lists(project, first):
    _, left = first
    (log,) = (left / "logs").iterdir()
    assert log.name.startswith("modanet20")
    names = {path.name for path in log.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == {
        "mask_rcnn_modanet_0000.h5",
        "mask_rcnn_modanet_0001.h5",
        "best_mask_rcnn_modanet.h5",
        "training_state.npz",
        "history.csv",
        ".training.lock",
    }
    (row,) = history(log)
    assert row["epoch"] == "1"
    measured = {name: value for name, value in row.items() if "_AP" not in name}
    assert all(np.isfinite(float(value)) for value in measured.values())
    assert not any(row[name] for name in row.keys() - measured.keys()), "AP is not asked for"
    assert float(row["loss"]) > 0 and float(row["val_loss"]) > 0


def test_nothing_is_written_where_the_user_stands(project, first):
    assert {path.name for path in project.here.iterdir()} == {"data", "after the first epoch"}


def test_the_best_weights_are_copied_for_the_next_stage(first):
    _, left = first
    (log,) = (left / "logs").iterdir()
    copied = left / "mask_rcnn_Modanet.h5"
    assert copied.read_bytes() == (log / "best_mask_rcnn_modanet.h5").read_bytes()
    weights = describe_weights(copied)
    assert (weights.preset, weights.classes) == ("demo", tuple(MODANET_TABLE.names))
    logits = read_layers(copied)["mrcnn_class_logits"]
    assert [stored.shape for _, stored in logits] == [(256, 14), (14,)]


def test_a_training_says_what_it_does(project, first):
    done, _ = first
    for text in (
        "train: 4 images, 12 instances",
        "val: 2 images, 6 instances",
        "Starting from random weights",
        f"Starting at epoch 1. LR={RATE}",
        "Epoch 1: loss",
        "img/s",
        str(project.log),
        str(project.model1 / "mask_rcnn_Modanet.h5"),
    ):
        assert text in done.stdout
    assert "Epoch 1/1" in done.stderr
    for part in ("rpn_cls", "rpn_box", "cls", "box", "mask"):
        assert f" {part} " in done.stderr


def test_tensorflow_does_not_drown_it(first):
    done, _ = first
    for noise in ("cpu_feature_guard", "cuInit", "oneDNN", "Warning", "DEPRECATED"):
        assert noise not in done.stderr


def test_last_resumes_in_the_same_folder(project, first, second):
    _, left = first
    assert str(project.log / "mask_rcnn_modanet_0001.h5") in second.stdout
    assert "Resuming from" in second.stdout and "epoch 2, step 1" in second.stdout
    assert f"Starting at epoch 2. LR={RATE / 10}" in second.stdout  # the schedule's second part
    assert (project.log / "mask_rcnn_modanet_0002.h5").is_file()
    before, after = history(left / "logs" / project.log.name), history(project.log)
    assert [row["epoch"] for row in after] == ["1", "2"]
    assert after[:1] == before
    assert describe_weights(project.log / "mask_rcnn_modanet_0002.h5").preset == "demo"


def test_weights_that_are_there_are_left(project, first, second):
    _, left = first
    name = "mask_rcnn_Modanet.h5"
    assert (project.model1 / name).read_bytes() == (left / name).read_bytes()
    assert "--overwrite" in second.stdout


def test_the_losses_can_be_plotted(project, second, tmp_path):
    with Image.open(plot_losses(project.log / "history.csv", tmp_path / "losses.png")) as image:
        assert image.size[0] > 500


def test_the_last_checkpoint_draws_pictures(project, second):
    done = project.run(
        "testModaNet.py", "--model=last", "--images=data/val", "--output=out", "--min-confidence=0"
    )
    assert str(project.log / "mask_rcnn_modanet_0002.h5") in done.stdout
    assert "2 pictures in out" in done.stdout
    for name in ("val0", "val1"):
        with Image.open(project.here / "out" / f"{name}.png") as image:
            assert image.size == (WIDTH, HEIGHT)
