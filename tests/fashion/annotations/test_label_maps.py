import numpy as np
import pytest
import scipy.io
from PIL import Image
from pycocotools import mask as coco_mask

from fashion.annotations import coco
from fashion.annotations.label_maps import (
    Label,
    convert_label_maps,
    divide_pair,
    list_label_maps,
    map_instances,
    read_label_map,
    read_label_table,
)
from fashion.labels import MODANET_TABLE, PHOTO_TABLE
from mrcnn.errors import DatasetError
from tests.fashion.factories import write_image, write_json
from tests.support import shared

BAG, SHOES = Label("bag"), Label("footwear", "heels")


def painted(*rectangles, shape=(60, 40)) -> np.ndarray:
    """Numbers [height, width]: each rectangle is (number, y1, x1, y2, x2)."""
    numbers = np.zeros(shape, np.uint8)
    for number, y1, x1, y2, x2 in rectangles:
        numbers[y1:y2, x1:x2] = number
    return numbers


def indexed(path, numbers):
    image = Image.fromarray(numbers).convert("P")
    image.putdata(numbers.ravel().tolist())
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0] * 5)
    image.save(path)
    return path


@pytest.mark.parametrize("kind", ["indexed.png", "grey.png", "grey16.png", "map.mat"])
def test_a_map_is_read_from_each_kind_of_file(tmp_path, kind):
    numbers = painted((1, 0, 0, 10, 10), (14, 20, 5, 30, 30))
    path = tmp_path / kind
    if kind.startswith("indexed"):
        indexed(path, numbers)
    elif kind == "map.mat":
        scipy.io.savemat(path, {"groundtruth": numbers, "comment": "of 2014"})
    else:
        Image.fromarray(numbers.astype(np.uint16) if "16" in kind else numbers).save(path)
    assert np.array_equal(read_label_map(path), numbers)


