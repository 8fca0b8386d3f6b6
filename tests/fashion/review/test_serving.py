"""The served review page: a real process over HTTP, killed, out of room, and in a browser."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from fashion.review.decision_log import WHOLE, read_log
from tests.fashion.chromium import Chromium
from tests.fashion.factories import entry, region, write_image, write_json
from tests.support import REPOSITORY

pytest.importorskip("flask", reason="needs flask (pip install flask)")
SCRIPT = REPOSITORY / "tools" / "review_labels.py"


@pytest.fixture
def folder(tmp_path):
    def bags(count):
        return [
            region(label="bag_yaz", fashion="2", instance=str(i), score="0.9")
            for i in range(1, count + 1)
        ]

    names = {"a.jpg": 2, "b.jpg": 1, "<c>.jpg": 0}
    write_json(tmp_path / "auto.json", {n: entry(n, bags(c)) for n, c in names.items()})
    for name in names:
        write_image(tmp_path / "images" / name)
    return tmp_path


@contextlib.contextmanager
def served(folder, *options, port=0, limit=None):
    """A server process of its own; the process, and its port."""
    command = [sys.executable, str(SCRIPT), "auto.json", "images", "--serve", f"--port={port}"]
    if limit is not None:
        command = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash", *command]
    process = subprocess.Popen(
        [*command, *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                yield process, int(found[1])
                break
        else:
            raise AssertionError(process.communicate())
    finally:
        process.kill()
        process.communicate()


def ask(port, path, body=None, **headers):
    """Status and answer of a request; JSON where it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1800)
    data = None if body is None else json.dumps(body)
    sent = {"Content-Type": "application/json"} if body is not None else {}
    connection.request("POST" if body is not None else "GET", path, data, sent | headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    is_json = answer.headers["Content-Type"].startswith("application/json")
    return answer.status, json.loads(content) if is_json else content


def decide(port, *rows, since=0):
    decisions = [dict(zip(("image", "key", "verdict", "label"), row, strict=False)) for row in rows]
    return ask(port, "/decisions", {"decisions": decisions, "since": since})


def logged(folder, name="auto.decisions.jsonl"):
    return [(d.image, d.key, d.verdict, d.label) for d in read_log(folder / name)[1]]


def test_page_pictures_and_guards(folder):
    with served(folder) as (_, port):
        status, page = ask(port, "/")
        text = page.decode()
        images = json.loads(text.split('id="images">')[1].split("</script>")[0])
        assert status == 200 and [image["name"] for image in images] == [
            "a.jpg",
            "b.jpg",
            "<c>.jpg",
        ]
        assert "data:image/jpeg" not in text, "pictures come by addresses"
        assert [i["key"] for i in images[2]["instances"]] == [WHOLE]
        assert ask(port, "/" + images[0]["thumbnail"])[1][:2] == b"\xff\xd8"
        original = (folder / "images" / "<c>.jpg").read_bytes()
        assert ask(port, "/" + images[2]["link"])[1] == original
        assert ask(port, "/pictures/3")[0] == 404
        assert ask(port, "/pictures/..%2fauto.json")[0] == 404
        assert ask(port, "/", Host="example.org")[0] == 421
        assert ask(port, "/decisions", {"decisions": []}, Origin="http://example.org")[0] == 403
        assert ask(port, "/decisions?since=-1")[0] == 400
        assert ask(port, "/decisions?since=" + "9" * 5000)[0] == 400


def test_own_classes_are_offered_alone(folder):
    shoes = [region(label=name, instance=name) for name in ("sneaker", "jumper")]
    write_json(folder / "auto.json", {"a.jpg": entry("a.jpg", shoes)})
    with served(folder) as (_, port):
        text = ask(port, "/")[1].decode()
    assert '"choices": ["jumper", "sneaker"]' in text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], "not decisions"),
        ({"decisions": [1]}, "not decisions"),
        ({"decisions": [{"image": "a.jpg", "key": "1", "verdict": "x"}]}, "none of accept"),
        ({"decisions": [{"image": "z.jpg", "key": "1", "verdict": ""}]}, "no picture 'z.jpg'"),
    ],
)
def test_bad_decisions(folder, body, problem):
    with served(folder) as (_, port):
        status, answer = ask(port, "/decisions", body)
        assert status == 400 and problem in answer["error"]
    assert logged(folder) == []


