import json
import subprocess
import sys

import pytest

from tests.fashion.factories import coco_data, entry, region, write_image, write_json
from tests.support import REPOSITORY


def run(folder, *arguments):
    script = REPOSITORY / "tools" / "compare_labels.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path):
    """Labels of one picture: a bag that is right; the truth, a COCO file, has a belt too."""
    write_json(
        tmp_path / "auto.json",
        {"1": entry("bag_yaz_1.jpg", [region(fashion="2", label="bag_yaz", score="0.95")])},
    )
    image = {"id": 7, "file_name": "bag_yaz_1.jpg", "width": 40, "height": 30}
    write_json(tmp_path / "truth.json", coco_data([{}, {"category_id": 2}], [image]))
    write_image(tmp_path / "bag_yaz_1.jpg")
    return tmp_path


def test_a_table_a_file_and_pictures(folder):
    done = run(folder, "auto.json", "truth.json", "--json", "f.json", "--output", "worst")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("bag_yaz")]
    assert line.split() == ["bag_yaz", "1", "1", "1", "1.000", "1.000", "1.000", "4.0", "4.0"]
    assert json.loads((folder / "f.json").read_text())["all"]["recall"] == 1
    assert "0 pictures in" in done.stdout  # nothing is wrong, so nothing is drawn


def test_worst_cases(folder):
    data = json.loads((folder / "auto.json").read_text())
    data["1"]["regions"] = []
    write_json(folder / "auto.json", data)
    done = run(folder, "auto.json", "truth.json", "--output", "worst")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (folder / "worst").iterdir()}
    assert names == {"worst_001_bag_yaz_1.png", "worst.png"}


def test_nothing_to_compare_is_a_failure(folder):
    write_json(folder / "empty.json", {})
    assert run(folder, "empty.json", "empty.json").returncode == 1


def test_bad_input(folder):
    done = run(folder, "gone.json", "truth.json")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: gone.json: it does not exist")
    assert run(folder, "auto.json", "truth.json", "--iou=0").returncode == 2
