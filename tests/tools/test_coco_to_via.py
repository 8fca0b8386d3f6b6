import json
import subprocess
import sys

import pytest

from fashion.labels import MODANET_TABLE
from tests.fashion.factories import coco_data, entry, region, write_image, write_json
from tests.support import REPOSITORY


def run(folder, *arguments):
    """The command, from another folder, as a user types it."""
    script = REPOSITORY / "tools" / "coco_to_via.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def annotations(tmp_path):
    part = [1, 2, 5, 2, 5, 8]
    data = coco_data([{"segmentation": [[10, 10, 20, 10, 20, 20], part]}, {"category_id": 2}])
    return write_json(tmp_path / "ann.json", data)


def test_out_may_be_a_file_or_a_folder(tmp_path, annotations):
    (tmp_path / "old").mkdir()
    for out, path in (
        ("x.json", "x.json"),
        ("old", "old/via_region_data.json"),
        ("new/train", "new/train/via_region_data.json"),
    ):
        done = run(tmp_path, "ann.json", out)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 image, 2 instances, 3 regions" in done.stdout
        assert path.split("/")[-1] in done.stdout
        assert len(json.loads((tmp_path / path).read_text())["7"]["regions"]) == 3


def test_first_polygon(tmp_path, annotations):
    assert run(tmp_path, "ann.json", "x.json", "--first-polygon").returncode == 0
    first = region([(10, 10), (20, 10), (20, 20)], fashion="1")
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "7": entry("a.jpg", [first, region(fashion="2")])
    }


def test_keys_and_sizes_of_real_images(tmp_path, annotations):
    size = write_image(tmp_path / "images" / "a.jpg").stat().st_size
    assert run(tmp_path, "ann.json", "x.json", "--images", "images").returncode == 0
    data = json.loads((tmp_path / "x.json").read_text())
    assert list(data) == [f"a.jpg{size}"]
    assert data[f"a.jpg{size}"]["size"] == size


def test_a_project(tmp_path, annotations):
    assert run(tmp_path, "ann.json", ".", "--project").returncode == 0
    project = json.loads((tmp_path / "via_project.json").read_text())
    assert list(project["_via_attributes"]["region"]["label"]["options"]) == list(
        MODANET_TABLE.names
    )


def test_what_is_left_out_is_reported(tmp_path):
    write_json(tmp_path / "ann.json", coco_data([{}, {"image_id": 99}]))
    done = run(tmp_path, "ann.json", "x.json")
    assert done.returncode == 0
    assert "1 problem:\n  no image: annotation 2: its image_id 99" in done.stdout
    done = run(tmp_path, "ann.json", "y.json", "--strict")
    assert done.returncode == 2
    assert not (tmp_path / "y.json").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "ann.json: it does not exist"),
        ("{", "ann.json: it is not valid JSON"),
        ("{}", "ann.json: it is not a COCO annotation file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "ann.json").write_text(text)
    done = run(tmp_path, "ann.json", "x.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {reason}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "x.json").exists()


def test_nothing_converted_is_a_failure(tmp_path):
    write_json(tmp_path / "ann.json", coco_data([]))
    assert run(tmp_path, "ann.json", "x.json").returncode == 1


def test_by_streams_and_in_shards(tmp_path, annotations):
    assert run(tmp_path, "ann.json", "whole.json").returncode == 0
    done = run(tmp_path, "ann.json", "stream.json", "--stream")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stream.json: 1 image, 2 instances, 3 regions" in done.stdout
    assert (tmp_path / "stream.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    done = run(tmp_path, "ann.json", "shards/via.json", "--shard-size", "10")
    assert "via-00000-of-00001.json: " in done.stdout
    done = run(tmp_path, "ann.json", "p.json", "--stream", "--project")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_help_shows_the_command():
    done = run(REPOSITORY, "--help")
    assert done.returncode == 0
    assert "tools/coco_to_via.py instances_train.json" in done.stdout
    assert "18 % of" in " ".join(done.stdout.split())
