import json
import subprocess
import sys

import pytest

from tests.fashion.factories import coco_data, write_json
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "repair_modanet.py"
WRONG = {"category_id": 3, "bbox": [25, 1, 10, 10], "area": 100}
HOPELESS = {"category_id": 3, "bbox": [25, 1, 3, 3], "area": 9}


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def annotations(tmp_path):
    return write_json(tmp_path / "ann.json", coco_data([WRONG, HOPELESS, {}]))


def test_table_lists_and_report(tmp_path, annotations):
    done = run(tmp_path, "ann.json", "out/repaired.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "boots          2   2 (100.0 %)    1    0        0    50.0 %            1" in done.stdout
    assert (
        "could not be repaired: 1\n  a.jpg, annotation 2 (boots): no polygon is 3 x 3"
        in done.stdout
    )
    assert "masks twice in an image: 3 before" in done.stdout
    repaired = json.loads((tmp_path / "out" / "repaired.json").read_text())
    boxes = [entry["bbox"] for entry in repaired["annotations"]]
    assert boxes == [[10, 10, 10, 10], [25, 1, 3, 3], [10, 10, 10, 10]]
    report = json.loads((tmp_path / "out" / "repaired.report.json").read_text())
    assert report["classes"]["boots"]["wrong_before"] == 2
    assert report["classes"]["boots"]["wrong_after"] == 1
    assert [entry["annotation"] for entry in report["unrepaired"]] == [2]
    assert len(report["doubled_after"]) == 3


def test_the_file_itself_may_be_replaced(tmp_path, annotations):
    assert run(tmp_path, "ann.json", "ann.json").returncode == 0
    repaired = json.loads(annotations.read_text())
    assert repaired["annotations"][0]["bbox"] == [10, 10, 10, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ann.json", "ann.report.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"a": 1}', "is not a COCO annotation file"),
        (json.dumps(coco_data((), categories=("bag",))), "has no category boots or footwear"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, content, message):
    (tmp_path / "ann.json").write_text(content)
    done = run(tmp_path, "ann.json", "out.json")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.json").exists()
