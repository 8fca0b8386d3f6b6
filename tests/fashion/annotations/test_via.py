import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion.annotations import via
from fashion.annotations.instances import group_regions, image_instances, region_class
from fashion.annotations.via_shapes import ShapeError, outline, polygon_shape
from fashion.labels import MODANET_TABLE, SEASON_TABLE
from mrcnn.errors import DatasetError
from tests.fashion.factories import (
    SQUARE,
    entry,
    region,
    shape,
    via_1,
    via_project,
    write_json,
)
from tests.support import REPOSITORY, shared

FORMS = {"2": lambda data: data, "1": via_1, "2 project": via_project}


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


# --- shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (shape(SQUARE), 100),
        (shape(SQUARE) | {"name": "polyline"}, 100),  # closed by its ends
        (shape([*SQUARE, SQUARE[0]]), 100),  # VIA 1 repeats the first point
        ({"name": "polygon", "all_points_x": ["1", 5.5, 1], "all_points_y": [0, 0, 4]}, 9),
        ({"name": "rect", "x": 1.5, "y": 2, "width": 10, "height": 4}, 40),
        ({"name": "rect", "x": 1, "y": 2, "widht": 10, "height": 4}, 40),  # misspelt
        ({"name": "rect", "x": 11, "y": 2, "width": -10, "height": 4}, 40),  # drawn leftwards
        ({"name": "circle", "cx": 20, "cy": 20, "r": 10}, math.pi * 100),
        ({"name": "ellipse", "cx": 20, "cy": 20, "rx": 10, "ry": 5}, math.pi * 50),
        ({"name": "ellipse", "cx": 9, "cy": 9, "rx": 4, "ry": 2, "theta": 1}, math.pi * 8),
    ],
)
def test_shapes_keep_their_area(attributes, expected):
    assert area(outline(attributes)) == pytest.approx(expected)


def test_theta_turns_the_ellipse_clockwise_on_the_screen():
    flat = outline({"name": "ellipse", "cx": 50, "cy": 50, "rx": 20, "ry": 5, "theta": 0})
    turned = outline({"name": "ellipse", "cx": 50, "cy": 50, "rx": 20, "ry": 5, "theta": 0.5})
    assert np.ptp(flat, axis=0) == pytest.approx([40, 10], abs=0.5)
    tip = turned[0] - 50  # the end of the first axis, y down
    assert math.atan2(tip[1], tip[0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (None, "no shape_attributes"),
        ({}, "no area"),
        ({"name": "point", "cx": 1, "cy": 1}, "no area"),
        (shape(SQUARE[:2]), "fewer than 3 points"),
        ({"name": "polygon", "all_points_x": [1, 2, 3]}, "missing"),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, "3 x but 2 y"),
        ({"name": "polygon", "all_points_x": [1, "a", 3], "all_points_y": [1, 2, 3]}, "number"),
        ({"name": "polygon", "all_points_x": [1, [2], 3], "all_points_y": [1, 2, 3]}, "number"),
        ({"name": "polygon", "all_points_x": [1, None, 3], "all_points_y": [1, 2, 3]}, "number"),
        (shape([(1, 1), (math.nan, 2), (3, 5)]), "finite"),
        (shape([(1, 1), (math.inf, 2), (3, 5)]), "finite"),
        (shape([(1, 1), (1, 2), (1, 5)]), "one line"),
        ({"name": "rect", "x": 1, "y": 1, "width": 0, "height": 5}, "one line"),
        ({"name": "rect", "x": 1, "y": 1, "height": 5}, "width is missing"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": 0}, "above 0"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": "big"}, "not a number"),
        ({"name": "ellipse", "cx": 1, "cy": 1, "rx": 3, "ry": 2, "theta": math.nan}, "radius"),
    ],
)
def test_shapes_without_area_say_why(attributes, reason):
    with pytest.raises(ShapeError, match=reason):
        outline(attributes)


