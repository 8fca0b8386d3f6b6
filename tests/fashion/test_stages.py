"""What the scripts of both stages share: where files are looked for, and what they remember."""

import argparse
import json
from pathlib import Path

import pytest

from fashion import stages
from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.stages import (
    MODANET_STAGE,
    REPOSITORY,
    SEASON_STAGE,
    Stage,
    add_model_arguments,
    find_weights,
    fraction,
    inference_weights,
    positive,
    preset_of,
    read_note,
    weights_note,
    weights_path,
    whole,
    writable_folder,
)
from mrcnn.errors import UserError, WeightsError, WeightsNotFoundError
from tests.stages.factory import demo_weights, head_weights


@pytest.fixture
def stage_1(tmp_path, monkeypatch):
    """Both stages moved to a temporary folder, and the current folder to another."""
    first = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    second = Stage("season", tmp_path / "model2", SEASON_TABLE, "mask_rcnn_Season.h5")
    monkeypatch.setattr(stages, "MODANET_STAGE", first)
    monkeypatch.setattr(stages, "SEASON_STAGE", second)
    for name in ("model1", "model2", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return first


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(("stage", "folder"), [(MODANET_STAGE, "model1"), (SEASON_STAGE, "model2")])
def test_folders_of_a_stage(stage, folder):
    root = REPOSITORY / folder
    assert stage.images == root / "images"
    assert stage.outputs == root / "outputs"
    assert stage.logs == root / "logs"
    assert stage.dataset == root / "samples" / "custom" / "dataset"
    assert root.is_absolute()


def test_a_bare_name_is_looked_for_here_then_in_both_stages(stage_1, tmp_path):
    other = touch(tmp_path / "model2" / "x.h5")
    assert find_weights("x.h5", stage_1) == other
    own = touch(tmp_path / "model1" / "x.h5")
    assert find_weights("x.h5", stage_1) == own
    assert find_weights("x.h5", stages.SEASON_STAGE) == other
    touch(tmp_path / "here" / "x.h5")
    assert find_weights("x.h5", stage_1).absolute() == tmp_path / "here" / "x.h5"


def test_stage_2_finds_the_weights_of_stage_1(stage_1, tmp_path):
    own = touch(tmp_path / "model1" / "mask_rcnn_Modanet.h5")
    assert find_weights("mask_rcnn_Modanet.h5", stages.SEASON_STAGE) == own


def test_a_relative_path_is_relative_to_where_the_user_stands(stage_1, tmp_path, monkeypatch):
    touch(tmp_path / "model1" / "sub" / "x.h5")
    with pytest.raises(WeightsNotFoundError):
        find_weights("sub/x.h5", stage_1)  # not a bare name: the stage's folder does not count
    monkeypatch.chdir(tmp_path / "model1")
    assert find_weights("sub/x.h5", stage_1).resolve() == tmp_path / "model1" / "sub" / "x.h5"
    with pytest.raises(WeightsNotFoundError):
        find_weights("./x.h5", stage_1)


def test_a_path_of_the_home_folder(stage_1, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = touch(tmp_path / "x.h5")
    assert find_weights("~/x.h5", stage_1) == path


def test_missing_weights_name_all_folders_that_were_looked_in(stage_1, tmp_path):
    (tmp_path / "model1" / "x.h5").mkdir()  # a folder is no weight file
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights("x.h5", stage_1)
    for folder in ("here", "model1", "model2"):
        assert str(tmp_path / folder) in str(caught.value)
    assert "There is no weight file x.h5" in str(caught.value)


def test_last_is_the_last_checkpoint(stage_1, tmp_path):
    touch(tmp_path / "model1" / "logs" / "modanet20240101T0000" / "mask_rcnn_modanet_0009.h5")
    last = tmp_path / "model1" / "logs" / "modanet20240102T0000" / "mask_rcnn_modanet_0001.h5"
    head_weights(last)
    assert weights_path("last", stage_1) == last
    elsewhere = tmp_path / "logs" / "modanet20230101T0000" / "mask_rcnn_modanet_0002.h5"
    head_weights(elsewhere)
    assert weights_path("last", stage_1, tmp_path / "logs") == elsewhere
    with pytest.raises(WeightsNotFoundError, match="Could not find model directory"):
        weights_path("last", stages.SEASON_STAGE)


def test_a_weight_file_remembers_preset_and_classes(tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    assert read_note(path) == {"preset": "demo", "classes": list(MODANET_TABLE.names)}


@pytest.mark.parametrize(
    ("note", "asked", "preset"),
    [
        ('{"preset": "demo"}', None, "demo"),
        ('{"preset": "demo"}', "default", "default"),  # the command line wins
        (None, None, "default"),  # a file of others
        ('{"preset": "of another version"}', None, "default"),
        ('{"preset": ["demo"]}', None, "default"),
        ("[1]", None, "default"),
        ("no JSON", None, "default"),
    ],
)
def test_preset_of_a_file(tmp_path, note, asked, preset):
    path = head_weights(tmp_path / "x.h5", notes={stages.NOTE: note} if note else None)
    assert preset_of(path, asked) == preset


def test_without_a_file_the_preset_is_default():
    assert preset_of(None, None) == "default"
    assert preset_of(None, "demo") == "demo"


def test_what_is_no_weight_file_is_said_when_its_note_is_read(tmp_path):
    (tmp_path / "x.h5").write_text("<html>")
    with pytest.raises(WeightsError, match="HTML"):
        preset_of(tmp_path / "x.h5", None)


def options(model=None, preset=None, **more):
    return argparse.Namespace(model=model, preset=preset, **more)


def test_the_stages_own_weights_unless_told_otherwise(stage_1, tmp_path):
    head_weights(tmp_path / "here" / "mask_rcnn_Modanet.h5")  # happens to lie here
    with pytest.raises(WeightsNotFoundError):
        inference_weights(options(), stage_1)
    own = head_weights(tmp_path / "model1" / "mask_rcnn_Modanet.h5")
    assert inference_weights(options(), stage_1) == own
    assert inference_weights(options("mask_rcnn_Modanet.h5"), stage_1) == Path(own.name)


def test_weights_of_another_number_of_classes_name_both(stage_1, tmp_path):
    path = head_weights(tmp_path / "coco.h5", classes=81)
    with pytest.raises(WeightsError, match="is for 80 classes, but model1 has 13"):
        inference_weights(options(path), stage_1)


def test_weights_of_other_classes_name_them(stage_1, tmp_path):
    notes = weights_note("demo", SEASON_TABLE)
    path = head_weights(tmp_path / "season.h5", classes=10, notes=notes)
    with pytest.raises(WeightsError, match=r"is for 9 classes \(skirt_yaz, .* has 13 \(bag, belt"):
        inference_weights(options(path), stage_1)
    assert inference_weights(options(path), stages.SEASON_STAGE) == path
    # As many, but others: each detection would get a wrong name.
    notes = {stages.NOTE: json.dumps({"classes": [f"class {i}" for i in range(13)]})}
    path = head_weights(tmp_path / "other.h5", notes=notes)
    with pytest.raises(WeightsError, match=r"for 13 classes \(class 0, .* has 13 \(bag, belt"):
        inference_weights(options(path), stage_1)


def test_weights_of_a_preset_with_another_network(stage_1, tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    with pytest.raises(WeightsError, match=r"preset demo, .* than that of default: leave --preset"):
        inference_weights(options(path, "default"), stage_1)
    assert inference_weights(options(path, "demo"), stage_1) == path


@pytest.mark.parametrize("note", ['{"classes": 13}', '{"classes": null}', "[]", "no JSON"])
def test_a_note_that_says_nothing_is_passed_over(stage_1, tmp_path, note):
    path = head_weights(tmp_path / "x.h5", notes={stages.NOTE: note})
    assert inference_weights(options(path), stage_1) == path


def test_presets_of_one_network_exchange_weights(stage_1, tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("default", MODANET_TABLE))
    assert inference_weights(options(path, "clothing-parsing"), stage_1) == path


def test_a_writable_folder_is_made(tmp_path):
    folder = tmp_path / "a" / "b"
    assert writable_folder(folder, "--logs") == folder
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"Nothing can be written .*--logs"):
            writable_folder(folder, "--logs")


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (whole(1), {"1": 1, "250": 250}, ["0", "-1", "1.5", "many", ""]),
        (whole(0), {"0": 0}, ["-1"]),
        (fraction, {"0": 0.0, ".5": 0.5, "1": 1.0}, ["-.1", "1.1", "nan", "x"]),
        (positive, {"1e-4": 0.0001}, ["0", "-1", "inf", "nan", "x"]),
    ],
)
def test_numbers_on_the_command_line(parse, good, bad, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=parse)
    for text, value in good.items():
        assert parser.parse_args([f"--x={text}"]).x == value
    for text in bad:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args([f"--x={text}"])
        assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--model", "--weights", "--weigths"])
def test_three_spellings_of_one_option(option):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser, MODANET_STAGE, "what it is")
    parsed = parser.parse_args([f"{option}=x.h5"])
    assert parsed.model == "x.h5"
    assert (parsed.stage, parsed.preset, parsed.precision) == (MODANET_STAGE, None, "auto")
    assert parsed.min_confidence is None


@pytest.mark.parametrize(("asked", "mode"), [([], "square"), (["--resize-mode=fit64"], "fit64")])
def test_the_resize_mode_reaches_the_model(stage_1, tmp_path, asked, mode):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser, stage_1, "weights")
    weights = demo_weights(tmp_path / "demo.h5")
    options = parser.parse_args([f"--model={weights}", *asked])
    assert mode == stages.inference_model(options, stage_1).config.IMAGE_RESIZE_MODE
