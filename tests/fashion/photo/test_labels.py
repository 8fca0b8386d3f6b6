"""Which detections become labels of a photograph whose tags are known."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from fashion.annotations import coco
from fashion.labels import MODANET, PHOTO_TABLE
from fashion.photo.labels import (
    CLASSES_OF_TAGS,
    expected_counts,
    given_tags,
    label_photograph,
    label_tagged,
)
from tests.support import shared


def run_lengths(left):
    """A mask of 20 x 40 pixels that is 10 wide, from this column on."""
    mask = np.zeros((20, 40), np.uint8, order="F")
    mask[:, left : left + 10] = 1
    return coco_mask.encode(mask)


def rows_of(*detections):
    """Rows `(class, score)` or `(class, score, left)` of a results file; others do not overlap."""
    return [
        {
            "category_id": PHOTO_TABLE.id_of(name),
            "score": score,
            "segmentation": run_lengths(*left or [10 * (number % 4)]),
        }
        for number, (name, score, *left) in enumerate(detections)
    ]


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


def test_a_class_that_the_tags_rule_out_leaves_its_probability_to_the_others():
    found = rows_of(("footwear", 0.6, 0), ("boots", 0.1, 0), ("bag", 0.1, 20))
    boots = given_tags(found, {"boots", "bag"})
    assert [row["score"] for row in boots] == pytest.approx([0.6, 0.25, 0.1])
    assert found[1]["score"] == 0.1


def test_impossible_classes_count_once_each_and_only_where_they_overlap():
    found = rows_of(
        ("skirt", 0.2, 0), ("dress", 0.4, 0), ("dress", 0.3, 1), ("shorts", 0.2, 0), ("top", 0.3, 8)
    )
    assert given_tags(found, {"skirt"})[0]["score"] == pytest.approx(0.2 / (1 - 0.4 - 0.2))


def test_a_score_given_tags_is_at_most_1():
    found = rows_of(("skirt", 0.5, 0), ("dress", 0.4, 0), ("shorts", 0.3, 0))
    assert given_tags(found, {"skirt"})[0]["score"] == 1


def test_no_detections_have_no_scores():
    assert given_tags([], {"skirt"}) == []


def test_boots_taken_for_footwear_become_a_label_where_only_boots_are_named():
    found = rows_of(("person", 0.9, 20), ("footwear", 0.7, 0), ("boots", 0.2, 0))
    kept, missing, against = label_photograph(found, ["boots"], sure=0.6)
    assert names_of(kept) == ["person", "boots"]
    assert (missing, against) == (set(), {"footwear": 1})


def test_what_is_unlikely_does_not_contradict_the_tags():
    found = rows_of(("person", 0.9, 20), ("dress", 0.3, 0), ("skirt", 0.3, 0))
    assert label_photograph(found, ["skirt"], sure=0.2)[2] == {}


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
