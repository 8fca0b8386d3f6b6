import json

import numpy as np
import pytest

from fashion.annotations import via
from fashion.annotations.via_shapes import ShapeError
from fashion.exchange import cvat as import_cvat
from fashion.exchange import label_studio
from fashion.exchange.import_shapes import number, whole
from fashion.exchange.label_studio import brush_mask
from fashion.exchange.run import import_annotations
from fashion.polygons.filling import polygons_to_mask
from mrcnn.errors import DatasetError

WIDTH, HEIGHT = 40, 30


def run(tmp_path, text, form, **options):
    path = tmp_path / "given"
    path.write_text(text, encoding="utf-8")
    report, (written,) = import_annotations(path, tmp_path / "via.json", form, **options)
    return report, via.read(written).images


def cvat(shapes, head='<image id="0" name="a.jpg" width="40" height="30">'):
    return f"<?xml version='1.0'?><annotations>{head}{shapes}</image></annotations>"


def mask_of(regions):
    parts = [r.points for r in regions if not r.is_hole]
    return polygons_to_mask(parts, [r.points for r in regions if r.is_hole], HEIGHT, WIDTH)


def test_cvat_shapes(tmp_path):
    text = cvat(
        """
        <polygon label="bag" points="1,1;9.5,1;9,9" z_order="0" group_id="3">
          <attribute name="note">a &lt;b&gt;</attribute><attribute name="crowd">1</attribute>
        </polygon>
        <polygon label="bag" points="20,1;29,1;29,9" group_id="3"></polygon>
        <box label="belt" xtl="10" ytl="10" xbr="20" ybr="14"/>
        <box label="belt" xtl="10" ytl="10" xbr="20" ybr="14" rotation="90"/>
        <ellipse label="top" cx="20" cy="15" rx="8" ry="4" rotation="0"/>
        <mask label="hat" rle="0, 3, 1, 1, 2, 1" left="5" top="6" width="4" height="2"/>
        <polyline label="x" points="1,1;2,2"/><points label="x" points="1,1"/>
        <tag label="x"/><hexagon label="x"/>
        """
    )
    report, (image,) = run(tmp_path, text, "cvat", join=True)
    assert (image.filename, image.width, image.height) == ("a.jpg", WIDTH, HEIGHT)
    first, second, flat, turned, round_one, mask = image.regions
    assert first.attributes == {
        "label": "bag",
        "note": "a <b>",
        "iscrowd": "1",
        "instance": "group 3 bag",
    }
    assert first.shape["all_points_x"] == [1, 9.5, 9]
    assert second.instance == first.instance
    assert flat.shape == {"name": "rect", "x": 10, "y": 10, "width": 10, "height": 4}
    assert turned.points.min(axis=0) == pytest.approx([13, 7])
    assert turned.points.max(axis=0) == pytest.approx([17, 17])
    assert round_one.shape["name"] == "ellipse"
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[6, 5:8] = True
    expected[7, 5] = True
    expected[7, 8] = True
    assert (mask_of([mask]) == expected).all()
    assert report.skipped == {"polyline": 1, "points": 1, "tag": 1, "shapes of other kinds": 1}
    assert report.summary().startswith("1 image, 6 regions\nskipped: polyline (1), points (1)")


def test_cvat_shapes_that_cannot_be_read_are_listed_or_stop(tmp_path):
    bad = (
        '<polygon label="bag" points="1,1;2"/><polygon label="bag"/>'
        '<box label="bag" xtl="x" ytl="1" xbr="2" ybr="3"/>'
        '<mask label="bag" rle="1, 2" left="0" top="0" width="4" height="4"/>'
        '<mask label="bag" rle="1" left="0" top="0" width="1000000" height="1000000"/>'
        '<polygon label="bag" points="1,1;5,1;5,inf"/>'
        '<polygon label="bag" points="1,1;5,1;5,5"/>'
    )
    report, (image,) = run(tmp_path, cvat(bad), "cvat")
    assert (len(image.regions), len(report.problems), report.regions) == (1, 6, 1)
    with pytest.raises(DatasetError, match="its polygon 1 cannot be read"):
        run(tmp_path, cvat(bad), "cvat", strict=True)


