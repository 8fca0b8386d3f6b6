"""Files as other people and other tools make them: what they mean is not guessed."""

import json
import unicodedata

import numpy as np
import pytest

from fashion.annotations import coco_reading, coco_writing, via
from fashion.annotations.class_inference import FoundLabels, infer_table
from fashion.annotations.instances import image_instances, region_label
from fashion.annotations.locating import find_annotations, read_annotations
from fashion.annotations.problems import ProblemLog
from fashion.dataset import FashionDataset
from fashion.exchange.items import objects_of
from fashion.labels import MODANET_TABLE
from fashion.polygons.filling import polygons_to_mask
from fashion.splitting.annotations import read_source
from fashion.streams.images import open_annotations
from mrcnn.errors import DatasetError
from tests.fashion.factories import (
    coco_data,
    entry,
    region,
    via_project,
    write_image,
    write_json,
)
from tests.support import shared

OTHER = [(1, 1), (8, 1), (8, 8), (1, 8)]
FLAT = np.ravel(OTHER).tolist()


def names(images, table=MODANET_TABLE):
    """The class names of all instances."""
    return [
        table.name_of(instance.class_id)
        for image in images
        for instance in image_instances(image, table)[0]
    ]


def everywhere(path, table=MODANET_TABLE):
    """Class names as read whole, as read in a stream, and as divided; all must be the same."""
    whole = names(read_annotations(path), table)
    with open_annotations(path) as stream:
        assert names(stream, table) == whole
    divided = [name for one in read_source(path, table).counts.values() for name in one.elements()]
    assert sorted(divided) == sorted(whole)
    return whole


def project(tmp_path, options, regions):
    """A VIA project whose attribute definitions have these options."""
    data = via_project({"a.jpg-1": entry("a.jpg", regions)})
    data["_via_attributes"]["region"] = {
        name: {"type": "dropdown", "description": "", "options": own, "default_options": {}}
        for name, own in options.items()
    }
    return write_json(tmp_path / "project.json", data)


# --- VIA: options and attributes --------------------------------------------------------------


def test_numbers_mean_what_the_files_own_options_say(tmp_path):
    path = project(
        tmp_path,
        {"fashion": {"1": "dress", "2": "belt"}},
        [region(fashion="1"), region(fashion="2")],
    )
    assert everywhere(path) == ["dress", "belt"]
    read = via.read(path)
    assert infer_table(FoundLabels.of(read), None, "x") is MODANET_TABLE
    assert [a["category_id"] for a in coco_writing.from_via(read).data["annotations"]] == [6, 2]
    # A plain file has no options, so the numbers are spelt out there; a project keeps them.
    via.write(tmp_path / "plain.json", read)
    assert names(via.read(tmp_path / "plain.json")) == ["dress", "belt"]
    via.write_project(tmp_path / "again.json", read)
    assert names(via.read(tmp_path / "again.json")) == ["dress", "belt"]
    assert via.read(tmp_path / "again.json").images[0].regions[0].attributes["fashion"] == "1"
    write_json(tmp_path / "part.json", read_source(path).part(["a.jpg"]))
    assert names(via.read(tmp_path / "part.json")) == ["dress", "belt"]


def test_a_number_that_the_options_give_an_unknown_text_is_no_code(tmp_path):
    path = project(tmp_path, {"fashion": {"1": "sock"}}, [region(fashion="1")])
    (image,) = via.read(path)
    instances, (problem,) = image_instances(image, MODANET_TABLE)
    assert (instances, 'fashion "sock" is not' in problem.reason) == ([], True)


def test_one_attribute_holds_the_classes_of_a_file(tmp_path):
    regions = [
        region(piece="jacket", fastening="belt"),
        region(piece="dress", neck="tie"),
        region(piece="bag", colour="red"),
    ]
    path = write_json(tmp_path / "via.json", {"x": entry("a.jpg", regions)})
    assert everywhere(path) == ["outer", "dress", "bag"]
    _, problems = image_instances(via.read(path).images[0], MODANET_TABLE)
    assert 'from the attribute "piece", not from "fastening", "neck"' in problems[0].reason


