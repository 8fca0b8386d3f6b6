"""The training loop: what it writes, and that it resumes exactly where it ended."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrcnn.errors import ConfigError, TrainingError
from mrcnn.model import MaskRCNN
from mrcnn.network.losses import class_loss_of_meta
from mrcnn.system.locks import holding
from mrcnn.training.history import read_epochs
from mrcnn.training.loop import deciding_column, note_best, stops_early
from mrcnn.training.state import FILE_NAME, Progress, read_progress
from tests.mrcnn.tiny import ShapesDataset, TinyConfig
from tests.support import REPOSITORY


def run_script(*arguments) -> subprocess.CompletedProcess:
    """`tests.mrcnn.train_script` in a process of its own."""
    command = [sys.executable, "-m", "tests.mrcnn.train_script", *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=1800
    )


def only_folder(logs):
    (folder,) = logs.iterdir()
    return folder


def losses(folder) -> list[list[str]]:
    """The rows of history.csv without what depends on the clock."""
    with (folder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return [
        [v for k, v in row.items() if k not in ("seconds", "images_per_second")] for row in rows
    ]


def arrays(path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda n, x: found.update({n: x[()]} if isinstance(x, h5py.Dataset) else {})
        )
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Two epochs in one go."""
    logs = tmp_path_factory.mktemp("uninterrupted")
    result = run_script(logs, 2)
    assert result.returncode == 0, result.stderr
    return only_folder(logs)


def test_a_training_writes_checkpoints_history_and_events(uninterrupted):
    names = {path.name for path in uninterrupted.iterdir()}
    assert {
        "mask_rcnn_shapes_0000.h5",
        "mask_rcnn_shapes_0001.h5",
        "mask_rcnn_shapes_0002.h5",
        "best_mask_rcnn_shapes.h5",
        "history.csv",
        FILE_NAME,
    } <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert [row[0] for row in losses(uninterrupted)] == ["1", "2"]
    assert not [name for name in names if name.endswith(".part")]


def require_equal_weights(folder, other):
    mine, theirs = (arrays(f / "mask_rcnn_shapes_0002.h5") for f in (folder, other))
    assert mine.keys() == theirs.keys()
    for key, value in mine.items():
        np.testing.assert_array_equal(value, theirs[key], err_msg=key)


@pytest.mark.parametrize(
    "workers",
    [
        {"LOADER_WORKERS": 0},
        pytest.param({"LOADER_WORKERS": 1}, marks=pytest.mark.slow),
        pytest.param({"LOADER_WORKERS": 5}, marks=pytest.mark.slow),
        pytest.param({"LOADER_WORKERS": 3, "LOADER_BACKEND": "process"}, marks=pytest.mark.slow),
    ],
    ids=lambda workers: " ".join(map(str, workers.values())),
)
def test_two_trainings_with_one_seed_are_equal(uninterrupted, tmp_path, workers):
    result = run_script(tmp_path, 2, "--config", json.dumps(workers))
    assert result.returncode == 0, result.stderr
    assert losses(only_folder(tmp_path)) == losses(uninterrupted)
    require_equal_weights(only_folder(tmp_path), uninterrupted)


@pytest.mark.slow
def test_another_seed_is_another_training(uninterrupted, tmp_path):
    """Or the test above would compare nothing."""
    assert run_script(tmp_path, 1, "--config", json.dumps({"SEED": 4})).returncode == 0
    assert losses(only_folder(tmp_path))[0] != losses(uninterrupted)[0]


