"""Two runs in one folder: the second is refused in a sentence, and a killed one bars nobody."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from mrcnn.errors import TrainingError
from mrcnn.system.locks import LOCK_FILE, holding
from tests.support import REPOSITORY

HOLD = """
import sys, time
from pathlib import Path
from mrcnn.system.files import replacing
from mrcnn.system.locks import holding

folder = Path(sys.argv[1])
with holding(folder), replacing(folder / "mask_rcnn_shapes_0001.h5") as stream:
    stream.write(b"half")
    stream.flush()
    print("at work", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def training_in(folder):
    """Another process that holds a log folder and is writing a checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "at work\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_training_in_a_log_folder_is_refused(tmp_path):
    with training_in(tmp_path):
        before = sorted(tmp_path.iterdir())
        reported = r"another training is using this log folder; wait until it"
        with pytest.raises(TrainingError, match=reported), holding(tmp_path):
            raise AssertionError("both hold the folder")
        assert sorted(tmp_path.iterdir()) == before, "the first one's files were touched"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_killed_training_bars_nobody_and_leaves_nothing_half_written(tmp_path):
    with training_in(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(list(tmp_path.glob(".mask_rcnn_shapes_0001.h5.*.part"))) == 1
        foreign = tmp_path / ".notes.txt.x.part"
        foreign.touch()
        with holding(tmp_path):
            assert {path.name for path in tmp_path.iterdir()} == {LOCK_FILE, foreign.name}


def test_the_folder_is_free_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), holding(tmp_path):
        raise ZeroDivisionError
    with holding(tmp_path):
        pass


def test_two_folders_do_not_disturb_each_other(tmp_path):
    with training_in(tmp_path / "one"), holding(tmp_path / "other"):
        assert (tmp_path / "other" / LOCK_FILE).exists()
