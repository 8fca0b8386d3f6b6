"""Labels from the detections of other programs: COCO results files."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest

from fashion.annotations.via_reading import read
from fashion.autolabel.results_file import ResultsFile, read_names
from fashion.labels import MODANET_TABLE
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import encode_mask
from tests.fashion.factories import SQUARE, write_image, write_json
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
POLYGON = [np.ravel(SQUARE).tolist()]


def row(picture="bag_yaz_1.jpg", **more):
    return {
        "image_id": picture,
        "category_id": 1,
        "category_name": "bag",
        "score": 0.95,
        "segmentation": POLYGON,
    } | more


def results(folder, rows, pictures=("bag_yaz_1.jpg", "000042.jpg"), **more):
    return ResultsFile(write_json(folder / "found.json", rows), pictures, **more)


def mask(height=30, width=40):
    found = np.zeros((height, width), dtype=bool)
    found[10:20, 10:20] = True
    return found


def names_file(folder, text, name="names.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "segmentation",
    [
        POLYGON,
        encode_mask(mask()),
        {"size": [30, 40], "counts": [310, 10, *[20, 10] * 9, 610]},
    ],
    ids=["polygons", "compressed", "uncompressed"],
)
def test_every_kind_of_mask(tmp_path, segmentation):
    rows = [row(score=0.6), row(segmentation=segmentation)]
    found = results(tmp_path, rows).detections("bag_yaz_1.jpg", 30, 40)
    assert found["scores"].tolist() == [0.95, 0.6], "the highest score first"
    assert found["class_ids"].tolist() == [MODANET_TABLE.id_of("bag")] * 2
    assert np.array_equal(found["masks"][..., 0], mask())


def test_a_picture_without_rows(tmp_path):
    found = results(tmp_path, []).detections("bag_yaz_1.jpg", 30, 40)
    assert found["masks"].shape == (30, 40, 0) and len(found["scores"]) == 0


@pytest.mark.parametrize(
    "named",
    [
        {"image_id": 42},
        {"image_id": "000042"},
        {"image_id": "000042.jpg"},
        {"image_id": 7, "file_name": "images/000042.jpg"},
        {"image_id": 7, "image": "000042.jpg"},
    ],
)
def test_how_a_row_names_its_picture(tmp_path, named):
    found = results(tmp_path, [row(**named)])
    assert len(found.detections("000042.jpg", 30, 40)["scores"]) == 1


def test_ids_of_a_coco_file(tmp_path):
    listing = write_json(
        tmp_path / "instances.json",
        {
            "images": [{"id": 7, "file_name": "bag_yaz_1.jpg"}, {"id": 42, "file_name": "x.jpg"}],
            "categories": [{"id": 3, "name": "handbag"}, {"id": 4, "name": "kite"}],
            "annotations": [],
        },
    )
    bare = {"score": 0.9, "segmentation": POLYGON}
    rows = [
        {"image_id": 7, "category_id": 3, **bare},
        {"image_id": 7, "category_id": 4, **bare},
        {"image_id": 42, "category_id": 3, **bare},
    ]
    names = names_file(tmp_path, "Handbag,bag\n")
    found = results(tmp_path, rows, names=names, listing=listing)
    assert len(found.detections("bag_yaz_1.jpg", 30, 40)["scores"]) == 1
    assert found.unknown_pictures == 1, "the id 42 is x.jpg, not 000042.jpg"
    assert found.notes().splitlines() == [
        "Left out: 1 detection of other pictures.",
        'Left out: 1 detection of "kite", which is not a garment.',
    ]


def test_low_scores_are_skipped(tmp_path):
    found = results(tmp_path, [row(score=0.2), row(score=0.5)], least_score=0.5)
    assert found.detections("bag_yaz_1.jpg", 30, 40)["scores"].tolist() == [0.5]


def test_tables_of_names(tmp_path):
    csv = names_file(tmp_path, "\ufeff26, bag\nTIE,scarf\n\nperson,\n")
    assert read_names(csv) == {"26": "bag", "tie": "scarf/tie", "person": ""}
    as_json = names_file(tmp_path, '{"26": "bag", "person": null}', "names.json")
    assert read_names(as_json) == {"26": "bag", "person": ""}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("26,hat\n", '"hat", for "26", is not a garment.*headwear'),
        ("26\n", "not a table of names"),
        ("a,b,c\n", "not a table of names"),
    ],
)
def test_bad_tables_of_names(tmp_path, text, problem):
    with pytest.raises(DatasetError, match=problem):
        read_names(names_file(tmp_path, text))


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"score": "high"}, "row 1 has no score"),
        ({"score": float("inf")}, "row 1 has a score that is not finite"),
        ({"segmentation": None}, "row 1 has no segmentation"),
        ({"category_name": None}, "row 1 has the category 1, whose name is not known"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, more, problem):
    with pytest.raises(DatasetError, match=problem):
        results(tmp_path, [row(**more)])


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        (encode_mask(mask(40, 30)), r"row 1 .*of the size \[40, 30\].*\[30, 40\]"),
        ({"size": [30, 40], "counts": [1]}, "malformed run-lengths"),
        ({"size": [30, 40]}, "neither polygons nor run-lengths"),
        ([[1, 2, 3, 4]], "a polygon that is not a list of at least three"),
        ([["a"]], "a polygon that is not a list of at least three"),
    ],
)
def test_masks_that_cannot_be_used(tmp_path, segmentation, problem):
    found = results(tmp_path, [row(segmentation=segmentation)])
    with pytest.raises(DatasetError, match=problem):
        found.detections("bag_yaz_1.jpg", 30, 40)


def test_what_is_no_results_file(tmp_path):
    with pytest.raises(DatasetError, match="is not a COCO results file"):
        results(tmp_path, "text")


def label(folder, *options):
    command = [sys.executable, str(SCRIPT), f"--images={folder / 'images'}"]
    command += [f"--output={folder / 'a.json'}", f"--from-results={folder / 'found.json'}"]
    # A labelling that imported TensorFlow would fail.
    code = "import atexit, os, sys, runpy; sys.argv = sys.argv[1:]; "
    code += "atexit.register(lambda: 'tensorflow' in sys.modules and os._exit(9))"
    command[1:1] = ["-c", f"{code}; runpy.run_path(sys.argv[0], run_name='__main__')"]
    return subprocess.run([*command, *options], capture_output=True, text=True)


def test_the_labelling_script_without_a_network(tmp_path):
    for name in ("bag_yaz_1.jpg", "skirt_kis_2.jpg", "top_yaz_3.jpg"):
        write_image(tmp_path / "images" / name)
    rows = [
        row(),
        row("skirt_kis_2.jpg", category_name="gown"),
        row("top_yaz_3.jpg", category_name="top", score=0.7),
    ]
    write_json(tmp_path / "found.json", rows)
    names_file(tmp_path, "gown,skirt\n")
    done = label(tmp_path, f"--names={tmp_path / 'names.csv'}")
    assert done.returncode == 0, done.stderr
    labels = {i.filename: i.regions[0].attributes["label"] for i in read(tmp_path / "a.json")}
    assert labels == {"bag_yaz_1.jpg": "bag_yaz", "skirt_kis_2.jpg": "skirt_kis"}
    assert "left out: 1, the garment was found, but below" in done.stdout


def test_the_same_policy_journal_and_report(tmp_path):
    for name in ("bag_yaz_1.jpg", "skirt_kis_2.jpg"):
        write_image(tmp_path / "images" / name)
    rows = [row(), row("skirt_kis_2.jpg", category_id=9, category_name="gown", score=0.8)]
    write_json(tmp_path / "found.json", rows)
    names_file(tmp_path, "9,skirt\n")
    options = [f"--names={tmp_path / 'names.csv'}", "--fallback=best"]
    assert label(tmp_path, *options).returncode == 0
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert report["totals"]["labels"].keys() == {"bag_yaz", "skirt_kis"}
    assert report["totals"]["labelled_by_fallback"] == 1
    again = label(tmp_path, *options)
    assert again.returncode == 0 and "labelling" not in again.stderr
    write_json(tmp_path / "found.json", rows[:1])
    changed = label(tmp_path, *options)
    assert changed.returncode == 2 and "made with other settings (results:" in changed.stderr


@pytest.mark.parametrize(
    ("option", "problem"),
    [("--model=x.h5", "--model is for a network"), ("--workers=2", "--workers is for a network")],
)
def test_options_of_a_network(tmp_path, option, problem):
    write_image(tmp_path / "images" / "bag_yaz_1.jpg")
    write_json(tmp_path / "found.json", [])
    done = label(tmp_path, option)
    assert done.returncode == 2 and problem in done.stderr


def test_names_alone(tmp_path):
    from fashion.autolabel.arguments import add_labelling_arguments
    from fashion.autolabel.command import label as run
    from fashion.stages.stage import MODANET_STAGE
    from mrcnn.errors import UserError

    parser = argparse.ArgumentParser()
    add_labelling_arguments(parser, MODANET_STAGE, tmp_path)
    with pytest.raises(UserError, match="--from-results"):
        run(parser.parse_args(["--names=x.csv"]))
