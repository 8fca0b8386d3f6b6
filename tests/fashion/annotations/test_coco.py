import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from fashion.annotations import coco, coco_reading, coco_writing, via
from fashion.annotations.instances import image_instances
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from fashion.polygons.filling import polygons_to_mask
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from tests.fashion.factories import SQUARE, coco_data, entry, region, shape, write_json
from tests.support import shared

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FLAT = np.ravel(SQUARE).tolist()


def through_json(data):
    return json.loads(json.dumps(data))


def via_json(data, **options):
    """The JSON object of the VIA file that a COCO object becomes."""
    return via.to_json(coco_reading.to_via(data, **options).annotations)


def there_and_back(data, **options):
    """COCO -> VIA -> COCO, each by way of its JSON text."""
    made = through_json(via_json(data))
    return through_json(coco_writing.from_via(via.from_json(made), **options).data)


def by_id(entries):
    return {one["id"]: one for one in entries}


def assert_same(data, back):
    assert by_id(back["images"]) == by_id(data["images"])
    assert by_id(back["annotations"]) == by_id(data["annotations"])


# --- COCO to VIA ----------------------------------------------------------------------------


def test_every_polygon_becomes_a_region_of_its_instance():
    other = [1, 2, 5.5, 2, 5, 8]
    data = coco_data([{"id": 66, "segmentation": [FLAT, other]}])
    made = via_json(data)
    assert list(made) == ["7"]
    image = made["7"]
    assert (image["filename"], image["size"]) == ("a.jpg", -1)
    assert image["file_attributes"].items() >= {"width": 40, "height": 30}.items()
    first, second = (r["shape_attributes"] for r in image["regions"])
    assert first.pop("coco")
    assert first == shape(SQUARE)
    assert second == {"name": "polygon", "all_points_x": [1, 5.5, 5], "all_points_y": [2, 2, 8]}
    expected = {"fashion": "1", "label": "bag", "instance": "66"}
    assert [r["region_attributes"] for r in image["regions"]] == [expected] * 2


def test_the_first_polygon_alone_as_the_original_wrote_it():
    data = coco_data([{"segmentation": [FLAT, [1, 2, 5, 2, 5, 8]]}])
    data["images"].append({"id": 8, "file_name": "empty.jpg", "width": 40, "height": 30})
    assert via_json(data, first_polygon=True) == {"7": entry("a.jpg", [region(fashion="1")])}


@pytest.mark.parametrize(
    ("name", "category_id", "code"),
    [
        ("bag", 1, "1"),
        ("bag", 7, "1"),  # the code is ModaNet's, whatever the file calls it
        ("scarf & tie", 13, "13"),
        ("skirt_yaz", 1, "32"),  # a season label's code
        ("belt_yaz", 4, "4"),  # outside of the scheme: the category id
        ("hat", 90, "90"),
    ],
)
def test_codes_and_category_ids(name, category_id, code):
    data = coco_data([{"category_id": category_id}])
    data["categories"] = [{"id": category_id, "name": name}]
    (made,) = via_json(data)["7"]["regions"]
    assert made["region_attributes"]["fashion"] == code
    assert made["region_attributes"]["label"] == name
    assert_same(data, there_and_back(data))


def test_run_lengths_become_polygons():
    mask = polygons_to_mask([np.array(SQUARE)], [np.array([[12, 12], [16, 12], [16, 16]])], 30, 40)
    packed = encode_mask(mask)
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    plain = {"size": [30, 40], "counts": np.diff(edges, prepend=0).tolist()}
    assert (coco_mask.decode(coco_mask.frPyObjects(plain, 30, 40)) == mask).all()
    data = coco_data([{"segmentation": packed}, {"segmentation": plain, "iscrowd": 1}])
    conversion = coco_reading.to_via(data)
    assert "2 run-length masks turned into polygons, 1 crowds" in conversion.summary()
    instances, _ = image_instances(conversion.annotations.images[0], MODANET_TABLE)
    assert [i.crowd for i in instances] == [False, True]
    for instance in instances:
        again = polygons_to_mask(instance.parts, instance.holes, 30, 40)
        assert np.count_nonzero(again ^ mask) <= 0.05 * np.count_nonzero(mask)
    back = there_and_back(data)
    fields = ["id", "category_id", "bbox", "area", "iscrowd"]
    assert [[a[f] for f in fields] for a in back["annotations"]] == [
        [a[f] for f in fields] for a in data["annotations"]
    ]


