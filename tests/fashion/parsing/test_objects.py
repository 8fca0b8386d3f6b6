"""Garments and persons as objects."""

import json

import numpy as np

from fashion.labels import MODANET_TABLE
from fashion.parsing.detections import detections_of
from fashion.parsing.objects import take_apart
from fashion.polygons.filling import polygons_to_mask
from tests.fashion.garment_pictures import TOP, TOP_BOX, box_mask, detections, person_picture

SCARF = MODANET_TABLE.id_of("scarf")


def objects(garments, persons=None, worn_by=()):
    image = person_picture()
    found, people = (detections_of(result, image.shape) for result in (garments, persons))
    worn_by = np.array(worn_by or [-1] * len(found))
    return take_apart(image, found, people, worn_by, MODANET_TABLE)


def test_everything_of_a_garment():
    ring = box_mask(TOP_BOX) & ~box_mask((40, 36, 50, 46))
    (item,) = objects(detections((TOP, 0.75, ring)), worn_by=[0])
    assert (item.kind, item.number, item.class_id, item.name) == ("garment", 0, TOP, "top")
    assert (item.box, item.area, item.worn_by) == (TOP_BOX, ring.sum(), 0)
    assert item.colour.name == "red"
    assert item.title == "garment_01_top"
    (part,) = item.polygons
    drawn = polygons_to_mask([part.outline], part.holes, *ring.shape)
    assert (drawn != ring).sum() < 8


def test_the_box_is_that_of_the_mask():
    found = detections((TOP, 0.9, TOP_BOX))
    found["rois"] = np.array([[0, 0, 120, 80]])
    assert objects(found)[0].box == TOP_BOX


def test_json():
    items = objects(detections((SCARF, 0.51239, TOP_BOX)), detections((1, 0.9, (0, 0, 120, 80))))
    garment, person = (json.loads(json.dumps(item.to_json())) for item in items)
    assert (garment["class"], garment["score"], garment["box"]) == (
        "scarf/tie",
        0.5124,
        [28, 24, 64, 56],
    )
    assert garment["worn_by"] is None and "worn_by" not in person
    assert garment["colour"]["name"] == "red" and len(garment["colour"]["lab"]) == 3
    assert np.array(garment["polygons"][0]["outline"]).shape[1] == 2
    assert items[0].title == "garment_01_scarf-tie"
    assert items[1].title == "person_01_person"


def test_nothing():
    assert objects(detections()) == []
