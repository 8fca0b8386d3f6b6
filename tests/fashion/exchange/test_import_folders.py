"""Folders of LabelMe and YOLO read back as VIA: those that we export, and those of others."""

import numpy as np
import pytest

from fashion.annotations import via
from fashion.exchange.run import ExportSettings, export, import_annotations
from fashion.polygons.filling import polygons_to_mask
from mrcnn.errors import DatasetError
from tests.fashion.factories import dataset_folder, entry, region, write_image, write_json


def read(tmp_path, folder, form, **options):
    report, (written,) = import_annotations(folder, tmp_path / "via.json", form, **options)
    return report, via.read(written).images


def mask(image):
    parts = [r.points for r in image.regions]
    return polygons_to_mask(parts, [], image.height, image.width)


@pytest.mark.parametrize(("form", "back"), [("labelme", "labelme"), ("yolo-seg", "yolo")])
def test_our_own_export_comes_back(tmp_path, form, back):
    regions = [region([(5, 5), (15, 5), (15, 15), (5, 15)], label="bag")]
    regions.append(region([(20, 5), (35, 6), (25, 25)], label="boots"))
    data = dataset_folder(tmp_path / "data", [entry("a.png", regions), entry("b.png")])
    export(data, tmp_path / "out", ExportSettings(form, place="copy"))
    report, (one, two) = read(tmp_path, tmp_path / "out", back)
    assert (report.images, report.regions) == (2, 2)
    assert [r.attributes["label"] for r in one.regions] == ["bag", "boots"]
    assert one.filename == "train/a.png" and two.regions == []
    wanted = via.read(data / "train" / "via_region_data.json").images[0]
    assert np.mean(mask(one) ^ mask(wanted)) < 0.01


def test_shapes_of_labelme(tmp_path):
    shapes = [
        {"label": "bag", "points": [[1, 1], [9, 9]], "shape_type": "rectangle", "group_id": 3},
        {"label": "bag", "points": [[20, 5], [25, 5]], "shape_type": "circle", "group_id": 3},
        {"label": "x", "points": [[1, 1]], "shape_type": "point"},
        {"label": "x", "points": "none"},
        {"label": "x", "points": [[1, 1]], "shape_type": "circle"},
        7,
    ]
    data = {"shapes": shapes, "imagePath": "..\\in\\a.jpg", "imageWidth": 40, "imageHeight": 30}
    write_json(tmp_path / "in" / "sub" / "a.json", data)
    write_json(tmp_path / "in" / "other.json", {"some": "thing"})
    report, (image,) = read(tmp_path, tmp_path / "in", "labelme")
    assert image.filename == "sub/a.jpg"
    assert {r.attributes["instance"] for r in image.regions} == {"group 3"}
    assert report.skipped == {"shapes of the type point": 1, "files that are not LabelMe's": 1}
    assert len(report.problems) == 3
    assert mask(image)[5, 5] and mask(image)[5, 22] and not mask(image)[20, 30]


@pytest.mark.parametrize(
    "names",
    [
        "names: ['bag', \"hat\"]\n",
        'train: images\nnames:\n  0: bag\n  1: "hat"\nnc: 2\n',
        "names:\n- bag\n- 'hat'\n",
    ],
)
def test_class_names_of_yolo(tmp_path, names):
    folder = tmp_path / "in"
    write_image(folder / "images" / "train" / "a.jpg", 40, 20)
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "data.yaml").write_text(names)
    lines = "1 .5 .5 .5 .5\n0 0 0 .5 0 .5 .5\n\n2 .5 .5 .5 .5\n0 1 2 3\nbag 1\n"
    (folder / "labels" / "train" / "a.txt").write_text(lines)
    report, (image,) = read(tmp_path, folder, "yolo", subset="train")
    assert [r.attributes["label"] for r in image.regions] == ["hat", "bag"]
    assert image.regions[0].points.min(axis=0).tolist() == pytest.approx([10, 5], abs=1)
    assert image.regions[0].points.max(axis=0).tolist() == pytest.approx([30, 15], abs=1)
    assert len(report.problems) == 3


def test_nothing_to_import(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DatasetError, match="nothing to import"):
        read(tmp_path, tmp_path / "in", "labelme")
    with pytest.raises(DatasetError, match="no class names"):
        read(tmp_path, tmp_path / "in", "yolo")
    (tmp_path / "in" / "classes.txt").write_text("bag\n")
    with pytest.raises(DatasetError, match="nothing to import"):
        read(tmp_path, tmp_path / "in", "yolo")
    (tmp_path / "in" / "labels").mkdir()
    (tmp_path / "in" / "labels" / "a.txt").write_text("0 .5 .5 .5 .5\n")
    with pytest.raises(DatasetError, match="picture of a label file is missing"):
        read(tmp_path, tmp_path / "in", "yolo")
