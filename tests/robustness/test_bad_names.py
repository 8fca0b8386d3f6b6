"""File names that lead elsewhere, steer a terminal, or are hardly names at all."""

import os
import subprocess
import sys

import pytest

from fashion.annotations import coco_reading, via
from fashion.annotations.locating import VARIABLE, annotation_parts, leads_out
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.pictures.listing import list_images
from fashion.pictures.sheets import save_png
from fashion.splitting.annotations import read_source
from fashion.splitting.placing import copy
from fashion.splitting.record import SplitFolder
from fashion.splitting.split import Settings, carry_out, plan_split
from fashion.terminal import run
from mrcnn.errors import DatasetError, UserError
from mrcnn.images.reading import read_image
from mrcnn.system.files import is_file, is_folder, replacing
from tests.fashion.factories import coco_data, dataset_folder, entry, region, write_image
from tests.robustness.hostile import touched_outside, watched
from tests.support import REPOSITORY

LEAVING = [
    "..",
    "../a.jpg",
    "x/../../a.jpg",
    "/etc/passwd",
    "//host/share/a.jpg",
    "\\\\host\\share\\a.jpg",
    "C:\\a.jpg",
    "c:a.jpg",
    "..\\..\\a.jpg",
    "x\\..\\..\\a.jpg",
    "file:///etc/passwd",
    "http://127.0.0.1/a.jpg",
    "",
    ".",
    "./",
    "a\0.jpg",
]
STEERING = [
    "a\n.jpg",
    "\x1b]0;x\x07.jpg",
    "a\r.jpg",
    "\x7f.jpg",
    "\x9b31m.jpg",
    "a\t.jpg",
    "\ud800.jpg",
]
TOO_LONG = ["a" * 252 + ".jpg", "é" * 126 + ".jpg", "a/" * 2100 + "a.jpg"]
ODD_BUT_GOOD = [
    "-rf.jpg",
    "--help.jpg",
    "--output=x.jpg",
    "$(touch x).jpg",
    "`id`;|&.jpg",
    "a b  c.jpg",
    "%s%n%d.jpg",
    "~.jpg",
    "~root/a.jpg",
    "*.jpg",
    "...a.jpg",
    "ü漢字🧥.jpg",
    "con.jpg",
    "a" * 251 + ".jpg",
    "é" * 125 + ".jpg",
    "{{title}}.jpg",
]


@pytest.mark.parametrize("name", LEAVING + STEERING + TOO_LONG)
def test_names_that_are_refused(tmp_path, name):
    """In VIA and COCO files alike, before anything is looked for on the disk."""
    with watched() as events:
        with pytest.raises(DatasetError) as of_via:
            via.from_json({"a": entry(name)}, "a.json")
        with pytest.raises(DatasetError) as of_coco:
            coco_reading.to_via(coco_data([], [{"id": 1, "file_name": name}]), "a.json")
    assert not touched_outside(events, tmp_path)
    for error in (of_via, of_coco):
        assert "a.json" in str(error.value)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ODD_BUT_GOOD)
def test_names_that_are_odd_but_good(tmp_path, name):
    """From the annotations to training's image, and through a split, with nothing left behind."""
    root = dataset_folder(tmp_path / "data", [entry(name, [region()])])
    with watched() as events:
        data = FashionDataset().load(root, "train", MODANET_TABLE)
        data.prepare()
        assert data.load_image(0).shape == (30, 40, 3)
        source = read_source(root / "train" / "via_region_data.json")
        folder = SplitFolder(tmp_path / "out")
        settings = Settings(test_images=tmp_path / "pictures", ratios=(0.0, 0.0, 1.0))
        split = plan_split(source, root / "train", folder, settings)
        carry_out(split, source, root / "train", folder, settings)
    assert not touched_outside(events, tmp_path)
    assert is_file(tmp_path / "out" / "test" / name)
    assert not list(tmp_path.rglob("*.part"))


def test_the_longest_names_can_be_written(tmp_path):
    longest = tmp_path / ("a" * 251 + ".png")
    save_png(longest, read_image(write_image(tmp_path / "a.png")))
    copy(longest, tmp_path / ("b" * 251 + ".png"))
    assert longest.is_file()
    with replacing(tmp_path / ("é" * 127), "w") as stream:
        stream.write("whole")
    assert len(list(tmp_path.iterdir())) == 4


