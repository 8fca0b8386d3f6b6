import json
import subprocess
import sys

import pytest
from PIL import Image

from tests.fashion.factories import (
    coco_data,
    dataset_folder,
    entry,
    region,
    write_image,
    write_json,
)
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "dataset_stats.py"


def run(folder, *arguments):
    """The command, from another folder, as a user types it."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def dataset(tmp_path):
    first = [entry("a.jpg", [region(label="bag"), region(label="dress")]), entry("b.jpg")]
    dataset_folder(tmp_path / "set", first, "train")
    dataset_folder(tmp_path / "set", [entry("c.jpg", [region(label="bag")])], "val")
    return tmp_path / "set"


def test_table_json_plots_and_samples(tmp_path, dataset):
    done = run(tmp_path, "set", "--samples", "5")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Data set: 3 images (1 without instances), 3 instances" in done.stdout
    assert "train 2, val 1" in done.stdout
    out = tmp_path / "dataset_stats"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == [
        "samples/train_a.jpg.png",
        "samples/val_c.jpg.png",
        "statistics.json",
        "statistics.png",
    ]
    figures = json.loads((out / "statistics.json").read_text())
    assert figures["images_by_subset"] == {"train": 2, "val": 1}
    assert figures["classes"]["bag"]["instances"] == 2
    with Image.open(out / "statistics.png") as image:
        assert image.size == (2100, 1150)
    with Image.open(out / "samples" / "train_a.jpg.png") as image:
        assert image.size == (40, 30)


def test_an_annotation_file_with_codes_only(tmp_path):
    write_json(tmp_path / "via.json", {"x": entry("a.jpg", [region(fashion="32")])})
    done = run(tmp_path, "via.json")
    assert done.returncode == 2
    assert "via.json: its regions have codes but no labels" in done.stderr
    done = run(tmp_path, "via.json", "--classes", "season", "--output", "new/figures")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads((tmp_path / "new" / "figures" / "statistics.json").read_text())
    assert figures["classes"]["skirt_yaz"]["instances"] == 1


def test_coco_with_images_elsewhere(tmp_path):
    write_image(tmp_path / "pictures" / "a.jpg")
    write_json(tmp_path / "ann.json", coco_data([{}]))
    done = run(tmp_path, "ann.json", "--images", "pictures", "--samples", "1")
    assert "1 annotated images in dataset_stats/samples" in done.stdout


def test_the_check(tmp_path, dataset):
    good = run(tmp_path, "set", "--check")
    assert (good.returncode, good.stdout) == (0, "3 images, 0 of them bad\n")
    (dataset / "train" / "b.jpg").write_bytes(b"")
    (dataset / "val" / "c.jpg").unlink()
    bad = run(tmp_path, "set", "--check")
    assert bad.returncode == 1
    lines = bad.stdout.splitlines()
    assert "b.jpg: not a readable image" in lines[0]
    assert "c.jpg: there is no such image file" in lines[1]
    assert lines[2:] == ["3 images, 2 of them bad"]
    assert not (tmp_path / "dataset_stats").exists()


def test_the_check_of_no_image(tmp_path):
    assert run(tmp_path, ".", "--check").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: it does not exist; name a dataset folder"),
        (["set", "--classes", "gone.json"], "gone.json: it does not exist"),
        (["empty.json"], "has no region; annotate the images first"),
        (["broken.json"], "is not valid JSON"),
        (["set", "--output", "empty.json"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, dataset, arguments, message):
    write_json(tmp_path / "empty.json", {"x": entry()})
    (tmp_path / "broken.json").write_text("{")
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
