"""What other people's files of other tools hold, which our own exports do not."""

from pathlib import Path

import pytest

from fashion.annotations import via
from fashion.annotations.coco import foreign_attributes
from fashion.annotations.instances import image_instances
from fashion.exchange.run import FORMATS, ExportSettings, export, import_annotations
from fashion.labels import MODANET_TABLE, ClassTable
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, write_image, write_json
from tests.support import shared

SIZE = {"original_width": 40, "original_height": 30, "image_rotation": 0}
POINTS = [[10, 10], [50, 10], [50, 50]]


def imported(tmp_path, path, **options):
    """The report, and the classes of the instances by image."""
    form = "cvat" if path.suffix == ".xml" else "label-studio"
    report, (written,) = import_annotations(path, tmp_path / "via.json", form, **options)
    found = {}
    for image in via.read(written):
        instances, _ = image_instances(image, MODANET_TABLE)
        found[image.filename] = [MODANET_TABLE.name_of(one.class_id) for one in instances]
    return report, found


def result(label="bag", **more):
    value = {"points": POINTS, "polygonlabels": [label]}
    return {"id": "x", "type": "polygonlabels", "value": value, **SIZE, **more}


def task(*results, **more):
    data = {"image": "/data/local-files/?d=a.jpg"}
    return {"id": 1, "data": data, "annotations": [{"result": list(results)}]} | more


def studio(tmp_path, *tasks, **options):
    return imported(tmp_path, write_json(tmp_path / "tasks.json", list(tasks)), **options)


def cvat(tmp_path, shapes, **options):
    path = tmp_path / "a.xml"
    head = '<annotations><image id="0" name="a.jpg" width="40" height="30">'
    path.write_text(f"{head}{shapes}</image></annotations>")
    return imported(tmp_path, path, **options)


def test_a_group_is_no_instance_unless_asked_for(tmp_path):
    labels = ("belt", "belt", "top")
    shapes = "".join(f'<polygon label="{n}" group_id="4" points="1,1;9,1;9,9"/>' for n in labels)
    assert cvat(tmp_path, shapes)[1] == {"a.jpg": ["belt", "belt", "top"]}
    assert cvat(tmp_path, shapes, join=True)[1] == {"a.jpg": ["belt", "top"]}


def test_attributes_of_cvat_that_bear_our_names(tmp_path):
    names = {"hole": "true", "label": "brand", "iscrowd": "1", "fashion": "9", "colour": "red"}
    inner = "".join(f'<attribute name="{k}">{v}</attribute>' for k, v in names.items())
    _, found = cvat(tmp_path, f'<polygon label="bag" points="1,1;9,1;9,9">{inner}</polygon>')
    assert found == {"a.jpg": ["bag"]}
    (image,) = via.read(tmp_path / "via.json")
    own = image.regions[0].attributes
    assert (own["label"], own["colour"]) == ("bag", "red")
    assert foreign_attributes(own) == {k: v for k, v in names.items() if k != "colour"}
    export(tmp_path / "via.json", tmp_path / "back.xml", ExportSettings("cvat"))
    for key, value in names.items():
        assert f'<attribute name="{key}">{value}</attribute>' in (tmp_path / "back.xml").read_text()


def test_a_shape_and_its_label_in_two_results(tmp_path):
    shape = {"id": "s", "type": "polygon", "value": {"points": POINTS}, **SIZE}
    label = {"id": "s", "type": "labels", "value": {"points": POINTS, "labels": ["belt"]}, **SIZE}
    report, found = studio(tmp_path, task(shape, label))
    assert found == {"a.jpg": ["belt"]}
    assert not list(report.problems)


def test_a_relation_joins_what_our_export_joined(tmp_path):
    relation = {"type": "relation", "from_id": "x", "to_id": "y", "direction": "right"}
    results = [result(), result(id="y"), relation]
    assert studio(tmp_path, task(*results))[1] == {"a.jpg": ["bag", "bag"]}
    assert studio(tmp_path, task(*results), join=True)[1] == {"a.jpg": ["bag"]}