def test_polygon_shape_writes_whole_numbers_without_a_point():
    assert json.dumps(polygon_shape(np.array([[1.0, 2.5], [3.0, 4.0], [5.0, 6.0]]))) == (
        '{"name": "polygon", "all_points_x": [1, 3, 5], "all_points_y": [2.5, 4, 6]}'
    )


# --- reading --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", FORMS)
def test_all_forms_read_alike(version):
    data = {"x": entry("a.jpg", [region(), region(instance="5", label="top")]), "y": entry("b.jpg")}
    read = via.from_json(FORMS[version](data))
    assert read.version == version
    assert [image.filename for image in read] == ["a.jpg", "b.jpg"]
    assert [len(image.regions) for image in read] == [2, 0]
    assert (read.images[0].width, read.images[0].height) == (40, 30)
    assert read.images[0].regions[1].instance == "5"
    assert read.region_count == 2
    assert not read.problems


def test_the_misspelt_width_is_read():
    data = {"x": entry(size=None)}
    data["x"]["file_attributes"] = {"widht": "400", "height": 600.0}
    (image,) = via.from_json(data)
    assert (image.width, image.height) == (400, 600)


@pytest.mark.parametrize("text", ["", "wide", None, 0, -4, 2.5])
def test_a_width_that_is_none_is_not_known(text):
    data = {"x": entry(size=None)}
    data["x"]["file_attributes"] = {"width": text}
    assert via.from_json(data).images[0].width is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (region([(1, 1), (2, 2)]), "fewer than 3"),
        (region([(50, 1), (60, 1), (60, 9)]), "outside the image"),
        (region([(-9, 1), (0, 1), (0, 9)]), "outside the image"),
        ("nothing", "not an object"),
        ({"region_attributes": {}}, "shape_attributes"),
    ],
)
def test_a_bad_region_is_left_out_and_named(bad, reason):
    data = {"x": entry("a.jpg", [region(), bad, region()])}
    read = via.from_json(data)
    assert [r.number for r in read.images[0].regions] == [1, 3]
    (problem,) = read.problems
    assert (problem.file, problem.region) == ("a.jpg", 2)
    assert reason in problem.reason
    assert "1 image, 2 regions; 1 problem:\n  a.jpg, region 2: " in read.summary()
    with pytest.raises(DatasetError, match=r"a\.jpg, region 2"):
        via.from_json(data, strict=True)


def test_a_region_that_leaves_the_image_is_good_and_so_is_one_of_an_unknown_image_size():
    over = region([(30, 20), (60, 20), (60, 50)])
    assert len(via.from_json({"x": entry(regions=[over])}).images[0].regions) == 1
    away = region([(300, 20), (600, 20), (600, 50)])
    assert len(via.from_json({"x": entry(regions=[away], size=None)}).images[0].regions) == 1


def test_a_long_list_of_problems_is_cut():
    bad = [region([(1, 1), (2, 2)])] * 8
    assert via.from_json({"x": entry(regions=bad)}).summary().endswith("and 3 more")


@pytest.mark.parametrize(
    "filename",
    [
        "../a.jpg",
        "x/../../a.jpg",
        "/etc/a.jpg",
        "C:\\a.jpg",
        "..\\a.jpg",
        "\\\\host\\a.jpg",
        "http://example.com/a.jpg",
        "a\0.jpg",
        "",
        ".",
    ],
)
def test_a_file_name_that_leaves_its_folder_is_refused(filename):
    with pytest.raises(DatasetError, match="must not leave it"):
        via.from_json({"x": entry(filename)})


@pytest.mark.parametrize("filename", ["a.jpg", "sub/a.jpg", "a..b.jpg", "naïve 1.jpg", "#1.jpg"])
def test_other_file_names_are_taken(filename):
    assert via.from_json({"x": entry(filename)}).images[0].filename == filename


