"""generateVggAnno.py in processes of its own, with weights that have learned nothing."""

import contextlib
import ctypes
import json
import os
import shutil
import struct
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashion import DEMO_START
from fashion.annotations.via_reading import read
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.stages.models import weights_note
from tests.fashion.factories import entry, region, write_json
from tests.stages.factory import (
    copy_project,
    demo_weights,
    draw_picture,
    head_weights,
    run_script,
    without_tensorflow,
)
from tests.support import REPOSITORY

SCRIPT = "model1/samples/custom/generateVggAnno.py"
NAMES = ["bag_yaz_1", "boots_kis_1", "holiday", "pants_4mev_2", "skirt_ilkb_3", "top_yaz_1"]
# Random weights score everything low, so all that is found is taken.
EVERYTHING = ("--min-confidence=0", "--low-confidence=0", "--all-garments", "--batch=2")


def see_bags(weights):
    """Make the network take all that it looks at for bags, with masks that fill their boxes."""
    with h5py.File(weights, "r+") as file:
        for layer, bias in (("mrcnn_class_logits", 1000.0), ("mrcnn_mask", 10.0)):
            group = file[layer]
            (name,) = (n for n in group.attrs["weight_names"] if b"bias" in np.bytes_(n))
            group[name][MODANET_TABLE.id_of("bag")] = bias


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the project with weights and pictures where the defaults look for them."""
    root = copy_project(tmp_path_factory.mktemp("project"))
    see_bags(demo_weights(root / "model1" / "mask_rcnn_Modanet.h5"))
    for seed, name in enumerate(NAMES):
        draw_picture(root / "model1" / "images" / f"{name}.jpg", seed)
    (root / "here").mkdir()
    return root


@pytest.mark.slow
def test_labels_from_a_real_network_are_resumable_byte_for_byte(root):
    done = run_script(root / SCRIPT, *EVERYTHING, cwd=root / "here")
    assert done.returncode == 0, done.stderr
    output = root / "model1" / "samples" / "custom" / "custom_dataset_annotations.json"
    report, journal = (output.with_suffix(e) for e in (".report.json", ".journal.jsonl"))
    assert "left out: 1, the name carries no garment or no season (holiday.jpg)" in done.stdout
    assert str(output) in done.stdout and "image/s" in done.stderr
    images = json.loads(report.read_text())["images"]
    assert list(images) == [f"{name}.jpg" for name in NAMES]
    assert images["holiday.jpg"]["why"] == "name"
    labelled = [name for name, image in images.items() if image["status"] == "labelled"]
    via = read(output, strict=True)
    # Boxes of random weights may be too small for an outline, but not all of them.
    assert [image.filename for image in via] == labelled and len(labelled) >= 3
    for image in via:
        season = image.filename.split("_")[1]
        for one in image.regions:
            garment, found = one.attributes["label"].split("_")
            assert (garment, found) == ("bag", season)
            assert 0 <= float(one.attributes["score"]) <= 1
    # as if it had been killed after the first image of the second batch
    whole = output.read_bytes(), report.read_bytes()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:30])
    output.unlink()
    report.unlink()
    done = run_script(root / SCRIPT, *EVERYTHING, cwd=root / "here")
    assert done.returncode == 0 and "4 of 6 images are labelled already" in done.stdout
    assert (output.read_bytes(), report.read_bytes()) == whole
    assert not any((root / "here").iterdir())


@pytest.mark.slow
def test_processes_name_their_weights_too(root, tmp_path):
    arguments = (*EVERYTHING, "--workers=2", "--limit=1", f"--output={tmp_path / 'a.json'}")
    done = run_script(root / SCRIPT, *arguments, cwd=root / "here")
    assert done.returncode == 0, done.stderr
    weights = root / "model1" / "mask_rcnn_Modanet.h5"
    assert f"Weights: {weights}" in done.stdout
    assert "1 process labels, with a model" in done.stdout


@pytest.fixture
def here(tmp_path):
    """A folder with a picture, and weights that only look like some."""
    draw_picture(tmp_path / "images" / "bag_yaz_1.jpg")
    draw_picture(tmp_path / "images" / "holiday.jpg")
    head_weights(tmp_path / "x.h5", notes=weights_note("demo", MODANET_TABLE))
    return tmp_path


def run(here, *arguments):
    """The script, which may not import TensorFlow."""
    path = here / "path"
    path = path if path.exists() else without_tensorflow(path)
    given = ("--model=x.h5", "--images=images", "--output=out/a.json", *arguments)
    return run_script(REPOSITORY / SCRIPT, *given, cwd=here, path=path)


@contextlib.contextmanager
def counted_opens(path):
    """A list whose length, after the block, is how often the system opened the file in it."""
    system, opened = ctypes.CDLL(None), 0x20  # IN_OPEN
    # Equal events in succession are reported as one: with IN_ACCESS and IN_CLOSE_NOWRITE, reading
    # and closing stand between two that open.
    watched = opened | 0x1 | 0x10
    watch = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    opens = []
    try:
        assert system.inotify_add_watch(watch, os.fsencode(path), watched) >= 0
        yield opens
        with contextlib.suppress(BlockingIOError):
            while data := os.read(watch, 1 << 16):
                while data:
                    _, mask, _, length = struct.unpack_from("iIII", data)
                    opens += [mask] if mask & opened else []
                    data = data[struct.calcsize("iIII") + length :]
    finally:
        os.close(watch)


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_the_weight_file_is_opened_once_to_describe_it_and_once_to_load_it(here):
    weights = shutil.copy(DEMO_START, here / "demo.h5")
    with counted_opens(weights) as control:
        for _ in range(3):
            Path(weights).read_bytes()
    assert len(control) == 3
    given = ("--model=demo.h5", "--images=images", "--output=out/a.json")
    with counted_opens(weights) as opens:
        done = run_script(REPOSITORY / SCRIPT, *given, cwd=here)
    assert done.returncode in (0, 1), done.stderr  # the drawing may show no bag
    assert "Weights: demo.h5" in done.stdout
    assert len(opens) == 2


def test_a_folder_without_a_usable_name_is_refused_without_tensorflow(here):
    """`run` ends with another code where TensorFlow is imported."""
    for path in (here / "images").iterdir():
        path.unlink()
    for number in (1, 2):
        draw_picture(here / "images" / f"IMG_000{number}.jpg")
    error = error_of(here)
    assert "no picture has a name from which it can be labelled (2 pictures;" in error
    assert "IMG_0001.jpg" in error and "--garment and --season" in error
    assert not (here / "out").exists(), "no journal either, so that nothing is resumed"
    done = run(here, "--garment=any", "--season=yaz")
    assert "was imported" in done.stderr, "a season and a garment for all are enough"


def error_of(here, *arguments):
    done = run(here, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=gone.h5"], "gone.h5: there is no weight file"),
        (["--images=gone"], "gone: the image folder does not exist"),
        (["--output=images"], "images: is a folder; choose an annotation file with --output"),
        (["--output=x.h5/a.json"], "nothing can be written to this folder"),
        (["--previews=x.h5/p"], "nothing can be written to this folder"),
        (["--garment=hat box"], "--garment cannot be used: expected bag, dress, ... or any"),
    ],
)
def test_what_is_wrong_is_found_before_the_model_is_built(here, arguments, message):
    assert message in error_of(here, *arguments)
    assert not (here / "out" / "a.json").exists()


def test_weights_of_other_classes_are_refused(here):
    head_weights(here / "x.h5", classes=10, notes=weights_note("demo", SEASON_TABLE))
    error = error_of(here)
    assert "season labels need ModaNet's garments" in error and "(skirt_yaz, " in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min-confidence=0.6"], "min_confidence: 0.7 then, 0.6 now"),
        (["--tolerance=2"], "tolerance: none then, 2.0 now"),
        (["--all-garments"], "all_garments: false then, true now"),
        (["--precision=bfloat16"], "precision: auto then, bfloat16 now"),
    ],
)
def test_changed_settings_are_refused(here, arguments, message):
    journal(here)
    assert message in error_of(here, *arguments)
    assert "--restart" in error_of(here, *arguments)


def test_a_changed_model_is_refused(here):
    journal(here)
    head_weights(here / "x.h5", width=9, notes=weights_note("demo", MODANET_TABLE))
    assert "(model: " in error_of(here)


def journal(here):
    """Leave the journal that a run with the default options begins."""
    done = run(here)
    assert "tensorflow was imported" in done.stderr or "keras was imported" in done.stderr
    assert (here / "out" / "a.journal.jsonl").exists()


def test_labels_go_through_the_split_into_stage_2(tmp_path):
    """What is written is what split_dataset.py and the season data set take."""
    entries = {}
    for number in range(20):
        name = f"bag_yaz_{number}.jpg"
        draw_picture(tmp_path / "images" / name, number)
        attributes = {"fashion": "2", "label": "bag_yaz", "instance": "1", "score": "0.95"}
        entries[name] = entry(name, [region(**attributes)], size=(96, 128))
    path = write_json(tmp_path / "custom_dataset_annotations.json", entries)
    split = REPOSITORY / "tools" / "split_dataset.py"
    arguments = (path, tmp_path / "images", tmp_path / "data", "--test-images", tmp_path / "test")
    done = run_script(split, *arguments, "--ignore-duplicates", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    dataset = FashionDataset().load(tmp_path / "data", "train", SEASON_TABLE)
    assert len(dataset.image_info) == 16
    assert {i["instances"][0].class_id for i in dataset.image_info} == {2}
    assert len(list((tmp_path / "test").glob("*.jpg"))) == 2


def test_help_is_quick_and_names_the_command():
    done = run_script(REPOSITORY / SCRIPT, "--help", cwd=REPOSITORY)
    assert done.returncode == 0
    for option in ("--all-garments", "--fallback", "--segments", "--previews", "--restart"):
        assert option in done.stdout
