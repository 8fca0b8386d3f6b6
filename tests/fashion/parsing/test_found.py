"""The table, the predictions and the gallery of a parsed folder."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from fashion.parsing.files import OutputJob
from fashion.parsing.found import found_files
from fashion.parsing.parse import ParsingSettings
from fashion.parsing.run import ParsingRun
from fashion.parsing.sheet import SheetOptions
from tests.fashion.garment_pictures import outfit, person, person_picture

SETTINGS = ParsingSettings(segments=150, sigma=0.5)


@pytest.fixture
def pictures(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(person_picture()).save(tmp_path / name)
    return sorted(tmp_path.glob("*.png"))


def parse(pictures, clothing=lambda image: outfit(), **options):
    job = OutputJob(pictures[0].parent / "out", **options)
    run = ParsingRun(pictures, job, SETTINGS, lambda: (clothing, lambda image: person()))
    list(run.each())
    return job


def test_a_folder_parsed_by_two_runs(pictures):
    parse(pictures[:1])
    job = parse(pictures)
    found = found_files(pictures, job, "in")
    written = found.write()
    assert [path.name for path in written] == ["garments.csv", "predictions.json", "index.html"]
    with written[0].open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    record = json.loads((job.folder / "a" / "parsing.json").read_text())
    mine = [row for row in rows if row["picture"] == "a.png"]
    assert len(rows) == 2 * len(mine) == 2 * len(record["garments"]) > 0
    for row, garment in zip(mine, record["garments"], strict=True):
        assert row["garment"] == garment["class"]
        assert [int(row[key]) for key in ("y1", "x1", "y2", "x2")] == garment["box"]
        assert row["colour"] == garment["colour"]["name"]
        assert row["wearer"] == "1"
    predictions = json.loads(written[1].read_text())
    for row, garment in zip(predictions, record["garments"] * 2, strict=True):
        area = int(coco_mask.decode(row["segmentation"]).sum())
        assert abs(area - garment["area"]) <= 0.02 * garment["area"]
    page = written[2].read_text()
    assert 'href="a/clothing.png"' in page and 'href="b/clothing.png"' in page


def test_nothing_found_and_pictures_that_were_not_parsed(pictures):
    job = parse(pictures[:1], clothing=None, stage="body")
    found = found_files(pictures, job, "in")
    assert found.objects == 1  # the person
    assert found.predictions() == []
    found = found_files([], job, "in")
    assert found.objects == 0
    assert found.write()[2].read_text().count("<figure>") == 0


def test_panels_of_large_pictures_are_shrunk_unless_asked(tmp_path, pictures):
    wide = np.tile(person_picture(), (1, 40, 1))[:, :2500]
    Image.fromarray(wide).save(tmp_path / "a.png")

    sizes = {}
    for full in (False, True):
        job = OutputJob(tmp_path / f"out{full}", sheet=SheetOptions(full_size=full))
        run = ParsingRun(pictures[:1], job, SETTINGS, lambda: (None, None))
        list(run.each())
        with Image.open(job.folder / "a" / "clothing.png") as image:
            sizes[full] = image.size
        with Image.open(job.folder / "a" / "joint_labels.png") as image:
            assert image.size[0] == 2500  # label maps are for programs
    assert (sizes[False][0], sizes[True][0]) == (2048, 2500)