@pytest.mark.slow
def test_a_training_whose_loader_died_resumes_exactly(uninterrupted, tmp_path):
    processes = ("--config", json.dumps({"LOADER_BACKEND": "process", "LOADER_QUEUE": 1}))
    signal_at = ("--signal", "SIGKILL", "--at", 0, 2, "--worker")
    ended = run_script(tmp_path, 2, *processes, *signal_at, "--state-seconds", 600)
    assert ended.returncode == 2, ended.stderr
    error = ended.stderr.splitlines()[-1]
    assert error.startswith("error: ") and "was ended by SIGKILL" in error
    assert "Traceback" not in ended.stderr
    # The steps since the last state, of before the first, are not lost.
    progress = read_progress(only_folder(tmp_path))
    assert progress.step >= 3
    assert f"in epoch 1 after step {progress.step}; the state is saved" in ended.stdout
    assert run_script(tmp_path, 2, "--last").returncode == 0
    assert losses(only_folder(tmp_path)) == losses(uninterrupted)
    require_equal_weights(only_folder(tmp_path), uninterrupted)


def test_a_log_folder_where_another_training_is_at_work(model):
    with holding(Path(model.log_dir)), pytest.raises(TrainingError, match="another training is"):
        model.train(ShapesDataset(4), None, 0.001, 1, "heads")


@pytest.mark.parametrize(
    ("name", "epoch", "step", "code"),
    [
        ("SIGKILL", 1, 3, -signal.SIGKILL),  # in the middle of the second epoch
        pytest.param(  # before the first epoch's checkpoint
            "SIGKILL", 0, 2, -signal.SIGKILL, marks=pytest.mark.slow
        ),
        pytest.param("SIGINT", 1, 3, 130, marks=pytest.mark.slow),  # Ctrl-C
    ],
)
def test_a_training_that_was_ended_resumes_exactly(
    uninterrupted, tmp_path, name, epoch, step, code
):
    ended = run_script(tmp_path, 2, "--signal", name, "--at", epoch, step)
    assert ended.returncode == code, ended.stderr
    if name == "SIGINT":
        assert f"Stopped in epoch {epoch + 1} after step {step + 1}" in ended.stdout
        assert "Resume from the last checkpoint there." in ended.stdout
    resumed = run_script(tmp_path, 2, "--last")
    assert resumed.returncode == 0, resumed.stderr
    folder = only_folder(tmp_path)
    assert losses(folder) == losses(uninterrupted)
    require_equal_weights(folder, uninterrupted)


@pytest.mark.slow
def test_a_training_killed_between_two_states_repeats_the_steps_since(uninterrupted, tmp_path):
    ended = run_script(tmp_path, 2, "--signal", "SIGKILL", "--at", 1, 3, "--state-seconds", 600)
    assert ended.returncode == -signal.SIGKILL
    assert read_progress(only_folder(tmp_path)).step == 0
    assert run_script(tmp_path, 2, "--last", "--state-seconds", 600).returncode == 0
    assert losses(only_folder(tmp_path)) == losses(uninterrupted)


# Updates after steps 3, 7 and 11 of twelve: the first epoch ends within an accumulation.
HELPS = {
    "OPTIMIZER": "adam",
    "LEARNING_RATE_SCHEDULE": "cosine:0.1",
    "WARMUP_STEPS": 4,
    "ACCUMULATE_STEPS": 4,
    "REPEAT_FACTOR_THRESHOLD": 1,
    "CLASS_WEIGHTS": {"disc": 2},
    "EVALUATE_EVERY": 1,
    "EARLY_STOPPING": 9,
    "WEIGHTS_AVERAGE": 0.9,
    "SCALE_JITTER": (0.8, 1.25),
    "COLOUR_JITTER": 0.2,
}


@pytest.mark.slow
def test_a_training_with_every_help_resumes_exactly(tmp_path):
    options = ("--config", json.dumps(HELPS))
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    assert run_script(whole, 2, *options).returncode == 0
    result = run_script(ended, 2, *options, "--signal", "SIGKILL", "--at", 1, 3)
    assert result.returncode == -signal.SIGKILL, result.stderr
    result = run_script(ended, 2, *options, "--last")
    assert result.returncode == 0, result.stderr
    assert losses(only_folder(ended)) == losses(only_folder(whole))
    require_equal_weights(only_folder(ended), only_folder(whole))
    row = read_epochs(only_folder(whole), 2)[1]
    last = 0.01 * (0.1 + 0.9 * (1 + math.cos(math.pi * 11 / 12)) / 2)
    assert row["learning_rate"] == pytest.approx(last, rel=1e-5)
    assert row["val_mask_AP"] >= 0


