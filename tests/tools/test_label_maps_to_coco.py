import json
import subprocess
import sys

import numpy as np
from PIL import Image

from tests.fashion.factories import write_json
from tests.support import REPOSITORY


def run(folder, *arguments):
    """The command, from another folder, as a user types it."""
    script = REPOSITORY / "tools" / "label_maps_to_coco.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


def test_maps_become_instances_of_the_classes_that_the_table_names(tmp_path):
    (tmp_path / "maps").mkdir()
    for name in ("1.png", "2.png"):
        numbers = np.zeros((30, 40), np.uint8)
        numbers[5:15, 5:15], numbers[20:28, 0:8], numbers[20:28, 20:28] = 4, 9, 9
        Image.fromarray(numbers).save(tmp_path / "maps" / name)
    write_json(tmp_path / "table.json", {"4": "dress", "9": "footwear"})
    (tmp_path / "only.txt").write_text("2.jpg\n")
    done = run(
        tmp_path, "maps", "out.json", "--table", "table.json", "--only", "only.txt",
        "--classes", "photo",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 image, 3 instances" in done.stdout
    data = json.loads((tmp_path / "out.json").read_text())
    assert [row["category_id"] for row in data["annotations"]] == [6, 4, 4]
    assert data["categories"][13]["name"] == "person"


def test_a_missing_table_is_one_sentence(tmp_path):
    done = run(tmp_path, ".", "out.json", "--table", "none.json")
    assert done.returncode == 2
    assert "none.json" in done.stderr
    assert "Traceback" not in done.stderr