def test_options_of_a_dropdown_beside_other_attributes(tmp_path):
    options = {"item": {"1": "belt", "2": "bag"}, "made of": {"leather": "", "tie": "tie dyed"}}
    regions = [region(item="2", **{"made of": "leather"}), region(item="1", **{"made of": "tie"})]
    assert everywhere(project(tmp_path, options, regions)) == ["bag", "belt"]


def test_no_attribute_names_a_class(tmp_path):
    path = write_json(tmp_path / "via.json", {"x": entry("a.jpg", [region(colour="red")])})
    _, problems = image_instances(via.read(path).images[0], MODANET_TABLE)
    assert 'colour "red" is not in the class table' in problems[0].reason
    assert [region_label(r) for i in via.read(path) for r in i.regions] == ["no label"]


def test_what_via_writes_of_our_coco_does_not_meet_our_codes():
    data = coco_writing.from_via(via.from_json({"x": entry("a.jpg", [region(label="hat")])})).data
    assert data["info"]
    assert {row["supercategory"] for row in data["categories"]} == {"garment"}


def test_via_names_the_classes_of_our_projects(tmp_path):
    via.write_project(tmp_path / "p.json", via.from_json({"x": entry("a.jpg", [region()])}))
    definitions = json.loads((tmp_path / "p.json").read_text())["_via_attributes"]["region"]
    exported = {
        n: d["options"] for n, d in definitions.items() if d["type"] in ("dropdown", "radio")
    }
    assert exported == {"label": {name: name for name in MODANET_TABLE.names}}


# --- COCO -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [[0, 0], [None, None], ["x", "x"], [3, "3"], [3, 3.0], [[1], [1]]])
def test_ids_that_repeat_or_are_none_join_nothing(tmp_path, ids):
    other = {"category_id": 2, "segmentation": [FLAT, np.ravel(OTHER).tolist()]}
    data = coco_data([{"id": ids[0]}, {"id": ids[1], **other}])
    path = write_json(tmp_path / "a.json", data)
    assert everywhere(path) == ["bag", "belt"]
    assert "kept apart" in str(read_annotations(path).problems[0])
    back = coco_writing.from_via(coco_reading.to_via(data).annotations).data["annotations"]
    assert len({a["id"] for a in back}) == 2
    assert [len(a["segmentation"]) for a in back] == [1, 2]


def test_annotations_without_ids():
    data = coco_data([{"segmentation": [FLAT, FLAT]}, {"category_id": 3}])
    for annotation in data["annotations"]:
        del annotation["id"]
    (image,) = coco_reading.read_images(data)
    assert [len(i.parts) for i in image_instances(image, MODANET_TABLE)[0]] == [2, 1]


@pytest.mark.parametrize(
    ("crowd", "expected"),
    [("0", False), ("1", True), (False, False), (True, True), (0, False), (1, True), (None, False)],
)
def test_crowds_are_said_in_several_ways(crowd, expected):
    (image,) = coco_reading.read_images(coco_data([{"iscrowd": crowd}]))
    assert [i.crowd for i in image_instances(image, MODANET_TABLE)[0]] == [expected]


def test_ids_as_text(tmp_path):
    data = coco_data([{"image_id": "7", "category_id": "2"}, {"category_id": 1.0}])
    path = write_json(tmp_path / "a.json", data)
    assert everywhere(path) == ["belt", "bag"]
    assert len(read_source(path).part(["a.jpg"])["annotations"]) == 2
    data["annotations"][0]["category_id"] = "two"
    assert "category_id 'two' is not" in str(coco_reading.read_images(data).problems[0])


@pytest.mark.parametrize("segmentation", [FLAT, [OTHER], [FLAT]])
def test_a_polygon_in_any_form(segmentation):
    data = json.loads(json.dumps(coco_data([{"segmentation": segmentation}])))
    (image,) = coco_reading.read_images(data)
    assert image.regions[0].points.tolist() == [list(map(float, p)) for p in OTHER]


def test_run_lengths_stay_exact_and_others_are_named():
    random = np.random.default_rng(0)
    mask = random.random((30, 40)) < 0.5
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])
    data = coco_data(
        [
            {"segmentation": {"size": [30, 40], "counts": np.diff(edges).tolist()}},
            {"segmentation": {"size": [30, 40], "counts": "b'eg0'"}},
            {"segmentation": {"size": [40, 30], "counts": [100, 20, 1080]}},
        ]
    )
    read = coco_reading.read_images(data)
    (instance,) = image_instances(read.images[0], MODANET_TABLE)[0]
    assert (polygons_to_mask(instance.parts, instance.holes, 30, 40) == mask).all()
    assert [str(problem).split(":")[1] for problem in read.problems] == [
        " annotation 2",
        " annotation 3",
    ]


