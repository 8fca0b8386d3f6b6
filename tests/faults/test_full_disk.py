"""A disk that fills up: one sentence, the former file stays, and the work resumes afterwards."""

import csv
import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from fashion.annotations.via_reading import read
from mrcnn.training.checkpoints import find_last_readable, is_readable
from tests.fashion.fake_detector import folder_of_photographs
from tests.faults.mounts import with_small_disk
from tests.support import REPOSITORY

ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
LABEL = [sys.executable, REPOSITORY / "tests" / "fashion" / "fake_detector.py"]
TRAIN = [sys.executable, "-m", "tests.mrcnn.train_script"]

# Writes a file that fits, then one of the same name that does not.
WRITE_TWICE = """
import sys
from pathlib import Path
import numpy as np
from fashion.terminal import run

def write_text(path, size):
    from fashion.json_files import write_text
    write_text(path, "x" * size)

def write_json(path, size):
    from fashion.json_files import write_json
    write_json(path, ["x" * size])

def write_weights(path, size):
    from mrcnn.weights.h5_writing import write_layers
    write_layers(path, [("layer", [("kernel:0", np.ones(size // 4))])])

def write_picture(path, size):
    from fashion.pictures.sheets import save_png
    noise = np.random.default_rng(0).integers(0, 256, (size // 300, 100, 3), np.uint8)
    save_png(path, noise)

def write_copy(path, size):
    import tempfile
    from fashion.splitting.placing import copy
    with tempfile.NamedTemporaryFile() as source:
        source.write(b"x" * size)
        source.flush()
        copy(Path(source.name), path)

def main():
    write = globals()[sys.argv[1]]
    path = Path(sys.argv[2])
    write(path, 30_000)
    print(len(path.read_bytes()), flush=True)
    write(path, 900_000)

sys.exit(run(main))
"""


@pytest.mark.parametrize(
    "kind", ["write_text", "write_json", "write_weights", "write_picture", "write_copy"]
)
def test_a_file_that_does_not_fit_leaves_the_former_one(kind, tmp_path):
    disk = tmp_path / "disk"
    command = [sys.executable, "-c", WRITE_TWICE, kind, disk / "file.png"]
    done = with_small_disk(command, disk, 400, cwd=REPOSITORY)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "file.png" in done.stderr and "No space left on device" in done.stderr
    (left,) = disk.iterdir()
    assert left.stat().st_size == int(done.stdout) > 0


def contents(folder):
    """All that a labelling run leaves, but its journal."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".jsonl"
    }


def label(folder, output):
    return [*LABEL, json.dumps({"images": str(folder / "images"), "output": str(output)})]


def test_labelling_resumes_when_there_is_room_again(tmp_path):
    folder_of_photographs(tmp_path / "images", 30)
    whole, disk = tmp_path / "whole", tmp_path / "disk"
    subprocess.run(label(tmp_path, whole / "a.json"), check=True, capture_output=True, timeout=1800)

    done = with_small_disk(label(tmp_path, disk / "a.json"), disk, 120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left on device" in done.stderr and "kept in" in done.stderr
    left = contents(disk)
    assert "a.json" not in left and not [name for name in left if name.endswith(".part")]
    finished = (disk / "a.journal.jsonl").read_bytes().splitlines(keepends=True)
    assert len(finished) > 1 and all(line.endswith(b"\n") for line in finished)

    again = subprocess.run(
        label(tmp_path, disk / "a.json"), capture_output=True, text=True, timeout=1800
    )
    assert again.returncode == 0, again.stderr
    assert f"{len(finished) - 1} of 30 images are labelled already" in again.stdout
    assert contents(disk) == contents(whole)
    assert len(read(disk / "a.json", strict=True)) > 0


def run_training(logs, *arguments):
    command = [*map(str, TRAIN), str(logs), *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, timeout=1800
    )


def same_arrays(first, second):
    with h5py.File(first) as one, h5py.File(second) as other:
        names = []
        one.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
        return bool(names) and all(np.array_equal(one[n][()], other[n][()]) for n in names)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 1.2], ids=["in the first epoch", "in the second epoch"])
def test_training_resumes_when_there_is_room_again(tmp_path, share):
    """The disk holds so many states beside the first state and checkpoint.

    A state is written while the former is there, and is twice as large as a checkpoint.
    """
    whole, disk = tmp_path / "whole", tmp_path / "disk"
    assert run_training(whole, 2).returncode == 0
    (expected,) = whole.iterdir()
    state = (expected / "training_state.npz").stat().st_size
    checkpoint = (expected / "mask_rcnn_shapes_0000.h5").stat().st_size
    kilobytes = int((checkpoint + (1 + share) * state) / 1024)

    done = with_small_disk([*TRAIN, disk, 2], disk, kilobytes, cwd=REPOSITORY, env=ENVIRONMENT)
    assert done.returncode == 2, done.stderr
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ") and "No space left on device" in error
    assert "Traceback" not in done.stderr
    (folder,) = disk.iterdir()
    assert not list(folder.glob(".*.part"))
    assert all(is_readable(path) for path in folder.glob("*.h5"))
    assert find_last_readable(disk, "shapes")[1] == []

    again = run_training(disk, 2, "--last")
    assert again.returncode == 0, again.stderr
    assert same_arrays(folder / "mask_rcnn_shapes_0002.h5", expected / "mask_rcnn_shapes_0002.h5")
    with (folder / "history.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2"]
