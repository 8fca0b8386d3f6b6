"""COCO results files: written for pycocotools, read from anybody; see tests/tools/test_evaluate."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fashion.annotations.locating import find_annotations
from fashion.dataset import FashionDataset
from fashion.evaluation.results import (
    Numbering,
    masks_only_path,
    read_results,
    write_results,
)
from fashion.labels import MODANET_TABLE
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import FIGURES, average_precision, encode_mask, ground_truth
from tests.fashion.factories import coco_data, dataset_folder, entry, region, write_json

HEIGHT, WIDTH = 30, 40
SQUARE = np.zeros((HEIGHT, WIDTH), bool)
SQUARE[10:20, 10:20] = True


def row(**changes):
    """A row that finds the bag of a picture; a None leaves the key out."""
    made = {"image_id": 0, "category_id": 1, "score": 0.5, "bbox": [10, 10, 10, 10]}
    made |= {"segmentation": encode_mask(SQUARE)} | changes
    return {key: value for key, value in made.items() if value is not None}


def loaded(folder):
    dataset = FashionDataset().load(folder, "train", MODANET_TABLE, keep_empty=True)
    dataset.prepare()
    return dataset, Numbering.of(dataset, find_annotations(folder / "train"))


@pytest.fixture
def via(tmp_path):
    """Two pictures with a bag each, in VIA: the data set and its numbering."""
    dataset_folder(tmp_path, [entry("a.jpg", [region()]), entry("b.jpg", [region()])])
    return loaded(tmp_path)


@pytest.fixture
def other(tmp_path):
    """The same in a COCO file with ids of its own; its boots come before its bags."""
    dataset_folder(tmp_path, [entry("a.jpg", [region()]), entry("b.jpg", [region()])])
    (tmp_path / "train" / "via_region_data.json").unlink()
    images = [
        {"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for i, name in ((90, "a.jpg"), (7, "b.jpg"))
    ]
    data = coco_data([{"image_id": 90, "category_id": 30}, {"image_id": 7, "category_id": 30}],
                     images)  # fmt: skip
    data["categories"] = [
        {"id": 5, "name": "boots"},
        {"id": 30, "name": "bag"},
        {"id": 31, "name": "scarf"},
        {"id": 32, "name": "scarf & tie"},
    ]
    write_json(tmp_path / "train" / "coco.json", data)
    return loaded(tmp_path)


def read(tmp_path, rows, dataset, numbering):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(rows))
    return read_results(path, numbering, dataset.image_ids)


def test_there_and_back(tmp_path, via):
    dataset, numbering = via
    rows = [row(), row(image_id=1, category_id=4, score=0.25, bbox=[1.5, 2, 3, 4.25])]
    write_results(tmp_path / "out" / "found.json", numbering.rows(rows))
    got = read_results(tmp_path / "out" / "found.json", numbering, dataset.image_ids)
    assert got.rows == rows and got.left_out == 0 and got.have_masks
    without = json.loads(masks_only_path(tmp_path / "out" / "found.json").read_text())
    assert without == [{k: v for k, v in each.items() if k != "bbox"} for each in rows]


def test_the_ids_of_a_coco_file_are_its_own(tmp_path, other):
    dataset, numbering = other
    rows = [row(), row(image_id=1)]
    ids = [(each["image_id"], each["category_id"]) for each in numbering.rows(rows)]
    assert ids == [(90, 30), (7, 30)]
    assert read(tmp_path, numbering.rows(rows), dataset, numbering).rows == rows
    # Two spellings of one class, and a class that the file has not: each has an id.
    scarf = MODANET_TABLE.id_of("scarf/tie")
    for given in (31, 32):
        (got,) = read(tmp_path, [row(image_id=7, category_id=given)], dataset, numbering).rows
        assert (got["image_id"], got["category_id"]) == (1, scarf)
    truth = numbering.truth(ground_truth(dataset))
    assert len({c["id"] for c in truth["categories"]}) == len(MODANET_TABLE.names)
    assert {c["name"]: c["id"] for c in truth["categories"]}["bag"] == 30
    assert [(i["id"], i["file_name"]) for i in truth["images"]] == [(90, "a.jpg"), (7, "b.jpg")]


def by_pycocotools(truth, results, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(str(results)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("form", ["via", "other"])
def test_pycocotools_gets_the_same_figures_from_the_files(tmp_path, form, request):
    dataset, numbering = request.getfixturevalue(form)
    # Equal scores on two pictures: which comes first is a matter of the ids.
    near = np.roll(SQUARE, 3, axis=1)
    rows = [
        row(image_id=0, segmentation=encode_mask(near), bbox=[13, 10, 10, 10]),
        row(image_id=1),
        row(image_id=1, category_id=3, score=0.7),
    ]
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps(numbering.truth(ground_truth(dataset))))
    write_results(found, numbering.rows(rows))
    figures = average_precision(numbering.truth(ground_truth(dataset)), numbering.rows(rows))
    for kind, path in (("bbox", found), ("segm", masks_only_path(found))):
        assert [figures[kind][name] for name in FIGURES] == by_pycocotools(truth, path, kind)
        assert 0 < figures[kind]["AP"] < 1


def test_rows_of_others(tmp_path, via):
    polygon = [[10, 10, 20, 10, 20, 20, 10, 20]]
    plain = coco_mask.encode(np.asfortranarray(SQUARE, np.uint8))
    runs = [310, *[10, 20] * 9, 10]
    runs.append(HEIGHT * WIDTH - sum(runs))
    rows = [
        row(image_id=None, file_name="b.jpg"),
        row(image_id=77, image="some/folder/b.jpg"),  # a name counts more than an id
        row(segmentation=polygon, bbox=None),
        row(segmentation={"size": [HEIGHT, WIDTH], "counts": runs}, bbox=[]),
        row(score=1),
    ]
    got = read(tmp_path, rows, *via).rows
    assert [each["image_id"] for each in got] == [1, 1, 0, 0, 0]
    assert all(each["segmentation"]["counts"].encode() == plain["counts"] for each in got)
    assert all(each["bbox"] == [10, 10, 10, 10] for each in got)


def test_boxes_alone(tmp_path, via):
    got = read(tmp_path, [row(segmentation=None), row(segmentation=[])], *via)
    assert not got.have_masks and "segmentation" not in got.rows[0]
    assert write_results(tmp_path / "out.json", got.rows) is None
    assert not masks_only_path(tmp_path / "out.json").exists()


def test_nothing_found(tmp_path, via):
    got = read(tmp_path, [], *via)
    assert got.rows == [] and got.have_masks


def test_images_that_were_not_asked_for(tmp_path, via):
    _, numbering = via
    path = tmp_path / "found.json"
    path.write_text(json.dumps([row(), row(image_id=1), row(image_id=1)]))
    got = read_results(path, numbering, [0])
    assert (len(got.rows), got.left_out) == (1, 2)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("text", "is not an object"),
        (row(image_id=None), "has no image_id"),
        (
            row(image_id=2),
            "has the image_id 2, which no image .* are 0, 1",
        ),
        (row(image_id=True), "has the image_id True"),
        (row(image_id=[0]), r"has the image_id \[0\]"),
        (row(image_id="0"), "has the image_id '0'"),
        (row(file_name="c.jpg"), "names the file_name 'c.jpg', which is not in the data set"),
        (row(category_id=None), "has no category_id"),
        (row(category_id=14), "has the category_id 14, which no category"),
        (row(score=None), "has the score None"),
        (row(score=float("nan")), "has the score nan: expected a finite number"),
        (row(score="0.5"), "has the score '0.5'"),
        (row(score=True), "has the score True"),
        (row(bbox=[1, 2, 3]), "has the bbox"),
        (row(bbox=[1, 2, -3, 4]), "has the bbox"),
        (row(bbox=[1, 2, float("inf"), 4]), "has the bbox"),
        (row(bbox=None, segmentation=None), "has neither bbox nor segmentation"),
        (row(segmentation=None), "has no segmentation, unlike row 1"),
        (row(segmentation={"size": [HEIGHT, WIDTH], "counts": "x"}), "has malformed run-lengths"),
        (row(segmentation={"size": [3, 4], "counts": "<"}), "has a segmentation of the size"),
    ],
)
def test_a_bad_row_is_named_by_its_number(tmp_path, via, bad, expected):
    with pytest.raises(DatasetError, match=rf"found\.json: row 2 {expected}"):
        read(tmp_path, [row(), bad], *via)


@pytest.mark.parametrize("content", [{}, {"annotations": []}, 3, {"of": 1}, "rows"])
def test_another_file(tmp_path, via, content):
    with pytest.raises(DatasetError, match="not a COCO results file"):
        read(tmp_path, content, *via)


def test_two_files_of_one_name_are_distinguished_by_their_folders(tmp_path):
    dataset_folder(tmp_path, [entry("x/a.jpg", [region()]), entry("y/a.jpg", [region()])])
    dataset, numbering = loaded(tmp_path)
    (got,) = read(tmp_path, [row(image_id=None, file_name="y/a.jpg")], dataset, numbering).rows
    assert got["image_id"] == 1
    with pytest.raises(DatasetError, match="row 1 names"):
        read(tmp_path, [row(image_id=None, file_name="a.jpg")], dataset, numbering)