def test_a_box_without_outline_is_a_rectangle_and_comes_back_without():
    data = coco_data([{"segmentation": [], "bbox": [1.5, 2, 8, 9]}])
    conversion = coco_reading.to_via(data)
    assert conversion.boxes_only == 1
    assert conversion.annotations.images[0].regions[0].shape["name"] == "rect"
    assert_same(data, there_and_back(data))


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"image_id": 99}, "image_id 99"),
        ({"category_id": 99}, "category_id 99"),
        ({"segmentation": [], "bbox": None}, "neither segmentation nor bbox"),
        ({"segmentation": [[1, 2, 3]]}, "no polygon"),
        ({"segmentation": "polygon"}, "neither a list"),
        ({"segmentation": {"size": [30, 40], "counts": [5]}}, "run-length"),
        ({"segmentation": {"size": [30, 40]}}, "run-length"),
        ({"segmentation": {"size": [30, 40], "counts": "no runs"}}, "run-length"),
        ({"segmentation": {"size": [10**9, 10**9], "counts": [5]}}, "the size"),
        ({"image_id": [7]}, "not among the images"),
        ({"segmentation": {"size": [2, 2], "counts": [0, 4]}}, r"size [2, 2], its image [30, 40]"),
        ({"segmentation": {"size": [30, 40], "counts": [1200]}}, "empty"),
    ],
)
def test_what_cannot_be_taken_over_is_named(annotation, reason):
    data = coco_data([{}, annotation, {}])
    conversion = coco_reading.to_via(data)
    assert conversion.instances == 2
    problems = [str(problem) for problem in conversion.problems]
    assert any(reason in problem and "annotation 2" in problem for problem in problems)
    with pytest.raises(DatasetError, match="annotation 2"):
        coco_reading.to_via(data, strict=True)


def test_a_bad_polygon_does_not_cost_the_good_ones():
    data = coco_data([{"segmentation": [FLAT, [1, 2], [1, 2, 3, 4, "x", 5], [1, 2, 3, 4, 5]]}])
    conversion = coco_reading.to_via(data)
    assert conversion.regions == 1
    assert [problem.reason.split("its ")[1].split(":")[0] for problem in conversion.problems] == [
        "polygon 2",
        "polygon 3",
        "polygon 4",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": None}, "not a COCO"),
        ({"categories": {}}, "not a COCO"),
        ({"images": [{"id": 1}]}, 'no "file_name"'),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "the id 1"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]}, "file_name 'a'"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "the id 1"),
        ({"images": [{"id": 1, "file_name": "../a.jpg"}]}, "must not leave it"),
        ({"images": [5]}, 'no "id"'),
        ({"annotations": [5]}, "not an object"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, change, reason):
    path = write_json(tmp_path / "x.json", coco_data() | change)
    with pytest.raises(DatasetError, match=reason):
        coco_reading.to_via(coco.read(path), str(path))


def test_no_image_and_no_annotation():
    nothing = {"images": [], "annotations": [], "categories": []}
    assert via_json(nothing) == {}
    assert there_and_back(nothing)["images"] == []
    data = coco_data([])
    assert coco_reading.to_via(data).empty_images == 1
    assert_same(data, there_and_back(data))


# --- VIA to COCO ----------------------------------------------------------------------------