def test_every_decision_survives_a_kill(folder):
    with served(folder) as (process, port):
        status, answer = decide(port, ("a.jpg", "1", "accept"), ("a.jpg", "2", "", "bag_kis"))
        assert status == 200 and answer["count"] == 2
        process.kill()
    assert logged(folder) == [("a.jpg", "1", "accept", ""), ("a.jpg", "2", "", "bag_kis")]
    with served(folder) as (_, port):
        answer = ask(port, "/decisions?since=1")[1]
        assert [d["label"] for d in answer["decisions"]] == ["bag_kis"]
        decide(port, ("a.jpg", "1", ""))
    assert logged(folder)[-1] == ("a.jpg", "1", "", "")


def test_two_tabs_hear_of_each_other(folder):
    with served(folder) as (_, port):
        first = decide(port, ("a.jpg", "1", "accept"), since=0)[1]
        second = decide(port, ("b.jpg", "1", "reject"), since=0)[1]
        assert [d["image"] for d in second["decisions"]] == ["a.jpg", "b.jpg"]
        news = ask(port, f"/decisions?since={first['count']}")[1]
        assert [d["image"] for d in news["decisions"]] == ["b.jpg"]
        times = [d["time"] for d in second["decisions"]]
        assert times == sorted(times)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits")
def test_a_full_disk(folder):
    rows = [("a.jpg", "1", "accept", "bag_kis")] * 30
    with served(folder, limit=4) as (_, port):  # blocks of 1,024 bytes
        assert decide(port, *rows)[0] == 200
        status, answer = decide(port, *rows)
        assert status == 507 and "not recorded" in answer["error"]
        assert decide(port, ("b.jpg", "1", "reject"))[0] == 200, "a small one still fits"
    assert logged(folder) == [*rows, ("b.jpg", "1", "reject", "")], "all of a request, or nothing"


def test_a_second_server_and_a_port_that_is_taken(folder):
    with served(folder) as (_, port):
        for options, problem in (
            (["--port=0"], "another process has these decisions open"),
            ([f"--port={port}", "--decisions=other.jsonl"], f"port {port} cannot be used"),
        ):
            command = [sys.executable, str(SCRIPT), "auto.json", "images", "--serve", *options]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            assert done.returncode == 2 and problem in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_ends_it(folder):
    with served(folder) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_two_people_and_the_cleaned_annotations(folder):
    for number, rows in ((1, [("a.jpg", "1", "accept", "bag_kis"), ("a.jpg", "2", "outline")]),
                         (2, [("b.jpg", "1", "reject")])):  # fmt: skip
        with served(folder, f"--part={number}/2") as (_, port):
            assert decide(port, *rows)[0] == 200
            assert decide(port, ("b.jpg" if number == 1 else "a.jpg", "1", ""))[0] == 400
    logs = [f"auto.part{number}of2.decisions.jsonl" for number in (1, 2)]
    command = [sys.executable, str(SCRIPT), "auto.json", "images", "--apply", *logs]
    command += ["--output=clean.json", "--project=project.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 instance kept, 2 removed" in done.stdout
    clean = json.loads((folder / "clean.json").read_text())
    kept = [r["region_attributes"] for e in clean.values() for r in e["regions"]]
    assert [(k["label"], k["fashion"]) for k in kept] == [("bag_kis", "4")]
    project = json.loads((folder / "project.json").read_text())["_via_img_metadata"]
    assert [e["filename"] for e in project.values()] == ["a.jpg"]


# ---- in a browser ----


@pytest.fixture
def browser():
    with Chromium() as chromium:
        yield chromium


def visit(browser, port):
    browser.messages.clear()
    browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
    wait_until(browser, "document.readyState === 'complete' && !!document.querySelector('li')")


def wait_until(browser, condition):
    for _ in range(200):
        if browser.run(condition):
            return
        time.sleep(0.1)
    raise AssertionError(condition)


def press(browser, *keys):
    for key in keys:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, **text)


