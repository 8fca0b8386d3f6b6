import json
import subprocess
import sys

from tests.fashion.export_truth import folder
from tests.support import REPOSITORY


def run(place, tool, *arguments):
    """A command of `tools`, from another folder, as a user types it."""
    script = REPOSITORY / "tools" / f"{tool}.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=place, capture_output=True, text=True
    )


def test_there_and_back(tmp_path):
    folder(tmp_path / "data")
    done = run(tmp_path, "export_annotations", "data", "out", "--format", "cvat", "--link")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "out/annotations.xml, out/annotations.labels.json: 3 images, 5 instances\n"
        "written in another way: instances with holes written as masks (1), "
        "instances of several parts written as groups (1)\n"
    )
    done = run(tmp_path, "import_annotations", "out/annotations.xml", "back")
    assert (done.returncode, done.stderr) == (0, "")
    assert "back/via_region_data.json: 3 images, 8 regions" in done.stdout
    assert len(json.loads((tmp_path / "back" / "via_region_data.json").read_text())) == 3


def test_what_cannot_be_is_one_sentence(tmp_path):
    for arguments in (
        ("export_annotations", "nothing.json", "out", "--format", "coco"),
        ("import_annotations", "nothing.xml", "out"),
    ):
        done = run(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "does not exist" in done.stderr
        assert done.stderr.count("\n") == 1
