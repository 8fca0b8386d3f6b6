import json
import subprocess
import sys

import pytest

from fashion.json_files import file_digest
from tests.fashion.factories import entry, region, write_image, write_json
from tests.support import REPOSITORY


def run(folder, *arguments):
    script = REPOSITORY / "tools" / "review_labels.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path):
    regions = [
        region(label="bag_yaz", fashion="2", score=score, instance=str(number))
        for number, score in enumerate(("0.95", "0.71"), 1)
    ]
    entries = {
        "1": entry("bag_yaz_1.jpg", regions),
        "2": entry("bag_yaz_2.jpg", regions[:1]),
    }
    write_json(tmp_path / "auto.json", entries)
    for number in (1, 2):
        write_image(tmp_path / "images" / f"bag_yaz_{number}.jpg")
    return tmp_path


def decisions(folder, **changes):
    data = {
        "format": "label decisions",
        "annotations": "auto.json",
        "sha256": file_digest(folder / "auto.json"),
        "images": {"bag_yaz_1.jpg": {"2": "reject", "1": "accept"}},
    }
    write_json(folder / "decisions.json", data | changes)


def left(path):
    return {e["filename"]: len(e["regions"]) for e in json.loads(path.read_text()).values()}


def test_a_page(folder):
    done = run(folder, "auto.json", "images", "--output", "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    text = (folder / "page.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 2
    assert str(folder / "page.html") in done.stdout
    done = run(folder, "auto.json", "images", "--max-score=0.8")
    assert (folder / "auto.review.html").read_text().count("data:image/jpeg;base64,") == 1
    assert "1 image" in done.stdout


def test_cleaned_annotations(folder):
    decisions(folder)
    done = run(folder, "auto.json", "--apply", "decisions.json", "--output", "clean.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 instances kept, 1 removed, along with 0 images" in done.stdout
    assert left(folder / "clean.json") == {"bag_yaz_1.jpg": 1, "bag_yaz_2.jpg": 1}
    run(folder, "auto.json", "--apply", "decisions.json", "--only-accepted")
    assert left(folder / "auto.reviewed.json") == {"bag_yaz_1.jpg": 1}


def test_decisions_about_another_state_of_the_file(folder):
    decisions(folder, sha256="0")
    done = run(folder, "auto.json", "--apply", "decisions.json", "--output", "clean.json")
    assert done.returncode == 2 and "another version" in done.stderr
    assert not (folder / "clean.json").exists()
    done = run(folder, "auto.json", "--apply=decisions.json", "--output=c.json", "--any-version")
    assert done.returncode == 0


def test_a_via_project(folder):
    done = run(folder, "auto.json", "images", "--project", "project.json")
    assert (done.returncode, done.stderr) == (0, "")
    project = json.loads((folder / "project.json").read_text())
    size = (folder / "images" / "bag_yaz_1.jpg").stat().st_size
    assert f"bag_yaz_1.jpg{size}" in project["_via_img_metadata"]
    assert "skirt_yaz" in project["_via_attributes"]["region"]["label"]["options"]
    assert not (folder / "auto.review.html").exists()


def test_regions_that_cannot_be_read_are_reported(folder):
    """They are not on the page, and stay in the cleaned file to be corrected."""
    data = json.loads((folder / "auto.json").read_text())
    data["2"]["regions"].append(region(label="bag_yaz", points=[(1, 1), (5, 5)]))
    write_json(folder / "auto.json", data)
    decisions(folder, images={})
    done = run(folder, "auto.json", "--apply", "decisions.json", "--output", "clean.json")
    assert done.returncode == 0
    assert "auto.json; 1 problem:\n  bag_yaz_2.jpg, region 2: " in done.stderr
    assert left(folder / "clean.json") == {"bag_yaz_1.jpg": 2, "bag_yaz_2.jpg": 2}
    assert "still in it, to correct: 1 region that cannot be used" in done.stdout
    done = run(folder, "auto.json", "images", "--project=p.json")
    assert "in it, to correct: 1 region that cannot be used" in done.stdout
    entries = json.loads((folder / "p.json").read_text())["_via_img_metadata"].values()
    assert sum(len(one["regions"]) for one in entries) == 4


def test_bad_input(folder):
    done = run(folder, "gone.json", "images")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    write_json(folder / "no.json", {})
    done = run(folder, "auto.json", "--apply", "no.json")
    assert done.returncode == 2 and "not a decision list" in done.stderr
    assert run(folder, "auto.json", "--only-accepted").returncode == 2
    for wrong in ("--thumbnail=8", "--max-score=2", "--limit=0"):
        assert run(folder, "auto.json", wrong).returncode == 2


def test_files_that_may_have_been_corrected_are_not_overwritten(folder):
    decisions(folder)
    before = (folder / "auto.json").read_bytes()
    done = run(folder, "auto.json", "--apply=decisions.json", "--output=auto.json")
    assert (done.returncode, "--overwrite" in done.stderr) == (2, True)
    assert (folder / "auto.json").read_bytes() == before
    (folder / "p.json").write_text("{}")
    done = run(folder, "auto.json", "images", "--project=p.json")
    assert (done.returncode, (folder / "p.json").read_text()) == (2, "{}")
    assert run(folder, "auto.json", "images", "--project=p.json", "--overwrite").returncode == 0