@pytest.mark.parametrize("other", ["predictions", "completions"])
def test_what_is_not_imported_is_said_with_the_option_that_imports_it(tmp_path, other):
    one = task(annotations=[], **{other: [{"result": [result()]}]})
    report, found = studio(tmp_path, one)
    assert found == {"a.jpg": []}
    assert f"--take={other}" in report.summary()
    assert studio(tmp_path, one, take=other)[1] == {"a.jpg": ["bag"]}


def test_predictions_known_by_number_only(tmp_path):
    one = task(annotations=[], predictions=[286])
    assert "--take=predictions" in studio(tmp_path, one)[0].summary()
    assert studio(tmp_path, one, take="predictions")[1] == {"a.jpg": []}


@pytest.mark.parametrize(
    "data",
    [
        {"caption": "Half price, 50% off?", "img": "/data/local-files/?d=a.jpg"},
        {"text": "http://[", "picture": "s3://shop/x/a.jpg"},
        {"image": "/data/upload/1/0123abcd-a.jpg", "caption": "b.jpg"},
    ],
)
def test_the_picture_among_other_fields(tmp_path, data):
    assert studio(tmp_path, task(result(), data=data))[1] == {"a.jpg": ["bag"]}


def test_the_ground_truth_is_the_annotation_that_counts(tmp_path):
    both = [{"result": []}, {"result": [result("top")], "ground_truth": True}]
    assert studio(tmp_path, task(annotations=both))[1] == {"a.jpg": ["top"]}


def test_a_task_without_results(tmp_path):
    assert studio(tmp_path, task())[1] == {"a.jpg": []}


@pytest.mark.parametrize("name", ["a.jpg", "images/a.jpg", "x/images/y/images/b.jpg"])
def test_ultralytics_finds_the_labels_of_every_picture(tmp_path, name):
    write_image(tmp_path / "in" / name)
    write_json(tmp_path / "in" / "via.json", {"x": entry(name, [region()])})
    export(tmp_path / "in", tmp_path / "out", ExportSettings("yolo-seg", place="copy"))
    (picture,) = (tmp_path / "out").rglob("*.jpg")
    # Their rule: the last "/images/" becomes "/labels/".
    labels = "/labels/".join(str(picture).rsplit("/images/", 1)).removesuffix(".jpg") + ".txt"
    assert Path(labels).read_text(encoding="utf-8").startswith("0 ")


@pytest.mark.parametrize("form", ["coco", "cvat", "label-studio"])
def test_a_second_export_with_copies(tmp_path, form):
    write_image(tmp_path / "in" / "a.jpg")
    write_json(tmp_path / "in" / "via.json", {"x": entry("a.jpg", [region()])})
    for _ in range(2):
        report, _ = export(tmp_path / "in", tmp_path / "out", ExportSettings(form, place="copy"))
    assert report.objects == 1
    write_image(tmp_path / "out" / "images" / "a.jpg", 50, 50)
    with pytest.raises(DatasetError, match="another file is there already"):
        export(tmp_path / "in", tmp_path / "out", ExportSettings(form, place="copy"))


def test_a_class_called_background_is_refused_by_voc(tmp_path):
    path = write_json(tmp_path / "a.json", coco_data([{}], categories=("bag", "Background")))
    with pytest.raises(DatasetError, match="a special meaning"):
        export(path, tmp_path / "out", ExportSettings("voc"))
    assert not (tmp_path / "out").exists()
    table = ClassTable(["bag"])
    assert export(path, tmp_path / "out", ExportSettings("voc", table))[0].objects == 1


@pytest.mark.parametrize("form", FORMATS)
def test_no_annotation_at_all(tmp_path, form):
    write_json(tmp_path / "via.json", {"x": entry("a.jpg")})
    assert export(tmp_path / "via.json", tmp_path / "out", ExportSettings(form))[0].objects == 0


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("k04_group/a.xml", ["bag", "bag", "top"]),
        ("k05_attr/a.xml", ["bag"]),
        ("l01_labels/t.json", ["bag"]),
        ("l02_relation/t.json", ["bag", "belt"]),
        ("l04_fields/t.json", ["bag"]),
        ("l07_two/t.json", ["bag"]),
    ],
)
def test_shared_cases(tmp_path, case, expected):
    assert imported(tmp_path, shared("cases", *case.split("/")))[1] == {"a.jpg": expected}