def test_the_key_is_never_looked_into():
    data = {"": entry("a.jpg"), "c.jpg12345": entry("b.jpg"), "../": entry("d.jpg")}
    assert [image.filename for image in via.from_json(data)] == ["a.jpg", "b.jpg", "d.jpg"]


def test_an_image_that_is_named_twice_keeps_all_regions_apart():
    one = region(label="bag", instance="1")
    read = via.from_json({"x": entry(regions=[one]), "y": entry(regions=[one])})
    (image,) = read
    assert len(group_regions(image.regions)) == 2
    assert "named twice" in str(read.problems[0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n  "b" 2}', "line 2, column 7"),
        ("", "line 1, column 1"),
        ('{"x": {"filename": "a.jpg", "regions": [', "cut off"),
        ("[1, 2]", "not a VIA file"),
        ('{"x": 5}', 'entry "x"'),
        ('{"x": {"regions": []}}', 'entry "x"'),
        ('{"x": {"filename": "a.jpg", "regions": 5}}', "expected a list"),
        ('{"_via_img_metadata": []}', "_via_img_metadata"),
        ('{"project": {}, "config": {}, "file": {}, "metadata": {}, "view": {}}', "VIA 3"),
        ('{"images": [], "annotations": [], "categories": []}', "coco_to_via"),
        ("[" * 100000, "nested"),
    ],
)
def test_what_is_no_via_file_is_refused(tmp_path, text, reason):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=reason) as error:
        via.read(path)
    assert str(path) in str(error.value)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        via.read(tmp_path / "no.json")
    with pytest.raises(DatasetError, match="cannot be read"):
        via.read(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"x": "\xe9"}')
    with pytest.raises(DatasetError, match="not a UTF-8"):
        via.read(tmp_path / "latin.json")


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "bom.json"
    path.write_text(json.dumps({"x": entry()}), encoding="utf-8-sig")
    assert len(via.read(path)) == 1


@pytest.mark.parametrize("version", FORMS)
def test_an_empty_file_has_no_image(version):
    read = via.from_json(FORMS[version]({}))
    assert (len(read), read.region_count, read.problems) == (0, 0, [])


# --- labels and instances -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"fashion": "1"}, "bag"),
        ({"fashion": 1}, "bag"),
        ({"fashion": " 9 "}, "top"),
        ({"fashion": 9.0}, "top"),
        ({"fashion": "top"}, "top"),  # a name in the place of the code
        ({"label": "Top", "fashion": "1"}, "top"),  # the label wins
        ({"label": "", "fashion": "1"}, "bag"),
        ({"label": "scarf & tie"}, "scarf/tie"),
        ({"class": "top"}, "top"),
        ({"name": "top", "fashion": "1"}, "top"),
        ({"name": "Anna's", "fashion": "1"}, "bag"),  # no class: another attribute says
        ({"garment": "skirt"}, "skirt"),  # any attribute
        ({"colour": "red", "garment": "skirt"}, "skirt"),
        ({"label": {"top": True, "bag": False}}, "top"),  # a checkbox
    ],
)
def test_labels(attributes, name):
    assert region_class(attributes, MODANET_TABLE).name == name


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, "no label"),
        ({"label": "sock", "fashion": "1"}, 'label "sock" is not in the class table'),
        ({"fashion": "14"}, 'fashion "14" is not'),
        ({"fashion": "32"}, "in stage 2 that code is skirt_yaz"),
        ({"a": "top", "b": "bag"}, "several classes: top, bag"),
        ({"label": {"top": True, "bag": True}}, '"top, bag" is not'),
        ({"instance": "1", "score": "2"}, "no label"),  # their numbers are no codes
    ],
)
def test_unknown_labels_are_left_out_and_named(attributes, reason):
    image = via.from_json(
        {
            "x": entry(
                regions=[
                    region(**attributes)
                    if attributes
                    else {"shape_attributes": shape(SQUARE), "region_attributes": {}}
                ]
            )
        }
    ).images[0]
    instances, (problem,) = image_instances(image, MODANET_TABLE)
    assert instances == []
    assert reason in problem.reason
    assert problem.region == 1


