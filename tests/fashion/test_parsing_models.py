"""Which weights a command line means; the networks themselves run in tests/tools."""

import argparse

import pytest

from fashion.labels import MODANET_TABLE
from fashion.parsing_models import BODY_STAGE, find_body, find_clothing
from fashion.stages import weights_note
from mrcnn.errors import WeightsError
from tests.stages.factory import head_weights


def options(**changes):
    defaults = {"clothing": None, "clothing_preset": None, "body": None, "body_preset": None}
    return argparse.Namespace(
        **{**defaults, "precision": "auto", "min_confidence": None, **changes}
    )


def test_the_file_named_is_taken_and_told_apart_by_its_stamp(tmp_path):
    path = head_weights(tmp_path / "a.h5", notes=weights_note("demo", MODANET_TABLE))
    found = find_clothing(options(clothing=str(path)))
    assert found.path == path
    before = found.identity()
    assert before["weights"] == "a.h5"
    path.unlink()
    head_weights(path, width=9, notes=weights_note("demo", MODANET_TABLE))
    assert find_clothing(options(clothing=str(path))).identity() != before


def test_a_body_is_looked_for_on_request_only(tmp_path):
    assert find_body(options()) is None
    path = head_weights(tmp_path / "coco.h5", classes=81)
    assert find_body(options(body=str(path))).path == path
    assert len(BODY_STAGE.table) == 80 and BODY_STAGE.table.name_of(1) == "person"


def test_weights_of_the_other_kind_are_refused(tmp_path):
    garments = head_weights(tmp_path / "garments.h5", classes=14)
    persons = head_weights(tmp_path / "persons.h5", classes=81)
    with pytest.raises(WeightsError, match=r"is for 80 classes.*with --clothing"):
        find_clothing(options(clothing=str(persons)))
    with pytest.raises(WeightsError, match=r"is for 13 classes.*with --body"):
        find_body(options(body=str(garments)))


def test_advice_names_this_tools_options(tmp_path):
    path = head_weights(tmp_path / "a.h5", notes=weights_note("demo", MODANET_TABLE))
    with pytest.raises(WeightsError, match="leave --clothing-preset out"):
        find_clothing(options(clothing=str(path), clothing_preset="default"))
    with pytest.raises(WeightsError, match="--body=FILE"):
        find_body(options(body=str(tmp_path / "gone.h5")))
