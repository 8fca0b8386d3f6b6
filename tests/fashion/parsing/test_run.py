"""A folder parsed with detectors that know the answer: files, resuming, bad pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion.labels import MODANET_TABLE
from fashion.parsing.files import OutputJob
from fashion.parsing.parse import ParsingSettings
from fashion.parsing.run import ParsingRun
from fashion.parsing.settings import STAGES
from mrcnn.errors import DatasetError, UserError
from tests.fashion.garment_pictures import (
    PANTS,
    TOP,
    TOP_BOX,
    detections,
    outfit,
    person,
    person_picture,
)

SETTINGS = ParsingSettings(segments=150, sigma=0.5)


class Detectors:
    """The outfit and its wearer on every picture; counts what was asked."""

    def __init__(self, body=True, stop_at=None):
        self.body, self.stop_at = body, stop_at
        self.loaded = self.seen = 0

    def load(self):
        self.loaded += 1
        return self.clothing, (lambda image: person()) if self.body else None

    def clothing(self, image):
        self.seen += 1
        if self.seen == self.stop_at:
            raise KeyboardInterrupt
        return outfit()


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(person_picture()).save(tmp_path / name)
    return tmp_path


def run(folder, detectors=None, **options):
    detectors = detectors or Detectors()
    job = OutputJob(folder / "out", **{"made_with": {"settings": SETTINGS.to_json()}, **options})
    images = sorted(folder.glob("*.png"))
    return ParsingRun(images, job, SETTINGS, detectors.load)


def finish(a_run):
    return {path.name: maps for path, maps in a_run.each()}


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_everything_of_a_picture(folder):
    a_run = run(folder)
    finish(a_run)
    written = set(files(folder / "out"))
    assert {n for n in written if n.startswith("a")} == {
        "a.png",
        *(f"a/{n}.png" for n in ("body", "clothing", "superpixels", "pixel_level", "joint")),
        *(f"a/{n}.png" for n in ("pixel_labels", "joint_labels", "superpixel_map")),
        "a/objects/garment_01_top.png",
        "a/objects/garment_02_pants.png",
        "a/objects/person_01_person.png",
        "a/parsing.json",
    }
    summary = a_run.summary
    assert (summary.parsed, summary.persons, summary.nobody) == (3, 3, 0)
    assert summary.garments == {"top": 3, "pants": 3}


def test_the_record_says_what_is_in_the_files(folder):
    maps = finish(run(folder))["a.png"]
    record = json.loads((folder / "out" / "a" / "parsing.json").read_text())
    assert record["image"] == {"file": "a.png", "height": 120, "width": 80}
    assert [g["class"] for g in record["garments"]] == ["top", "pants"]
    assert record["labels"]["pixel_level"] == {"pants": 46 * 32, "top": 36 * 32}
    joint = {n: int((maps.joint_labels == i).sum()) for n, i in (("pants", PANTS), ("top", TOP))}
    assert record["labels"]["joint"] == joint
    assert record["superpixels"] == len(np.unique(maps.superpixels))
    for item in (*record["garments"], *record["persons"]):
        with Image.open(folder / "out" / "a" / item["file"]) as cut:
            y1, x1, y2, x2 = item["box"]
            assert (cut.mode, cut.size) == ("RGBA", (x2 - x1, y2 - y1))
            assert np.count_nonzero(np.array(cut)[..., 3]) == item["area"]


def test_label_maps_are_indexed_pictures_in_the_classes_colours(folder):
    maps = finish(run(folder))["a.png"]
    with Image.open(folder / "out" / "a" / "joint_labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image), maps.joint_labels)
        shown = np.array(image.convert("RGB"))
    y1, x1, _, _ = TOP_BOX
    assert tuple(shown[y1 + 15, x1 + 15]) == MODANET_TABLE.colour_of(TOP)
    with Image.open(folder / "out" / "a" / "superpixel_map.png") as image:
        np.testing.assert_array_equal(np.array(image), maps.superpixels)


def test_finished_pictures_are_not_done_again(folder):
    first = finish(run(folder))
    before, detectors = files(folder / "out"), Detectors()
    again = run(folder, detectors)
    maps = finish(again)
    assert (detectors.loaded, again.summary.parsed, again.summary.kept) == (0, 0, 3)
    assert files(folder / "out") == before
    for name, one in maps.items():
        np.testing.assert_array_equal(one.pixel_labels, first[name].pixel_labels)
        np.testing.assert_array_equal(one.joint_labels, first[name].joint_labels)


def test_an_interrupted_run_resumes_and_leaves_whole_files(folder):
    with pytest.raises(KeyboardInterrupt):
        finish(run(folder, Detectors(stop_at=2)))
    done = files(folder / "out")
    assert "a/parsing.json" in done and not any(name.startswith("b") for name in done)
    detectors = Detectors()
    finish(run(folder, detectors))
    assert detectors.seen == 2
    assert {name: files(folder / "out")[name] for name in done} == done


def test_a_picture_that_lost_a_file_is_done_again(folder):
    finish(run(folder))
    (folder / "out" / "b" / "joint_labels.png").unlink()
    again = run(folder)
    finish(again)
    assert (again.summary.parsed, again.summary.kept) == (1, 2)
    assert (folder / "out" / "b" / "joint_labels.png").is_file()


def test_other_settings_and_changed_pictures_are_refused(folder):
    finish(run(folder))
    with pytest.raises(DatasetError, match=r"other settings.*: 3 pictures .*overwrite"):
        finish(run(folder, made_with={"settings": {}}))
    Image.fromarray(person_picture()[:, ::-1]).save(folder / "b.png", optimize=True)
    Path(folder / "b.png").touch()
    with pytest.raises(DatasetError, match=r"1 picture .*the first is b\.png"):
        finish(run(folder))
    second = run(folder)
    second.overwrite = True
    finish(second)
    assert second.summary.parsed == 3


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_stages_beside_each_other(folder, stage):
    finish(run(folder))
    one = run(folder, stage=stage)
    finish(one)
    assert one.summary.parsed == 3
    record = json.loads((folder / "out" / "a" / f"{stage}.json").read_text())
    assert record["made_with"]["stage"] == stage
    assert all((folder / "out" / name).is_file() for name in record["files"])
    assert "a.png" not in record["files"]
    kept = run(folder)
    finish(kept)
    assert kept.summary.kept == 3


def test_cut_outs_of_an_earlier_run_do_not_stay(folder):
    finish(run(folder))

    def fewer():
        return lambda image: detections((PANTS, 0.9, TOP_BOX)), None

    second = run(folder)
    second.overwrite, second.load = True, fewer
    finish(second)
    names = {p.name for p in (folder / "out" / "a" / "objects").iterdir()}
    assert names == {"garment_01_pants.png"}


def test_a_picture_that_cannot_be_read_is_reported_and_the_rest_is_done(folder):
    (folder / "b.png").write_bytes(b"no picture")
    a_run = run(folder)
    assert list(finish(a_run)) == ["a.png", "c.png"]
    (error,) = a_run.summary.unreadable
    assert "b.png: not a readable image" in str(error)


def test_nobody_is_an_answer(folder):
    detectors = Detectors()
    detectors.load = lambda: (lambda image: outfit(), lambda image: detections())
    a_run = run(folder, detectors)
    finish(a_run)
    assert (a_run.summary.persons, a_run.summary.nobody) == (0, 3)
    record = json.loads((folder / "out" / "a" / "parsing.json").read_text())
    assert record["persons"] == []


def test_without_a_persons_detector_there_is_no_body(folder):
    a_run = run(folder, Detectors(body=False))
    finish(a_run)
    record = json.loads((folder / "out" / "a" / "parsing.json").read_text())
    assert record["persons"] is None and a_run.summary.nobody == 0
    assert not (folder / "out" / "a" / "body.png").exists()


def test_a_folder_that_cannot_be_written(folder):
    (folder / "out").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        finish(run(folder))