def test_a_matrix_is_named_where_a_matlab_file_holds_several(tmp_path):
    path = tmp_path / "map.mat"
    scipy.io.savemat(path, {"truth": painted((2, 0, 0, 9, 9)), "scores": np.ones((3, 3))})
    with pytest.raises(DatasetError, match="scores, truth"):
        read_label_map(path)
    assert read_label_map(path, "truth").max() == 2


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.png", lambda path: Image.new("RGB", (4, 4)).save(path), "not a label map"),
        ("a.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "a.png"),
        ("a.mat", lambda path: path.write_bytes(b"no matrix" * 40), "not a MATLAB file"),
        ("a.mat", lambda path: path.write_bytes(b""), "not a MATLAB file"),
        (
            "a.mat",
            lambda path: path.write_bytes(
                b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + b"\0" * 99
            ),
            "7.3",
        ),
        ("a.mat", lambda path: scipy.io.savemat(path, {"x": np.ones((2, 2)) / 2}), "whole numbers"),
        ("a.mat", lambda path: scipy.io.savemat(path, {"x": -np.ones((2, 2))}), "whole numbers"),
    ],
)
def test_what_is_no_label_map_is_refused_in_a_sentence(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(DatasetError, match=message):
        read_label_map(tmp_path / name)


def test_a_pair_is_divided_and_crumbs_join_the_nearer_part():
    mask = painted((1, 0, 0, 10, 10), (1, 0, 30, 10, 38), (1, 20, 2, 22, 4)) > 0
    left, right = divide_pair(mask)
    assert (left.sum(), right.sum()) == (104, 80)
    assert left[20:22, 2:4].all()
    assert np.array_equal(left | right, mask)
    assert not (left & right).any()


def test_a_shoe_beside_a_crumb_is_one_shoe():
    mask = painted((1, 0, 0, 10, 10), (1, 0, 30, 3, 34)) > 0
    (whole,) = divide_pair(mask)
    assert np.array_equal(whole, mask)


def test_nothing_is_a_pair_of_one():
    assert len(divide_pair(np.zeros((4, 5), bool))) == 1


def test_instances_follow_the_table_and_small_ones_are_left_out():
    numbers = painted((1, 0, 0, 10, 10), (7, 40, 0, 50, 10), (7, 40, 20, 50, 30), (3, 30, 0, 31, 5))
    found, too_small = map_instances(numbers, {1: BAG, 3: Label("belt"), 7: SHOES})
    assert [label.class_name for label, _ in found] == ["bag", "footwear", "footwear"]
    assert too_small == 1
    whole, _ = map_instances(numbers, {7: SHOES}, pairs=())
    assert [mask.sum() for _, mask in whole] == [200]


def test_a_map_without_any_label_has_no_instance():
    assert map_instances(painted(), {1: BAG}) == ([], 0)


def test_maps_become_a_coco_file_that_reads_as_one(tmp_path):
    indexed(tmp_path / "b.png", painted((1, 5, 6, 15, 18), (12, 40, 0, 42, 2)))
    Image.fromarray(painted((7, 0, 0, 10, 10))).save(tmp_path / "a.png")
    write_image(tmp_path / "photos" / "a.jpg", 40, 60)
    write_image(tmp_path / "photos" / "b.PNG", 40, 60)
    made = convert_label_maps(
        list_label_maps(tmp_path), {1: BAG, 7: SHOES}, MODANET_TABLE, images=tmp_path / "photos"
    )
    coco.check(made.data)
    assert [image["file_name"] for image in made.data["images"]] == ["a.jpg", "b.PNG"]
    shoe, bag = made.data["annotations"]
    assert (shoe["category_id"], shoe["fine"]) == (4, "heels")
    assert (bag["category_id"], bag["bbox"], bag["area"]) == (1, [6, 5, 12, 10], 120)
    assert np.argwhere(coco_mask.decode(bag["segmentation"])).min(axis=0).tolist() == [5, 6]
    assert made.unknown == {12: 4}
    assert "left out: 12" in made.summary()


def test_a_map_without_a_photograph_is_named(tmp_path):
    Image.fromarray(painted((1, 0, 0, 10, 10))).save(tmp_path / "0007.png")
    (tmp_path / "photos").mkdir()
    with pytest.raises(DatasetError, match="0007"):
        convert_label_maps(
            list_label_maps(tmp_path), {1: BAG}, MODANET_TABLE, images=tmp_path / "photos"
        )


def test_a_folder_without_maps_says_so(tmp_path):
    with pytest.raises(DatasetError, match="no label map"):
        list_label_maps(tmp_path)
    with pytest.raises(DatasetError, match="0008"):
        list_label_maps(tmp_path, ["0008"])


@pytest.mark.parametrize("table", [[], {}, {"1": "cat"}, {"x": "bag"}, {"1": {"name": "bag"}}])
def test_a_table_that_is_none_is_refused(tmp_path, table):
    with pytest.raises(DatasetError, match="table"):
        read_label_table(write_json(tmp_path / "table.json", table), MODANET_TABLE)


def test_a_table_may_name_persons_for_the_photo_classes(tmp_path):
    path = write_json(tmp_path / "t.json", {"2": {"class": "Scarf", "name": "tie"}, "15": "person"})
    labels = read_label_table(path, PHOTO_TABLE)
    assert labels == {2: Label("scarf/tie", "tie"), 15: Label("person")}


def test_clothing_co_parsing_comes_out_as_its_instances():
    """Its maps have a number for each class, not for each tag: classes of two tags are left out."""
    truth = coco.read(shared("ccp", "instances_val.json"))
    labels = {row.id: Label(row.name) for row in MODANET_TABLE}
    names = [image["file_name"][:-4] for image in truth["images"]]
    made = convert_label_maps(
        list_label_maps(shared("ccp", "labels"), names), labels, MODANET_TABLE
    ).data
    wanted, got = _outlines(truth), _outlines(made)
    assert set(got) == set(wanted)
    differing = [key for key in wanted if wanted[key] != got[key]]
    tags = {key: {row["fine"] for row in _rows(truth)[key]} for key in differing}
    assert (len(wanted), len(differing)) == (216, 7)
    assert all(len(fine) > 1 for fine in tags.values())


def _rows(data):
    files = {image["id"]: image["file_name"] for image in data["images"]}
    rows = {}
    for row in data["annotations"]:
        rows.setdefault((files[row["image_id"]], row["category_id"]), []).append(row)
    return rows


def _outlines(data):
    keys = ("counts", "size")
    return {
        name: sorted([str([row["segmentation"][key] for key in keys]) for row in rows])
        for name, rows in _rows(data).items()
    }
