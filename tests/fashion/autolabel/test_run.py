"""Labelling in real processes that are killed, interrupted, and run out of room."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from fashion.annotations.via_reading import read
from fashion.autolabel.job import LabelJob
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.report import journal_path
from fashion.autolabel.run import label_folder
from mrcnn.errors import UserError
from tests.fashion.fake_detector import CLASS_NAMES, detect, folder_of_photographs, photograph
from tests.support import REPOSITORY

SCRIPT = REPOSITORY / "tests" / "fashion" / "fake_detector.py"
COUNT = 30
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def start(folder, **options):
    options = {"images": str(folder / "images"), "output": str(folder / "out" / "a.json")} | options
    command = [sys.executable, str(SCRIPT), json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, timeout=1800):
    output, errors = process.communicate(timeout=timeout)
    return process.returncode, output, errors


def contents(folder):
    """Every file that a run leaves but the journal, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".jsonl", ".txt")
    }


def journal_lines(folder):
    return (folder / "out" / "a.journal.jsonl").read_text(encoding="utf-8").splitlines()


def wait_for(path, process, lines=0):
    """Wait until a file has so many lines; raises where the process ends before."""
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def start_and_hold(folder, calls, **options):
    """A run that is held up in this call of the detector, until `release`."""
    (folder / "out" / "calls.txt").unlink(missing_ok=True)
    (folder / "gate").write_text(str(calls - 1))
    process = start(folder, count=True, gate=str(folder / "gate"), **options)
    wait_for(folder / "out" / "calls.txt", process, calls)
    return process


def release(folder):
    (folder / "gate").unlink()


