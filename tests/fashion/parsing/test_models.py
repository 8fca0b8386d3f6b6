"""Which weights a command line means; the networks themselves run in tests/tools."""

import numpy as np
import pytest

from fashion.labels import MODANET_TABLE, PHOTO_TABLE
from fashion.parsing import models
from fashion.parsing.detections import PERSON
from fashion.parsing.models import (
    BODY_STAGE,
    find_body,
    find_body_in,
    find_clothing,
    load_detectors,
)
from fashion.stages.models import weights_note
from fashion.terminal import OPTIONS
from mrcnn.errors import WeightsError
from tests.stages.factory import head_weights


def sentence_of(find, *arguments):
    with pytest.raises(WeightsError) as caught:
        find(*arguments)
    return caught.value.sentence(OPTIONS)


def test_the_file_named_is_taken_and_recognised_by_its_stamp(tmp_path):
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


# --- garments and persons in one file -----------------------------------------------------------


@pytest.fixture
def networks(monkeypatch):
    """Stand-ins for networks that find a bag and a person; the list has one for each loaded."""
    loaded = []

    class Network:
        def __init__(self, choice):
            self.choice, self.runs = choice, 0
            loaded.append(self)

        def detect(self, images, soft_masks):
            self.runs += 1
            ids = [1, 14] if self.choice.persons else [1]
            masks = np.ones((*images[0].shape[:2], len(ids)), bool)
            masks[0, :, 0] = False
            scores, boxes = np.full(len(ids), 0.9), np.array([[0, 0, 6, 4]] * len(ids))
            return [{"class_ids": np.array(ids), "scores": scores, "rois": boxes, "masks": masks}]

    monkeypatch.setattr(models, "detection_model", Network)
    return loaded


@pytest.fixture
def photo(tmp_path):
    notes = weights_note("photo", PHOTO_TABLE)
    return str(head_weights(tmp_path / "photo.h5", classes=15, notes=notes))


def image():
    return np.zeros((6, 4, 3), np.uint8)


def test_weights_that_know_persons_need_one_pass(networks, photo):
    clothing = find_clothing(photo)
    find_garments, find_persons = load_detectors(clothing, find_body_in(clothing))
    picture = image()
    persons, garments = find_persons(picture), find_garments(picture)
    (network,) = networks
    assert network.runs == 1
    assert garments["class_ids"].tolist() == [1, 14]  # `parse` takes the garments' classes of it
    assert persons["class_ids"].tolist() == [PERSON]
    assert persons["masks"].all() and persons["masks"].shape == (6, 4, 1)
    find_garments(image())
    assert network.runs == 2


def test_persons_of_photo_weights_beside_other_garments(networks, photo, tmp_path):
    garments = head_weights(tmp_path / "own.h5", notes=weights_note("demo", MODANET_TABLE))
    clothing = find_clothing(str(garments))
    assert find_body_in(clothing) is None
    find_garments, find_persons = load_detectors(clothing, find_body(photo))
    assert find_persons(image())["class_ids"].tolist() == [PERSON]
    assert find_garments(image())["class_ids"].tolist() == [1]
    assert len(networks) == 2


def test_persons_alone(networks, photo):
    find_garments, find_persons = load_detectors(None, find_body(photo))
    assert find_garments is None
    assert find_persons(image())["class_ids"].tolist() == [PERSON]


def test_photo_weights_parse_from_less_sure_garments_on_but_not_persons(networks, photo):
    clothing = find_clothing(photo)
    assert (clothing.choice.min_confidence, clothing.person_confidence) == (0.4, 0.5)
    asked = find_clothing(photo, min_confidence=0.6)
    assert (asked.choice.min_confidence, asked.person_confidence) == (0.6, 0.0)
    result = {"class_ids": np.array([14, 14]), "scores": np.array([0.9, 0.5]),
              "rois": np.zeros((2, 4)), "masks": np.ones((6, 4, 2), bool)}  # fmt: skip
    assert models._persons_of(result, 0.7)["scores"].tolist() == [0.9]
    assert models._persons_of(result, 0.95)["masks"].shape == (6, 4, 0)


def test_nobody_is_looked_for(networks, photo):
    find_garments, find_persons = load_detectors(find_clothing(photo), None)
    assert find_persons is None and find_garments(image())["class_ids"].tolist() == [1]
