"""A clock that goes back: the last training is still the last, and no folder is used twice.

The clock of a process is set by its time zone, as it is when summer time ends.
"""

import json
import os
import subprocess
import sys

import pytest

from mrcnn.training.checkpoints import choose_log_folder, find_last
from tests.fashion.fake_detector import folder_of_photographs, photograph
from tests.support import REPOSITORY

BEGIN_TRAINING = """
import sys
from mrcnn.training.checkpoints import choose_log_folder

log = choose_log_folder(sys.argv[1], "Shapes")
log.folder.mkdir(parents=True)
log.checkpoint(0).touch()
print(log.folder.name)
"""


def begin_training(logs, zone):
    """A new training of a process whose clock shows the time of a zone; its folder's name."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN_TRAINING, logs],
        cwd=REPOSITORY,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(os.name != "posix", reason="Windows does not set the time zone so")
def test_the_last_training_is_the_last_after_the_clock_went_back(tmp_path):
    # POSIX counts zones westwards: the second clock is six hours behind the first.
    names = [begin_training(tmp_path, zone) for zone in ("ahead-3", "behind+3", "behind+3")]
    assert names == sorted(set(names))
    assert find_last(tmp_path, "shapes").parent.name == names[-1]


def test_trainings_of_one_minute_have_folders_of_their_own(tmp_path):
    folders = []
    for _ in range(3):
        folders.append(choose_log_folder(tmp_path, "Shapes").folder)
        folders[-1].mkdir()
    assert folders == sorted(set(folders))


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["shapes20991231T2359"], "shapes21000101T0000"),  # a clock that was wrong once
        (["shapes20240101T0000", "shapes20991231T2358"], "shapes20991231T2359"),
        (["other20991231T2359", "shapes99999999T9999", "shapes_best"], None),
        (["shapes99991231T2359"], None),  # no minute comes after it
        (["shapes20240101T0000"], None),
    ],
)
def test_names_of_folders_that_are_there(there, chosen, tmp_path):
    empty, full = tmp_path / "empty", tmp_path / "full"
    for name in there:
        (full / name).mkdir(parents=True)
    before = choose_log_folder(empty, "shapes").folder.name
    name = choose_log_folder(full, "shapes").folder.name
    now = {before, choose_log_folder(empty, "shapes").folder.name}  # the minute may just turn
    assert name in ({chosen} if chosen else now)


def test_a_picture_changed_under_a_clock_that_went_back_is_labelled_again(tmp_path):
    images, output = folder_of_photographs(tmp_path / "images", 4), tmp_path / "out" / "a.json"
    script = REPOSITORY / "tests" / "fashion" / "fake_detector.py"
    options = json.dumps({"images": str(images), "output": str(output)})

    def labels():
        subprocess.run([sys.executable, script, options], check=True, timeout=1800)
        return json.loads(output.read_text())

    before = labels()
    picture = photograph(images / "skirt_kis_001.png", [("skirt", (10, 10, 60, 50), 0.95)])
    os.utime(picture, (0, 0))
    after = labels()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed and all(key.startswith(picture.name) for key in changed)
