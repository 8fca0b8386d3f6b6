"""The rounds in real processes: from photographs to the second model, killed and resumed."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from fashion.annotations import via
from fashion.json_files import file_digest
from fashion.pictures.season_names import read_seasons, season_names
from fashion.review.decision_log import SEASON, WHOLE, Decision, DecisionLog
from fashion.review.page import instance_key
from fashion.rounds.folder import RoundsFolder
from fashion.rounds.labelling import proposed
from tests.fashion.chromium import Chromium
from tests.fashion.fake_detector import photograph

SCRIPT = pathlib.Path(__file__).with_name("fake_rounds.py")
COUNT = 14
needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def rounds(folder, *words, code=0, **environment):
    command = [sys.executable, str(SCRIPT), str(folder / "rounds"), *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def picture(path, number, garments):
    """A photograph of the fake detector with a pattern of its own in red and green."""
    photograph(path, garments)
    pixels = np.array(Image.open(path))
    pattern = np.random.default_rng(number).integers(0, 250, (8, 6, 2)).repeat(10, 0).repeat(10, 1)
    pixels[..., :2] = np.where(pixels[..., 2:] > 0, pixels[..., :2], pattern)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in range(COUNT):
        garments = [("bag", (5, 5, 30, 30), 0.6 + 0.02 * number)]
        if number % 3 == 0:
            garments.append(("skirt", (40, 10, 70, 50), 0.9))
        picture(tmp_path / "images" / f"IMG_{number:02d}.png", number, garments)
    (tmp_path / "first.h5").write_text('{"shift": 0}')
    return tmp_path


def start(folder, pictures=4, **environment):
    words = (f"--images={folder / 'images'}", f"--model={folder / 'first.h5'}")
    return rounds(folder, "start", *words, "--holdout=3", f"--pictures={pictures}", **environment)


def opened(folder):
    return RoundsFolder(folder / "rounds")


def decide(folder, verdicts=(), pictures=None, default="accept"):
    """Decide on the proposed pictures of the last round, as the page would."""
    state = opened(folder)
    one = state.current()
    wanted = set(proposed(state, one) if pictures is None else pictures)
    special = {(image, key): verdict for image, key, verdict in verdicts}
    decisions = []
    for image in via.read(one.labels):
        keys = list(dict.fromkeys(instance_key([region]) for region in image.regions)) or [WHOLE]
        for number, key in enumerate(keys if image.filename in wanted else ()):
            verdict = special.get((image.filename, key), default)
            moment = 1000.0 * one.number + 5 * len(decisions) + number
            decisions.append(Decision(image.filename, key, verdict, moment))
    with DecisionLog(one.log(), one.labels.name, file_digest(one.labels)) as log:
        log.append(decisions)
    return decisions


def names(path):
    return [image.filename for image in via.read(path)]


def test_two_rounds(folder):
    text = start(folder)
    assert "Hold-out: 0 of 3" in text
    state = opened(folder)
    holdout = state.settings.holdout
    first = state.round(1)
    assert len(names(first.labels)) == COUNT, "every picture is labelled in the first round"
    assert proposed(state, first)[:3] == [n for n in proposed(state, first) if n in holdout]
    assert len(proposed(state, first)) == 3 + 4
    decisions = decide(folder)
    before = first.log().read_bytes()
    assert "Next: train, all proposed pictures are decided." in rounds(folder, "status")
    text = rounds(folder, "train", "--epochs=2")
    note = json.loads(first.weights.read_text())
    assert note["options"] == ["--epochs=2"]
    assert note["start"] == str(folder / "first.h5")
    assert sorted(note["parts"]["test"]) == holdout
    trained = note["parts"]["train"] + note["parts"]["val"]
    assert sorted(trained) == sorted(set(proposed(state, first)) - set(holdout))
    result = json.loads(first.result.read_text())
    assert result["figures"]["AP50"] == 1 and result["figures"]["pictures"] == 3
    assert re.search(rf"^1 +7 +{len(decisions)} +{len(decisions)} .*1\.000", text, re.MULTILINE)

    rounds(folder, "next")
    second = opened(folder).round(2)
    assert set(names(second.labels)).isdisjoint(proposed(state, first))
    assert len(names(second.labels)) == COUNT - 7
    assert first.log().read_bytes() == before, "no human decision is touched"
    decide(folder)
    rounds(folder, "train")
    note = json.loads(second.weights.read_text())
    assert note["start"] == str(first.weights)
    assert len(note["parts"]["train"]) + len(note["parts"]["val"]) == 8
    text = rounds(folder, "next") + rounds(folder, "status")
    assert "Hold-out: 3 of 3" in text and re.search(r"^2 +11 ", text, re.MULTILINE)


def test_after_the_last_picture(folder):
    start(folder, pictures=COUNT)
    decide(folder)
    rounds(folder, "train")
    assert "No picture is left for another round." in rounds(folder, "next")


def test_a_round_can_be_trained_from_other_weights(folder):
    start(folder)
    decide(folder)
    rounds(folder, "train", "--model=photo.h5", "--epochs=2")
    note = json.loads(opened(folder).round(1).weights.read_text())
    assert (note["start"], note["options"]) == ("photo.h5", ["--epochs=2"])


def test_every_command_again_changes_nothing(folder):
    start(folder)
    decide(folder)
    rounds(folder, "train")
    rounds(folder, "next")
    root = folder / "rounds"
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    rounds(folder, "start")
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_killed_while_labelling(folder):
    gate = folder / "gate"
    gate.touch()
    words = [f"--images={folder / 'images'}", f"--model={folder / 'first.h5'}"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder / "rounds"), "start", *words],
        env={**os.environ, "GATE": str(gate)},
    )
    journal = folder / "rounds" / "round_01" / "auto.journal.jsonl"
    while not journal.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert "first round is not labelled yet" in rounds(folder, "status")
    assert "resume with: rounds.py DIR start" in rounds(folder, "train", code=2)
    gate.unlink()
    rounds(folder, "start")
    assert len(names(opened(folder).round(1).labels)) == COUNT


def test_killed_while_the_data_set_is_written(folder):
    start(folder)
    decide(folder)
    part = opened(folder).round(1).folder / ".dataset.part" / "train"
    part.mkdir(parents=True)
    (part / "half.png").touch()
    rounds(folder, "train")
    one = opened(folder).round(1)
    assert not (one.dataset / "train" / "half.png").exists()
    assert not part.exists()
    one.result.unlink()  # as if it had been killed after that
    assert "Next: train, which has begun." in rounds(folder, "status")


def test_what_is_begun_or_waits_is_taken_over(folder):
    start(folder, pictures=8)
    state = opened(folder)
    one = state.current()
    both = next(n for n in proposed(state, one)[3:] if len(labels_on(one, n)) == 2)
    wrong, rejected = [n for n in proposed(state, one)[3:] if n != both][:2]
    verdicts = [(both, "2", ""), (wrong, "1", "outline"), (rejected, "1", "reject")]
    decide(folder, verdicts)
    text = rounds(folder, "train")
    assert "Waiting for a correction: 1 picture. Open" in text
    project = json.loads(one.to_correct.read_text())["_via_img_metadata"]
    assert [entry["filename"] for entry in project.values()] == [wrong]
    rounds(folder, "next")
    state = opened(folder)
    two = state.current()
    assert set(proposed(state, two)[:2]) == {both, wrong}
    assert labels_on(two, both) == labels_on(one, both), "the labels that were decided on"
    with DecisionLog(two.log(), two.labels.name, file_digest(two.labels)) as log:
        log.append([Decision(both, "2", "accept", 9e9)])
    assert re.search(r"^2 .*", rounds(folder, "status"), re.MULTILINE)
    assert both in decided_pictures(folder) and wrong not in decided_pictures(folder)
    kept = [region.instance for region in decided_pictures(folder)[rejected].regions]
    assert "1" not in kept


def labels_on(one, name):
    (image,) = [image for image in via.read(one.labels) if image.filename == name]
    return [region.attributes for region in image.regions]


def decided_pictures(folder):
    from fashion.rounds.decided import read_decided

    return read_decided(opened(folder)).pictures


def test_corrections_count_as_decided(folder):
    start(folder)
    state = opened(folder)
    one = state.current()
    first, second = proposed(state, one)[3:5]
    decide(folder, [(first, "1", "outline"), (second, "1", "outline")])
    rounds(folder, "train")
    project = json.loads(one.to_correct.read_text())
    for key in [k for k, e in project["_via_img_metadata"].items() if e["filename"] != first]:
        del project["_via_img_metadata"][key]
    region = {"name": "polygon", "all_points_x": [1, 20, 20], "all_points_y": [1, 1, 20]}
    entry = next(iter(project["_via_img_metadata"].values()))
    entry["regions"] = [{"shape_attributes": region, "region_attributes": {"label": "belt"}}]
    (state.corrections / "mine.json").write_text(json.dumps(project))
    labelme = {
        "imagePath": f"../images/{second}",
        "imageWidth": 60,
        "imageHeight": 80,
        "shapes": [
            {"label": "top", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"},
            {"label": "bag", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"},
        ],
    }
    (state.corrections / "labelme").mkdir()
    (state.corrections / "labelme" / "x.json").write_text(json.dumps(labelme))
    found = decided_pictures(folder)
    assert [r.attributes["label"] for r in found[first].regions] == ["belt"]
    assert [r.attributes["label"] for r in found[second].regions] == ["top", "bag"]
    assert "Waiting for a correction" not in rounds(folder, "status")
    rounds(folder, "next")
    assert {first, second}.isdisjoint(names(opened(folder).current().labels))


def test_a_shape_that_is_no_outline(folder):
    start(folder)
    shape = {"label": "top", "points": [[1, 1]], "shape_type": "point"}
    (opened(folder).corrections / "x.json").write_text(json.dumps({"shapes": [shape]}))
    assert "its shape 1 is a point" in rounds(folder, "status", code=2)


def test_near_duplicates(folder):
    """Of a hold-out picture they are set aside, of others proposed once."""
    for number in range(COUNT):
        image = Image.open(folder / "images" / f"IMG_{number:02d}.png")
        image.save(folder / "images" / f"IMG_{number:02d}_copy.png")
    start(folder)
    state = opened(folder)
    assert len(state.settings.aside) == 3
    pairs = {name.removesuffix("_copy.png").removesuffix(".png") for name in state.settings.aside}
    held = {name.removesuffix("_copy.png").removesuffix(".png") for name in state.settings.holdout}
    assert pairs == held
    found = proposed(state, state.current())
    stems = [name.removesuffix("_copy.png").removesuffix(".png") for name in found]
    assert len(stems) == len(set(stems)) == 7


def test_refusals(folder):
    assert "no rounds have been started" in rounds(folder, "status", code=2)
    assert "start needs --images" in rounds(folder, "start", code=2)
    start(folder)
    assert "is not trained yet" in rounds(folder, "next", code=2)
    assert "0 decided pictures with labels" in rounds(folder, "train", code=2)
    (folder / "other").mkdir()
    assert "other photographs" in rounds(folder, "start", f"--images={folder / 'other'}", code=2)
    assert "unrecognized arguments: --epochs=1" in rounds(folder, "next", "--epochs=1", code=2)


def test_one_process_at_work(folder):
    from fashion.rounds.folder import at_work

    start(folder)
    with at_work(folder / "rounds"):
        assert "another process is labelling or training" in rounds(folder, "train", code=2)


@contextlib.contextmanager
def review(folder, *words):
    """The served page of the last round, ended by Ctrl-C; its port."""
    pytest.importorskip("flask", reason="needs flask (pip install flask)")
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder / "rounds"), "review", "--port=0", *words],
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job would leave Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        lines = iter(process.stdout.readline, "")
        found = (re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in lines)
        yield int(next(filter(None, found))[1])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def post(port, **decision):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"decisions": [decision]})
    connection.request("POST", "/decisions", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()


@needs_signals
def test_the_page_of_a_round(folder):
    start(folder)
    state = opened(folder)
    one = state.current()
    wanted = proposed(state, one)
    with review(folder) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        images = json.loads(page.split('id="images">')[1].split("</script>")[0])
        assert [image["name"] for image in images] == wanted, "in the order of the queue"
        connection.close()
        post(port, image=wanted[0], key="1", verdict="outline")
    assert one.to_correct.exists()
    assert not state.seasons.exists()


@needs_signals
def test_two_people_at_once(folder):
    """Each has every other picture and a log of their own; both count."""
    start(folder, pictures=5)
    state = opened(folder)
    wanted = proposed(state, state.current())
    with review(folder, "--part=1/2") as one, review(folder, "--part=2/2") as two:
        for port, names_of_part in ((one, wanted[::2]), (two, wanted[1::2])):
            for name in names_of_part:
                for region in labels_on(state.current(), name):
                    post(port, image=name, key=region["instance"], verdict="accept")
    logs = [log.name for log in state.current().logs_of_decisions]
    assert logs == ["decisions.1of2.jsonl", "decisions.2of2.jsonl"]
    assert set(decided_pictures(folder)) == set(wanted)


@needs_signals
def test_seasons_by_the_page(folder):
    """They do not decide on the picture, outlive its round, and name it in the end."""
    start(folder)
    state = opened(folder)
    first, second, third = proposed(state, state.current())[:3]
    with review(folder) as port:
        post(port, image=first, key=SEASON, verdict="", label="kis")
        post(port, image=second, key=SEASON, verdict="", label="kis")
        post(port, image=second, key=SEASON, verdict="", label="yaz")
        post(port, image=third, key=SEASON, verdict="", label="yaz")
        post(port, image=third, key=SEASON, verdict="", label="")
    assert sorted(state.seasons.read_text().splitlines()) == sorted(
        [f"{first},kis", f"{second},yaz"]
    )
    assert first not in decided_pictures(folder)
    decide(folder, pictures=proposed(state, state.current())[3:])
    rounds(folder, "train")
    rounds(folder, "next")
    assert first in names(opened(folder).current().labels), "labelled anew by the better model"
    seasons = read_seasons(state.seasons)
    named = season_names(folder / "images", seasons)
    assert named.names == {first: f"kis_{first}", second: f"yaz_{second}"}


@needs_signals
def test_seasons_by_the_keyboard(folder):
    start(folder)
    state = opened(folder)
    first = proposed(state, state.current())[0]
    with review(folder) as port, Chromium() as browser:
        browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
        wait_until(browser, "document.querySelector('li') !== null")
        for key in ("ArrowDown", "4"):
            browser.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        name = "document.querySelector('article .name').textContent"
        wait_until(browser, f"{name} === '{first} \u00b7 kis'")
        wait_until(browser, "unsent.length === 0 && received === 1")
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="z")
        wait_until(browser, f"{name} === '{first}'")
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="2")
        wait_until(browser, "unsent.length === 0 && received === 3")
    assert state.seasons.read_text() == f"{first},yaz\n"


def wait_until(browser, condition):
    for _ in range(300):
        if browser.run(condition):
            return
        time.sleep(0.1)
    raise AssertionError(condition)