def test_cvat_subsets(tmp_path):
    shape = '<polygon label="bag" points="1,1;9.5,1;9,9"/>'
    text = cvat(
        f'{shape}</image><image name="a.jpg" subset="val">{shape}{shape}',
        '<image name="a.jpg" subset="train">',
    )
    _, (image,) = run(tmp_path, text, "cvat", subset="val")
    assert len(image.regions) == 2
    with pytest.raises(DatasetError, match="have the same key"):
        run(tmp_path, text, "cvat")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not valid XML"),
        ("<annotations>", "is not valid XML"),
        ("<annotation></annotation>", "found <annotation>"),
        ("<annotations><track/></annotations>", "tracks of a video"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>', "document type"),
        (cvat("", '<image name="../a.jpg">'), "must not leave it"),
        (cvat("", "<image>"), "expected an object with"),
    ],
)
def test_what_is_no_cvat_file_is_reported(tmp_path, text, reason):
    with pytest.raises(DatasetError, match=reason):
        run(tmp_path, text, "cvat")
    assert not (tmp_path / "via.json").exists()


def result(kind="polygonlabels", value=None, **more):
    value = {"points": [[0, 0], [50, 0], [50, 50]]} if value is None else value
    return {
        "id": "r",
        "type": kind,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "value": {**value, kind: ["bag"]},
        **more,
    }


def task(*results, image="/data/local-files/?d=garments/a%20b.jpg", **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results)}], **more}


def encoded(mask, word=8):
    """Label Studio's run-lengths of a mask, by its description: alternately runs and literals."""
    flat = (np.repeat(mask.ravel(), 4) * 255).tolist()
    bits = f"{len(flat):032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    at = 0
    while at < len(flat):
        same = 1
        while at + same < len(flat) and flat[at + same] == flat[at] and same < 65536:
            same += 1
        if same > 4:
            bits += f"111{same - 1:016b}{flat[at]:08b}"
        else:
            same = min(4, len(flat) - at)
            bits += f"000{same - 1:03b}" + "".join(f"{v:08b}" for v in flat[at : at + same])
        at += same
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_label_studio_results(tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:20, 6:30] = True
    mask[8:12, 10:15] = False
    mask[25, 2] = True
    rectangle = {"x": 25, "y": 50, "width": 50, "height": 20}
    text = json.dumps(
        [
            task(
                result(id="a", meta={"crowd": "1", "note": "x", "list": [1]}, score=0.5),
                result(id="b"),
                {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["same instance"]},
                result("rectanglelabels", rectangle),
                result("rectanglelabels", {**rectangle, "rotation": 90}),
                result("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10}),
                result("brushlabels", {"format": "rle", "rle": encoded(mask)}, id="m"),
                result("keypointlabels", {"x": 1, "y": 1}),
                result(image_rotation=90),
            )
        ]
    )
    report, (image,) = run(tmp_path, text, "label-studio", prefix="/data/local-files/?d=")
    assert (image.filename, image.width, image.height) == ("garments/a b.jpg", WIDTH, HEIGHT)
    first, second, flat, turned, ellipse, *brush = image.regions
    assert first.points.tolist() == [[0, 0], [20, 0], [20, 15]]
    assert first.attributes == {
        "label": "bag",
        "note": "x",
        "iscrowd": "1",
        "score": "0.5",
        "instance": "result a",
    }
    assert second.instance == "result a"
    assert flat.shape == {"name": "rect", "x": 10, "y": 15, "width": 20, "height": 6}
    assert turned.points.min(axis=0) == pytest.approx([4, 15])
    assert (ellipse.shape["rx"], ellipse.shape["ry"]) == (8, 3)
    assert (mask_of(brush) == mask).all()
    assert {r.instance for r in brush} == {"m"}
    assert report.skipped == {
        "results of the type keypointlabels": 1,
        "results on turned pictures": 1,
        "annotations of further people": 0,
    }


@pytest.mark.parametrize(
    ("address", "prefix", "name"),
    [
        ("/data/upload/3/0123abcd-a%20b.jpg", "", "a b.jpg"),
        ("/data/local-files/?d=x/a.jpg", "", "x/a.jpg"),
        ("https://example.com/p/a.jpg", "", "a.jpg"),
        ("s3://bucket/set/a.jpg", "s3://bucket/", "set/a.jpg"),
    ],
)
def test_label_studio_file_names(tmp_path, address, prefix, name):
    text = json.dumps([task(result(), image=address)])
    _, (image,) = run(tmp_path, text, "label-studio", prefix=prefix)
    assert image.filename == name


def test_label_studio_takes_the_first_annotation_that_counts(tmp_path):
    one = task()
    one["annotations"] = [
        {"was_cancelled": True, "result": []},
        {"result": [result()]},
        {"result": [result(), result()]},
    ]
    report, (image,) = run(tmp_path, json.dumps([one]), "label-studio")
    assert len(image.regions) == 1
    assert report.skipped["annotations of further people"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        result(value={"points": [[1, "x"]]}),
        result(value={"points": 5}),
        result(original_width=None),
        result("rectanglelabels", {"x": 1}),
        {**result(), "value": {"points": [[0, 0], [50, 0], [50, 50]]}},
        {**result(), "value": 5},
        result("brushlabels", {"format": "png", "rle": []}),
        result("brushlabels", {"format": "rle", "rle": [1, 2, 3]}),
        result("brushlabels", {"format": "rle", "rle": [300]}),
        result(original_width=10**9, kind="brushlabels", value={"format": "rle", "rle": [0] * 8}),
    ],
)
def test_label_studio_results_that_cannot_be_read_are_listed(tmp_path, bad):
    report, (image,) = run(tmp_path, json.dumps([task(result(), bad)]), "label-studio")
    assert (len(image.regions), len(report.problems)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not valid JSON"),
        ("{}", "expected a JSON list"),
        ('[{"image": "a.jpg"}]', 'not "JSON-MIN"'),
        (json.dumps([task(image="/data/local-files/?d=../a.jpg")]), "must not leave it"),
    ],
)
def test_what_is_no_label_studio_file_is_reported(tmp_path, text, reason):
    with pytest.raises(DatasetError, match=reason):
        run(tmp_path, text, "label-studio")