def test_plain_via_becomes_coco_with_fresh_ids():
    data = {
        "x": entry("a.jpg", [region(label="top", instance="5"), region(label="top", instance="5")]),
        "y": entry("b.jpg", [region(fashion="1", label="bag", score="0.5", colour="red")]),
    }
    conversion = coco_writing.from_via(via.from_json(data))
    assert conversion.summary() == "2 images, 2 annotations"
    first, second = conversion.data["annotations"]
    assert conversion.data["images"][0] == {
        "id": 1,
        "file_name": "a.jpg",
        "width": 40,
        "height": 30,
    }
    assert first == {
        "id": 5,
        "image_id": 1,
        "category_id": 9,
        "segmentation": [FLAT, FLAT],
        "area": 100,
        "bbox": [10, 10, 10, 10],
        "iscrowd": 0,
    }
    assert (second["id"], second["score"], second["attributes"]) == (1, 0.5, {"colour": "red"})
    assert [c["name"] for c in conversion.data["categories"]] == list(MODANET_TABLE.names)


def test_ids_are_unique_even_when_instances_are_not():
    data = {str(n): entry(f"{n}.jpg", [region(label="bag", instance="1")]) for n in range(3)}
    made = coco_writing.from_via(via.from_json(data)).data
    assert [a["id"] for a in made["annotations"]] == [1, 2, 3]
    assert [i["id"] for i in made["images"]] == [1, 2, 3]


def test_holes_become_run_lengths():
    hole = region([(12, 12), (16, 12), (16, 16), (12, 16)], hole="1", instance="1")
    data = {"x": entry(regions=[region(label="bag", instance="1"), hole])}
    conversion = coco_writing.from_via(via.from_json(data))
    (annotation,) = conversion.data["annotations"]
    assert annotation["area"] == 84
    assert coco_mask.decode(annotation["segmentation"]).sum() == 84
    assert conversion.run_lengths == 1
    data["x"]["file_attributes"] = {}
    conversion = coco_writing.from_via(via.from_json(data))
    assert conversion.data["annotations"] == []
    assert "known size" in str(conversion.problems[0])


@pytest.mark.parametrize(
    ("labels", "table", "categories"),
    [
        (["bag", "top"], None, [(i, name) for i, name in enumerate(MODANET_TABLE.names, 1)]),
        (["bag_yaz"], None, [(i, name) for i, name in enumerate(SEASON_TABLE.names, 1)]),
        (["hat", "bag"], None, [(1, "hat"), (2, "bag")]),
        (["hat"], ClassTable(["glove", "hat"]), [(1, "glove"), (2, "hat")]),
    ],
)
def test_categories(labels, table, categories):
    data = {"x": entry(regions=[region(label=label) for label in labels])}
    made = coco_writing.from_via(via.from_json(data), table=table).data
    assert [(c["id"], c["name"]) for c in made["categories"]] == categories


def test_codes_alone_need_a_table():
    data = via.from_json({"x": entry(regions=[region(fashion="5")])})
    with pytest.raises(DatasetError, match="say which classes"):
        coco_writing.from_via(data)
    for table, category in ((MODANET_TABLE, 5), (SEASON_TABLE, 5)):
        made = coco_writing.from_via(data, table=table).data
        assert made["annotations"][0]["category_id"] == category


def test_bad_regions_are_listed_or_stop():
    data = {"x": entry(regions=[region(label="bag"), region(label="sock")])}
    conversion = coco_writing.from_via(via.from_json(data), table=MODANET_TABLE)
    assert len(conversion.data["annotations"]) == 1
    assert "sock" in conversion.summary()
    with pytest.raises(DatasetError, match="sock"):
        coco_writing.from_via(via.from_json(data), table=MODANET_TABLE, strict=True)


# --- there and back -------------------------------------------------------------------------


