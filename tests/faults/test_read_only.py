"""Output that cannot be written, by root either: one sentence before the work, and exit code 2."""

import json
import sys

import pytest

from fashion.labels import MODANET_TABLE
from fashion.stages.models import weights_note
from mrcnn.errors import TrainingError
from mrcnn.system.locks import holding
from tests.fashion.factories import coco_data, write_json
from tests.fashion.fake_detector import folder_of_photographs
from tests.faults.mounts import with_read_only
from tests.stages.factory import draw_picture, head_weights, make_dataset, without_tensorflow
from tests.support import REPOSITORY

SCRIPTS = REPOSITORY / "model1" / "samples" / "custom"
TOOLS = REPOSITORY / "tools"
TRAIN = (SCRIPTS / "trainModaNet.py", "train", "--dataset=data", "--preset=demo")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with all that the commands read."""
    here = tmp_path_factory.mktemp("here")
    make_dataset(here / "data", train=2, val=1)
    draw_picture(here / "images" / "top_yaz_1.jpg")
    head_weights(here / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    write_json(here / "coco.json", coco_data())
    folder_of_photographs(here / "photographs", 4)
    without_tensorflow(here / "path")
    return here


@pytest.mark.parametrize(
    "command",
    [
        (*TRAIN, "--logs=OUT"),
        (*TRAIN, "--logs=logs", "--weights-out=OUT/best.h5"),
        (SCRIPTS / "testModaNet.py", "--model=x.h5", "--images=images", "--output=OUT"),
        (SCRIPTS / "generateVggAnno.py", "--model=x.h5", "--images=images", "--output=OUT/a.json"),
        (TOOLS / "coco_to_via.py", "coco.json", "OUT"),
        (TOOLS / "split_dataset.py", "data/train/via_region_data.json", "data/train", "OUT"),
        (TOOLS / "dataset_stats.py", "data", "--output=OUT"),
    ],
    ids=lambda command: f"{command[0].stem} {command[-1]}",
)
def test_a_command_says_where_it_cannot_write(here, tmp_path, command):
    out = here / tmp_path.name
    words = [str(word).replace("OUT", out.name) for word in command]
    environment = {"PYTHONPATH": str(here / "path"), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    done = with_read_only([sys.executable, *words], out, cwd=here, env=environment)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert out.name in done.stderr and "Read-only file system" in done.stderr
    assert not any(out.iterdir())


def test_labelling_says_where_it_cannot_write(here):
    out = here / "labels"
    options = {"images": str(here / "photographs"), "output": str(out / "a.json")}
    script = REPOSITORY / "tests" / "fashion" / "fake_detector.py"
    done = with_read_only([sys.executable, script, json.dumps(options)], out)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"{out}: nothing can be written to this folder (Read-only file system)" in done.stderr


HOLD = """
import sys
from pathlib import Path
from fashion.terminal import run
from mrcnn.system.locks import holding

def main():
    with holding(Path(sys.argv[1])):
        pass

sys.exit(run(main))
"""


def test_a_training_says_that_its_log_folder_cannot_be_written(tmp_path):
    logs = tmp_path / "logs"
    command = [sys.executable, "-c", HOLD, logs / "shapes20240101T0000"]
    done = with_read_only(command, logs, cwd=REPOSITORY)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "shapes20240101T0000: cannot be written" in done.stderr
    assert "Read-only file system" in done.stderr and "make it writable" in done.stderr


def test_a_file_where_the_log_folder_should_be(tmp_path):
    (tmp_path / "logs").touch()
    with (
        pytest.raises(TrainingError, match=r"shapes20240101T0000: cannot be written"),
        holding(tmp_path / "logs" / "shapes20240101T0000"),
    ):
        pass
