import argparse
import json

import pytest

from fashion.dataset import FashionDataset
from fashion.labels import SEASON_TABLE, fashion_code
from fashion.stages.arguments import choose_classes
from fashion.stages.models import ModelChoice, weights_note
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE
from fashion.stages.training_labels import ALL_LABELS, find_table, require_known_labels, with_labels
from mrcnn.errors import DatasetError
from tests.fashion.factories import dataset_folder, entry, region
from tests.stages.factory import head_weights


def write(path, names):
    path.write_text(json.dumps(names))
    return str(path)


def test_all_fifty_have_the_codes_of_the_scheme():
    table = find_table("all")
    assert len(table) == 50 == len(set(ALL_LABELS))
    for row in table:
        assert row.code == str(fashion_code(*row.name.split("_")))


def test_a_list_of_labels_gets_its_codes(tmp_path):
    table = find_table(write(tmp_path / "t.json", ["dress_kis", "boots_yaz"]))
    assert [(row.id, row.name, row.code) for row in table] == [
        (1, "dress_kis", "49"),
        (2, "boots_yaz", "7"),
    ]


def test_other_words_are_labels_too(tmp_path):
    table = find_table(write(tmp_path / "t.json", ["hat box", "cloak"]))
    assert table.names == ("hat box", "cloak")


def test_no_table(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        find_table("nowhere.json")
    with pytest.raises(DatasetError, match="not a class table"):
        find_table(write(tmp_path / "t.json", {"some": "thing"}))


def chosen(tmp_path, **values):
    """The labels that the command line `values` choose."""
    options = {
        "classes": None,
        "model": None,
        "preset": None,
        "precision": "auto",
        "min_confidence": None,
        "logs": tmp_path / "logs",
        "command": None,
    }
    options = argparse.Namespace(**{**options, **values}, stage=SEASON_STAGE)
    choose_classes(options)
    return options.stage.table


def test_the_nine_by_default(tmp_path):
    head_weights(tmp_path / "others.h5")  # written by Matterport's code, without a note
    assert chosen(tmp_path, model=str(tmp_path / "others.h5")) is SEASON_TABLE
    assert chosen(tmp_path, model="gone.h5") is SEASON_TABLE
    assert chosen(tmp_path, model="last") is SEASON_TABLE


def test_weights_remember_their_labels(tmp_path):
    notes = weights_note("demo", find_table("all"))
    head_weights(tmp_path / "fifty.h5", notes=notes)
    assert len(chosen(tmp_path, model=str(tmp_path / "fifty.h5"))) == 50
    table = write(tmp_path / "t.json", ["bag_yaz"])
    assert len(chosen(tmp_path, model=str(tmp_path / "fifty.h5"), classes=table)) == 1


def test_training_keeps_labels_only_when_it_resumes(tmp_path):
    """A training that starts from stage 1's thirteen garments is not one of garments."""
    folder = tmp_path / "logs" / "season20260101T0000"
    folder.mkdir(parents=True)
    head_weights(folder / "mask_rcnn_season_0001.h5", notes=weights_note("demo", find_table("all")))
    path = str(folder / "mask_rcnn_season_0001.h5")
    assert chosen(tmp_path, command="train", model=path) is SEASON_TABLE
    assert len(chosen(tmp_path, command="train", model="last")) == 50


OWN = {
    "classes": [
        {"name": "sneaker", "colour": "#102030", "aliases": ["trainer"]},
        "blazer",
        "jumper",
    ]
}


def test_weights_of_stage_1_remember_names_colours_and_aliases(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(OWN))
    table = find_table(str(path))
    head_weights(tmp_path / "own.h5", notes=weights_note("demo", table))
    choice = with_labels(ModelChoice(MODANET_STAGE, weights=tmp_path / "own.h5"), None)
    assert choice.stage.table == table
    assert choice.stage.table.colour_of(1) == (16, 32, 48)
    assert choice.stage.table.id_of("Trainer") == 1


def test_a_table_too_long_for_an_attribute_is_stored_by_its_names(tmp_path):
    rows = [{"name": f"class {n}", "aliases": [f"alias {n} " + 50 * "x"]} for n in range(900)]
    path = tmp_path / "many.json"
    path.write_text(json.dumps(rows))
    head_weights(tmp_path / "many.h5", notes=weights_note("demo", find_table(str(path))))
    choice = with_labels(ModelChoice(MODANET_STAGE, weights=tmp_path / "many.h5"), None)
    assert len(choice.stage.table) == 900


def loaded(tmp_path, labels, table):
    regions = [region(label=label) for label in labels]
    dataset_folder(tmp_path, [entry("a.png", regions)])
    return FashionDataset().load(tmp_path, "train", table)


@pytest.mark.parametrize(("known", "unknown"), [(10, 0), (9, 1), (18, 2)])
def test_a_tenth_of_unknown_labels_passes(tmp_path, known, unknown):
    dataset = loaded(tmp_path, ["bag"] * known + ["kilt"] * unknown, MODANET_STAGE.table)
    require_known_labels(dataset, MODANET_STAGE.table, tmp_path)


def test_more_than_a_tenth_is_an_error_that_names_them(tmp_path):
    dataset = loaded(tmp_path, ["bag"] * 8 + ["kilt", "sari"], MODANET_STAGE.table)
    with pytest.raises(DatasetError, match=r"2 of 10 regions .*kilt \(1 region\), sari") as caught:
        require_known_labels(dataset, MODANET_STAGE.table, tmp_path)
    assert "drop_unknown" in caught.value.settings


def test_season_labels_beyond_the_nine_are_left_out_on_purpose(tmp_path):
    dataset = loaded(tmp_path, ["bag_yaz"] + ["dress_kis"] * 5, SEASON_TABLE)
    require_known_labels(dataset, SEASON_TABLE, tmp_path)
    other = find_table("season")
    dataset = loaded(tmp_path / "b", ["bag_yaz", "kilt_yaz"], other)
    with pytest.raises(DatasetError, match="kilt_yaz"):
        require_known_labels(dataset, other, tmp_path)