def test_longer_names_are_reported_as_such(tmp_path):
    image = read_image(write_image(tmp_path / "a.png"))
    with pytest.raises(UserError, match=r"cannot be written \(File name too long"):
        save_png(tmp_path / ("a" * 256), image)
    with pytest.raises(DatasetError, match="no such image file"):
        read_image("a" * 300)
    assert not is_file("a" * 300) and not is_folder("a" * 300) and not is_file("a\0")


# --- links ----------------------------------------------------------------------------------


@pytest.fixture
def linked(tmp_path):
    """A data set of four images: a file, two links that stay, and one that leads out."""
    root = dataset_folder(
        tmp_path / "data",
        [entry(f"{n}.jpg", [region()]) for n in "abcd"] + [entry("x/e.jpg", [region()])],
    )
    folder = root / "train"
    secret = write_image(tmp_path / "elsewhere" / "secret.jpg")
    for name, target in (("b", "a.jpg"), ("c", folder / "a.jpg"), ("d", secret)):
        (folder / f"{name}.jpg").unlink()
        (folder / f"{name}.jpg").symlink_to(target)
    return folder


def test_links_that_lead_out_are_recognised(linked):
    assert [name for name in "abcd" if leads_out(linked, f"{name}.jpg")] == ["d"]


def test_a_folder_that_is_a_link_out(linked):
    (linked / "x" / "e.jpg").unlink()
    (linked / "x").rmdir()
    (linked / "x").symlink_to(linked.parent.parent / "elsewhere")
    write_image(linked.parent.parent / "elsewhere" / "e.jpg")
    assert leads_out(linked, "x/e.jpg")


def test_no_picture_outside_is_taken_into_a_data_set(linked):
    sentence = r"train: links among its images lead out of it \(1: d\.jpg\); copy the files"
    for read in (
        lambda: FashionDataset().load(linked.parent, "train", MODANET_TABLE),
        lambda: annotation_parts(linked),
        lambda: annotation_parts(linked.parent),
        lambda: plan_split(
            read_source(linked / "via_region_data.json"),
            linked,
            SplitFolder(linked.parent / "out"),
            Settings(),
        ),
    ):
        with watched() as events, pytest.raises(DatasetError, match=sentence):
            read()
        assert not touched_outside(events, linked)


def test_who_wants_such_links_can_have_them(linked, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    assert FashionDataset().load(linked.parent, "train", MODANET_TABLE).summary().startswith("5 ")


def test_the_folder_that_a_user_names_may_be_a_link(linked):
    (linked / "d.jpg").unlink()
    write_image(linked / "d.jpg")
    (linked.parent / "val").symlink_to(linked)
    assert FashionDataset().load(linked.parent, "val", MODANET_TABLE).summary().startswith("5 ")


def test_pictures_to_draw_on_are_counted(linked, capsys):
    assert [path.name for path in list_images(linked)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert "skipped: 1 link leading out of" in capsys.readouterr().err


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path):
    """Nobody's file is written through a link that lies where a picture goes."""
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    (tmp_path / "out.png").symlink_to(victim)
    save_png(tmp_path / "out.png", read_image(write_image(tmp_path / "a.png")))
    assert victim.read_text() == "mine"
    assert not (tmp_path / "out.png").is_symlink()


# --- names on a terminal, and from real processes -------------------------------------------


def test_a_message_is_one_line_without_what_steers_a_terminal(capsys):
    def main():
        raise DatasetError("x/\x1b[2J\n\x9b.jpg is missing")

    assert run(main) == 2
    assert capsys.readouterr().err == "error: x/\\x1b[2J\\n\\x9b.jpg is missing.\n"


def call(folder, *arguments, **environment):
    command = [sys.executable, *map(os.fspath, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=1800)


def test_a_name_that_is_too_long_ends_a_script_with_a_sentence(tmp_path):
    script = REPOSITORY / "tools" / "via_to_coco.py"
    done = call(tmp_path, script, "a" * 300, "out.json")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(b"error: aaa") and done.stderr.count(b"\n") == 1


def test_files_whose_names_are_no_text(tmp_path):
    """A name in Latin-1 on a system of UTF-8; the terminal knows ASCII alone."""
    root = dataset_folder(tmp_path / "data", [entry("ü.jpg", [region()])])
    (root / "train" / os.fsdecode(b"\xfc.jpg")).write_bytes((root / "train/ü.jpg").read_bytes())
    script = REPOSITORY / "tools" / "split_dataset.py"
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = call(
        tmp_path, script, "data/train/via_region_data.json", "data/train", "out", **ascii_only
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.returncode in (0, 2)
    if done.returncode == 2:
        assert done.stderr.startswith(b"error: ")
        assert not list((tmp_path / "out").rglob("*.jpg"))
