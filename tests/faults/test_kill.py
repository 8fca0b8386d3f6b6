"""kill -9 while checkpoints are written: every file under its final name is whole."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mrcnn.system.files import unfinished
from mrcnn.training.checkpoints import is_readable
from tests.faults.test_full_disk import ENVIRONMENT, same_arrays
from tests.support import REPOSITORY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

ROUNDS = 3


def run_killed_at(operation, module, *arguments) -> subprocess.CompletedProcess:
    """A module in a process that is killed at one of its file operations; 0: never."""
    command = [sys.executable, "-m", "tests.faults.killed_at", operation, module, *arguments]
    return subprocess.run(
        [str(word) for word in command],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )


def operations_of(done) -> int:
    """How many file operations a process had that was not killed."""
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1].removeprefix("operations "))


def kill_while_writing(folder, operation) -> int:
    """Kill a process that writes files; how many temporary files it has left."""
    done = run_killed_at(operation, "tests.faults.write_rounds", folder, ROUNDS)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return len(list(unfinished(folder)))


def numbers_in(path):
    """All different numbers of the arrays of a state or a checkpoint."""
    if path.suffix == ".npz":
        with np.load(path) as data:
            assert data.zip.testzip() is None
            arrays = [data[name] for name in data.files]
    else:
        with h5py.File(path) as file:
            arrays = [file["layer"][f"kernel{index}:0"][()] for index in range(8)]
    assert len(arrays) == 8 and all(array.size == 60_000 for array in arrays)
    return set(np.concatenate(arrays).tolist())


def require_whole_files(folder):
    """Every file is whole, but for temporary ones, whose names say what they were for."""
    hidden = {path for path, _ in unfinished(folder)}
    visible = [path for path in folder.iterdir() if path not in hidden]
    assert visible
    for path in visible:
        assert path.name == "training_state.npz" or is_readable(path), path
        assert len(numbers_in(path)) == 1, path
    for path, name in unfinished(folder):
        assert name.startswith(("mask_rcnn_shapes_", "training_state."))
        path.unlink()


@pytest.fixture
def operations(tmp_path):
    """The number of file operations of all rounds; the folder then holds the files of a run."""
    return operations_of(run_killed_at(0, "tests.faults.write_rounds", tmp_path, ROUNDS))


def test_no_half_written_file_is_ever_seen(tmp_path, operations):
    """Kills in the middle of a state, of a checkpoint, and of the round after them."""
    for share in (0.1, 0.25, 0.45):
        assert kill_while_writing(tmp_path, int(share * operations)) == 1, "no write was hit"
        require_whole_files(tmp_path)


@pytest.mark.slow
def test_no_half_written_file_is_seen_wherever_the_kill_comes(tmp_path, operations):
    """Kills at all operations of the second round, in steps so that there are about a hundred."""
    first, last = operations // ROUNDS, 2 * operations // ROUNDS
    places = range(first, last, max(1, (last - first) // 100))
    left_over = 0
    for place in places:
        left_over += kill_while_writing(tmp_path, place)
        require_whole_files(tmp_path)
    assert left_over > 0.8 * len(places), "hardly any kill came in the middle of a file"


KILLS = 12


@pytest.mark.slow
def test_a_training_killed_at_any_operation_ends_with_the_same_weights(tmp_path):
    """The state is written after every step, so that most kills come while something is written."""
    training = "tests.mrcnn.train_script"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    operations = operations_of(run_killed_at(0, training, whole, 3))
    (expected,) = whole.iterdir()
    chance = random.Random(10)
    for _ in range(KILLS):
        begun = any(killed.glob("*/*.h5"))
        if not begun:  # no checkpoint, so no training to resume
            shutil.rmtree(killed, ignore_errors=True)
        # All kills together come before the training's end.
        operation = chance.randint(10, operations // (KILLS + 1))
        done = run_killed_at(operation, training, killed, 3, *(["--last"] if begun else []))
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert all(is_readable(path) for path in killed.glob("*/*.h5"))
    done = run_killed_at(0, training, killed, 3, "--last")
    assert done.returncode == 0, done.stderr
    (folder,) = killed.iterdir()
    names = [path.name for path in sorted(expected.glob("*.h5"))]
    assert [path.name for path in sorted(folder.glob("*.h5"))] == names
    for name in names:
        assert same_arrays(folder / name, expected / name), name
    with (folder / "history.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3"]
    assert not list(folder.glob(".*.part"))
