"""Garments of one photograph put on the person of another."""

import random

import numpy as np
import pytest

from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.composing import compose_photographs, put_on
from fashion.photo.training import load_photographs
from fashion.photo.worn import Worn
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from tests.fashion.factories import write_image, write_json

PEOPLE = {
    # y1, x1, y2, x2 in pixels; both persons stand in the middle.
    "a": {PERSON: (10, 30, 110, 70), "skirt": (50, 35, 80, 65), "footwear": (100, 35, 110, 65)},
    "b": {PERSON: (20, 20, 100, 80), "boots": (88, 20, 100, 80)},
}


class Even(random.Random):
    """Draws nothing that changes sizes, places or colours."""

    def uniform(self, a, b):
        return (a + b) / 2

    def choice(self, seq):
        return seq[-1]


def worn(grey, **boxes):
    """A grey photograph of 120 x 100 on which garments are rectangles, each of a colour."""
    image, masks = np.full((120, 100, 3), grey, np.uint8), []
    for number, (y1, x1, y2, x2) in enumerate(boxes.values()):
        mask = np.zeros((120, 100), bool)
        mask[y1:y2, x1:x2] = True
        image[mask] = 40 * number
        masks.append(mask)
    return Worn(image, list(boxes), masks)


def test_a_garment_lies_where_it_was_on_its_person_at_the_others_size():
    one, other = worn(200, **PEOPLE["b"]), worn(100, **PEOPLE["a"])
    assert put_on(one, other, "skirt", Even())
    # The person is 80 pixels high instead of 100: the skirt ran from .4 to .7 of its height.
    rows, columns = np.nonzero(one.masks[one.names.index("skirt")])
    assert (rows.min(), rows.max() + 1) == pytest.approx((20 + 32, 20 + 56), abs=1)
    assert (columns.min(), columns.max() + 1) == pytest.approx((50 - 12, 50 + 12), abs=1)
    assert one.image[64, 50].tolist() == [40] * 3
    assert one.image[64, 10].tolist() == [200] * 3
    assert other.names == list(PEOPLE["a"])


def test_shoes_replace_shoes():
    one, other = worn(200, **PEOPLE["a"]), worn(100, **PEOPLE["b"])
    assert put_on(one, other, "boots", Even())
    assert one.names == [PERSON, "skirt", "boots"]


def test_shoes_that_would_still_be_seen_stay():
    small = {PERSON: (10, 30, 110, 70), "boots": (98, 30, 110, 40)}
    one = worn(200, **PEOPLE["a"])
    assert not put_on(one, worn(100, **small), "boots", Even())
    assert one.names == list(PEOPLE["a"])


def test_what_is_covered_is_no_longer_part_of_a_garment():
    one = worn(200, **{PERSON: (10, 30, 110, 70), "pants": (50, 35, 100, 65)})
    assert put_on(one, worn(100, **PEOPLE["a"]), "skirt", Even())
    pants, skirt = (one.masks[one.names.index(name)] for name in ("pants", "skirt"))
    assert not (pants & skirt).any()
    assert np.count_nonzero(pants) == 20 * 30
    assert one.masks[one.person].sum() == 100 * 40


def test_a_garment_of_which_next_to_nothing_is_left_is_gone():
    one = worn(200, **{PERSON: (10, 30, 110, 70), "belt": (51, 35, 55, 65)})
    assert put_on(one, worn(100, **PEOPLE["a"]), "skirt", Even())
    assert one.names == [PERSON, "skirt"]


@pytest.mark.parametrize("height", [8, 0])
def test_a_person_of_another_size_lends_nothing(height):
    tiny = {PERSON: (10, 30, 10 + height, 70), "skirt": (10, 30, 18, 70)}
    assert not put_on(worn(200, **PEOPLE["b"]), worn(100, **tiny), "skirt", Even())


def write_folder(folder, people):
    """Photographs and their COCO file."""
    rows, images = [], []
    for image_id, (name, boxes) in enumerate(people.items(), 1):
        write_image(folder / f"{name}.jpg", 100, 120)
        images.append({"id": image_id, "file_name": f"{name}.jpg", "width": 100, "height": 120})
        for of, mask in zip(boxes, worn(0, **boxes).masks, strict=True):
            row = {"id": len(rows) + 1, "image_id": image_id, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
            row |= {"category_id": PHOTO_TABLE.id_of(of), "area": 1}
            rows.append(row | {"segmentation": encode_mask(mask)})
    categories = [{"id": row.id, "name": row.name} for row in PHOTO_TABLE]
    data = {"images": images, "annotations": rows, "categories": categories}
    write_json(folder / "instances.json", data)
    return load_photographs([folder])


def test_composed_photographs_can_be_trained_on(tmp_path):
    dataset = write_folder(tmp_path / "data", PEOPLE)
    text = compose_photographs(dataset, tmp_path / "one", 5, seed=1)
    assert text.startswith("5 composed photographs, with ")
    made = load_photographs([tmp_path / "one"])
    assert len(made.image_ids) == 5
    for image_id in made.image_ids:
        assert made.load_image(image_id).shape == (120, 100, 3)
        assert made.load_mask(image_id)[1].tolist().count(PHOTO_TABLE.id_of(PERSON)) == 1
    compose_photographs(dataset, tmp_path / "other", 5, seed=1)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "other")]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_no_photographs_are_asked_for(tmp_path):
    dataset = write_folder(tmp_path / "data", PEOPLE)
    assert "0 composed photographs" in compose_photographs(dataset, tmp_path / "none", 0, seed=1)


def test_one_person_has_nobody_to_borrow_from(tmp_path):
    dataset = write_folder(tmp_path / "data", {"a": PEOPLE["a"]})
    with pytest.raises(DatasetError, match="no two photographs"):
        compose_photographs(dataset, tmp_path / "one", 5, seed=1)


def test_where_nothing_fits_it_ends(tmp_path):
    same = {"a": PEOPLE["a"], "b": PEOPLE["a"]}
    dataset = write_folder(tmp_path / "data", same)
    with pytest.raises(DatasetError, match="no garment fits"):
        compose_photographs(dataset, tmp_path / "one", 5, seed=1)
