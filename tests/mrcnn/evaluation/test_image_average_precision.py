"""Matterport's compute_ap over a data set; compute_ap itself is tested in test_evaluate.py."""

import numpy as np
import pytest

from mrcnn.evaluation.image_ap import compute_ap, mean_image_average_precision


def instances(*rows, scores=None):
    """Squares of 10 pixels on 40 x 40; a row is (class id, left)."""
    masks = np.zeros((40, 40, len(rows)), bool)
    for index, (_, left) in enumerate(rows):
        masks[5:15, left : left + 10, index] = True
    made = {"class_ids": np.array([c for c, _ in rows], np.int32), "masks": masks}
    return made if scores is None else made | {"scores": np.array(scores, np.float32)}


def measured(*images):
    truth, found = zip(*images, strict=True)
    return mean_image_average_precision(truth, found)


RIGHT = (instances((1, 0), (2, 20)), instances((1, 0), (2, 20), scores=[0.9, 0.8]))
HALF = (instances((1, 0), (2, 20)), instances((1, 0), scores=[0.9]))
MISSED = (instances((1, 0)), instances(scores=[]))
WRONG = (instances(), instances((1, 0), scores=[0.9]))
NOTHING = (instances(), instances(scores=[]))


@pytest.mark.parametrize(
    ("images", "mean", "counts"),
    [
        ([RIGHT], 1, (1, 0, 0)),
        ([RIGHT, HALF], 0.75, (2, 0, 0)),
        ([RIGHT, MISSED], 0.5, (2, 0, 0)),
        ([RIGHT, WRONG], 1, (1, 1, 1)),  # compute_ap gives NaN there
        ([RIGHT, WRONG, NOTHING], 1, (1, 2, 1)),
        ([WRONG], -1, (0, 1, 1)),
    ],
)
def test_mean_and_which_images_it_is_of(images, mean, counts):
    got = measured(*images)
    assert got.mean_image_ap == mean
    assert counts == (
        got.images,
        got.images_without_truth,
        got.images_without_truth_but_detections,
    )


def test_no_image():
    assert mean_image_average_precision([], []).mean_image_ap == -1


def test_it_is_the_mean_of_compute_ap():
    rng = np.random.default_rng(0)
    images, single = [], []
    for _ in range(8):
        true = [(int(rng.integers(1, 3)), int(rng.integers(0, 30))) for _ in range(4)]
        rows = [(c, min(30, x + int(rng.integers(0, 6)))) for c, x in true[:3]] + [(1, 0)]
        image, result = instances(*true), instances(*rows, scores=rng.random(4))
        boxes = np.array([[5, x, 15, x + 10] for _, x in true])
        found_boxes = np.array([[5, x, 15, x + 10] for _, x in rows])
        single.append(
            compute_ap(
                boxes,
                image["class_ids"],
                image["masks"],
                found_boxes,
                result["class_ids"],
                result["scores"],
                result["masks"],
            )[0]
        )
        images.append((image, result))
    assert measured(*images).mean_image_ap == np.mean(single)
    assert 0 < np.mean(single) < 1


def test_crowds_and_instances_without_a_pixel_are_no_truth():
    image, result = RIGHT
    masks = np.concatenate([np.zeros((40, 40, 1), bool), image["masks"], image["masks"]], -1)
    class_ids = np.concatenate([[1], image["class_ids"], -image["class_ids"]])
    assert measured(({"masks": masks, "class_ids": class_ids}, result)).mean_image_ap == 1
    crowd = {"masks": image["masks"], "class_ids": -image["class_ids"]}
    got = measured((crowd, result))
    assert (got.images, got.images_without_truth_but_detections) == (0, 1)


def test_as_json_values():
    assert measured(HALF).to_dict() == {
        "mean_image_ap": 0.5,
        "iou": 0.5,
        "images": 1,
        "images_without_truth": 0,
        "images_without_truth_but_detections": 0,
    }


def test_as_many_results_as_images():
    with pytest.raises(ValueError):
        mean_image_average_precision([RIGHT[0]], [])
