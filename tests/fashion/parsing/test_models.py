"""Which weights a command line means; the networks themselves run in tests/tools."""

import pytest

from fashion.labels import MODANET_TABLE
from fashion.parsing.models import BODY_STAGE, find_body, find_clothing
from fashion.stages.models import weights_note
from fashion.terminal import OPTIONS
from mrcnn.errors import WeightsError
from tests.stages.factory import head_weights


def sentence_of(find, *arguments):
    with pytest.raises(WeightsError) as caught:
        find(*arguments)
    return caught.value.sentence(OPTIONS)


def test_the_file_named_is_taken_and_told_apart_by_its_stamp(tmp_path):
    path = head_weights(tmp_path / "a.h5", notes=weights_note("demo", MODANET_TABLE))
    found = find_clothing(str(path))
    assert found.path == path
    before = found.identity()
    assert before["weights"] == "a.h5"
    path.unlink()
    head_weights(path, width=9, notes=weights_note("demo", MODANET_TABLE))
    assert find_clothing(str(path)).identity() != before


def test_the_body_is_cocos_person(tmp_path):
    path = head_weights(tmp_path / "coco.h5", classes=81)
    assert find_body(str(path)).path == path
    assert len(BODY_STAGE.table) == 80 and BODY_STAGE.table.name_of(1) == "person"


def test_weights_of_the_other_kind_are_refused(tmp_path):
    garments = str(head_weights(tmp_path / "garments.h5", classes=14))
    persons = str(head_weights(tmp_path / "persons.h5", classes=81))
    sentence = sentence_of(find_clothing, persons)
    assert "found 80" in sentence and sentence.endswith("of these classes with --clothing.")
    sentence = sentence_of(find_body, garments)
    assert "found 13" in sentence and sentence.endswith("of these classes with --body.")


def test_advice_names_this_tools_options(tmp_path):
    path = head_weights(tmp_path / "a.h5", notes=weights_note("demo", MODANET_TABLE))
    assert "leave --clothing-preset out" in sentence_of(find_clothing, str(path), "default")
    assert "another with --body." in sentence_of(find_body, str(tmp_path / "gone.h5"))