def test_codes_mean_what_the_table_says():
    assert region_class({"fashion": "5"}, MODANET_TABLE).name == "outer"
    assert region_class({"fashion": "5"}, SEASON_TABLE).name == "bag_4mev"


def test_regions_of_one_instance_are_one_garment_with_holes():
    regions = [
        region(hole="1", instance="7"),  # holes may come first and need no label
        region(label="bag", instance="7", score="0.75"),
        region(label="top"),
        region(label="bag", instance=7),  # a number is the same as its text
        region(label="top", instance=""),  # an empty value groups nothing
    ]
    image = via.from_json({"x": entry(regions=regions)}).images[0]
    instances, problems = image_instances(image, MODANET_TABLE)
    assert [(i.class_id, len(i.parts), len(i.holes), i.identity) for i in instances] == [
        (1, 2, 1, "7"),
        (9, 1, 0, ""),
        (9, 1, 0, ""),
    ]
    assert (instances[0].score, instances[1].score) == (0.75, None)
    assert problems == []


def test_an_instance_of_two_classes_and_a_hole_of_nothing_are_problems():
    regions = [
        region(label="bag", instance="7"),
        region(label="top", instance="7"),
        region(hole="1", instance="8"),
    ]
    image = via.from_json({"x": entry(regions=regions)}).images[0]
    instances, problems = image_instances(image, MODANET_TABLE)
    assert [(i.class_id, len(i.parts)) for i in instances] == [(1, 1)]
    assert [p.region for p in problems] == [2, 3]
    assert "is bag in region 1" in problems[0].reason
    assert "hole" in problems[1].reason


# --- writing --------------------------------------------------------------------------------


def test_what_is_written_reads_the_same(tmp_path):
    data = {"377": entry("a.jpg", [region(), region(hole="1", instance="5")]), "8": entry("b.jpg")}
    path = tmp_path / "new" / "out.json"
    via.write(path, via.from_json(data))
    assert json.loads(path.read_text()) == data
    assert via.read(path) == via.from_json(data)
    assert [p.name for p in path.parent.iterdir()] == ["out.json"]


def test_a_version_1_file_is_written_as_version_2(tmp_path):
    data = {"377": entry("a.jpg", [region()])}
    via.write(tmp_path / "out.json", via.from_json(via_1(data)))
    assert json.loads((tmp_path / "out.json").read_text()) == {"a.jpg-1": data["377"]}


def test_writing_nothing(tmp_path):
    via.write(tmp_path / "out.json", via.ViaFile())
    assert len(via.read(tmp_path / "out.json")) == 0


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.json"
    via.write(path, via.from_json({"x": entry()}))
    before = path.read_text()
    bad = via.from_json({"x": entry()})
    bad.images[0].attributes["width"] = math.nan
    with pytest.raises(ValueError, match="JSON"):
        via.write(path, bad)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        via.write(tmp_path / "file" / "out.json", via.ViaFile())


