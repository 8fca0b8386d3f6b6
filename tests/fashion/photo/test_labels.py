"""Which detections become labels of a photograph whose tags are known."""

import json

import numpy as np

from fashion.annotations import coco
from fashion.labels import MODANET, PHOTO_TABLE
from fashion.photo.labels import (
    CLASSES_OF_TAGS,
    expected_counts,
    label_photograph,
    label_tagged,
)
from tests.support import shared


def rows_of(*detections):
    """Rows `(class, score)` of a results file."""
    return [{"category_id": PHOTO_TABLE.id_of(n), "score": s} for n, s in detections]


def names_of(rows):
    return [PHOTO_TABLE.name_of(row["category_id"]) for row in rows]


def test_every_garment_of_modanet_has_a_tag():
    assert set(CLASSES_OF_TAGS.values()) == set(MODANET)


def test_a_tag_is_one_instance_and_a_pair_two():
    tags = ["heels", "bag", "purse", "hair", "skin"]
    assert expected_counts(tags) == {"footwear": 2, "bag": 2}


def test_what_is_sure_and_tagged_is_kept_surest_first():
    found = rows_of(("bag", 0.7), ("person", 0.99), ("bag", 0.9), ("dress", 0.8), ("belt", 0.3))
    kept, missing, against = label_photograph(found, ["bag", "belt"], sure=0.6)
    assert names_of(kept) == ["person", "bag"]
    assert kept[1]["score"] == 0.9  # of two bags the surer one, as there is one tag
    assert missing == {"belt"}
    assert against == {"dress": 1}


def test_a_photograph_without_garments_still_has_a_person():
    assert label_photograph([], ["hair"]) == ([], {"person"}, {})


def result_of(*detections):
    ids = [PHOTO_TABLE.id_of(name) for name, _ in detections]
    count = len(ids)
    masks = np.zeros((30, 40, count), bool)
    masks[5:15, 5:25] = True
    return {
        "rois": np.tile([5, 5, 15, 25], (count, 1)),
        "class_ids": np.array(ids, np.int32),
        "scores": np.array([score for _, score in detections], np.float32),
        "masks": masks,
    }


def test_photographs_with_a_garment_missing_are_left_out():
    results = {
        "a.jpg": result_of(("person", 0.9), ("bag", 0.8)),
        "b.jpg": result_of(("person", 0.9)),
    }
    pictures = {name: np.zeros((30, 40, 3), np.uint8) for name in results}
    order = iter(results.values())
    labels = label_tagged(
        {"a.jpg": ["bag"], "b.jpg": ["bag", "hair"]}, pictures.get, lambda _: next(order)
    )
    coco.check(labels.data)
    assert [image["file_name"] for image in labels.data["images"]] == ["a.jpg"]
    assert [row["category_id"] for row in labels.data["annotations"]] == [14, 1]
    assert labels.data["annotations"][1]["area"] == 200
    assert labels.missing == {"bag": 1}
    assert "1 of 2 photographs kept, with 2 instances" in labels.summary(2)


def test_no_photographs_give_no_labels():
    labels = label_tagged({}, {}.get, lambda _: {})
    assert "0 of 0 photographs kept" in labels.summary(0)


def test_tags_of_clothing_co_parsing_are_known():
    tags = json.loads(shared("ccp", "tags.json").read_text())
    known = [expected_counts(own) for own in tags.values()]
    assert len(known) == 500
    assert sum(1 for counts in known if counts) > 490