def wait_for_note(process):
    """Wait until the run says that it has got a signal."""
    for line in process.stderr:
        if "Finishing the image at hand" in line:
            return
    raise AssertionError("the run has not said that it stops")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What one whole run leaves, and its journal."""
    folder = tmp_path_factory.mktemp("whole")
    folder_of_photographs(folder / "images", COUNT)
    code, _, errors = finish(start(folder))
    assert (code, errors) == (0, "")
    return contents(folder / "out"), journal_lines(folder)


@pytest.fixture
def folder(tmp_path):
    folder_of_photographs(tmp_path / "images", COUNT)
    return tmp_path


def test_a_whole_run(uninterrupted):
    files, lines = uninterrupted
    assert {"a.json", "a.report.json"} <= set(files)
    assert len(lines) == COUNT + 3  # the settings, and the digests of the two final files
    assert any(name.endswith("_segment_1.png") for name in files)
    assert not any(name.endswith(".part") for name in files)


@posix_only
def test_killed_again_and_again_it_ends_with_the_same_bytes(folder, uninterrupted):
    """Of seven batches each run is let do two, and is killed while it records the second."""
    chance = random.Random(4)
    for _ in range(3):
        process = start_and_hold(folder, 3)
        time.sleep(chance.random() * 0.03)
        process.kill()
        assert finish(process)[0] == -signal.SIGKILL
        assert not (folder / "out" / "a.json").exists()
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]
    names = finished_names(folder)
    assert len(names) == len(set(names)) == COUNT, "an image was labelled twice"


@posix_only
def test_killed_while_it_detects(folder, uninterrupted):
    """Whatever batch is lost, the batches of the next run hold the same images."""
    process = start(folder, kill_at=3, count=True)
    assert finish(process)[0] == -signal.SIGKILL
    assert not (folder / "out" / "a.json").exists()
    code, output, _ = finish(start(folder))
    assert code == 0 and "are labelled already: resuming" in output
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_cut_off_in_the_middle_of_a_batch_and_of_a_line(folder, uninterrupted):
    finish(start(folder))
    journal = folder / "out" / "a.journal.jsonl"
    whole = journal.read_bytes()
    for share in (0.2, 0.55, 0.9):
        for name in ("a.json", "a.report.json"):
            (folder / "out" / name).unlink()
        journal.write_bytes(whole[: int(len(whole) * share)])
        assert finish(start(folder))[0] == 0
        assert contents(folder / "out") == uninterrupted[0]


def stop(folder, number=signal.SIGINT, **options):
    """Send a signal to a run in its third batch; what it says at its end."""
    process = start_and_hold(folder, 3, **options)
    process.send_signal(number)
    release(folder)
    return finish(process)


def calls_made(folder):
    return (folder / "out" / "calls.txt").read_text().count("\n")


def finished_names(folder):
    lines = [json.loads(line) for line in journal_lines(folder)]  # every line is whole
    return [line["file"] for line in lines if "file" in line]


@posix_only
@pytest.mark.parametrize(
    ("number", "cause"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_stopped_it_leaves_the_files_of_what_is_finished(folder, uninterrupted, number, cause):
    code, output, errors = stop(folder, number)
    assert code == 130 and "Traceback" not in errors
    assert "Finishing the image at hand" in errors
    assert calls_made(folder) == 3, "a batch was begun after the signal"
    finished = finished_names(folder)
    left = COUNT - len(finished)
    assert 0 < left < COUNT
    assert f"Stopped by {cause} with {left} images to go: the same command" in output
    whole = uninterrupted[0]
    files = contents(folder / "out")
    assert not [name for name in files if name.endswith(".part")]
    report, whole_report = json.loads(files["a.report.json"]), json.loads(whole["a.report.json"])
    assert report["partial"] == {"images_left": left, "stopped_by": cause}
    assert report["totals"]["images"] == len(finished)
    assert report["images"] == {
        name: reported for name, reported in whole_report["images"].items() if name in finished
    }
    entries = json.loads(files["a.json"])
    assert entries == {
        key: image
        for key, image in json.loads(whole["a.json"]).items()
        if image["filename"] in finished
    }
    assert len(read(folder / "out" / "a.json", strict=True)) == len(entries) > 0
    code, output, _ = finish(start(folder))
    assert code == 0 and f"{len(finished)} of {COUNT} images are labelled already" in output
    assert contents(folder / "out") == whole
    assert sorted(finished_names(folder)) == sorted(set(finished_names(folder)))
    assert "partial" not in whole_report


@posix_only
def test_stopped_several_times(folder, uninterrupted):
    for _ in range(2):
        assert stop(folder)[0] == 130
    # A run that is killed leaves the files of the last that was stopped.
    before = contents(folder / "out")["a.json"]
    process = start_and_hold(folder, 1)
    process.kill()
    finish(process)
    assert contents(folder / "out")["a.json"] == before
    release(folder)
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_a_second_ctrl_c_ends_it_at_once(folder, uninterrupted):
    """In the middle of a batch, which would never end."""
    process = start_and_hold(folder, 1)
    process.send_signal(signal.SIGINT)
    wait_for_note(process)
    process.send_signal(signal.SIGINT)
    code, _, errors = finish(process)
    assert code == 130 and errors.endswith("interrupted\n")
    assert "a.json" not in contents(folder / "out")
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_a_second_sigterm_does_not(folder):
    process = start_and_hold(folder, 2)
    process.send_signal(signal.SIGTERM)
    wait_for_note(process)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
    release(folder)
    assert finish(process)[0] == 130
    assert "a.json" in contents(folder / "out")


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_the_model_is_loaded(folder, uninterrupted, number):
    process = start(folder, loading=str(folder / "loading"))
    wait_for(folder / "loading", process)
    process.send_signal(number)
    code, output, errors = finish(process)
    assert code == 130 and f"with {COUNT} images to go" in output and errors == ""
    assert not contents(folder / "out"), "nothing is finished, so there is nothing to write"
    # What a killed run has left in the journal is finished, too.
    process = start_and_hold(folder, 3)
    process.kill()
    finish(process)
    release(folder)
    (folder / "loading").unlink()
    process = start(folder, loading=str(folder / "loading"))
    wait_for(folder / "loading", process)
    process.send_signal(number)
    assert finish(process)[0] == 130
    assert "partial" in json.loads((folder / "out" / "a.report.json").read_text())
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_a_partial_file_that_was_corrected_is_not_overwritten(folder, uninterrupted):
    stop(folder)
    output = folder / "out" / "a.json"
    corrected = output.read_bytes().replace(b"yaz", b"kis")
    output.write_bytes(corrected)
    journal = journal_lines(folder)
    code, _, errors = finish(start(folder))
    assert code == 2 and "changed since; move it away, or replace it with --overwrite" in errors
    assert (output.read_bytes(), journal_lines(folder)) == (corrected, journal)
    output.rename(folder / "corrected.json")
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_stopped_after_a_restart(folder, uninterrupted):
    """The labels of before make way, and the next run uses the new ones."""
    assert finish(start(folder))[0] == 0
    code, output, _ = stop(folder, restart=True)
    assert code == 130 and "without --restart" in output
    assert "partial" in json.loads((folder / "out" / "a.report.json").read_text())
    assert finish(start(folder))[0] == 0
    assert contents(folder / "out") == uninterrupted[0]


@posix_only
def test_a_full_disk_in_the_middle_loses_nothing(folder, uninterrupted):
    """The size limit stands for a disk that fills up while the journal grows."""
    options = {"images": str(folder / "images"), "output": str(folder / "out" / "a.json")}
    limited = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        f"sys.argv = ['label', {json.dumps(json.dumps(options))}]\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, timeout=1800
    )
    assert process.returncode == 2
    assert "a.journal.jsonl: the journal cannot be written (File too large)" in process.stderr
    assert process.stderr.count("\n") == 1 and "Traceback" not in process.stderr
    kept = journal_lines(folder)
    assert f"the labels of {len(kept) - 1} images are kept in it" in process.stderr
    assert 5 < len(kept) < COUNT and all(json.loads(line) for line in kept)
    assert finish(start(folder))[0] == 0
    assert journal_lines(folder)[: len(kept)] == kept
    assert contents(folder / "out") == uninterrupted[0]


def test_two_processes_do_not_label_into_one_file(folder):
    job, output = make_job(folder), folder / "out" / "a.json"
    with LabelJournal(journal_path(output), job.settings(output.parent)):
        code, _, errors = finish(start(folder))
    assert code == 2 and "another process is labelling" in errors


def make_job(folder, **values):
    values = {"policy": LabelPolicy(min_confidence=0.8), "batch": 3, **values}
    values.setdefault("images", sorted((folder / "images").iterdir()))
    return LabelJob(class_names=CLASS_NAMES, **values)


def no_model():
    raise AssertionError("no model is needed here")


def test_a_run_that_is_complete_needs_no_model_and_changes_nothing(folder):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    before, journal = contents(folder / "out"), journal_lines(folder)
    summary = label_folder(make_job(folder), output, no_model, quiet=True)
    assert summary.images == COUNT
    assert (contents(folder / "out"), journal_lines(folder)) == (before, journal)


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"tolerance": 1.0}, "tolerance: none then, 1.0 now"),
        ({"minimum_area": 9.0}, "minimum_area: 4.0 then, 9.0 now"),
        ({"policy": LabelPolicy(min_confidence=0.7)}, "min_confidence: 0.8 then, 0.7 now"),
        ({"policy": LabelPolicy(0.8, fallback="all")}, "fallback: skip then, all now"),
        ({"model": {"model": "other"}}, "model: none then, other now"),
        ({"batch": 4}, "batch: 3 then, 4 now"),
    ],
)
def test_changed_settings_are_not_mixed_in(folder, change, reported):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    before = contents(folder / "out")
    with pytest.raises(UserError, match=reported):
        label_folder(make_job(folder, **change), output, no_model, quiet=True)
    assert contents(folder / "out") == before
    summary = label_folder(
        make_job(folder, **change), output, lambda: detect, restart=True, quiet=True
    )
    assert summary.images == COUNT and contents(folder / "out") != before


def test_a_restart_that_is_refused_loses_no_label(folder):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    output.write_text("{}")
    journal = journal_lines(folder)
    with pytest.raises(UserError, match="replace it with overwrite"):
        label_folder(make_job(folder, batch=4), output, no_model, restart=True, quiet=True)
    assert (output.read_text(), journal_lines(folder)) == ("{}", journal)
    label_folder(make_job(folder), output, lambda: detect, restart=True, overwrite=True, quiet=True)
    assert len(read(output)) > 0


def test_corrections_made_while_it_labels_are_not_overwritten(folder):
    output = folder / "out" / "a.json"

    def correcting(images):
        output.write_text("{}")
        return detect(images)

    with pytest.raises(UserError, match=f"no label is lost: those of {COUNT} images"):
        label_folder(make_job(folder), output, lambda: correcting, quiet=True)
    assert output.read_text() == "{}"
    output.unlink()
    assert label_folder(make_job(folder), output, no_model, quiet=True).images == COUNT


def test_labels_of_pictures_that_are_elsewhere_now_are_reported(folder, capsys):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    photograph(folder / "more" / "top_kis_1.png", [("top", (5, 5, 50, 50), 0.99)])
    job = make_job(folder, images=[folder / "more" / "top_kis_1.png"])
    assert label_folder(job, output, lambda: detect, quiet=True).images == 1
    assert f"Labelled earlier, but not among these photographs: {COUNT} images" in (
        capsys.readouterr().out
    )
    assert label_folder(make_job(folder), output, no_model, quiet=True).images == COUNT


def test_corrections_made_by_hand_are_not_overwritten(folder):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    own = output.read_bytes()
    output.write_text("{}")
    with pytest.raises(UserError, match="was changed since"):
        label_folder(make_job(folder), output, no_model, quiet=True)
    assert output.read_text() == "{}"
    label_folder(make_job(folder), output, no_model, overwrite=True, quiet=True)
    assert output.read_bytes() == own


def test_new_photographs_are_added(folder):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    photograph(folder / "images" / "zbag.png")
    photograph(folder / "images" / "top_kis_1.png", [("top", (5, 5, 50, 50), 0.99)])
    summary = label_folder(make_job(folder), output, lambda: detect, quiet=True)
    assert summary.images == COUNT + 2
    assert "top_kis_1.png" in [image.filename for image in read(output)]


def test_keep_empty_lists_photographs_without_labels(folder):
    output = folder / "out" / "a.json"
    label_folder(make_job(folder), output, lambda: detect, quiet=True)
    few = len(read(output))
    summary = label_folder(make_job(folder), output, no_model, keep_empty=True, quiet=True)
    left = summary.left_out
    assert len(read(output)) == few + left["not found"] + left["uncertain"]


@pytest.mark.parametrize("where", ["output", "segments", "previews"])
def test_a_folder_that_cannot_be_written_is_found_before_the_work(folder, where):
    (folder / "file").write_text("")
    bad = folder / "file" / "deeper"
    output = bad / "a.json" if where == "output" else folder / "out" / "a.json"
    job = make_job(folder, **({} if where == "output" else {where: bad}))
    with pytest.raises(UserError, match="nothing can be written to this folder"):
        label_folder(job, output, no_model, quiet=True)


def test_output_that_is_a_folder(folder):
    with pytest.raises(UserError, match="is a folder"):
        label_folder(make_job(folder), folder, no_model, quiet=True)


def test_too_little_room_is_found_before_the_work(folder, monkeypatch):
    usage = type("Usage", (), {"free": 20_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(
        UserError, match=r"too little room for labelling 30 images: .* found 0\.0 MB"
    ):
        label_folder(make_job(folder), folder / "out" / "a.json", no_model, quiet=True)
    usage.free = 10**9
    assert label_folder(make_job(folder), folder / "out" / "a.json", lambda: detect, quiet=True)


@posix_only
def test_signals_are_as_before_after_a_run(folder):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    label_folder(make_job(folder), folder / "out" / "a.json", lambda: detect, quiet=True)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_killed_between_the_final_files(folder, monkeypatch):
    """The one moment in which annotations are new and the report is not."""
    output = folder / "out" / "a.json"
    with monkeypatch.context() as patch:
        patch.setattr("fashion.autolabel.report._write_report", _die)
        with pytest.raises(SystemExit):
            label_folder(make_job(folder), output, lambda: detect, quiet=True)
    assert output.exists() and not (folder / "out" / "a.report.json").exists()
    assert label_folder(make_job(folder), output, no_model, quiet=True).images == COUNT


def _die(*_):
    raise SystemExit


def test_cut_outs_that_cannot_be_written_end_the_run_and_lose_nothing(folder):
    output, segments = folder / "out" / "a.json", folder / "out" / "segments"

    def disturbing(images):
        if segments.is_dir():
            shutil.rmtree(segments)
            segments.write_text("in the way")
        return detect(images)

    job = make_job(folder, segments=segments)
    with pytest.raises(UserError, match=r"_segment_\d\.jpg: cannot be written.*the labels of"):
        label_folder(job, output, lambda: disturbing, quiet=True)
    assert not output.exists()
    segments.unlink()
    assert label_folder(job, output, lambda: detect, quiet=True).images == COUNT
