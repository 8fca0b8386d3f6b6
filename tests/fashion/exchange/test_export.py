"""Every format is exported, and read again with nothing but xml, json, Pillow and pycocotools."""

import json
import os
import shutil
from urllib.parse import unquote
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from fashion.annotations import via
from fashion.annotations.instances import image_instances
from fashion.annotations.locating import VARIABLE
from fashion.exchange.files import RECORD
from fashion.exchange.run import FOLDER_FORMATS, FORMATS, ExportSettings, export, import_annotations
from fashion.exchange.voc import voc_palette
from fashion.labels import MODANET_TABLE
from fashion.polygons.filling import polygons_to_mask
from mrcnn.errors import DatasetError
from tests.fashion.export_truth import (
    EMPTY,
    FIRST,
    HEIGHT,
    SECOND,
    WIDTH,
    check,
    entries,
    folder,
    iou,
    truth,
)
from tests.fashion.factories import coco_data, entry, region, write_image, write_json

NAMES = (FIRST, SECOND, EMPTY)


@pytest.fixture
def data(tmp_path):
    return folder(tmp_path / "data")


def run(data, out, form, **settings):
    return export(data, out, ExportSettings(form, **settings))


def filled(rings):
    return polygons_to_mask([np.array(r, dtype=float) for r in rings], [], HEIGHT, WIDTH)


def test_coco(tmp_path, data):
    report, (path,) = run(data, tmp_path / "coco", "coco")
    assert path.name == "instances_train.json"
    assert report.lines() == (
        "3 images, 5 instances\n"
        "written in another way: instances with holes written as run-lengths (1)"
    )
    api = COCO(str(path))
    names = {c["id"]: c["name"] for c in api.dataset["categories"]}
    check(
        {
            image["file_name"]: [
                (names[a["category_id"]], api.annToMask(a).astype(bool))
                for a in api.imgToAnns[image["id"]]
            ]
            for image in api.dataset["images"]
        },
        least=1.0,
    )
    (scored,) = (a for a in api.dataset["annotations"] if "score" in a)
    assert (scored["score"], scored["attributes"]) == (0.875, {"note": 'a <b> & "c"'})


@pytest.mark.parametrize("parts", ["join", "split"])
def test_yolo(tmp_path, data, parts):
    out = tmp_path / "yolo"
    report, _ = run(data, out, "yolo-seg", parts=parts, place="copy")
    assert report.losses["crowds"] == 1
    assert report.losses["scores"] == 1
    assert report.notes["holes joined to their outline"] == 1
    joins = {
        "join": ("instances of several parts joined to one ring", 2),
        "split": ("parts written as objects of their own", 4),
    }
    name, count = joins[parts]
    assert report.notes[name] == count
    classes = (out / "classes.txt").read_text().splitlines()
    assert classes == list(MODANET_TABLE.names)
    found = {}
    for name in NAMES:
        assert (out / "images" / "train" / name).is_file()
        lines = (out / "labels" / "train" / name).with_suffix(".txt").read_text().splitlines()
        found[name] = []
        for line in lines:
            number, *shares = line.split()
            points = np.array(shares, dtype=float).reshape(-1, 2)
            assert ((points >= 0) & (points <= 1)).all()
            found[name].append((classes[int(number)], filled([points * (WIDTH, HEIGHT)])))
    if parts == "join":
        check(found, crowds=False)
    else:
        masks = [mask for label, mask in found[FIRST] if label == "bag"]
        assert len(masks) == 2
        assert iou(masks[0] | masks[1], truth()[FIRST][0][1]) > 0.99
    text = (out / "data.yaml").read_text()
    assert 'train: "images/train"\nval: "images/train"\nnames:\n  0: "bag"\n' in text


def test_yolo_rings_are_filled_by_opencv_as_ultralytics_does(tmp_path, data):
    run(data, tmp_path / "yolo", "yolo-seg")
    line = (tmp_path / "yolo" / "labels" / "train" / "a.txt").read_text().splitlines()[0]
    scale = 16
    points = np.array(line.split()[1:], dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT) * scale
    canvas = np.zeros((HEIGHT * scale, WIDTH * scale), np.uint8)
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    mask = truth()[FIRST][0][1].repeat(scale, axis=0).repeat(scale, axis=1)
    assert iou(canvas > 0, mask) > 0.93  # a mask of pixels, and OpenCV fills the border, too


