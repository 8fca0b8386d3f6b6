"""What can go wrong ends with one sentence and exit code 2, before anything slow has begun."""

import json
import re
import subprocess
import sys

import pytest

from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.stages.models import weights_note
from fashion.stages.presets import make_config
from fashion.terminal import run
from tests.fashion.factories import entry, region
from tests.mrcnn.tiny import TinyConfig
from tests.stages.factory import (
    draw_picture,
    head_weights,
    make_dataset,
    run_script,
    without_tensorflow,
)
from tests.support import REPOSITORY

TRAIN = REPOSITORY / "model1" / "samples" / "custom" / "trainModaNet.py"
TEST = REPOSITORY / "model1" / "samples" / "custom" / "testModaNet.py"
EVALUATE = REPOSITORY / "tools" / "evaluate.py"


@pytest.fixture
def here(tmp_path):
    """A folder with a good data set, a picture, and weights for thirteen classes."""
    make_dataset(tmp_path / "data", train=2, val=1)
    draw_picture(tmp_path / "images" / "a.jpg")
    head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    (tmp_path / "logs").mkdir()
    return tmp_path


def error_of(here, script, *arguments):
    """The sentence on stderr of a script that may not import TensorFlow."""
    no_tensorflow = without_tensorflow(here / "path")
    done = run_script(script, *arguments, cwd=here, path=no_tensorflow)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr.removeprefix("error: ").rstrip("\n")


def change(path, edit):
    data = json.loads(path.read_text())
    path.write_text(json.dumps(edit(data) or data))


def annotations(here, subset="train"):
    return here / "data" / subset / "via_region_data.json"


def no_dataset(here):
    (here / "data").rename(here / "elsewhere")


def no_validation(here):
    (here / "data" / "val").rename(here / "elsewhere")


def no_json(here):
    annotations(here).unlink()


def broken_json(here):
    text = annotations(here).read_text()
    annotations(here).write_text(text[: len(text) // 2])


def image_not_there(here):
    (here / "data" / "train" / "train1.jpg").unlink()


def unknown_classes(here):
    regions = [region(label="kaftan")]
    change(annotations(here), lambda data: {"a": entry("train0.jpg", regions, size=(96, 128))})


def broken_head(here):
    """A JPEG whose size neither the annotations nor the file give."""
    regions = draw_picture(here / "data" / "train" / "train0.jpg")
    (here / "data" / "train" / "train0.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    change(annotations(here), lambda data: {"a": entry("train0.jpg", regions, size=None)})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_dataset, r"data: the dataset folder does not exist: expected train/ and val/"),
        (no_validation, r"data: the dataset folder has no folder val: expected"),
        (
            no_json,
            r"train: the folder has no via_region_data\.json; put the VIA annotations .* there",
        ),
        (broken_json, r"via_region_data\.json: it is not valid JSON .* line 1, column \d+.*export"),
        (
            image_not_there,
            r"1 of 2 images that it names cannot be found in .*: train1\.jpg; put them there",
        ),
        (
            unknown_classes,
            r"1 region, but none can be used \(.*kaftan.*; the classes are bag, belt",
        ),
        (broken_head, r"train0\.jpg: not a readable image"),
    ],
)
def test_a_data_set_that_cannot_be_used(here, spoil, sentence):
    spoil(here)
    error = error_of(here, TRAIN, "train", "--dataset=data", "--preset=demo", "--logs=logs")
    assert re.search(sentence, error), error
    assert not any((here / "logs").iterdir())


def test_an_unknown_class_stops_a_strict_training(here):
    change(
        annotations(here), lambda data: data["train0.jpg"]["regions"].append(region(label="sari"))
    )
    arguments = ("--dataset=data", "--preset=demo", "--logs=logs", "--strict")
    assert re.search(
        r"train0\.jpg.*sari.*load without strict", error_of(here, TRAIN, "train", *arguments)
    )


def other_classes(here):
    head_weights(here / "x.h5", classes=10)


def another_file(here):
    (here / "x.h5").write_text("version https://git-lfs.github.com/spec/v1\n")


def no_weights(here):
    (here / "x.h5").unlink()


def no_pictures(here):
    (here / "images" / "a.jpg").rename(here / "images" / "a.txt")


def no_folder(here):
    (here / "images").rename(here / "pictures")


def file_for_output(here):
    (here / "out").touch()


@pytest.mark.parametrize(
    ("spoil", "arguments", "sentence"),
    [
        (
            no_weights,
            [],
            r"x\.h5: there is no weight file of this name in .*another with --model: there is",
        ),
        (another_file, [], r"x\.h5: is a Git LFS pointer.*give a Keras 2 / Matterport \.h5"),
        (
            other_classes,
            [],
            r"other classes: expected the 13 of model1 \(bag, belt, .*found 9; .*--model",
        ),
        (
            None,
            ["--preset=default"],
            r"a different network: expected default, found demo; leave --preset out",
        ),
        (None, ["--model=last"], r"logs: no folder there begins with"),
        (
            no_pictures,
            [],
            r"^images: there is no picture in this folder: expected .*\.jpg.*--images",
        ),
        (no_folder, [], r"^images: the image folder does not exist; .*--images"),
        (
            file_for_output,
            [],
            r"^out: nothing can be written to this folder \(.*choose another with --output",
        ),
    ],
)
def test_pictures_that_cannot_be_drawn(here, spoil, arguments, sentence):
    if spoil:
        spoil(here)
    always = ("--model=x.h5", "--images=images", "--output=out", "--logs=logs")
    error = error_of(here, TEST, *always, *arguments)
    assert re.search(sentence, error), error


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        (TRAIN, ["train", "--dataset=data", "--model=y.h5"], "y.h5: there is no weight file"),
        (
            TRAIN,
            ["train", "--dataset=data", "--schedule=x", "--model=x.h5"],
            "'x' in --schedule 'x' is not a part",
        ),
        (TRAIN, ["train", "--dataset=data", "--logs=x.h5", "--model=none"], "x.h5: nothing can be"),
        (
            TRAIN,
            ["splash", "--image=images/a.jpg", "--model=y.h5"],
            "y.h5: there is no weight file",
        ),
        (TRAIN, ["splash", "--image=y.jpg", "--model=x.h5"], "y.jpg: there is no such image"),
        (TRAIN, ["splash", "--video=y.avi", "--model=x.h5"], "y.avi: there is no such video"),
        (EVALUATE, ["--dataset=data", "--model=y.h5"], "y.h5: there is no weight file"),
        (EVALUATE, ["--dataset=y", "--model=x.h5"], "y: the dataset folder does not exist"),
        (EVALUATE, ["--dataset=data", "--model=x.h5", "--json=x.h5/f.json"], "--json"),
    ],
)
def test_other_commands(here, script, arguments, sentence):
    assert sentence in error_of(here, script, *arguments)