def test_everything_comes_back():
    data = coco_data(
        [
            {"id": 5, "bbox": [0, 0, 1, 1], "area": 4095},  # ModaNet's are not the polygons'
            {"id": 2, "iscrowd": 1, "score": 0.25, "occluded": True, "attributes": {"tear": "no"}},
            {"id": 9, "area": 99.5, "segmentation": [[0.1, 0.2, 30.3, 0.4, 30.5, 20.6], FLAT]},
            {"id": "text", "category_id": 3},
            {"id": 0, "image_id": 3, "category_id": 2},
        ],
        images=[
            {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30, "license": 3},
            {"id": 3, "file_name": "sub/b.png", "flickr_url": "http://x", "attributes": {"k": "v"}},
        ],
    )
    assert_same(data, there_and_back(data))


def test_a_file_with_its_info_and_licences_comes_back_whole():
    data = coco_data([{}, {"category_id": 3}]) | {"info": {"year": 2018}, "licenses": [{"id": 1}]}
    data["categories"][0]["supercategory"] = "fashion"
    assert there_and_back(data, like=data) == data


def test_bbox_and_area_are_worked_out_again_where_an_outline_was_changed():
    data = coco_data([{"bbox": [0, 0, 1, 1], "area": 4095}] * 2)
    made = through_json(via_json(data))
    made["7"]["regions"][0]["shape_attributes"]["all_points_x"][1] = 30
    made["7"]["regions"][0]["shape_attributes"]["all_points_x"][2] = 30
    conversion = coco_writing.from_via(via.from_json(made))
    changed, same = conversion.data["annotations"]
    assert (changed["bbox"], changed["area"]) == ([10, 10, 20, 10], 200)
    assert (same["bbox"], same["area"]) == ([0, 0, 1, 1], 4095)
    assert "1 outline changed" in conversion.summary()


def test_the_way_through_via_itself_changes_nothing():
    """VIA writes 5.0 as 5, rounds to thousandths, and may hold it all as a project."""
    data = coco_data([{"segmentation": [[1.0, 2.0, 9.12345, 2.0, 5.0, 8.0]], "area": 7}])
    made = json.loads(json.dumps(via_json(data)), parse_float=lambda t: round(float(t), 3))
    project = {"_via_img_metadata": made, "_via_settings": {}, "_via_attributes": {}}
    (back,) = coco_writing.from_via(via.from_json(project)).data["annotations"]
    assert (back["area"], back["bbox"]) == (7, [10, 10, 10, 10])


def test_a_number_that_json_does_not_know_is_not_written(tmp_path):
    made = via_json(coco_data([{"area": float("nan")}]))
    with pytest.raises(DatasetError, match="cannot be written as JSON"):
        coco_writing.write(tmp_path / "x.json", coco_writing.from_via(via.from_json(made)).data)
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_note_does_no_harm():
    made = via_json(coco_data([{"id": 5, "area": 1}]))
    made["7"]["regions"][0]["shape_attributes"]["coco"] = "{broken"
    made["7"]["file_attributes"]["coco"] = "5"
    back = coco_writing.from_via(via.from_json(made)).data
    assert (back["annotations"][0]["area"], back["images"][0]["id"]) == (100, 1)


