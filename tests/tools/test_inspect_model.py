"""tools/inspect_model.py: what the command line takes, writes and refuses."""

import json

import pytest

from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.stages import inspect_command as inspect_model
from fashion.stages.models import weights_note
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE
from mrcnn.errors import ConfigError, DatasetError, UserError, WeightsError
from tests.stages.factory import (
    demo_weights,
    draw_picture,
    head_weights,
    make_dataset,
    run_script,
    without_tensorflow,
)
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "inspect_model.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return demo_weights(tmp_path_factory.mktemp("weights") / "x.h5")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def numbers(folder):
    return json.loads((folder / "inspection.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"stage": MODANET_STAGE, "subset": "val", "file_only": False, "show": None}),
        (["--stage=2"], {"stage": SEASON_STAGE}),
        (["--show=masks,anchors", "--preset=demo"], {"show": "masks,anchors", "preset": "demo"}),
        (["--weights=a.h5", "--limit=3"], {"model": "a.h5", "limit": 3}),
    ],
)
def test_command_line(arguments, expected):
    options = vars(inspect_model.parse_arguments(arguments))
    assert {name: options[name] for name in expected} == expected


def test_a_picture_comes_from_one_place():
    with pytest.raises(SystemExit):
        inspect_model.parse_arguments(["--dataset=d", "--image=a.jpg"])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ["--dataset=d"],
            "anchors rpn_targets proposals rois detections masks activations weights",
        ),
        (["--image=a.jpg"], "anchors proposals detections masks activations weights"),
        ([], "anchors weights"),
        (["--show=weights, anchors"], "anchors weights"),
        (["--dataset=d", "--show=rois,proposals"], "proposals rois"),
    ],
)
def test_what_is_shown(arguments, parts):
    options = inspect_model.parse_arguments(arguments)
    assert inspect_model.chosen_parts(options) == parts.split()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--show=masks"], UserError, "masks needs a picture; give --dataset=DIR or --image=FILE"),
        (["--image=a.jpg", "--show=rois"], UserError, "rois needs a picture; give --dataset=DIR"),
        (["--show=boxes"], ConfigError, "no part boxes to show: expected anchors, rpn_targets"),
        (["--show="], ConfigError, "no part"),
        (["--model=y.h5"], WeightsError, r"y\.h5: there is no weight file"),
        (["--model=x.h5", "--image=a.jpg"], DatasetError, r"a\.jpg: there is no such image file"),
        (["--model=x.h5", "--dataset=d"], DatasetError, "d: the dataset folder does not exist"),
        (["--model=x.h5", "--dataset=data", "--picture=b.jpg"], DatasetError, r"picture b\.jpg"),
    ],
)
def test_what_a_user_can_do_wrong(here, arguments, error, words):
    head_weights(here / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    make_dataset(here / "data", train=1, val=1)
    with pytest.raises(error, match=words):
        inspect_model.main(arguments)
    assert not (here / "inspected").exists()


def test_all_of_an_annotated_picture(here, weights, capsys):
    make_dataset(here / "data", train=1, val=3)
    arguments = [f"--model={weights}", "--dataset=data", "--picture=val1.jpg", "--output=out"]
    assert inspect_model.main([*arguments, "--min-confidence=0", "--layers", "res2b_out"]) == 0
    output = capsys.readouterr().out
    assert "3 images, 9 instances" in output and "anchors: The anchors fit" in output
    assert str(here / "out" / "index.html") in output
    found = numbers(here / "out")
    assert next(iter(found)) == "file" and len(found) == 9
    assert found["file"]["notes"]["fashion_stage"]["preset"] == "demo"
    assert found["anchors"]["fit"]["all"]["instances"] == 9
    assert found["anchors"]["fit"]["by_class"]["bag"]["instances"] == 3
    assert list(found["activations"]) == ["res2b_out"]
    assert "val1.jpg, as the network sees it" in (here / "out" / "index.html").read_text()


def test_anchors_before_any_training_with_fewer_pictures(here):
    make_dataset(here / "data", train=1, val=3)
    arguments = ["--model=none", "--preset=demo", "--dataset=data", "--limit=2"]
    assert inspect_model.main([*arguments, "--show=anchors,rpn_targets"]) == 0
    found = numbers(here / "inspected")
    assert list(found) == ["anchors", "rpn_targets"]
    assert found["anchors"]["fit"]["all"]["instances"] == 6


def test_random_weights_have_statistics_too(here):
    assert inspect_model.main(["--model=none", "--preset=demo", "--show=weights"]) == 0
    assert len(numbers(here / "inspected")["weights"]["weights"]) > 200


def test_a_picture_without_truth(here, weights):
    draw_picture(here / "a.jpg")
    show = "--show=proposals,detections"
    assert inspect_model.main([f"--model={weights}", "--image=a.jpg", show]) == 0
    assert list(numbers(here / "inspected")) == ["file", "proposals", "detections"]


def test_photo_weights_know_the_person_whom_the_data_do_not_name(here):
    make_dataset(here / "data", train=1, val=1)
    show = "--show=proposals,rois,detections"
    assert inspect_model.main(["--model=photo.h5", "--dataset=data", show]) == 0
    assert list(numbers(here / "inspected")) == ["file", "proposals", "rois", "detections"]


def test_a_file_of_any_classes_alone(here, capsys):
    head_weights(here / "x.h5", classes=10, notes=weights_note("default", SEASON_TABLE))
    assert inspect_model.main(["--model=x.h5", "--file-only", "--output=out"]) == 0
    output = capsys.readouterr().out
    assert "NUM_CLASSES = 10" in output and "classes = 9: skirt_yaz, bag_yaz" in output
    assert "mrcnn_class_logits/kernel:0  8x10" in output
    assert json.loads((here / "out" / "file.json").read_text())["totals"]["weights"] == 2
    weights = numbers(here / "out")["weights"]["weights"]
    assert [weight["alarm"] for weight in weights] == ["all zero", ""]
    assert "weights: 2 weights: 1 look wrong" in output


def test_a_file_alone_needs_no_network_and_errors_are_one_sentence(here):
    head_weights(here / "x.h5")
    path = without_tensorflow(here / "without")
    done = run_script(SCRIPT, "--model=x.h5", "--file-only", cwd=here, path=path)
    assert done.returncode == 0, done.stderr
    assert (here / "inspected" / "weights.png").exists()
    (here / "x.h5").write_bytes(b"<html>")
    done = run_script(SCRIPT, "--model=x.h5", "--file-only", cwd=here, path=path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: x.h5: is an HTML or XML page") and "\n" in done.stderr
    assert len(done.stderr.splitlines()) == 1
