"""Detections kept in a file; their use is in tests/tools/test_evaluate.py."""

import json

import numpy as np
import pytest

from fashion.dataset import FashionDataset
from fashion.evaluation.run import DetectionFile, results_by_image
from fashion.labels import MODANET_TABLE
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import results_of
from tests.fashion.factories import dataset_folder, entry, region

MODEL = {"weights": "abc", "min_confidence": 0.05}


@pytest.fixture
def dataset(tmp_path):
    """Two pictures of 40 x 30 pixels with a bag each."""
    dataset_folder(tmp_path, [entry("a.jpg", [region()]), entry("b.jpg", [region()])])
    dataset = FashionDataset().load(tmp_path, "train", MODANET_TABLE)
    dataset.prepare()
    return dataset


def result(count):
    """A result of `count` squares, as a model gives it."""
    masks = np.zeros((30, 40, count), dtype=bool)
    for index in range(count):
        masks[index : index + 4, 5:9, index] = True
    rois = np.array([[i, 5, i + 4, 9] for i in range(count)], dtype=np.int32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.6, count, dtype=np.float32)
    ids = np.arange(1, count + 1, dtype=np.int32)
    return {"rois": rois, "class_ids": ids, "scores": scores, "masks": masks}


def test_there_and_back(tmp_path, dataset):
    found = {0: result(2), 1: result(0)}
    rows = [row for i, one in found.items() for row in results_of(i, one)]
    kept = DetectionFile(tmp_path / "sub" / "found.json", MODEL)
    assert kept.read(dataset, [0, 1]) is None
    kept.write(dataset, [0, 1], rows)
    assert kept.read(dataset, [0, 1]) == rows
    assert kept.read(dataset, [1]) == []
    for i, one in enumerate(results_by_image(rows, dataset, [0, 1])):
        for key in ("class_ids", "scores", "masks"):
            assert np.array_equal(one[key], found[i][key])
            assert one[key].dtype == found[i][key].dtype


def test_of_another_model_or_a_file_of_something_else(tmp_path, dataset):
    path = tmp_path / "found.json"
    DetectionFile(path, MODEL).write(dataset, [0], [])
    assert DetectionFile(path, {**MODEL, "weights": "xyz"}).read(dataset, [0]) is None
    assert DetectionFile(path, MODEL).read(dataset, [0, 1]) is None, "b.jpg is not in it"
    for content in ("[]", "{}", "{", '{"of": 1}', json.dumps({"of": {"model": MODEL}})):
        path.write_text(content)
        assert DetectionFile(path, MODEL).read(dataset, [0]) is None


def test_a_folder_that_cannot_be_written(tmp_path, dataset):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="cannot be written"):
        DetectionFile(tmp_path / "file" / "found.json", MODEL).write(dataset, [0], [])