def test_a_brush_that_is_cut_off_is_refused():
    runs = encoded(np.eye(9, dtype=bool))
    assert (brush_mask(runs, 9, 9) == np.eye(9, dtype=bool)).all()
    for length in range(len(runs) - 1):
        with pytest.raises(ShapeError, match="brush"):
            brush_mask(runs[:length], 9, 9)


def test_a_fault_of_an_importer_is_not_taken_for_a_bad_shape(tmp_path, monkeypatch):
    """Only what a file has wrong is listed; anything else keeps its traceback."""
    box = cvat('<box label="bag" xtl="1" ytl="1" xbr="9" ybr="9"/>')
    square = json.dumps(
        [task(result("rectanglelabels", {"x": 1, "y": 1, "width": 9, "height": 9}))]
    )
    for module, text, form in (
        (import_cvat, box, "cvat"),
        (label_studio, square, "label-studio"),
    ):
        monkeypatch.setattr(module, "rectangle", lambda: None)
        with pytest.raises(TypeError):
            run(tmp_path, text, form)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "there is no x"),
        ({"x": None}, "its x is not a number"),
        ({"x": "one"}, "its x is not a number"),
        ({"x": 10**400}, "its x is not a number"),
        ({"x": "inf"}, "its x is not finite"),
        ({"x": float("nan")}, "its x is not finite"),
    ],
)
def test_numbers_that_are_refused(values, reason):
    with pytest.raises(ShapeError, match=reason):
        whole(values, "x")


@pytest.mark.parametrize("given", ["3.9", 3.9, 3, "3"])
def test_numbers_that_are_read(given):
    assert whole({"x": given}, "x") == 3
    assert number({"x": given}, "x") == float(given)
