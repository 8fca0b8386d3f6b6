import json
import subprocess
import sys

from tests.fashion.factories import coco_data, entry, region, write_json
from tests.support import REPOSITORY


def run(folder, tool, *arguments):
    """A command of `tools`, from another folder, as a user types it."""
    script = REPOSITORY / "tools" / f"{tool}.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


def test_what_coco_to_via_made_comes_back(tmp_path):
    data = coco_data([{"id": 66, "area": 4095}, {"category_id": 3, "iscrowd": 1}])
    data["info"] = {"year": 2018}
    write_json(tmp_path / "ann.json", data)
    assert run(tmp_path, "coco_to_via", "ann.json", "via.json").returncode == 0
    done = run(tmp_path, "via_to_coco", "via.json", "back", "--like", "ann.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 image, 2 annotations" in done.stdout
    assert json.loads((tmp_path / "back" / "instances.json").read_text()) == data


def test_the_classes_can_be_named(tmp_path):
    write_json(tmp_path / "via.json", {"x": entry(regions=[region(fashion="2")])})
    done = run(tmp_path, "via_to_coco", "via.json", "out.json")
    assert done.returncode == 2
    assert "say which classes they mean" in done.stderr
    write_json(tmp_path / "table.json", ["glove", "hat", "sock"])
    for table, name in (("modanet", "belt"), ("season", "bag_yaz"), ("table.json", "hat")):
        done = run(tmp_path, "via_to_coco", "via.json", "out.json", "--classes", table)
        assert done.returncode == 0
        data = json.loads((tmp_path / "out.json").read_text())
        names = {c["id"]: c["name"] for c in data["categories"]}
        assert names[data["annotations"][0]["category_id"]] == name


def test_problems_are_reported_or_stop(tmp_path):
    bad = region([(1, 1), (2, 2)])
    write_json(tmp_path / "via.json", {"x": entry(regions=[region(), bad])})
    done = run(tmp_path, "via_to_coco", "via.json", "out.json")
    assert done.returncode == 0
    assert "a.jpg, region 2: it has fewer than 3 points" in done.stdout
    done = run(tmp_path, "via_to_coco", "via.json", "other.json", "--strict")
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "other.json").exists()


def test_bad_input_is_one_sentence(tmp_path):
    write_json(tmp_path / "via.json", {"images": [], "annotations": [], "categories": []})
    done = run(tmp_path, "via_to_coco", "via.json", "out.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: via.json: it is a COCO file")
    assert done.stderr.count("\n") == 1


def test_nothing_converted_is_a_failure(tmp_path):
    write_json(tmp_path / "via.json", {"x": entry()})
    assert run(tmp_path, "via_to_coco", "via.json", "out.json").returncode == 1


def test_by_streams_and_in_shards(tmp_path):
    data = {str(n): entry(f"{n}.jpg", [region()]) for n in range(3)}
    write_json(tmp_path / "via.json", data)
    assert run(tmp_path, "via_to_coco", "via.json", "whole.json").returncode == 0
    done = run(tmp_path, "via_to_coco", "via.json", "shards/c.json", "--shard-size", "2")
    assert "c-00000-of-00002.json, " in done.stdout
    done = run(tmp_path, "coco_to_via", "shards/c-*.json", "back.json")
    assert "3 images, 3 instances" in done.stdout
    done = run(tmp_path, "via_to_coco", "back.json", "again.json", "--stream")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
