"""Clothing parsing of strangers' pictures, names, results and truth."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.parsing import run as parsing_run
from fashion.parsing.files import OutputJob, read_record, write_parsed
from fashion.parsing.measuring.truth import Truth, measure_pictures
from fashion.parsing.parse import ParsingSettings, parse
from fashion.parsing.run import ParsingRun, folder_names
from fashion.pictures.listing import list_images
from mrcnn.errors import DatasetError
from mrcnn.system.files import is_file
from tests.fashion.factories import entry, region, write_json
from tests.fashion.garment_pictures import detections
from tests.robustness.hostile import damaged, quick, ran_code, touched_outside, watched
from tests.robustness.test_bad_images import BOMBS, OTHERS

SETTINGS = ParsingSettings(segments=20, sigma=0.5, iterations=1)


def one_garment(image):
    """A top on the upper half of any picture."""
    height, width = image.shape[:2]
    return detections((3, 0.9, (0, 0, max(1, height // 2), width)), shape=(height, width))


def run(images, output, **options):
    job = OutputJob(output, made_with={"settings": SETTINGS.to_json()})
    load = options.pop("load", lambda: (one_garment, one_garment))
    return ParsingRun(images, job, SETTINGS, load, **options)


def picture(path, size=(24, 32)):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)).save(
        path, format="PNG"
    )
    return path


# --- names ----------------------------------------------------------------------------------

ENDINGS = st.sampled_from([".jpg", ".png", ".JPG", ""])
STEMS = st.one_of(
    st.text("a.A \x1b\n", min_size=1, max_size=5),
    st.sampled_from(["..", ".", "measures", "a.png", "é" * 125, "a" * 251, "-rf", "con", "~"]),
)
NAMES = st.builds(lambda stem, ending: stem + ending, STEMS, ENDINGS)


@quick
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
@example(["...jpg", "..jpg", "....png"])
@example(["a.jpg", "a.png.jpg", "a.png.png", "A.png"])
@example(["a.jpg", "a.png", "a.jpg.gif", "measures.jpg"])
def test_no_two_pictures_are_written_to_one_place_and_none_outside(names):
    found = folder_names([Path("in") / name for name in names])
    places = [place for name in found.values() for place in (name, f"{name}.png")]
    assert len({place.casefold() for place in places}) == 2 * len(names)
    assert "measures.png" not in places
    for name in found.values():
        assert Path("out", name).name == name and name.strip(". ")
        assert len(os.fsencode(f"{name}.png")) <= 255


def test_ordinary_names_stay_as_they_are():
    paths = [Path("in") / name for name in ("a.jpg", "b.c.png", "d.jpg", "D.png")]
    assert list(folder_names(paths).values()) == ["a", "b.c", "d.jpg", "D.png"]


ODD = ["...jpg", "..jpg", "-rf.jpg", "\x1b[31m.jpg", "a\n.jpg", "%s.jpg", "é" * 125 + ".jpg",
       "b" * 251 + ".jpg", "c.jpg", "c.png.jpg", "measures.jpg"]  # fmt: skip


def test_pictures_of_odd_names_leave_their_files_in_the_output_folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ODD:
        picture(tmp_path / "in" / name)
    work = run(list_images(tmp_path / "in"), tmp_path / "x" / "out")
    with watched() as events:
        assert len(list(work.each())) == len(ODD)
    assert not touched_outside(events, tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["out"]
    assert len(list((tmp_path / "x" / "out").glob("*/parsing.json"))) == len(ODD)
    again = run(list_images(tmp_path / "in"), tmp_path / "x" / "out")
    assert len(list(again.each())) == again.summary.kept == len(ODD)


@pytest.mark.skipif(os.name != "posix", reason="names of bytes that are not text")
def test_a_name_that_is_no_text_is_counted(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    picture(tmp_path / "b.png")
    steps = []
    work = run(list_images(tmp_path), tmp_path / "out", progress=lambda: steps.append(1))
    assert [path.name for path, _ in work.each()] == ["b.png"]
    (sentence,) = map(str, work.summary.unreadable)
    assert "\\udcff.png: its name is not UTF-8" in sentence and sentence.isprintable()
    assert len(steps) == 2


# --- pictures -------------------------------------------------------------------------------


def test_bad_pictures_are_counted_and_the_good_ones_parsed(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in (BOMBS | OTHERS).items():
        if name != "png_text":
            (folder / f"{name}.png").write_bytes(data)
    (folder / "cut.jpg").write_bytes(picture(tmp_path / "whole.jpg").read_bytes()[:900])
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to(folder / "nothing.png")
    (folder / "outside.png").symlink_to(tmp_path / "whole.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "animated.webp", save_all=True, append_images=frames[1:])
    Image.new("RGB", (1, 700), "green").save(folder / "tall.jpg", format="PNG")
    with watched() as events:
        work = run(list_images(folder), tmp_path / "out")
        done = {path.name for path, _ in work.each()}
    assert done == {"animated.webp", "tall.jpg"}
    assert len(work.summary.unreadable) == len(list_images(folder)) - 2
    assert not ran_code(events)
    assert not touched_outside(events, tmp_path)


def test_a_picture_that_would_take_all_memory_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing_run, "MOST_PIXELS", 24 * 32 - 1)
    work = run([picture(tmp_path / "a.png")], tmp_path / "out")
    assert list(work.each()) == []
    (error,) = work.summary.unreadable
    assert "too many pixels to be parsed: expected at most 767, found 32 x 24" in str(error)


# --- what detectors may find ----------------------------------------------------------------

SHAPES = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(1, 1), (1, 300), (300, 1), (2, 150)]),
)


@st.composite
def scenes(draw):
    """An image and any masks on it: garments, and persons."""
    height, width = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    flat = draw(st.booleans())
    image = np.full((height, width, 3), 9, np.uint8) if flat else None
    if image is None:
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)

    def found(ids):
        items = []
        for class_id in ids:
            y1, x1 = rng.integers(0, (height, width))
            y2, x2 = y1 + rng.integers(1, height - y1 + 1), x1 + rng.integers(1, width - x1 + 1)
            mask = np.zeros((height, width), bool)
            mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < draw(st.sampled_from([0, 0.5, 1]))
            items.append((class_id, float(rng.random()), mask))
        result = detections(*items, shape=(height, width))
        result["rois"] = np.tile(np.int32([0, 0, height, width]), (len(items), 1))
        return result

    garments = draw(st.lists(st.integers(0, 15), max_size=4))
    return image, found(garments), found([1] * draw(st.integers(0, 2)))


@quick
@given(
    scenes(),
    st.booleans(),
    st.sampled_from(["range", "face", "off"]),
    st.sampled_from(["area", "centroid"]),
)
def test_any_masks_on_any_picture_are_parsed_and_written(tmp_path_factory, scene, only, skin, vote):
    image, garments, persons = scene
    settings = ParsingSettings(
        segments=20, iterations=1, person_only=only, skin=skin, vote=vote, person="each"
    )
    parsed = parse(image, garments, persons, settings)
    for labels in (parsed.pixel_labels, parsed.joint_labels):
        assert labels.shape == image.shape[:2] and labels.dtype == np.uint8
        assert labels.max() <= len(MODANET_TABLE)
    assert parsed.superpixels.shape == image.shape[:2] and parsed.superpixels.min() >= 0
    folder = tmp_path_factory.getbasetemp() / "parsed"
    job = OutputJob(folder)
    assert all(path.is_file() for path in write_parsed(job, "a", parsed))


@pytest.mark.parametrize(
    "change",
    [
        {"masks": np.zeros((9, 9, 1), bool)},
        {"masks": np.zeros((24, 32), bool)},
        {"class_ids": np.array([1, 2])},
        {"scores": np.zeros(0)},
    ],
    ids=str,
)
def test_masks_that_do_not_lie_on_the_picture(change):
    image = np.zeros((24, 32, 3), np.uint8)
    with pytest.raises(DatasetError, match=r"not the image: expected masks of shape \[24, 32, N\]"):
        parse(image, one_garment(image) | change, None, SETTINGS)


# --- results of strangers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        [],
        3,
        "text",
        {"files": None, "made_with": {}},
        {"files": 5, "made_with": {}},
        {"files": ["a\0b"], "made_with": {}},
        {"files": ["a" * 5000], "made_with": {}},
        {"files": [[]], "made_with": {}},
        {"files": {"a": 1}, "made_with": {}},
        {"files": []},
    ],
    ids=lambda record: str(record)[:30],
)
def test_records_that_are_none(tmp_path, record):
    write_json(tmp_path / "a" / "parsing.json", record)
    assert read_record(OutputJob(tmp_path), "a") is None


def test_damaged_records(tmp_path):
    work = run([picture(tmp_path / "a.png")], tmp_path / "out")
    list(work.each())
    path = tmp_path / "out" / "a" / "parsing.json"
    good = path.read_bytes()
    with watched() as events:
        for seed in range(100):
            path.write_bytes(damaged(good, seed))
            read_record(work.job, "a")
    assert not ran_code(events)


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "F"])
def test_a_label_map_of_another_kind_is_reported(tmp_path, mode):
    paths = [picture(tmp_path / "a.png")]
    list(run(paths, tmp_path / "out").each())
    path = tmp_path / "out" / "a" / "joint_labels.png"
    Image.new(mode, (32, 24)).save(path, format="TIFF" if mode == "F" else "PNG")
    with pytest.raises(
        DatasetError, match=r"joint_labels\.png: this is not a label map.*overwrite"
    ):
        list(run(paths, tmp_path / "out").each())


# --- truth ----------------------------------------------------------------------------------


def via(folder, *entries):
    return write_json(folder / "truth.json", {str(n): one for n, one in enumerate(entries)})


def test_a_truth_of_another_size_is_reported_before_its_masks_are_made(tmp_path, monkeypatch):
    """Eighty million pixels for each of its regions."""
    paths = [picture(tmp_path / "a.png")]
    path = via(tmp_path, entry("a.png", [region()] * 50, size=(8900, 9000)))
    truth = Truth(path, paths, MODANET_TABLE)
    monkeypatch.setattr(FashionDataset, "load_mask", None)
    with pytest.raises(
        DatasetError, match=r"a\.png: .* expected 8900 x 9000 pixels, found 32 x 24"
    ):
        measure_pictures(truth, run(paths, tmp_path / "out").each())


def test_a_broken_picture_does_not_end_the_measuring_of_others(tmp_path):
    paths = [picture(tmp_path / "a.png", (30, 40)), tmp_path / "b.png"]
    (tmp_path / "b.png").write_bytes(b"no picture")
    truth = Truth(via(tmp_path, entry("a.png", [region()]), entry("b.png", [region()])), paths,
                  MODANET_TABLE)  # fmt: skip
    work = run(paths, tmp_path / "out")
    assert measure_pictures(truth, work.each()).levels["joint"].images == 1
    assert len(work.summary.unreadable) == 1


def test_names_of_the_truth_lead_nowhere(tmp_path):
    paths = [picture(tmp_path / "a.png")]
    for name in ("../a.png", "/etc/passwd", "a\0.png"):
        with pytest.raises(DatasetError):
            Truth(via(tmp_path, entry(name, [region()])), paths, MODANET_TABLE)
    assert is_file(tmp_path / "a.png")