WRITER = """
import sys
from fashion.annotations import via
from tests.fashion.factories import entry, region
data = via.from_json({str(n): entry(f"{n}.jpg", [region()] * 50) for n in range(40)})
print("ready", flush=True)
while True:
    via.write(sys.argv[1], data)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "out.json"
    for wait in (0.02, 0.05, 0.08):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        process.stdout.readline()
        while not path.exists():
            assert process.poll() is None, "the writer has failed"
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert len(via.read(path)) == 40


# --- projects -------------------------------------------------------------------------------


def test_a_project_has_what_via_asks_for(tmp_path):
    path = tmp_path / "labels.json"
    data = {"377": entry("a.jpg", [region(label="bag", fashion="1", colour="red")])}
    via.write_project(path, via.from_json(data), image_folder=tmp_path)
    project = json.loads(path.read_text())
    # VIA refuses a project without these, and an image entry without these four fields.
    assert project.keys() >= {"_via_settings", "_via_img_metadata", "_via_attributes"}
    assert project["_via_image_id_list"] == list(project["_via_img_metadata"]) == ["a.jpg-1"]
    for image in project["_via_img_metadata"].values():
        assert image.keys() >= {"filename", "size", "regions", "file_attributes"}
    assert project["_via_settings"]["project"]["name"] == "labels"
    assert project["_via_settings"]["core"]["default_filepath"] == f"{tmp_path.as_posix()}/"
    label = project["_via_attributes"]["region"]["label"]
    assert label["type"] == "dropdown"
    assert list(label["options"]) == list(MODANET_TABLE.names)


def test_a_project_offers_the_labels_of_its_table_or_those_met(tmp_path):
    path = tmp_path / "p.json"
    for label, table, expected in (
        ("skirt_yaz", None, list(SEASON_TABLE.names)),
        ("hat", None, ["hat"]),
        ("hat", SEASON_TABLE, [*SEASON_TABLE.names, "hat"]),
    ):
        via.write_project(
            path, via.from_json({"x": entry(regions=[region(label=label)])}), table=table
        )
        project = json.loads(path.read_text())
        assert list(project["_via_attributes"]["region"]["label"]["options"]) == expected


def test_what_via_saves_back_is_read(tmp_path):
    """A person opened our project, chose another label, ticked a box, drew a region, and saved."""
    path = tmp_path / "p.json"
    source = {"377": entry("a.jpg", [region(SQUARE, label="bag", fashion="1", instance="5")])}
    via.write_project(path, via.from_json(source))
    project = json.loads(path.read_text())
    image = project["_via_img_metadata"]["a.jpg-1"]
    image["size"] = 12345  # VIA fills it in when the user adds the image
    image["regions"][0]["region_attributes"]["label"] = "skirt"
    image["regions"].append(
        {
            "shape_attributes": {
                "name": "ellipse",
                "cx": 9,
                "cy": 9,
                "rx": 4.123,
                "ry": 3,
                "theta": 0,
            },
            "region_attributes": {"label": "top", "hole": "", "instance": "", "fashion": ""},
        }
    )
    write_json(path, project)
    read = via.read(path)
    instances, problems = image_instances(read.images[0], MODANET_TABLE)
    assert [MODANET_TABLE.name_of(i.class_id) for i in instances] == ["skirt", "top"]
    assert problems == []
    assert (read.version, read.images[0].size) == ("2 project", 12345)
    via.write_project(path, read)  # its own definitions and settings stay
    assert json.loads(path.read_text())["_via_attributes"] == project["_via_attributes"]
    assert json.loads(path.read_text())["_via_settings"] == project["_via_settings"]


def test_use_files_gives_keys_as_via_makes_them(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"12345")
    data = via.from_json({"1": entry("a.jpg"), "2": entry("b.jpg")})
    via.use_files(data, tmp_path)
    assert list(via.to_json(data)) == ["a.jpg5", "b.jpg-1"]


@pytest.mark.parametrize(
    ("out", "expected"),
    [("x.json", "x.json"), ("new", "new/via_region_data.json"), (".", "via_region_data.json")],
)
def test_output_path(tmp_path, out, expected):
    assert via.output_path(tmp_path / out) == tmp_path / expected


# --- generated files ------------------------------------------------------------------------

coordinates = st.one_of(
    st.integers(-20, 420), st.floats(-20, 420, allow_nan=False).map(lambda v: round(v, 3))
)
points = st.lists(st.tuples(coordinates, coordinates), min_size=0, max_size=8)
shapes = st.one_of(
    points.map(
        lambda ps: {
            "name": "polygon",
            "all_points_x": [p[0] for p in ps],
            "all_points_y": [p[1] for p in ps],
        }
    ),
    st.fixed_dictionaries(
        {"name": st.just("rect"), "x": coordinates, "y": coordinates}
        | {"width": coordinates, "height": coordinates}
    ),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["circle", "ellipse"]), "cx": coordinates, "cy": coordinates}
        | {"r": coordinates, "rx": coordinates, "ry": coordinates, "theta": coordinates}
    ),
    st.fixed_dictionaries({"name": st.text(max_size=5)}),
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "label": st.sampled_from(["bag", "top", "sock", ""]),
        "fashion": st.sampled_from(["1", 9, "99", ""]),
        "instance": st.sampled_from(["", "1", "2", 3]),
        "hole": st.sampled_from(["", "1", "0"]),
        "score": st.floats(0, 1).map(str),
        "note": st.text(max_size=5),
    },
)
regions = st.lists(
    st.fixed_dictionaries({"shape_attributes": shapes, "region_attributes": attributes}), max_size=6
)
files = st.dictionaries(
    st.text(max_size=4),
    regions,
    max_size=4,
).map(lambda d: {k: entry(f"{n}.jpg", r, (400, 400)) for n, (k, r) in enumerate(d.items())})


@settings(max_examples=150, deadline=None)
@given(files)
def test_every_file_is_read_alike_in_all_forms_and_nothing_gets_lost(data):
    reads = [via.from_json(json.loads(json.dumps(form(data)))) for form in FORMS.values()]
    for read in reads:
        assert [i.filename for i in read] == [e["filename"] for e in data.values()]
        good = sum(len(image.regions) for image in read)
        assert good + len(read.problems) == read.region_count
        assert read.region_count == sum(len(e["regions"]) for e in data.values())
        assert [i.regions for i in read] == [i.regions for i in reads[0]]
        for image in read:
            instances, problems = image_instances(image, MODANET_TABLE)
            used = [number for i in instances for number in i.numbers]
            assert sorted(used + [p.region for p in problems]) == [r.number for r in image.regions]
            for points in (p for i in instances for p in (*i.parts, *i.holes)):
                assert points.dtype == np.float64
                assert points.ndim == 2
                assert len(points) >= 3
                assert np.isfinite(points).all()


@settings(max_examples=100, deadline=None)
@given(files)
def test_every_file_survives_writing(data):
    read = via.from_json(data)
    again = via.from_json(json.loads(json.dumps(via.to_json(read))))
    assert [(i.filename, i.attributes) for i in again] == [(i.filename, i.attributes) for i in read]
    for one, other in zip(read, again, strict=True):
        assert [(r.shape, r.attributes) for r in one.regions] == [
            (r.shape, r.attributes) for r in other.regions
        ]


# --- real files -----------------------------------------------------------------------------


def test_the_original_stage_1_file():
    read = via.read(shared("modanet", "vgg_val.json"), strict=True)
    assert (len(read), read.region_count) == (1067, 5434)
    for image in read:
        _, problems = image_instances(image, MODANET_TABLE)
        assert problems == []


def test_the_original_stage_2_file_reads_with_the_nine_labels():
    read = via.read(shared("modanet", "season_via_region_data.json"), strict=True)
    counts: dict[str, int] = {}
    for image in read:
        assert (image.width, image.height) == (400, 600)
        instances, problems = image_instances(image, SEASON_TABLE)
        assert problems == []
        for instance in instances:
            name = SEASON_TABLE.name_of(instance.class_id)
            counts[name] = counts.get(name, 0) + 1
    assert counts == {
        "skirt_yaz": 30,
        "footwear_yaz": 12,
        "shorts_yaz": 6,
        "footwear_sonb": 6,
        "top_yaz": 5,
        "bag_yaz": 5,
        "bag_4mev": 5,
        "footwear_kis": 4,
        "skirt_ilkb": 3,
    }
