"""Garments and persons of one data set, merged."""

import pytest

from fashion.annotations import coco
from fashion.dataset import FashionDataset
from fashion.labels import MODANET, PHOTO_TABLE
from fashion.photo.data import merged, write_photo_data
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, write_image, write_json

IMAGES = [{"id": 5, "file_name": "a.jpg", "width": 40, "height": 30}]


def garments(**image):
    return coco_data([{"category_id": 2}], images=[IMAGES[0] | image], categories=MODANET)


def persons(**image):
    return coco_data([{}], images=[IMAGES[0] | image], categories=["person"])


def test_the_classes_are_modanets_and_a_person():
    assert PHOTO_TABLE.names == (*MODANET, "person")
    assert PHOTO_TABLE.id_of("Person") == 14


def test_a_person_becomes_the_fourteenth_class_of_the_same_photograph():
    data = merged(garments(), persons(id=9))
    coco.check(data)
    rows = [(row["id"], row["image_id"], row["category_id"]) for row in data["annotations"]]
    assert rows == [(1, 5, 2), (2, 5, 14)]
    assert [row["name"] for row in data["categories"]] == list(PHOTO_TABLE.names)


def test_photographs_without_garment_or_person_stay_without():
    data = merged(
        coco_data([], images=IMAGES, categories=MODANET),
        coco_data([], images=IMAGES, categories=["person"]),
    )
    assert (len(data["images"]), data["annotations"]) == (1, [])


def test_files_of_other_photographs_do_not_merge():
    with pytest.raises(DatasetError, match="different photographs"):
        merged(garments(), persons(file_name="b.jpg"))


def test_a_folder_that_is_written_can_be_trained_on(tmp_path):
    source = tmp_path / "source"
    write_image(source / "photos" / "a.jpg")
    write_json(source / "instances_train.json", garments())
    write_json(source / "persons_train.json", persons())
    for _ in range(2):  # what is there already does no harm
        write_photo_data(source, tmp_path / "data", ["train"])
    dataset = FashionDataset().load(tmp_path / "data", "train", PHOTO_TABLE)
    dataset.prepare()
    assert dataset.load_mask(0)[1].tolist() == [2, 14]
    assert dataset.class_names[14] == "person"
