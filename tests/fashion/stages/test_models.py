"""The model of a stage: where weight files are searched, and what they say of themselves."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashion.labels import MODANET_TABLE, PHOTO_TABLE, SEASON_TABLE
from fashion.stages import models
from fashion.stages.models import (
    ModelChoice,
    WeightFile,
    describe_weights,
    find_weights,
    inference_weights,
    names_with_person,
    preset_of,
    weights_note,
    weights_path,
)
from fashion.stages.presets import find_preset
from fashion.stages.stage import MODANET_STAGE, Stage
from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.weights.h5_reading import read_arrays, read_layers
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.provenance import Provenance
from tests.stages.factory import demo_weights, head_weights


@pytest.fixture
def stage_1(tmp_path, monkeypatch):
    """Both stages moved to a temporary folder, and the current folder to another."""
    first = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    second = Stage("season", tmp_path / "model2", SEASON_TABLE, "mask_rcnn_Season.h5")
    monkeypatch.setattr(models, "MODANET_STAGE", first)
    monkeypatch.setattr(models, "SEASON_STAGE", second)
    monkeypatch.setattr(models, "PHOTO_WEIGHTS", tmp_path / "package" / "photo.h5")
    monkeypatch.setattr(models, "PIPELINE_OUTPUTS", tmp_path / "outputs")
    for name in ("model1", "model2", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return first


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_bare_name_is_looked_for_here_then_in_both_stages(stage_1, tmp_path):
    other = touch(tmp_path / "model2" / "x.h5")
    assert find_weights("x.h5", stage_1) == other
    own = touch(tmp_path / "model1" / "x.h5")
    assert find_weights("x.h5", stage_1) == own
    assert find_weights("x.h5", models.SEASON_STAGE) == other
    touch(tmp_path / "here" / "x.h5")
    assert find_weights("x.h5", stage_1).absolute() == tmp_path / "here" / "x.h5"


def test_stage_2_finds_the_weights_of_stage_1(stage_1, tmp_path):
    own = touch(tmp_path / "model1" / "mask_rcnn_Modanet.h5")
    assert find_weights("mask_rcnn_Modanet.h5", models.SEASON_STAGE) == own


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


def test_missing_weights_name_all_folders_that_were_searched(stage_1, tmp_path):
    (tmp_path / "model1" / "x.h5").mkdir()  # a folder is no weight file
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights("x.h5", stage_1)
    for folder in ("here", "model1", "model2"):
        assert str(tmp_path / folder) in str(caught.value)
    assert str(caught.value).startswith("x.h5: there is no weight file of this name in ")
    photo, demo = tmp_path / "package" / "photo.h5", tmp_path / "outputs/demo/stage1"
    told = caught.value.sentence({"model": "--model"})
    assert told.endswith(f"choose another with --model: there is {photo}.")
    trained = touch(demo / "mask_rcnn_Modanet.h5")
    with pytest.raises(WeightsNotFoundError, match=f"there is {trained} and {photo}"):
        find_weights("x.h5", stage_1)


def test_last_is_the_last_checkpoint(stage_1, tmp_path):
    touch(tmp_path / "model1" / "logs" / "modanet20240101T0000" / "mask_rcnn_modanet_0009.h5")
    last = tmp_path / "model1" / "logs" / "modanet20240102T0000" / "mask_rcnn_modanet_0001.h5"
    head_weights(last)
    assert weights_path("last", stage_1) == last
    elsewhere = tmp_path / "logs" / "modanet20230101T0000" / "mask_rcnn_modanet_0002.h5"
    head_weights(elsewhere)
    assert weights_path("last", stage_1, tmp_path / "logs") == elsewhere
    with pytest.raises(WeightsNotFoundError, match="Could not find model directory"):
        weights_path("last", models.SEASON_STAGE)


def test_a_weight_file_remembers_preset_and_classes(tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    assert describe_weights(path) == WeightFile(path, "demo", tuple(MODANET_TABLE.names), 13)


def test_a_file_without_a_class_layer_or_a_note(tmp_path):
    write_layers(tmp_path / "x.h5", [("conv1", [("kernel:0", np.zeros((3, 3)))])])
    assert describe_weights(tmp_path / "x.h5") == WeightFile(tmp_path / "x.h5", None, None, None)


def test_one_opening_describes_a_file(tmp_path, monkeypatch):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    opened = []

    class Counted(h5py.File):
        def __init__(self, name, *arguments, **options):
            opened.append(name)
            super().__init__(name, *arguments, **options)

    monkeypatch.setattr(h5py, "File", Counted)
    choice = ModelChoice(MODANET_STAGE, path)
    weights = inference_weights(choice)
    assert opened == [path]
    path.unlink()  # what was read is not read again
    assert inference_weights(replace(choice, weights=weights)) == weights


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
    path = head_weights(tmp_path / "x.h5", notes={models.NOTE: note} if note else None)
    assert preset_of(describe_weights(path), asked) == preset


def test_without_a_file_the_preset_is_default():
    assert preset_of(None, None) == "default"
    assert preset_of(None, "demo") == "demo"


def test_what_is_not_a_weight_file_cannot_be_described(tmp_path):
    (tmp_path / "x.h5").write_text("<html>")
    with pytest.raises(WeightsError, match="HTML"):
        describe_weights(tmp_path / "x.h5")


def test_the_stages_own_weights_by_default(stage_1, tmp_path):
    head_weights(tmp_path / "here" / "mask_rcnn_Modanet.h5")  # happens to lie here
    with pytest.raises(WeightsNotFoundError):
        inference_weights(ModelChoice(stage_1))
    own = head_weights(tmp_path / "model1" / "mask_rcnn_Modanet.h5")
    assert inference_weights(ModelChoice(stage_1)).path == own
    assert inference_weights(ModelChoice(stage_1, own.name)).path == Path(own.name)


def test_photo_weights_where_no_garment_weights_were_trained(stage_1, tmp_path):
    photo = head_weights(tmp_path / "package" / "photo.h5")
    assert inference_weights(ModelChoice(stage_1)).path == photo
    assert find_weights("mask_rcnn_Modanet.h5", models.SEASON_STAGE) == photo
    assert find_weights("photo.h5", stage_1) == photo
    for text in ("here/mask_rcnn_Modanet.h5", "sub/photo.h5", "mask_rcnn_Season.h5"):
        with pytest.raises(WeightsNotFoundError):
            find_weights(text, stage_1)
    with pytest.raises(WeightsNotFoundError):
        inference_weights(ModelChoice(models.SEASON_STAGE))
    own = head_weights(tmp_path / "model1" / "mask_rcnn_Modanet.h5")
    assert inference_weights(ModelChoice(stage_1)).path == own


def test_persons_are_no_garment_class(stage_1, tmp_path):
    notes = weights_note("photo", PHOTO_TABLE)
    path = head_weights(tmp_path / "photo.h5", classes=15, notes=notes)
    weights = inference_weights(ModelChoice(stage_1, path))
    assert weights == WeightFile(path, "photo", MODANET_TABLE.names, 13, persons=True)
    assert names_with_person(stage_1, weights)[-2:] == ["scarf/tie", "person"]
    assert names_with_person(stage_1, None) == stage_1.class_names
    notes = {models.NOTE: json.dumps({"classes": ["person"]})}
    alone = describe_weights(head_weights(tmp_path / "person.h5", classes=2, notes=notes))
    assert (alone.classes, alone.class_count, alone.persons) == (("person",), 1, False)


def test_a_line_on_what_the_weights_were_trained_on(tmp_path):
    provenance = Provenance(trained_on="700 photographs", licence="Apache-2.0")
    path = head_weights(tmp_path / "x.h5", notes=provenance.notes())
    assert describe_weights(path).line() == f"{path}: trained on 700 photographs (Apache-2.0)"
    path = head_weights(tmp_path / "silent.h5")
    assert describe_weights(path).line() == str(path)


def test_persons_are_detected_only_where_they_are_wanted(stage_1, tmp_path, capsys):
    choice = ModelChoice(stage_1, demo_weights(tmp_path / "x.h5", PHOTO_TABLE))
    config = models.inference_model(choice).config
    assert (config.NUM_CLASSES, config.DETECTION_LAST_CLASS) == (15, 13)
    config = models.inference_model(replace(choice, persons=True)).config
    assert (config.NUM_CLASSES, config.DETECTION_LAST_CLASS) == (15, None)
    assert capsys.readouterr().out.splitlines() == [f"Weights: {tmp_path / 'x.h5'}"] * 2


def test_weights_that_know_persons_look_closer(stage_1, tmp_path, capsys):
    choice = ModelChoice(stage_1, demo_weights(tmp_path / "x.h5", PHOTO_TABLE), min_confidence=0.8)
    model = models.detection_model(choice)
    assert (model.person, model.confidence, model.with_persons) == (14, 0.8, False)
    assert model.config.DETECTION_MIN_CONFIDENCE == 0.5
    assert model.config.DETECTION_LAST_CLASS is None
    with_persons = models.detection_model(replace(choice, persons=True, min_confidence=None))
    preset = find_preset("demo").values["DETECTION_MIN_CONFIDENCE"]
    assert (with_persons.confidence, with_persons.with_persons) == (preset, True)
    assert capsys.readouterr().out.splitlines() == [f"Weights: {tmp_path / 'x.h5'}"] * 2


def test_other_weights_do_not(stage_1, tmp_path):
    model = models.detection_model(ModelChoice(stage_1, demo_weights(tmp_path / "x.h5")))
    assert type(model).__name__ == "MaskRCNN"


def test_training_keeps_the_garments_heads(stage_1, tmp_path):
    from fashion.stages.presets import make_config
    from fashion.stages.train import take_garment_heads
    from mrcnn.model import MaskRCNN

    weights = describe_weights(demo_weights(tmp_path / "x.h5", PHOTO_TABLE))
    model = MaskRCNN("training", make_config("demo", "modanet", 14), tmp_path / "logs")
    model.load_weights(weights.path, by_name=True)
    take_garment_heads(model, weights)
    stored = read_layers(weights.path)
    for name, outputs in (("mrcnn_class_logits", 14), ("mrcnn_bbox_fc", 56), ("mrcnn_mask", 14)):
        for variable, array in zip(
            model.keras_model.get_layer(name).weights,
            read_arrays(weight for _, weight in stored[name]),
            strict=True,
        ):
            assert variable.shape[-1] == outputs
            np.testing.assert_array_equal(variable.numpy(), array[..., :outputs])


def test_weights_of_another_number_of_classes_name_both(stage_1, tmp_path):
    path = head_weights(tmp_path / "coco.h5", classes=81)
    with pytest.raises(WeightsError, match=r"expected the 13 of model1 .*, found 80; "):
        inference_weights(ModelChoice(stage_1, path))


def test_weights_of_other_classes_name_them(stage_1, tmp_path):
    notes = weights_note("demo", SEASON_TABLE)
    path = head_weights(tmp_path / "season.h5", classes=10, notes=notes)
    with pytest.raises(WeightsError, match=r"the 13 of model1 \(bag, .* found 9 \(skirt_yaz, "):
        inference_weights(ModelChoice(stage_1, path))
    assert inference_weights(ModelChoice(models.SEASON_STAGE, path)).path == path
    # As many, but others: each detection would get a wrong name.
    notes = {models.NOTE: json.dumps({"classes": [f"class {i}" for i in range(13)]})}
    path = head_weights(tmp_path / "other.h5", notes=notes)
    with pytest.raises(WeightsError, match=r"the 13 of model1 \(bag, .* found 13 \(class 0, "):
        inference_weights(ModelChoice(stage_1, path))


def test_weights_of_a_preset_with_another_network(stage_1, tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    with pytest.raises(WeightsError, match=r"expected default, found demo; leave preset out"):
        inference_weights(ModelChoice(stage_1, path, "default"))
    assert inference_weights(ModelChoice(stage_1, path, "demo")).path == path
    path = head_weights(tmp_path / "x.h5", notes=weights_note("photo", MODANET_TABLE))
    with pytest.raises(WeightsError, match=r"expected default, found photo"):
        inference_weights(ModelChoice(stage_1, path, "default"))


def test_errors_call_settings_what_the_choice_says(stage_1, tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    names = {"model2": "--model2", "preset2": "--preset2"}
    choice = ModelChoice(stage_1, path, "default", settings=("model2", "preset2"))
    with pytest.raises(WeightsError) as caught:
        inference_weights(choice)
    assert caught.value.sentence(names).endswith(
        "leave --preset2 out, or choose other weights with --model2."
    )
    with pytest.raises(WeightsError) as caught:
        inference_weights(replace(choice, weights="gone.h5"))
    assert "--model2" in caught.value.sentence(names)


@pytest.mark.parametrize(
    "note", ['{"classes": 13}', '{"classes": null}', '{"classes": [1]}', "[]", "no JSON"]
)
def test_a_note_that_says_nothing_is_ignored(stage_1, tmp_path, note):
    path = head_weights(tmp_path / "x.h5", notes={models.NOTE: note})
    assert inference_weights(ModelChoice(stage_1, path)).path == path


def test_presets_of_one_network_exchange_weights(stage_1, tmp_path):
    path = head_weights(tmp_path / "x.h5", notes=weights_note("default", MODANET_TABLE))
    assert inference_weights(ModelChoice(stage_1, path, "clothing-parsing")).path == path


@pytest.mark.parametrize(("asked", "mode"), [(None, "square"), ("fit64", "fit64")])
def test_the_resize_mode_reaches_the_model(stage_1, tmp_path, asked, mode):
    weights = demo_weights(tmp_path / "demo.h5")
    model = models.inference_model(ModelChoice(stage_1, weights, resize_mode=asked))
    assert mode == model.config.IMAGE_RESIZE_MODE