def test_attributes_of_others_that_bear_our_names():
    theirs = {"label": "brand", "instance": "7", "score": "good", "iscrowd": True, "hole": True}
    theirs |= {"coco": "x", "fashion": "9", "occluded": False}
    data = coco_data([{"attributes": theirs}, {"attributes": {"instance": "7", "hole": False}}])
    data["images"][0]["attributes"] = {"width": 5, "coco": "y", "shop": "a"}
    read = coco_reading.to_via(data).annotations
    assert names(read) == ["bag", "bag"]
    instances, problems = image_instances(read.images[0], MODANET_TABLE)
    assert [(i.crowd, i.score, len(i.holes)) for i in instances] == [(False, None, 0)] * 2
    assert (problems, read.images[0].width) == ([], 40)
    back = coco_writing.from_via(read).data
    assert [a["attributes"] for a in back["annotations"]] == [
        theirs,
        {"instance": "7", "hole": False},
    ]
    assert back["images"][0]["attributes"] == data["images"][0]["attributes"]
    assert "own" not in back["annotations"][0]
    log = ProblemLog()
    assert objects_of(read.images[0], MODANET_TABLE, log)[0].attributes["label"] == "brand"


# --- file names -------------------------------------------------------------------------------


def test_a_path_of_windows_is_found(tmp_path):
    write_image(tmp_path / "pictures" / "a.jpg")
    image = {"id": 1, "file_name": "pictures\\a.jpg", "width": 40, "height": 30}
    path = write_json(tmp_path / "a.json", coco_data([{}], [image]))
    dataset = FashionDataset().load(tmp_path, "", MODANET_TABLE)
    assert dataset.image_info[0]["path"] == tmp_path / "pictures" / "a.jpg"
    assert read_source(path).names == ["pictures/a.jpg"]
    assert len(read_source(path).part(["pictures/a.jpg"])["images"]) == 1


def test_a_name_is_found_in_either_form_of_unicode(tmp_path):
    name = "été/çanta.jpg"
    write_image(tmp_path / unicodedata.normalize("NFD", name))
    write_json(tmp_path / "a.json", {"x": entry(unicodedata.normalize("NFC", name), [region()])})
    dataset = FashionDataset().load(tmp_path, "", MODANET_TABLE)
    assert dataset.load_image(0).shape == (30, 40, 3)


def test_a_file_whose_name_begins_with_class_is_found(tmp_path):
    write_json(tmp_path / "classified.json", {"x": entry()})
    assert find_annotations(tmp_path).name == "classified.json"
    write_json(tmp_path / "classes.json", {"classes": ["bag"]})
    assert find_annotations(tmp_path).name == "classified.json"


def test_everything_refused_is_said_with_the_reasons(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_json(tmp_path / "a.json", coco_data([{"category_id": 9}, {"segmentation": "x"}]))
    with pytest.raises(DatasetError, match=r"none can be used.*category_id 9.*neither a list"):
        FashionDataset().load(tmp_path, "", MODANET_TABLE)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("v_own_options/project.json", ["top", "skirt"]),
        ("v01_dropdown_ids/p.json", ["bag", "top"]),
        ("v16_coat/via.json", ["outer", "dress"]),
        ("v17_type/via.json", ["bag", "top"]),
        ("c01_dup_ids/ann.json", ["bag", "bag"]),
        ("c02_null_ids/ann.json", ["bag", "bag"]),
        ("c03_no_ids/ann.json", ["bag", "bag"]),
        ("c04_crowd_str/ann.json", ["bag", "bag", "bag"]),
        ("c05_str_ids/ann.json", ["bag"]),
        ("c06_flat_seg/ann.json", ["bag"]),
        ("c31_strcat/ann2.json", ["bag"] * 6),
    ],
)
def test_shared_cases(case, expected):
    assert everywhere(shared("cases", *case.split("/"))) == expected
