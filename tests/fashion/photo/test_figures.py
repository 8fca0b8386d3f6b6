"""The figures of photo weights, on masks of a few pixels."""

import math

import numpy as np
import pytest

from fashion.labels import PHOTO_TABLE
from fashion.photo.figures import (
    calibration,
    calibration_error,
    garment_figures,
    label_figures,
    person_iou,
    summary,
)
from mrcnn.evaluation.coco_ap import encode_mask

BAG, DRESS, PERSON = 1, 6, 14


def box_mask(y1, x1, y2, x2):
    mask = np.zeros((20, 20), bool)
    mask[y1:y2, x1:x2] = True
    return {"segmentation": encode_mask(mask), "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(mask.sum())}  # fmt: skip


def truth_of(*instances):
    """A truth of one or more images: each instance is (image, class, y1, x1, y2, x2)."""
    rows = [
        {"id": n, "image_id": image, "category_id": class_id, "iscrowd": 0, **box_mask(*box)}
        for n, (image, class_id, *box) in enumerate(instances, 1)
    ]
    images = [{"id": i, "height": 20, "width": 20} for i in sorted({row[0] for row in instances})]
    categories = [{"id": row.id, "name": row.name} for row in PHOTO_TABLE]
    return {"info": {}, "images": images, "annotations": rows, "categories": categories}


def found(image, class_id, score, *box):
    return {"image_id": image, "category_id": class_id, "score": score, **box_mask(*box)}


TRUTH = truth_of((1, BAG, 0, 0, 10, 10), (1, DRESS, 10, 10, 20, 20), (1, PERSON, 0, 0, 20, 20))
DETECTED = [
    found(1, BAG, 0.9, 0, 0, 10, 8),  # IoU .8
    found(1, BAG, 0.6, 0, 0, 10, 10),  # the same bag again
    found(1, BAG, 0.5, 10, 10, 20, 20),  # a dress taken for a bag
    found(1, PERSON, 0.8, 0, 0, 20, 10),
    found(1, PERSON, 0.3, 0, 0, 20, 20),
]


def test_labels_are_right_where_class_and_instance_are():
    low, high = label_figures(TRUTH, DETECTED, [0.4, 0.7])
    assert (low.precision, low.recall) == (1 / 3, 1 / 2)
    assert (high.precision, high.recall) == (1, 1 / 2)
    assert low.iou == high.iou == pytest.approx(0.8)


def test_a_person_is_the_surest_one():
    assert person_iou(TRUTH, DETECTED) == pytest.approx(0.5)
    assert person_iou(TRUTH, DETECTED[4:]) == 1


def test_a_photograph_without_its_person_counts_as_nothing():
    two = truth_of((1, PERSON, 0, 0, 20, 20), (2, PERSON, 0, 0, 20, 20))
    assert person_iou(two, DETECTED[4:]) == 0.5
    assert math.isnan(person_iou(truth_of((1, BAG, 0, 0, 4, 4)), []))


def test_persons_do_not_count_among_garments():
    figures = garment_figures(TRUTH, DETECTED)
    assert "person" not in figures["segm"]["per_class"]
    assert figures["segm"]["AP50"] == pytest.approx(0.5)


def test_how_often_scores_are_right():
    (middle, high) = calibration(TRUTH, DETECTED, [0, 0.3, 0.7, 1.01])
    assert (middle.precision, middle.detections) == (0, 2)
    assert (high.precision, high.score) == (1, pytest.approx(0.9))
    # Two of a mean score of .55 that are never right, one of .9 that is.
    assert calibration_error([middle, high]) == pytest.approx((2 * 0.55 + 0.1) / 3)
    assert math.isnan(calibration_error([]))


def test_nothing_detected_is_a_result():
    figures = summary(TRUTH, [], 0.7)
    assert figures["mask_AP"] == figures["person_mask_IoU"] == 0
    assert figures["labels"] == {"confidence": 0.7, "precision": 0, "recall": 0, "iou": 0}
    assert figures["classes"]["bag"]["instances"] == 1
    assert calibration(TRUTH, [], [0, 1]) == []