def wait_for_log(folder, count):
    for _ in range(200):
        if len(found := logged(folder)) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def test_the_keyboard_alone(folder, browser):
    with served(folder) as (_, port):
        visit(browser, port)
        press(browser, "ArrowDown", "a", "ArrowDown", "r", "ArrowDown", "o", "4", "m", "z")
        found = wait_for_log(folder, 6)
    assert found == [
        ("a.jpg", "1", "accept", ""),
        ("a.jpg", "2", "reject", ""),
        ("b.jpg", "1", "outline", ""),
        ("b.jpg", "1", "outline", "bag_kis"),
        ("b.jpg", WHOLE, "outline", ""),
        ("b.jpg", WHOLE, "", ""),
    ]


def test_boots_get_the_season_label_of_footwear(folder, browser):
    regions = [region(label=label, instance=label) for label in ("boots", "belt")]
    write_json(folder / "auto.json", {"a.jpg": entry("a.jpg", regions)})
    with served(folder) as (_, port):
        visit(browser, port)
        press(browser, "ArrowDown", "4")
        assert wait_for_log(folder, 1) == [("a.jpg", "boots", "", "footwear_kis")]


def test_another_class_by_the_keyboard(folder, browser):
    with served(folder) as (_, port):
        visit(browser, port)
        press(browser, "ArrowDown", "c")
        browser.run("document.querySelector('li select').value = 'skirt_kis'")
        press(browser, "Enter")
        assert wait_for_log(folder, 1) == [("a.jpg", "1", "accept", "skirt_kis")]
        assert browser.run("document.querySelector('li .label').textContent") == "skirt_kis"
        press(browser, "z")
        assert wait_for_log(folder, 2)[-1] == ("a.jpg", "1", "", "")
        assert browser.run("document.querySelector('li .label').textContent") == "bag_yaz"


def test_decisions_of_another_tab_appear(folder, browser):
    with served(folder) as (_, port):
        visit(browser, port)
        decide(port, ("a.jpg", "2", "reject"), ("b.jpg", "1", "accept", "bag_kis"))
        wait_until(browser, "document.querySelectorAll('li.reject').length === 1")
        assert "1 accepted, 1 rejected" in browser.run(
            "document.getElementById('status').textContent"
        )
        visit(browser, port)
        wait_until(browser, "document.querySelectorAll('li.reject').length === 1")


def test_a_server_that_was_killed_and_comes_back(folder, browser):
    with served(folder) as (process, port):
        visit(browser, port)
        process.kill()
        process.wait()
        press(browser, "ArrowDown", "a")
        wait_until(browser, "!document.getElementById('unsaved').hidden")
    with served(folder, port=port):
        assert wait_for_log(folder, 1) == [("a.jpg", "1", "accept", "")]
        wait_until(browser, "document.getElementById('unsaved').hidden")


def test_a_thousand_labels(tmp_path, browser):
    names = [f"{i}.jpg" for i in range(250)]
    regions = [region(label="bag_yaz", fashion="2", instance=str(i), score="0.9") for i in range(4)]
    write_json(tmp_path / "auto.json", {name: entry(name, regions) for name in names})
    for name in names:
        write_image(tmp_path / "images" / name)
    with served(tmp_path) as (_, port):
        visit(browser, port)
        press(browser, "ArrowDown")
        for _ in range(8):
            press(browser, "a", "ArrowDown")
        browser.run("document.getElementById('acceptShown').click()")
        wait_for_log(tmp_path, 1000)
        assert "1000 accepted" in browser.run("document.getElementById('status').textContent")
