"""Whole trainings on two devices and in two processes: as on one, and exact when resumed.

All are slow, since each process starts TensorFlow and compiles the step.
"""

import csv
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from mrcnn.training.state import read_progress
from tests.mrcnn.training.test_loop import arrays, losses, only_folder, require_equal_weights
from tests.mrcnn.workers import TIMEOUT, run_workers
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

# Of the first epoch's means over six steps, and of the weights after it; see
# test_distributed_step.py. Later a difference in the last bit may decide, on one processor and not
# on another, which of two proposals with nearly equal scores is trained.
NEARLY = 1e-4
EPOCHS = 2


def script(logs, *arguments, images=2, devices=None, **config):
    """Arguments of Python for one training; `devices` divides the processor."""
    module = "train_script" if devices is None else "distributed_script"
    divided = [] if devices is None else [devices]
    config = {"IMAGES_PER_GPU": images, "GPU_COUNT": devices or 1, **config}
    command = ["-m", f"tests.mrcnn.{module}", *divided, logs, EPOCHS]
    return [*command, "--config", json.dumps(config), *arguments]


def train(*arguments, **options):
    command = [sys.executable, *map(str, script(*arguments, **options))]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def numbers(folder) -> np.ndarray:
    """The losses of `history.csv`, float `[epochs, columns]`."""
    with (folder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return np.array([[float(v) for k, v in row.items() if "loss" in k] for row in rows])


def require_nearly_equal(folder, other):
    mine, theirs = numbers(folder), numbers(other)
    assert mine.shape == (EPOCHS, 12)
    np.testing.assert_allclose(mine[0], theirs[0], rtol=NEARLY, atol=1e-5)
    first, last = (arrays(other / f"mask_rcnn_shapes_000{n}.h5") for n in (0, 1))
    found = arrays(folder / "mask_rcnn_shapes_0001.h5")
    moved, apart = (
        np.sqrt(sum(np.sum((last[k] - x[k]) ** 2.0) for k in last if last[k].dtype == np.float32))
        for x in (first, found)
    )
    assert apart < NEARLY * moved


def written(folder) -> set[str]:
    return {path.name.partition(".tfevents")[0] for path in folder.iterdir()}


def require_ended(results, *codes):
    for result, code in zip(results, codes, strict=True):
        assert result.returncode == code, result.stderr
        assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    logs = tmp_path_factory.mktemp("one")
    require_ended([train(logs, images=4)], 0)
    return only_folder(logs)


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory):
    logs = tmp_path_factory.mktemp("devices")
    require_ended([train(logs, devices=2)], 0)
    return only_folder(logs)


@pytest.fixture(scope="module")
def by_two_workers(tmp_path_factory):
    logs = tmp_path_factory.mktemp("workers")
    results = run_workers([script(logs), script(logs)])
    require_ended(results, 0, 0)
    assert "Waiting for 1 other workers" in results[0].stdout
    return only_folder(logs)


# ---- as one ----


def test_two_devices_train_as_one(on_one_device, on_two_devices):
    require_nearly_equal(on_two_devices, on_one_device)
    assert written(on_two_devices) == written(on_one_device)


def test_two_workers_train_as_one(on_one_device, by_two_workers):
    """There is one log folder, with what one training writes."""
    require_nearly_equal(by_two_workers, on_one_device)
    assert written(by_two_workers) == written(on_one_device)
    events = [path for path in by_two_workers.iterdir() if "tfevents" in path.name]
    assert len(events) == 1


def test_workers_without_a_seed_or_with_another_log_folder_follow_the_chief(tmp_path):
    logs = tmp_path / "chief", tmp_path / "other"
    results = run_workers([script(folder, SEED=None, EVALUATE_EVERY=2) for folder in logs])
    require_ended(results, 0, 0)
    assert not logs[1].exists()
    assert len(numbers(only_folder(logs[0]))) == EPOCHS
    lines = [[x for x in r.stdout.splitlines() if x.startswith("Epoch")] for r in results]
    assert lines[0] == lines[1] and "mask AP" in lines[0][1]


# ---- going on exactly ----


def test_two_devices_killed_resume_exactly(on_two_devices, tmp_path):
    ended = train(tmp_path, "--signal", "SIGKILL", "--at", 1, 3, devices=2)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    require_ended([train(tmp_path, "--last", devices=2)], 0)
    assert losses(only_folder(tmp_path)) == losses(on_two_devices)
    require_equal_weights(only_folder(tmp_path), on_two_devices)


@pytest.mark.parametrize("victim", [1, 0])
def test_a_worker_killed_ends_the_other_and_all_resume_exactly(by_two_workers, tmp_path, victim):
    commands = [script(tmp_path), script(tmp_path)]
    commands[victim] += ["--signal", "SIGKILL", "--at", 1, 3]
    results = run_workers(commands)
    assert results[victim].returncode == -signal.SIGKILL
    left = results[1 - victim]
    require_ended([left], 2)
    error = left.stderr.strip().splitlines()[-1]
    assert error.startswith("error: Another worker of this training has ended")
    assert "start all workers again from the last checkpoint" in error
    assert read_progress(only_folder(tmp_path)).epoch == 1
    require_ended(run_workers([script(tmp_path, "--last")] * 2), 0, 0)
    assert losses(only_folder(tmp_path)) == losses(by_two_workers)
    require_equal_weights(only_folder(tmp_path), by_two_workers)


def test_ctrl_c_on_one_worker_ends_all_after_the_same_step(by_two_workers, tmp_path):
    interrupted = script(tmp_path, "--signal", "SIGINT", "--at", 1, 2)
    results = run_workers([script(tmp_path), interrupted])
    require_ended(results, 130, 130)
    (stopped,) = {x for r in results for x in r.stdout.splitlines() if x.startswith("Stopped in")}
    assert stopped.startswith("Stopped in epoch 2 after step 3")
    assert read_progress(only_folder(tmp_path)).step == 3
    require_ended(run_workers([script(tmp_path, "--last")] * 2), 0, 0)
    assert losses(only_folder(tmp_path)) == losses(by_two_workers)
    require_equal_weights(only_folder(tmp_path), by_two_workers)


# ---- what goes wrong ----


def test_a_loss_that_is_no_number_ends_all_workers(tmp_path):
    results = run_workers([script(tmp_path, LEARNING_RATE=1e30)] * 2)
    require_ended(results, 2, 2)
    for index, result in enumerate(results):
        assert f"(worker {index}'s images" in result.stderr


def test_workers_with_other_settings_do_not_begin(tmp_path):
    results = run_workers([script(tmp_path, WEIGHT_DECAY=w, LOADER_WORKERS=1) for w in (0, 0.1)])
    require_ended(results, 2, 2)
    expected = "Worker 1 has another configuration than the chief (WEIGHT_DECAY 0.1, there 0)"
    assert expected in results[1].stderr
    assert "Another worker of this training has ended" in results[0].stderr