def test_labelme(tmp_path, data):
    out = tmp_path / "labelme"
    run(data, out, "labelme")
    found = {}
    for name in NAMES:
        path = (out / "train" / name).with_suffix(".json")
        read = json.loads(path.read_text())
        assert (read["imageWidth"], read["imageHeight"]) == (WIDTH, HEIGHT)
        assert (path.parent / read["imagePath"]).resolve() == (data / "train" / name).resolve()
        groups = {}
        for number, shape in enumerate(read["shapes"]):
            assert shape["shape_type"] == "polygon"
            key = shape["group_id"] or f"alone {number}"
            groups.setdefault(key, (shape["label"], []))[1].append(shape["points"])
        found[name] = [(label, filled(rings)) for label, rings in groups.values()]
        crowds = [s["label"] for s in read["shapes"] if s["flags"].get("crowd")]
        assert crowds == (["top"] if name == SECOND else [])
    check(found)


def test_voc(tmp_path, data):
    out = tmp_path / "voc"
    report, _ = run(data, out, "voc")
    found, expected = {}, truth()
    palette = voc_palette()
    assert palette[[0, 1, 2, 3, 15, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [192, 128, 128],
        [224, 224, 192],
    ]
    for name in NAMES:
        stem = name.rsplit(".", 1)[0]
        root = ElementTree.parse(out / "Annotations" / f"{stem}.xml").getroot()
        assert root.findtext("filename") == name.split("/")[-1]
        assert [root.findtext(f"size/{k}") for k in ("width", "height", "depth")] == [
            str(WIDTH),
            str(HEIGHT),
            "3",
        ]
        with Image.open(out / "SegmentationObject" / f"{stem}.png") as picture:
            assert picture.mode == "P"
            assert picture.getpalette() == palette.ravel().tolist()
            objects = np.asarray(picture)
        with Image.open(out / "SegmentationClass" / f"{stem}.png") as picture:
            classes = np.asarray(picture)
        found[name] = []
        for number, one in enumerate(root.iter("object"), 1):
            label, mask, crowd = expected[name][number - 1]
            assert one.findtext("name") == label
            assert one.findtext("difficult") == str(int(crowd))
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = [int(one.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")]
            assert box == [columns[0] + 1, rows[0] + 1, columns[-1] + 1, rows[-1] + 1]
            own = objects == (255 if crowd else number)
            assert set(np.unique(classes[own])) == {255 if crowd else MODANET_TABLE.id_of(label)}
            found[name].append((label, own))
    check(found, least=0.94)  # small ones lie on large ones
    assert report.losses["pixels under another instance"] > 0
    for kind in ("Main", "Segmentation"):
        lines = (out / "ImageSets" / kind / "train.txt").read_text().splitlines()
        assert lines == [name.rsplit(".", 1)[0] for name in NAMES]


def test_cvat(tmp_path, data):
    _, (path, labels) = run(data, tmp_path / "cvat", "cvat")
    root = ElementTree.parse(path).getroot()
    declared = [label.findtext("name") for label in root.iter("label")]
    assert declared == [one["name"] for one in json.loads(labels.read_text())]
    assert "note" in {a["name"] for a in json.loads(labels.read_text())[0]["attributes"]}
    found = {}
    for image in root.iter("image"):
        assert (image.get("width"), image.get("subset")) == (str(WIDTH), "train")
        groups = {}
        for number, shape in enumerate(image):
            if shape.tag == "mask":
                runs = [int(run) for run in shape.get("rle").split(",")]
                size = int(shape.get("height")), int(shape.get("width"))
                part = np.repeat(np.arange(len(runs)) % 2, runs).reshape(size).astype(bool)
                mask = np.zeros((HEIGHT, WIDTH), bool)
                top, left = int(shape.get("top")), int(shape.get("left"))
                mask[top : top + size[0], left : left + size[1]] = part
            else:
                points = [pair.split(",") for pair in shape.get("points").split(";")]
                mask = filled([points])
            key = shape.get("group_id", f"alone {number}")
            former = groups.get(key, (None, np.zeros_like(mask)))[1]
            groups[key] = shape.get("label"), former | mask
        found[image.get("name")] = list(groups.values())
    check(found, least=1.0)
    values = {a.get("name"): a.text for a in root.iter("attribute") if a.get("name")}
    assert values == {"instance": "7", "score": "0.875", "note": 'a <b> & "c"', "crowd": "1"}


def test_label_studio(tmp_path, data):
    prefix = "/data/local-files/?d=garments/"
    _, (path, interface) = run(data, tmp_path / "tasks.json", "label-studio", prefix=prefix)
    found = {}
    for task in json.loads(path.read_text()):
        assert unquote(task["data"]["image"].removeprefix(prefix)) == task["data"]["file_name"]
        groups = {}
        for result in task["annotations"][0]["result"]:
            if result["type"] == "relation":
                groups[result["from_id"]][1].extend(groups.pop(result["to_id"])[1])
                continue
            assert (result["original_width"], result["original_height"]) == (WIDTH, HEIGHT)
            points = np.array(result["value"]["points"]) / 100 * (WIDTH, HEIGHT)
            groups[result["id"]] = result["value"]["polygonlabels"][0], [points]
        found[task["data"]["file_name"]] = [(k, filled(rings)) for k, rings in groups.values()]
    check(found)
    root = ElementTree.parse(interface).getroot()
    assert [label.get("value") for label in root.iter("Label")] == list(MODANET_TABLE.names)


@pytest.mark.parametrize("form", ["cvat", "label-studio"])
def test_what_was_exported_comes_back(tmp_path, data, form):
    _, (path, _) = run(data, tmp_path / f"out.{form}", form)
    report, (back,) = import_annotations(path, tmp_path / "via.json", form)
    assert len(report.problems) == 0
    found = {}
    for image in via.read(back, strict=True):
        instances, problems = image_instances(image, MODANET_TABLE)
        assert not problems
        found[image.filename] = [
            (
                MODANET_TABLE.name_of(one.class_id),
                polygons_to_mask(one.parts, one.holes, HEIGHT, WIDTH),
            )
            for one in instances
        ]
        attributes = [r.attributes for r in image.regions if r.attributes["label"] == "pants"]
        for one in attributes:
            assert (one["score"], one["instance"]) == ("0.875", "7")
            assert one["note"] == 'a <b> & "c"'
        assert [i.crowd for i in instances] == [crowd for *_, crowd in truth()[image.filename]]
    check(found)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["copy", "link"])
def test_sizes_come_from_the_pictures_which_are_put_beside(tmp_path, form, place):
    data = folder(tmp_path / "data", size=None)
    out = tmp_path / ("out" if form in FOLDER_FORMATS else "out/file.x")
    report, _ = run(data, out, form, place=place)
    assert (report.images, report.objects) == (3, 5)
    copies = list((tmp_path / "out").rglob("*.jpg"))
    assert len(copies) == 3
    source = data / "train" / FIRST
    (copy,) = (path for path in copies if path.name == FIRST)
    assert copy.read_bytes() == source.read_bytes()
    assert copy.samefile(source) == (place == "link")


@pytest.mark.parametrize("form", FORMATS)
def test_an_unknown_size_is_one_sentence_and_nothing_is_left(tmp_path, form):
    data = folder(tmp_path / "data", size=None)
    (data / "train" / SECOND).unlink()
    with pytest.raises(DatasetError, match=r"sub/b.*do not have its size.*--images"):
        run(data, tmp_path / "out" / "x", form)
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left == []


def test_coco_files_shards_and_subsets_are_taken(tmp_path, data):
    run(data, tmp_path / "coco.json", "coco")
    shutil.copytree(data / "train", data / "val")
    report, written = run(data, tmp_path / "both" / "c.json", "coco", shard_size=2)
    assert [path.name for path in written] == [
        f"c_{subset}-0000{n}-of-00002.json" for subset in ("train", "val") for n in (0, 1)
    ]
    out = tmp_path / "yolo"
    report, _ = export(
        tmp_path / "both" / "c_train.json", out, ExportSettings("yolo-seg", images=data / "train")
    )
    assert (report.images, report.objects) == (3, 5)
    report, _ = run(data, tmp_path / "yolo2", "yolo-seg")
    assert report.images == 6
    assert 'train: "images/train"\nval: "images/val"' in (tmp_path / "yolo2/data.yaml").read_text()


def test_the_categories_of_a_coco_file_stay(tmp_path):
    data = coco_data([{"category_id": 2}], categories=("glove", "sock", "hat"))
    data["categories"][2] |= {"id": 90, "supercategory": "head"}
    path = write_json(tmp_path / "c.json", data | {"info": {"year": 2018}})
    export(path, tmp_path / "out.json", ExportSettings("coco"))
    back = json.loads((tmp_path / "out.json").read_text())
    assert back == {"info": {"year": 2018}, **data}
    export(path, tmp_path / "yolo", ExportSettings("yolo-seg"))
    assert (tmp_path / "yolo" / "classes.txt").read_text() == "glove\nsock\nhat\n"
    assert (tmp_path / "yolo" / "labels" / "train" / "a.txt").read_text().startswith("1 0.25")


def test_nothing_is_mixed_with_what_is_there(tmp_path, data):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(DatasetError, match="neither an empty folder nor an earlier export"):
        run(data, tmp_path / "full", "voc")
    (tmp_path / "empty").mkdir()
    run(data, tmp_path / "empty", "voc")
    assert (tmp_path / "empty" / "labelmap.txt").is_file()


def contents(out):
    """The files of an export without its record, by name."""
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if path.name != RECORD}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("place", ["copy", "link"])
def test_a_second_export_replaces_the_first(tmp_path, data, form, place):
    out = tmp_path / "out"
    run(data, out, form, place=place)
    (out / "notes.txt").write_text("somebody's own")
    changed = entries()
    changed[0]["regions"][3]["region_attributes"]["label"] = "skirt"
    write_json(data / "train" / "via_region_data.json", {str(n): e for n, e in enumerate(changed)})
    before = contents(out)
    run(data, out, form, place=place)
    run(data, tmp_path / "fresh", form, place=place)
    after = contents(out)
    assert after != before
    assert after.pop("notes.txt") == b"somebody's own"
    assert after == contents(tmp_path / "fresh")


def test_a_third_export_knows_the_pictures_of_the_first(tmp_path, data):
    out = tmp_path / "out"
    run(data, out, "labelme", place="copy")
    run(data, out, "labelme")
    run(data, out, "labelme", place="copy")
    write_json(data / "train" / "via_region_data.json", {"0": entries()[0]})
    before = contents(out)
    with pytest.raises(DatasetError, match=r"c\.jpg: this picture of the earlier export is not in"):
        run(data, out, "labelme", place="copy")
    assert contents(out) == before
    run(data, tmp_path / "apart", "labelme")
    assert set(contents(tmp_path / "apart")) == {"train/a.json"}


@pytest.mark.parametrize("form", FOLDER_FORMATS)
def test_labels_that_leave_the_annotations_leave_the_export(tmp_path, data, form):
    run(data, tmp_path / "out", form)
    write_json(data / "train" / "via_region_data.json", {"0": entries()[0]})
    run(data, tmp_path / "out", form)
    run(data, tmp_path / "fresh", form)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_what_was_corrected_in_an_export_is_not_overwritten(tmp_path, data):
    out = tmp_path / "out"
    run(data, out, "labelme", place="copy")
    (out / "train" / "a.json").write_text("corrected in LabelMe")
    before = contents(out)
    with pytest.raises(DatasetError, match=r"a\.json: somebody has changed it since the earlier"):
        run(data, out, "labelme", place="copy")
    assert contents(out) == before
    (out / "train" / "a.json").unlink()
    write_image(out / "train" / "a.jpg", HEIGHT, WIDTH)
    with pytest.raises(DatasetError, match=r"a\.jpg: another file is there already"):
        run(data, out, "labelme", place="copy")


def test_the_record_is_no_annotation_of_the_folder(tmp_path, data):
    run(data, tmp_path / "out", "labelme", place="copy")
    report, _ = import_annotations(tmp_path / "out", tmp_path / "via.json", "labelme")
    assert not report.problems


def test_a_record_that_leaves_its_folder_is_refused(tmp_path, data):
    write_json(tmp_path / "out" / RECORD, {"files": {"../a.txt": [[0, 0]]}, "pictures": []})
    with pytest.raises(DatasetError, match="must not leave it"):
        run(data, tmp_path / "out", "voc")
    write_json(tmp_path / "out" / RECORD, {"files": 3})
    with pytest.raises(DatasetError, match="not the record of an export"):
        run(data, tmp_path / "out", "voc")


@pytest.mark.parametrize("form", FOLDER_FORMATS)
def test_two_pictures_of_one_stem_are_refused(tmp_path, form):
    path = write_json(tmp_path / "v.json", {"1": entry("a.jpg"), "2": entry("a.png")})
    with pytest.raises(DatasetError, match=r"a\.\w+: two pictures would both be written to it"):
        export(path, tmp_path / "out", ExportSettings(form))
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_texts_are_hostile_input(tmp_path, form):
    leaves = write_json(tmp_path / "v.json", {"1": entry("../a.jpg")})
    with pytest.raises(DatasetError, match="must not leave it"):
        export(leaves, tmp_path / "out", ExportSettings(form))
    text = {"label": "bag", "note": "bell \x07 ]]> <x a='&#0;'>"}
    name = "<img src='x'>&amp;\".jpg"
    path = write_json(tmp_path / "w.json", {"1": entry(name, [region(**text)])})
    if form in ("voc", "cvat"):
        with pytest.raises(DatasetError, match="which XML cannot hold"):
            export(path, tmp_path / "out2", ExportSettings(form))
    else:
        assert export(path, tmp_path / "out2", ExportSettings(form))[0].objects == 1
    text["note"] = "]]> <x a='&#0;'>"
    write_json(path, {"1": entry(name, [region(**text)])})
    _, written = export(path, tmp_path / "out3", ExportSettings(form))
    for xml in (p for place in written for p in [place, *place.rglob("*.xml")]):
        if xml.suffix == ".xml":
            ElementTree.parse(xml)


def test_links_out_of_the_folder_are_not_copied(tmp_path, monkeypatch):
    data = folder(tmp_path / "data")
    secret = write_image(tmp_path / "secret.jpg", WIDTH, HEIGHT)
    (data / "train" / FIRST).unlink()
    (data / "train" / FIRST).symlink_to(secret)
    with pytest.raises(DatasetError, match="link that leads out"):
        run(data, tmp_path / "out", "yolo-seg", place="copy")
    monkeypatch.setitem(os.environ, VARIABLE, "1")
    run(data, tmp_path / "out", "yolo-seg", place="copy")


def test_bad_regions_are_counted_or_stop(tmp_path):
    outside = [(500, 5), (510, 5), (505, 9)]
    bad = [region(), region([(1, 1), (2, 2)]), region(label="sock"), region(outside)]
    path = write_json(tmp_path / "v.json", {"1": entry("a.jpg", bad, size=None)})
    write_image(tmp_path / "a.jpg")
    settings = {"table": MODANET_TABLE}
    report, _ = export(path, tmp_path / "out", ExportSettings("voc", **settings))
    assert (report.objects, len(report.problems)) == (1, 3)
    with pytest.raises(DatasetError, match="fewer than 3 points"):
        export(path, tmp_path / "out2", ExportSettings("voc", strict=True, **settings))


def test_all_entries_have_a_truth():
    assert set(truth()) == {one["filename"] for one in entries()}
