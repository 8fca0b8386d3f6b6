"""Images in one flow: the results of `detect`, in order, whatever comes in between."""

import itertools

import cv2
import numpy as np
import pytest

from mrcnn.errors import DatasetError
from mrcnn.inference import Predictor
from mrcnn.stream import detect_stream
from tests.mrcnn.models import recipe_model, tiny_config


@pytest.fixture(scope="module")
def predictor():
    return Predictor(recipe_model("inference", tiny_config()), tiny_config())


def picture(number, height=70, width=100):
    image = np.full((height, width, 3), 90, np.uint8)
    cv2.rectangle(image, (10 + number, 15), (50 + number, 60), (200, 30 * number, 60), -1)
    return image


def same(found, expected):
    assert [list(result) for result in found] == [list(result) for result in expected]
    for one, other in zip(found, expected, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_the_results_are_those_of_detect(predictor):
    images = [picture(number) for number in range(5)]
    found = list(detect_stream(predictor, iter(images), 2))
    same(found, list(predictor.detect(images, 2)))
    assert sum(len(result["class_ids"]) for result in found) > 0


def test_soft_masks_come_on_request(predictor):
    (found,) = detect_stream(predictor, [picture(1)], 2, soft_masks=True)
    assert found["soft_masks"].shape[0] == found["masks"].shape[2] > 0


def test_files_are_read(predictor, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), picture(number)[:, :, ::-1])
    images = [picture(number) for number in range(3)]
    found = list(detect_stream(predictor, [paths[0], str(paths[1]), images[2]], 2))
    same(found, list(predictor.detect(images, 2)))


def test_images_of_several_sizes_keep_their_order(predictor):
    predictor = Predictor(predictor.model, tiny_config(IMAGE_RESIZE_MODE="none"))
    sizes = [(64, 64), (64, 64), (64, 128), (128, 64), (64, 64)]
    images = [picture(number, *size) for number, size in enumerate(sizes)]
    found = list(detect_stream(predictor, images, 2))
    assert [result["masks"].shape[:2] for result in found] == sizes


def test_no_image_gives_nothing(predictor):
    assert list(detect_stream(predictor, [], 2)) == []


def test_an_endless_source_is_read_only_as_far_as_needed(predictor):
    taken = []

    def source():
        for number in itertools.count():
            taken.append(number)
            yield picture(number % 5)

    stream = detect_stream(predictor, source(), 2)
    for _ in range(4):
        next(stream)
    assert len(taken) <= 4 + 4 * 2
    stream.close()


def test_what_came_before_a_bad_image_is_not_lost(predictor, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    found = []
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        for result in detect_stream(predictor, [picture(0), picture(1), picture(2), broken], 2):
            found.append(result)
    same(found, list(predictor.detect([picture(0), picture(1), picture(2)], 2)))
