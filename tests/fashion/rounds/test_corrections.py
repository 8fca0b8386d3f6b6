import json
import os

import pytest

from fashion.annotations.instances import region_label
from fashion.exchange.run import ExportSettings, export
from fashion.rounds.corrections import read_corrections
from mrcnn.errors import DatasetError
from tests.fashion.factories import SQUARE, coco_data, entry, region, write_image, write_json


def labels(folder):
    images, notes = read_corrections(folder)
    assert notes == []
    return {name: [region_label(r) for r in image.regions] for name, image in images.items()}


@pytest.fixture
def annotated(tmp_path):
    regions = [region(label="bag", fashion="1"), region(label="top", fashion="9")]
    write_image(tmp_path / "images" / "a.jpg")
    return write_json(tmp_path / "images" / "via.json", {"1": entry("a.jpg", regions)})


@pytest.mark.parametrize("form", ["cvat", "label-studio", "labelme", "coco"])
def test_what_other_programs_save(annotated, tmp_path, form):
    name = {"cvat": "x.xml", "label-studio": "x.json", "coco": "x.json"}.get(form, "labelme")
    out = tmp_path / "exported" / name
    export(annotated, out, ExportSettings(form))
    folder = tmp_path / "corrections"
    folder.mkdir()
    # Label Studio's companion file is its labelling interface, and no annotations.
    if out.is_dir():
        out.rename(folder / name)
    else:
        os.link(out, folder / name)
    assert labels(folder) == {"a.jpg": ["bag", "top"]}


def test_the_file_that_was_changed_last_counts(tmp_path):
    for number, (name, label) in enumerate((("b.json", "bag"), ("a.json", "belt"))):
        path = write_json(tmp_path / name, {"1": entry("a.jpg", [region(label=label)])})
        os.utime(path, (1000 + number, 1000 + number))
    assert labels(tmp_path) == {"a.jpg": ["belt"]}


def test_names_are_taken_without_their_folders(tmp_path):
    images = [{"id": 7, "file_name": "deep/a.jpg", "width": 40, "height": 30}]
    write_json(tmp_path / "a.json", coco_data([{}], images))
    assert labels(tmp_path) == {"a.jpg": ["bag"]}


def test_no_corrections(tmp_path):
    assert read_corrections(tmp_path) == ({}, [])
    assert read_corrections(tmp_path / "missing") == ({}, [])


def test_regions_that_cannot_be_used_are_noted(tmp_path):
    bad = region([(1, 1), (2, 2)])
    write_json(tmp_path / "a.json", {"1": entry("a.jpg", [bad])})
    _, notes = read_corrections(tmp_path)
    assert len(notes) == 1 and "a.json" in notes[0]


@pytest.mark.parametrize("shape", [{}, {"shape_type": "polygon", "points": [["x", 1]]}])
def test_damaged_labelme_files(tmp_path, shape):
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [shape]}))
    with pytest.raises(DatasetError, match="its shape 1 is damaged"):
        read_corrections(tmp_path)


def test_a_labelme_group_is_one_instance(tmp_path):
    parts = [
        {"label": "bag", "points": SQUARE, "shape_type": "polygon", "group_id": group}
        for group in (4, 4, None)
    ]
    data = {"imagePath": "..\\x\\a.jpg", "imageWidth": 40, "imageHeight": 30, "shapes": parts}
    (tmp_path / "a.json").write_text(json.dumps(data))
    images, _ = read_corrections(tmp_path)
    assert [r.instance for r in images["a.jpg"].regions] == ["group 4", "group 4", "shape 3"]