def test_checkpoints_hold_the_averages_and_the_training_continues_without(tmp_path):
    """Averaging changes what is saved, not what is learnt."""
    options = ("--config", json.dumps({"WEIGHTS_AVERAGE": 0.9, "LOADER_WORKERS": 0}))
    assert run_script(tmp_path / "averaged", 1, *options).returncode == 0
    assert run_script(tmp_path / "plain", 1, "--workers", 0).returncode == 0
    averaged, plain = (only_folder(tmp_path / name) for name in ("averaged", "plain"))
    state, other = (np.load(folder / FILE_NAME) for folder in (averaged, plain))
    weights = [key for key in other.files if key.startswith("weight:")]
    for key in weights:
        np.testing.assert_array_equal(state[key], other[key], err_msg=key)
    saved, raw = (arrays(folder / "mask_rcnn_shapes_0001.h5") for folder in (averaged, plain))
    differ = [key for key in raw if not np.array_equal(saved[key], raw[key])]
    assert len(differ) > len(raw) / 2
    rows = [losses(folder)[0] for folder in (averaged, plain)]
    assert rows[0][1] == rows[1][1]  # the loss of training
    assert rows[0][7] != rows[1][7]  # that of validation


@pytest.mark.parametrize(
    ("column", "values", "best"),
    [
        ("val_loss", [3, 2, 2, 4], [True, True, False, False]),
        ("loss", [3, 4, 1], [True, False, True]),
        ("val_mask_AP", [0.0, 0.2, 0.2, 0.1], [True, True, False, False]),
        ("val_mask_AP", [-1, None, 0.1], [True, False, True]),  # an epoch without evaluation
    ],
)
def test_what_is_best(column, values, best):
    progress, found = Progress(), []
    for value in values:
        progress.epoch += 1
        row = {} if value is None else {column: value}
        found.append(note_best(progress, column, row))
    assert found == best
    assert progress.best_epoch == len(best) - best[::-1].index(True)


def test_the_best_starts_over_with_what_decides():
    progress = Progress(epoch=3, best=0.4)  # of val_loss
    assert note_best(progress, "val_mask_AP", {"val_mask_AP": 0.1})
    assert deciding_column(True, {"val_loss": 1}) == "val_mask_AP"
    assert deciding_column(False, {"val_loss": 1, "loss": 2}) == "val_loss"
    assert deciding_column(False, {"loss": 2}) == "loss"


def test_when_to_stop_early():
    progress = Progress(epoch=7, best_epoch=4)
    assert [stops_early(progress, patience) for patience in (0, 2, 3, 4)] == [0, 1, 1, 0]
    progress.call_begin = 6  # each call has its own patience
    assert [stops_early(progress, patience) for patience in (1, 2)] == [True, False]


@pytest.mark.slow
def test_class_weights_reach_the_loss_of_one_training_only(model):
    data = ShapesDataset(4)
    model.config.CLASS_WEIGHTS = [1, 0, 0]
    model.train(data, None, 0.0, 1, "heads")
    layer = model.keras_model.get_layer("mrcnn_class_loss")
    assert layer.function is not class_loss_of_meta
    model.config.CLASS_WEIGHTS = None
    model.train(data, None, 0.0, 2, "heads")
    assert layer.function is class_loss_of_meta