number = st.one_of(st.integers(0, 400), st.floats(0, 400).map(lambda v: round(v, 4)))
triangle = st.tuples(number, number, st.integers(1, 50), st.integers(1, 50)).map(
    lambda t: [t[0], t[1], t[0] + t[2], t[1], t[0], t[1] + t[3]]
)
annotation = st.fixed_dictionaries(
    {
        "segmentation": st.lists(triangle, min_size=1, max_size=3),
        "bbox": st.lists(number, min_size=4, max_size=4),
        "area": number,
        "iscrowd": st.integers(0, 1),
        "category": st.integers(0, 3),
        "image": st.integers(0, 2),
    },
    optional={
        "score": st.floats(0, 1),
        "note": st.text(),
        "nested": st.lists(st.none() | st.booleans()),
    },
)
category_names = st.lists(
    st.sampled_from(["bag", "belt", "skirt_yaz", "belt_yaz", "hat", "skirt_ilkb", "Ünder wear"]),
    min_size=4,
    max_size=4,
    unique=True,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(annotation, max_size=6),
    category_names,
    st.lists(st.integers(1, 99), min_size=4, max_size=4, unique=True),
    st.lists(st.integers(0, 10**6), min_size=9, max_size=9, unique=True),
)
def test_any_file_comes_back(annotations, names, category_ids, ids):
    image_ids, ids = ids[:3], ids[3:]
    annotations = copy.deepcopy(annotations)
    for one, identity in zip(annotations, ids, strict=False):
        one["id"] = identity
        one["category_id"] = category_ids[one.pop("category")]
        one["image_id"] = image_ids[one.pop("image")]
    data = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 500, "height": 500} for i in image_ids
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": n} for i, n in zip(category_ids, names, strict=True)],
    }
    back = there_and_back(data)
    assert_same(data, back)
    known = {c["id"]: c["name"] for c in data["categories"]}
    written = {c["id"]: c["name"] for c in back["categories"]}
    for one in annotations:
        assert written[one["category_id"]] == known[one["category_id"]]


# --- real files -----------------------------------------------------------------------------


def test_modanet_comes_back_whole():
    data = coco.read(shared("modanet", "instances_val.json"))
    back = there_and_back(data)
    assert_same(data, back)
    assert back["categories"] == data["categories"]
    assert back["images"] == data["images"]
    assert len(back["annotations"]) == 5467


def test_the_first_polygons_are_the_original_file():
    made = via_json(coco.read(shared("modanet", "instances_val.json")), first_polygon=True)
    original = json.loads(shared("modanet", "vgg_val.json").read_text())
    assert len(original) == 1067
    assert {key: made[key] for key in original} == original
    assert len(made) == 1072  # all but the one image that has no annotation


# --- COCO to instances ----------------------------------------------------------------------


def test_coco_is_read_into_images_without_what_only_via_files_carry():
    data = coco_data(
        [{"id": 66, "segmentation": [FLAT, [1, 2, 5.5, 2, 5, 8]], "score": 0.5, "iscrowd": 1}],
        images=[{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30, "license": 3}],
    )
    (image,) = coco_reading.read_images(data)
    assert (image.filename, image.width, image.height) == ("a.jpg", 40, 30)
    assert "coco" not in image.attributes
    assert all("coco" not in region.attributes for region in image.regions)
    (instance,), problems = image_instances(image, MODANET_TABLE)
    assert problems == []
    assert (instance.class_id, instance.score, instance.crowd) == (1, 0.5, True)
    assert [part.tolist() for part in instance.parts] == [
        [[10, 10], [20, 10], [20, 20], [10, 20]],
        [[1, 2], [5.5, 2], [5, 8]],
    ]


def test_coco_gives_the_instances_of_the_via_file_it_becomes():
    data = coco.read(shared("modanet", "instances_val.json"))
    direct, by_via = coco_reading.read_images(data), via.from_json(via_json(data))
    assert len(direct) == len(by_via) == 1073
    assert direct.region_count == by_via.region_count
    for one, other in zip(direct, by_via, strict=True):
        for ours, theirs in zip(one.regions, other.regions, strict=True):
            assert (ours.number, ours.instance) == (theirs.number, theirs.instance)
            np.testing.assert_array_equal(ours.points, theirs.points)


def test_an_outline_outside_of_its_image_is_left_out_with_its_number():
    data = coco_data([{"segmentation": [[50, 1, 60, 1, 60, 9], FLAT]}])
    annotations = coco_reading.read_images(data)
    assert [region.number for region in annotations.images[0].regions] == [2]
    assert str(annotations.problems[0]).startswith("a.jpg, region 1: it lies outside the image")
    with pytest.raises(DatasetError, match=r"the COCO data: a\.jpg, region 1"):
        coco_reading.read_images(data, strict=True)


def test_no_image_has_no_instance():
    nothing = {"images": [], "annotations": [], "categories": []}
    assert coco_reading.read_images(nothing).images == []
