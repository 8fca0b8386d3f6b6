"""kill -9 while checkpoints are written: every file that has its name is whole."""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from mrcnn.checkpoints import is_readable
from mrcnn.files import unfinished
from tests.faults.test_full_disk import ENVIRONMENT, same_arrays
from tests.support import REPOSITORY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

# A state is an archive of arrays, a checkpoint an HDF5 file; each holds one number throughout.
WRITE_FOREVER = """
import sys
from pathlib import Path
import numpy as np
from mrcnn.files import replacing
from mrcnn.h5_writing import write_layers

folder = Path(sys.argv[1])
for number in range(1, 10**9):
    values = [(f"kernel{i}:0", np.full(60_000, number, np.float32)) for i in range(8)]
    with replacing(folder / "training_state.npz") as stream:
        np.savez(stream, **{name: array for name, array in values})
    write_layers(folder / f"mask_rcnn_shapes_{number % 3:04d}.h5", [("layer", values)])
    print(number, flush=True)
"""


def kill_while_writing(folder, chance):
    """Let a process write files for a moment, then kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, folder],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "1\n"
        time.sleep(chance.random() * 0.3)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


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
    """Every file is whole, but for temporary ones, whose names tell what they were for."""
    hidden = {path for path, _ in unfinished(folder)}
    visible = [path for path in folder.iterdir() if path not in hidden]
    assert visible
    for path in visible:
        assert path.name == "training_state.npz" or is_readable(path), path
        assert len(numbers_in(path)) == 1, path
    for path, name in unfinished(folder):
        assert name.startswith(("mask_rcnn_shapes_", "training_state."))
        path.unlink()


def test_no_half_written_file_is_ever_seen(tmp_path):
    chance = random.Random(8)
    for _ in range(2):
        kill_while_writing(tmp_path, chance)
        require_whole_files(tmp_path)


@pytest.mark.slow
def test_no_half_written_file_is_seen_after_many_kills(tmp_path):
    chance = random.Random(9)
    left_over = 0
    for _ in range(100):
        kill_while_writing(tmp_path, chance)
        left_over += len(list(unfinished(tmp_path)))
        require_whole_files(tmp_path)
    assert left_over > 20, "hardly any kill came in the middle of a file"


def start_training(logs, *arguments):
    command = [sys.executable, "-m", "tests.mrcnn.train_script", str(logs), "3", *arguments]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_training_killed_at_any_time_ends_with_the_same_weights(tmp_path):
    """The state is written after every step, so that most kills come while something is written."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start_training(whole)
    assert process.wait(1800) == 0, process.stderr.read()
    (expected,) = whole.iterdir()
    chance, kills = random.Random(10), 0
    while True:
        begun = killed.exists() and any(killed.glob("*/*.h5"))
        process = start_training(killed, *(["--last"] if begun else []))
        while process.poll() is None and not (begun or any(killed.glob("*/*.h5"))):
            time.sleep(0.05)
        if kills < 12:
            time.sleep(chance.random() * 15)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
        _, errors = process.communicate(timeout=1800)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors
        (folder,) = killed.iterdir()
        assert all(is_readable(path) for path in folder.glob("*.h5"))
    assert kills >= 3, "the training was over before it could be killed"
    names = [path.name for path in sorted(expected.glob("*.h5"))]
    assert [path.name for path in sorted(folder.glob("*.h5"))] == names
    for name in names:
        assert same_arrays(folder / name, expected / name), name
    with (folder / "history.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2", "3"]
    assert not list(folder.glob(".*.part"))