def test_rare_images_are_shown_more_often(model, capsys):
    data = ShapesDataset(8)
    for image in range(8):
        data.image_info[image]["class_ids"] = [1, 2] if image == 5 else [1]
    model.config.REPEAT_FACTOR_THRESHOLD = 0.5
    model.train(data, None, 0.001, 1, "heads")
    assert "disc x2; 9 places in a pass over 8 images" in capsys.readouterr().out


@pytest.fixture
def model(tmp_path):
    return MaskRCNN("training", TinyConfig(), tmp_path)


def test_epochs_is_the_total(model):
    data = ShapesDataset(6)
    assert len(model.train(data, None, 0.001, 1, "heads")) == 1
    assert len(model.train(data, None, 0.001, 2, "all")) == 2
    assert model.epoch == 2
    assert len(model.train(data, None, 0.001, 2, "all")) == 2  # nothing left to do


def test_frozen_layers_do_not_change(tmp_path):
    class Config(TinyConfig):
        # Whatever the random weights propose, there is something to learn.
        ADD_GT_TO_PROPOSALS = True

    model = MaskRCNN("training", Config(), tmp_path)
    backbone = model.keras_model.get_layer("res2a_branch2a")
    head = model.keras_model.get_layer("mrcnn_class_logits")
    before, head_before = backbone.get_weights(), head.get_weights()
    model.train(ShapesDataset(4), None, 0.01, 1, "heads")
    np.testing.assert_array_equal(backbone.get_weights()[0], before[0])
    assert np.abs(head.get_weights()[0] - head_before[0]).max() > 0


@pytest.mark.slow
def test_the_memory_of_the_optimizer_lasts_from_one_call_to_the_next(model):
    data = ShapesDataset(6)
    model.train(data, None, 0.001, 1, "all")
    momentum = {v.name: np.array(v.value) for v in model.keras_model.optimizer.variables}
    model.train(data, None, 0.0, 2, "all")  # a rate of 0: momentum decays, is not rebuilt
    name = "mrcnn_class_logits_mrcnn_class_logits_kernel_momentum"
    after = {v.name: np.array(v.value) for v in model.keras_model.optimizer.variables}[name]
    np.testing.assert_allclose(after, momentum[name] * 0.9**6, rtol=1e-4, atol=1e-9)


def test_a_loss_that_is_no_number_ends_the_training_with_the_images(model):
    with pytest.raises(TrainingError, match=r"At step \d+ \(images .*lower learning rate"):
        model.train(ShapesDataset(6), None, 1e30, 3, "all")


def test_classes_must_fit(model):
    data = ShapesDataset(2)
    data.add_class("shapes", 3, "star")
    data.prepare()
    with pytest.raises(ConfigError, match="NUM_CLASSES is 3, but the data set has 4"):
        model.train(data, None, 0.001, 1, "all")


def test_an_inference_model_cannot_be_trained(tmp_path):
    model = MaskRCNN("inference", TinyConfig(), tmp_path)
    with pytest.raises(ConfigError, match="cannot be trained"):
        model.train(ShapesDataset(2), None, 0.001, 1, "all")


def test_a_damaged_state_is_left_aside(tmp_path, capsys):
    (tmp_path / FILE_NAME).write_bytes(b"PK\x03\x04 cut short")
    assert read_progress(tmp_path) is None
    assert "damaged" in capsys.readouterr().out


def test_no_state_is_no_progress(tmp_path):
    assert read_progress(tmp_path) is None


def test_progress_begins_with_nothing_done():
    assert (Progress().epoch, Progress().step, Progress().history) == (0, 0, [])


@pytest.mark.parametrize("use_rpn_rois", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_loss_falls(tmp_path, use_rpn_rois):
    config = type("C", (TinyConfig,), {"USE_RPN_ROIS": use_rpn_rois, "STEPS_PER_EPOCH": 30})()
    model = MaskRCNN("training", config, tmp_path)
    history = model.train(ShapesDataset(4), None, 0.01, 2, "all")
    assert history[1]["loss"] < 0.8 * history[0]["loss"]
