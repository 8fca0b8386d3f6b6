import json
import shutil
import subprocess
import sys

import pytest

from fashion.splitting import command
from tests.fashion.factories import coco_data, entry, region, write_json
from tests.fashion.splitting.test_split import NAMES, coco_of, tree, via_data, write_picture
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "split_dataset.py"


def run(folder, *arguments, script=SCRIPT):
    """The command, from another folder, as a user types it."""
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def world(tmp_path):
    for seed, name in enumerate(NAMES):
        write_picture(tmp_path / "in" / name, seed)
    write_json(tmp_path / "ann.json", via_data())
    return tmp_path


def test_a_split_and_its_summary(world):
    done = run(world, "ann.json", "in", "out")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["images", "20", "16", "2", "2"] in lines
    assert ["bag", "20", "66.67", "16", "66.67", "2", "66.67", "2", "66.67"] in lines
    assert ["belt", "10", "33.33", "8", "33.33", "1", "33.33", "1", "33.33"] in lines
    assert "images: 20 placed" in done.stdout
    assert str(world / "out") in done.stdout
    assert sorted(p.name for p in (world / "out").iterdir()) == [
        "split.json",
        "test",
        "train",
        "val",
    ]
    again = run(world, "ann.json", "in", "out")
    assert "images: 20 kept" in again.stdout


@pytest.mark.parametrize("mode", ["copy", "link", "move"])
def test_options(world, mode):
    write_json(world / "ann.json", coco_of())
    arguments = ("ann.json", "in", "out", "--ratios", "50/25/25", "--seed", "3", f"--{mode}")
    done = run(world, *arguments, "--test-images", "shown", "--ignore-duplicates")
    assert (done.returncode, done.stderr) == (0, "")
    sizes = {s: len(list((world / "out" / s).glob("*.png"))) for s in ("train", "val", "test")}
    assert sizes == {"train": 10, "val": 5, "test": 5}
    assert len(tree(world / "shown")) == 5
    assert len(tree(world / "in")) == (0 if mode == "move" else 20)
    assert json.loads((world / "out" / "split.json").read_text())["settings"]["mode"] == mode


def test_a_class_table_names_the_codes(world, capsys):
    data = {name: entry(name, [region(fashion="2")]) for name in NAMES}
    write_json(world / "ann.json", data)
    paths = [str(world / name) for name in ("ann.json", "in", "out")]
    for options, label in (([], "2"), (["--classes=modanet"], "belt")):
        assert command.main([*paths, "--dry-run", "--ignore-duplicates", *options]) == 0
        lines = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
        assert [label, "20", "100.00"] in lines


def test_a_dry_run_changes_nothing(world):
    before = tree(world)
    done = run(world, "ann.json", "in", "out", "--move", "--dry-run")
    assert done.returncode == 0
    assert "Nothing was changed." in done.stdout
    assert tree(world) == before


def test_what_was_left_out_is_said(world):
    data = via_data([*NAMES, "gone.png", "broken.png"])
    write_json(world / "ann.json", data)
    (world / "in" / "broken.png").write_bytes(b"")
    write_picture(world / "in" / "extra.png", 99)
    done = run(world, "ann.json", "in", "out")
    assert done.returncode == 0
    assert "annotations without an image, skipped: 1\n  gone.png" in done.stdout
    assert "images without an annotation, left where they are: 1\n  extra.png" in done.stdout
    assert "images that cannot be used, skipped: 1\n" in done.stdout


def test_lists(world):
    (world / "lists").mkdir()
    (world / "lists" / "train.txt").write_text("0\n1\n")
    (world / "lists" / "val.txt").write_text("2.png\nnever.png\n")
    done = run(world, "ann.json", "in", "out", "--lists", "lists")
    assert "names in the lists without an annotation: 1\n  never.png" in done.stdout
    assert "images in no list, skipped: 17" in done.stdout
    assert len(list((world / "out" / "train").glob("*.png"))) == 2
    assert not (world / "out" / "test").exists()


def test_the_stages_folders(world):
    """In a copy of the scripts, so that this tree stays clean."""
    for name in ("fashion", "mrcnn", "tools"):
        shutil.copytree(
            REPOSITORY / name,
            world / "project" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    script = world / "project" / "tools" / "split_dataset.py"
    data = {name: entry(name, [region(fashion="32")]) for name in NAMES}
    write_json(world / "custom_dataset_annotations.json", data)
    done = run(
        world,
        *("custom_dataset_annotations.json", "in", "--stage", "2", "--test-images"),
        script=script,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "skirt_yaz" in done.stdout  # the code 32 by the stage's table
    stage = world / "project" / "model2"
    dataset = stage / "samples" / "custom" / "dataset"
    assert len(list((dataset / "train").glob("*.png"))) == 16
    assert (dataset / "val" / "via_region_data.json").is_file()
    assert len(list((stage / "images").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ann.json", "in"], "give OUT, or --stage 1 or 2"),
        (["ann.json", "in", "out", "--test-images"], "--test-images needs a folder"),
        (["ann.json", "in", "out", "--copy", "--move"], "not allowed with"),
        (["ann.json", "in", "out", "--ratios", "0/1/1"], "the ratios leave nothing to train on"),
        (["none.json", "in", "out"], "none.json: it does not exist"),
        (
            ["ann.json", "nowhere", "out"],
            "ann.json: none of its images can be placed: of 20 images, 20",
        ),
        (["ann.json", "in", "out", "--lists", "gone.json"], "gone.json: it does not exist"),
        (["season.json", "in", "out"], "must not leave it"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(world, arguments, message):
    write_json(world / "season.json", coco_data((), [{"id": 1, "file_name": "../x.png"}]))
    before = tree(world)
    done = run(world, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(world) == before
