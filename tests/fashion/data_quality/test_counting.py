import json

import numpy as np
import pytest

from fashion.annotations import via
from fashion.annotations.locating import annotation_parts
from fashion.data_quality import counting, report
from fashion.labels import MODANET_TABLE, ClassTable
from mrcnn.errors import DatasetError
from tests.fashion.factories import (
    coco_data,
    dataset_folder,
    entry,
    region,
    write_image,
    write_json,
)
from tests.support import shared

TABLE = ClassTable(["bag", "belt", "boots"])


def square(side, x=0, y=0):
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def collect(*entries, folder=None):
    data = via.from_json({str(i): e for i, e in enumerate(entries)})
    return counting.collect([("", data, folder)], TABLE)


def test_counts_and_areas():
    figures = collect(
        entry(
            "a.jpg",
            [
                region(square(10), label="bag", instance="1"),
                region(square(5, x=50), label="bag", instance="1"),
                region(square(4, x=1, y=1), instance="1", hole="1"),
                region(square(100), label="belt"),
            ],
            size=(100, 200),
        ),
        entry("b.jpg", [region(square(32), label="bag")], size=(100, 200)),
        entry("c.jpg", [], size=(50, 50)),
    )
    bag, belt, boots = figures.classes.values()
    assert bag.areas == [100 + 25 - 16, 32 * 32]
    assert bag.area_shares == [109 / 20_000, 1024 / 20_000]
    assert (bag.polygons, bag.points, bag.holes, bag.images) == ([2, 1], [4, 4, 4, 4], 1, 2)
    assert (belt.areas, belt.images) == ([10_000], 1)
    assert boots == counting.ClassCounts()
    assert figures.together.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert figures.instances_per_image == [2, 1, 0]
    assert figures.image_sizes == {(100, 200): 2, (50, 50): 1}
    assert figures.present() == ["bag", "belt"]


@pytest.mark.parametrize(
    ("side", "sizes"),
    # COCO: small under 32 x 32, large from 96 x 96 on
    [(31, [1, 0, 0]), (32, [0, 1, 0]), (95, [0, 1, 0]), (96, [0, 0, 1])],
)
def test_sizes_as_in_coco(side, sizes):
    figures = collect(entry("a.jpg", [region(square(side), label="bag")], size=(200, 200)))
    assert figures.classes["bag"].sizes() == sizes


def test_instances_partly_outside_are_cut():
    figures = collect(entry("a.jpg", [region(square(20, x=30), label="bag")], size=(40, 30)))
    assert figures.classes["bag"].areas == [200]


def test_sizes_of_images_from_the_files(tmp_path):
    write_image(tmp_path / "a.jpg", 60, 30)
    figures = collect(entry("a.jpg", [region(label="bag")], size=None), folder=tmp_path)
    assert figures.image_sizes == {(60, 30): 1}


def test_unknown_sizes():
    figures = collect(entry("a.jpg", [region(label="bag")], size=None))
    assert figures.classes["bag"].areas == [100]
    assert np.isnan(figures.classes["bag"].area_shares).all()
    assert figures.to_json()["classes"]["bag"]["share_of_image_area"]["mean"] is None
    assert "  -  " in report.statistics_text(figures)


def test_json_is_plain_and_complete():
    figures = collect(
        entry("a.jpg", [region(label="bag"), region(label="belt"), region(label="hat")])
    )
    data = json.loads(json.dumps(figures.to_json(), allow_nan=False))
    assert (data["images"], data["instances"]) == (1, 2)
    assert data["classes"]["bag"]["share_of_instances"] == 0.5
    assert data["classes"]["bag"]["sizes"] == {"small": 1, "medium": 0, "large": 0}
    assert data["classes"]["boots"]["share_of_instances"] == 0
    assert data["classes"]["boots"]["area"]["mean"] is None
    assert data["co_occurrence"]["images"][0] == [1, 1, 0]
    assert data["problems"] == ['a.jpg, region 3: the label "hat" is not in the class table']


def test_no_image():
    figures = counting.collect([], TABLE)
    assert figures.to_json()["instances"] == 0
    assert "Data set: 0 images, 0 instances" in report.statistics_text(figures)


def test_terminal_text():
    regions = [region(square(10), label="bag"), region(square(30), label="belt")]
    figures = collect(entry("a.jpg", [*regions, region(label="hat")], size=(100, 100)), entry("b"))
    text = report.statistics_text(figures)
    assert "Data set: 2 images (1 without instances), 2 instances" in text
    assert "image sizes: 100 x 100 (1), 40 x 30 (1)" in text
    bag = next(line for line in text.splitlines() if line.startswith("bag")).split()
    # instances, %, images, %, median area, % of image, % of garments, sizes, polygons, points
    assert " ".join(bag[1:]) == "1 50.0 1 50.0 100 1.00 10.0 100.0 0.0 0.0 1.00 4.0"
    assert "most often together: bag and belt (1)" in text
    assert "1 problem:\n  a.jpg, region 3" in text


def test_annotation_parts(tmp_path):
    dataset_folder(tmp_path / "set", [entry("a.jpg", [region()])], "train")
    write_json(tmp_path / "set" / "test" / "instances.json", coco_data([{}]))
    parts = annotation_parts(tmp_path / "set")
    assert [(p.subset, len(p.annotations), p.folder.name) for p in parts] == [
        ("train", 1, "train"),
        ("test", 1, "test"),
    ]
    figures = counting.collect(parts, MODANET_TABLE)
    assert figures.subsets == {"train": 1, "test": 1}
    assert len(figures.classes["bag"].areas) == 2
    # one folder, one file, a file with its images elsewhere
    assert annotation_parts(tmp_path / "set" / "train")[0].folder == tmp_path / "set" / "train"
    file = tmp_path / "set" / "test" / "instances.json"
    assert annotation_parts(file)[0].folder == file.parent
    assert annotation_parts(file, tmp_path)[0].folder == tmp_path
    with pytest.raises(DatasetError, match="does not exist; name a dataset folder"):
        annotation_parts(tmp_path / "nothing")


def test_modanet():
    parts = annotation_parts(shared("modanet", "instances_val.json"))
    figures = counting.collect(parts, MODANET_TABLE)
    data = figures.to_json()
    assert (data["images"], data["instances"]) == (1073, 5467)
    assert data["classes"]["footwear"]["instances"] == 1590
    several = 1 - data["all"]["polygons_per_instance"]["counts"]["1"] / data["instances"]
    assert several == pytest.approx(0.38, abs=0.005)  # as DESIGN says
    areas = np.array(figures.classes["dress"].areas)
    assert figures.classes["dress"].sizes()[2] == (areas >= 96**2).sum()
