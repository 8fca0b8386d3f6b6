import pytest

from fashion.labels import SEASON_TABLE, ClassTable
from fashion.splitting.annotations import read_source
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, via_1, via_project, write_json

IMAGES = [{"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 30} for i in (1, 2, 3)]


def test_coco(tmp_path):
    data = coco_data([{"image_id": 1}, {"image_id": 3, "category_id": 2}, {"image_id": 1}], IMAGES)
    data["licenses"] = [{"id": 3}]
    source = read_source(write_json(tmp_path / "ann.json", data))
    assert source.is_coco
    assert source.names == ["1.jpg", "2.jpg", "3.jpg"]
    assert source.classes() == ["bag", "belt"]
    assert source.matrix(["1.jpg", "3.jpg"], ["bag", "belt"]).tolist() == [[2, 0], [0, 1]]
    part = source.part({"3.jpg", "2.jpg"})
    assert part == {**data, "images": IMAGES[1:], "annotations": [data["annotations"][1]]}


def test_aliases_of_classes_of_ones_own_are_one_class(tmp_path):
    rows = [{"id": 1, "name": "bags", "aliases": ["bag", "belt"]}]
    table = ClassTable.from_json({"classes": rows})
    data = coco_data([{"image_id": 1}, {"image_id": 3, "category_id": 2}], IMAGES)
    assert read_source(write_json(tmp_path / "ann.json", data), table).classes() == ["bags"]


def test_coco_annotations_of_no_image(tmp_path):
    data = coco_data([{"image_id": 9}, {"category_id": 8}], IMAGES)
    source = read_source(write_json(tmp_path / "ann.json", data))
    assert source.orphans == ["annotation 1: there is no image with its image_id 9"]
    assert source.classes() == ["category 8"]


VIA = {
    "x": entry("a.jpg", [region(label="bag"), region(label="belt", instance="1")]),
    "y": entry("b.jpg", [region(label="bag", instance="1"), region(label="bag", instance="1")]),
    "z": entry("c.jpg"),
}


@pytest.mark.parametrize("form", [lambda data: data, via_1, via_project])
def test_via(tmp_path, form):
    data = form(VIA)
    source = read_source(write_json(tmp_path / "ann.json", data))
    assert not source.is_coco
    assert source.file_name == "via_region_data.json"
    # the two regions of one instance count once
    assert source.matrix(source.names, ["bag", "belt"]).tolist() == [[1, 1], [1, 0], [0, 0]]
    entries = data.get("_via_img_metadata", data)
    assert list(source.part(["b.jpg"]).values()) == [entries[list(entries)[1]]]


def test_all_entries_of_an_image_stay_with_it(tmp_path):
    data = {"x": entry("a.jpg", [region()]), "y": entry("a.jpg", [region()]), "z": entry("b.jpg")}
    source = read_source(write_json(tmp_path / "ann.json", data))
    assert source.names == ["a.jpg", "b.jpg"]
    assert list(source.part(["a.jpg"])) == ["x", "y"]
    assert source.counts["a.jpg"] == {"bag": 2}


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"fashion": "32"}, "skirt_yaz"),
        ({"label": "skirt_yaz", "fashion": "1"}, "skirt_yaz"),
        # not of the table: still a class of its own
        ({"fashion": "50"}, "50"),
        ({"class": {"hat": True}}, "hat"),
        ({"colour": "red"}, "no label"),
    ],
)
def test_class_names(tmp_path, attributes, name):
    data = {"x": entry("a.jpg", [region(**attributes)])}
    assert read_source(write_json(tmp_path / "a.json", data), SEASON_TABLE).classes() == [name]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "C:\\a.jpg"])
def test_names_that_leave_the_folder(tmp_path, name):
    images = [{"id": 1, "file_name": name}]
    for data in (coco_data((), images), {"x": entry(name)}):
        with pytest.raises(DatasetError, match="must not leave it"):
            read_source(write_json(tmp_path / "ann.json", data))


def test_no_image(tmp_path):
    source = read_source(write_json(tmp_path / "ann.json", {}))
    assert (source.names, source.classes(), source.part([])) == ([], [], {})
