import argparse
import json

import pytest

from fashion.labels import SEASON_TABLE, fashion_code
from fashion.stages.arguments import choose_class_table
from fashion.stages.models import weights_note
from fashion.stages.stage import SEASON_STAGE
from fashion.stages.training_labels import ALL_LABELS, find_table, table_of_labels
from mrcnn.errors import DatasetError
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
    assert table_of_labels(["hat box"]).names == ("hat box",)


def test_no_table(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        find_table("nowhere.json")
    with pytest.raises(DatasetError, match="no class table"):
        find_table(write(tmp_path / "t.json", {"some": "thing"}))


def chosen(tmp_path, **values):
    """The labels that the command line `values` choose."""
    options = {
        "class_table": None,
        "model": None,
        "preset": None,
        "precision": "auto",
        "min_confidence": None,
        "logs": tmp_path / "logs",
        "command": None,
    }
    options = argparse.Namespace(**{**options, **values}, stage=SEASON_STAGE)
    choose_class_table(options)
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
    assert len(chosen(tmp_path, model=str(tmp_path / "fifty.h5"), class_table=table)) == 1


def test_training_keeps_labels_only_when_it_resumes(tmp_path):
    """A training that starts from stage 1's thirteen garments is not one of garments."""
    folder = tmp_path / "logs" / "season20260101T0000"
    folder.mkdir(parents=True)
    head_weights(folder / "mask_rcnn_season_0001.h5", notes=weights_note("demo", find_table("all")))
    path = str(folder / "mask_rcnn_season_0001.h5")
    assert chosen(tmp_path, command="train", model=path) is SEASON_TABLE
    assert len(chosen(tmp_path, command="train", model="last")) == 50
