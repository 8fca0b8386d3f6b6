"""`train` on several devices and workers: its options, and who writes."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest

import mrcnn.model
from fashion.labels import MODANET_TABLE
from fashion.stages import Stage
from fashion.train_stage import add_training_arguments, train
from tests.mrcnn.workers import run_workers
from tests.stages.factory import copy_project, head_weights, make_dataset, run_script
from tests.support import REPOSITORY

OTHER_WORKER = {
    "cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
    "task": {"type": "worker", "index": 1},
}


class RecordingModel:
    """Stands where MaskRCNN does, and leaves the weights that a training would."""

    made = None

    def __init__(self, mode, config, model_dir):
        self.config, self.epoch = config, 0
        self.log_dir = str(Path(model_dir) / "modanet20240101T0000")
        RecordingModel.made = self

    def train(self, train_set, validation_set, learning_rate, epochs, layers, augmentation):
        self.epoch = epochs
        best = Path(self.log_dir) / "best_mask_rcnn_modanet.h5"
        head_weights(best, notes=self.weights_attributes)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    stage = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    monkeypatch.setattr(mrcnn.model, "MaskRCNN", RecordingModel)
    monkeypatch.chdir(tmp_path)
    make_dataset(stage.dataset, train=2, val=1)
    return stage


def run(stage, *arguments):
    parser = argparse.ArgumentParser()
    add_training_arguments(parser, stage)
    parser.set_defaults(stage=stage)
    options = ["--preset=demo", "--model=none", "--epochs=1", *arguments]
    assert train(parser.parse_args(options)) == 0
    return RecordingModel.made.config


def test_devices_and_rate(stage):
    config = run(stage, "--batch=3", "--gpus=2", "--scale-learning-rate")
    assert (config.GPU_COUNT, config.IMAGES_PER_GPU, config.BATCH_SIZE) == (2, 3, 6)
    assert config.SCALE_LEARNING_RATE is True


def test_they_are_off_unless_given(stage):
    config = run(stage)
    assert (config.GPU_COUNT, config.SCALE_LEARNING_RATE) == (1, False)
    assert (stage.folder / stage.weights).is_file()


def test_another_worker_than_the_chief_copies_nothing(stage, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(OTHER_WORKER))
    run(stage)
    assert not (stage.folder / stage.weights).exists()


# ---- the real script ----


def history(logs: Path) -> np.ndarray:
    (folder,) = logs.iterdir()
    with (folder / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([[float(v) for k, v in row.items() if "loss" in k] for row in rows])


@pytest.mark.slow
def test_the_script_with_tf_config_trains_as_one_process(tmp_path):
    """The demo's backbone has batch norms that look at the whole batch.

    From the demo's start weights: a random RPN gives hundreds of anchors the same score but for the
    last digits, which then decide which RoIs the heads see.
    """
    project = copy_project(tmp_path / "project")
    script = project / "model1" / "samples" / "custom" / "trainModaNet.py"
    make_dataset(tmp_path / "data")
    start = REPOSITORY / "fashion" / "data" / "demo_start.h5"
    common = ["train", "--dataset=data", "--preset=demo", f"--model={start}", "--seed=5"]
    common += ["--steps=2", "--workers=1", "--precision=float32", "--epochs=1"]
    one = run_script(script, *common, "--batch=2", "--logs=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    arguments = [script, *common, "--batch=1", "--logs=two", "--weights-out=two.h5"]
    results = run_workers([arguments, arguments], cwd=tmp_path)
    for result in results:
        assert result.returncode == 0, result.stderr
    assert "Best weights, copied for the next stage" in results[0].stdout
    assert "Best weights" not in results[1].stdout
    # Batch statistics come from sums of squares there, and a step amplifies what that rounds: 2e-5
    # was measured.
    np.testing.assert_allclose(history(tmp_path / "two"), history(tmp_path / "one"), rtol=1e-3)
    resumed = [*arguments, "--model=last", "--epochs=2"]
    for result in run_workers([resumed, resumed], cwd=tmp_path):
        assert result.returncode == 0, result.stderr
    assert len(history(tmp_path / "two")) == 2