@pytest.mark.parametrize("script", [TRAIN, TEST, EVALUATE], ids=lambda path: path.stem)
@pytest.mark.parametrize("arguments", [["--help"], ["--no-such-option"]], ids=["help", "unknown"])
def test_help_answers_at_once(tmp_path, script, arguments):
    # The processor time of the process itself, so that busy neighbours do not count.
    code = (
        "import runpy, sys, time\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    loaded = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "    print('\\n' + str(time.process_time()), *loaded)\n"
    )
    command = [sys.executable, "-c", code, str(script), *arguments]
    seconds = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
        assert done.returncode == (0 if arguments == ["--help"] else 2), done.stderr
        last = done.stdout.splitlines()[-1].split()
        seconds.append(float(last[0]))
        assert last[1:] == []
    assert min(seconds) < 0.5


# ---- what only a model can find out: in this process, with the smallest one ----


def fashion_config(**changes):
    return type("FashionTiny", (TinyConfig,), {"NUM_CLASSES": 14, "LOADER_WORKERS": 0, **changes})()


def dataset_of(here, subset="train"):
    dataset = FashionDataset().load(here / "data", subset, MODANET_TABLE)
    dataset.prepare()
    return dataset


def sentence_of(main, capsys):
    assert run(main) == 2
    *progress, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "Traceback" not in "".join(progress)
    return error


def test_more_gpus_than_there_are(here, capsys):
    from mrcnn.model import MaskRCNN

    error = sentence_of(lambda: MaskRCNN("training", fashion_config(GPU_COUNT=64), here), capsys)
    assert re.search(r"--gpus is 64, but TensorFlow finds \d+ GPUs .*set --gpus to 1", error)


def test_a_size_that_cannot_be_halved(capsys):
    error = sentence_of(lambda: make_config("default", "x", 14, IMAGE_MAX_DIM=1000), capsys)
    assert re.search(r"IMAGE_MAX_DIM is 1000: expected a multiple of 64.*960 or 1024", error)


def test_classes_that_do_not_fit_the_data_set(here, capsys):
    from mrcnn.model import MaskRCNN

    model = MaskRCNN("training", fashion_config(NUM_CLASSES=10), here / "logs")
    data = dataset_of(here)
    error = sentence_of(lambda: model.train(data, None, 0.001, 1, "all"), capsys)
    assert re.search(r"NUM_CLASSES is 10, but the data set has 14.*set NUM_CLASSES to 14", error)


def test_a_broken_jpeg_is_named(here, capsys):
    from mrcnn.model import MaskRCNN

    for path in (here / "data" / "train").glob("*.jpg"):
        path.write_bytes(path.read_bytes()[:900])
    model = MaskRCNN("training", fashion_config(), here / "logs")
    data = dataset_of(here)
    error = sentence_of(lambda: model.train(data, None, 0.001, 1, "all"), capsys)
    assert re.search(r"train\d\.jpg.* cannot be used for training .*: not a readable image", error)


@pytest.mark.parametrize("width", [8, 256], ids=["another shape", "most layers missing"])
def test_weights_of_another_network_without_a_note(here, capsys, width):
    """Other people's files do not name their preset; the layers show it."""
    from fashion.stages.models import ModelChoice, inference_model
    from fashion.stages.stage import MODANET_STAGE

    path = head_weights(here / "foreign.h5", width=width)
    choice = ModelChoice(MODANET_STAGE, path, preset="demo", precision="float32")
    error = sentence_of(lambda: inference_model(choice), capsys)
    assert "foreign.h5" in error and "--preset" in error
