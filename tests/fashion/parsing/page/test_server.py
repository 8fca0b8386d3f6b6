"""The parsing page: a real server process, asked over HTTP and looked at in a browser."""

import argparse
import http.client
import io
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from urllib.parse import quote

import pytest
from PIL import Image

from fashion.parsing.command import serve
from fashion.parsing.page.server import listen
from fashion.parsing.page.workshop import LARGEST_UPLOAD
from mrcnn.errors import UserError
from tests.fashion.chromium import Chromium
from tests.fashion.factories import picture_bytes as picture
from tests.support import REPOSITORY

STAGES = ["original", "body", "clothing", "superpixels", "pixel level", "joint"]
STAGES += ["added by superpixels"]
ROOT = REPOSITORY


# ---- without a server ----


def test_a_port_that_is_taken():
    with (
        listen(0) as taken,
        pytest.raises(UserError, match=r"^port \d+ cannot be used .*another with port"),
    ):
        listen(taken.getsockname()[1])


def test_the_socket_is_not_seen_from_outside():
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_flask_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(UserError, match=r"pip install .*flask"):
        serve(argparse.Namespace())


# ---- a server process ----


@pytest.fixture(scope="module")
def port():
    pytest.importorskip("flask", reason="needs flask (pip install flask)")
    script = pathlib.Path(__file__).with_name("parsing_page_process.py")
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        yield int(re.search(r"http://127\.0\.0\.1:(\d+)/", line)[1])
    finally:
        process.kill()
        process.communicate()


def ask(port, method, path, body=None, **headers):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1800)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def post_json(port, path, data, **headers):
    status, _, body = ask(
        port, "POST", path, json.dumps(data), Content_Type="application/json", **headers
    )
    return status, json.loads(body)


@pytest.fixture(scope="module")
def token(port):
    status, _, body = ask(port, "POST", "/photographs", picture())
    assert status == 201
    return json.loads(body)["token"]


def test_the_page_needs_nothing_from_elsewhere(port):
    for path in ("/", "/parsing.css", "/parsing.js"):
        status, headers, body = ask(port, "GET", path)
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers
        assert not re.search(rb"https?://", body)


def test_a_photograph_is_parsed_with_its_settings(port, token):
    status, result = post_json(port, f"/photographs/{token}", {"segments": 200})
    assert status == 200
    assert [garment["name"] for garment in result["garments"]] == ["top", "pants"]
    assert result["persons"] == 1 and 50 < result["superpixels"] < 400
    assert {label["name"] for label in result["labels"]} == {"top", "pants"}
    _, result = post_json(port, f"/photographs/{token}", {"confidence": 0.4})
    assert len(result["garments"]) == 3


def test_panels_are_pictures_of_the_photographs_size(port, token):
    panels = post_json(port, f"/photographs/{token}", {})[1]["panels"]
    assert panels == STAGES
    seen = set()
    for panel in panels:
        status, headers, body = ask(port, "GET", f"/photographs/{token}/{quote(panel)}.png")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        with Image.open(io.BytesIO(body)) as image:
            assert image.size == (120, 180)
        seen.add(body)
    assert len(seen) >= len(panels) - 1  # the two label maps may agree


def test_the_archive_holds_what_the_command_writes(port, token):
    post_json(port, f"/photographs/{token}", {"compactness": 30})
    status, headers, body = ask(port, "GET", f"/photographs/{token}/clothing.zip")
    assert status == 200 and "clothing.zip" in headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        names = archive.namelist()
        record = json.loads(archive.read("clothing/parsing.json"))
        with Image.open(io.BytesIO(archive.read("clothing/joint_labels.png"))) as labels:
            assert labels.mode == "P" and labels.size == (120, 180)
    assert {"clothing.png", "clothing/objects/garment_01_top.png"} <= set(names)
    assert record["made_with"]["settings"]["compactness"] == 30
    assert [garment["class"] for garment in record["garments"]] == ["top", "pants"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", ""])
def test_other_host_names_are_refused(port, host):
    status, _, body = ask(port, "GET", "/", Host=host.format(port=port))
    assert status == 421 and b"own address" in body


def test_the_local_name_is_taken(port):
    assert ask(port, "GET", "/", Host=f"localhost:{port}")[0] == 200


def test_requests_of_other_pages_are_refused(port, token):
    origin = {"Origin": "http://evil.example"}
    assert ask(port, "POST", "/photographs", picture(), **origin)[0] == 403
    assert post_json(port, f"/photographs/{token}", {}, **origin)[0] == 403
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert post_json(port, f"/photographs/{token}", {}, **own)[0] == 200


def test_what_is_no_picture_is_reported(port):
    status, _, body = ask(port, "POST", "/photographs", b"%!PS no picture")
    assert status == 400 and json.loads(body)["error"].startswith("The upload: ")


def test_too_large_uploads_are_refused_before_they_are_read(port):
    length = str(LARGEST_UPLOAD + 1)
    with socket.create_connection(("127.0.0.1", port), timeout=1800) as connection:
        head = f"POST /photographs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        assert b" 413 " in connection.recv(100)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/photographs/unknown/joint.png", 404),
        ("/photographs/{token}/secret.png", 404),
        ("/photographs/{token}/../../etc/passwd", 404),
        ("/photographs/..%2f..%2fetc%2fpasswd/joint.png", 404),
        ("/parsing.html", 404),
        ("/photographs", 405),
    ],
)
def test_there_is_nothing_else(port, token, path, status):
    assert ask(port, "GET", path.format(token=token))[0] == status


def test_results_of_a_photograph_that_is_not_parsed_yet(port):
    fresh = json.loads(ask(port, "POST", "/photographs", picture())[2])["token"]
    status, _, body = ask(port, "GET", f"/photographs/{fresh}/clothing.zip")
    assert status == 404 and "not parsed yet" in json.loads(body)["error"]


def test_settings_that_cannot_be_are_reported(port, token):
    status, answer = post_json(port, f"/photographs/{token}", {"segments": 1e9})
    assert status == 400 and "segments" in answer["error"]
    assert ask(port, "POST", f"/photographs/{token}", b"segments=3")[0] == 415


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_server_well():
    pytest.importorskip("flask", reason="needs flask (pip install flask)")
    script = pathlib.Path(__file__).with_name("parsing_page_process.py")
    # A shell may have set its background jobs to ignore Ctrl-C.
    start = "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    start += f"runpy.run_path({str(script)!r}, run_name='__main__')"
    process = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)
    assert "Open http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=1800)[0] == "ended\n"
    assert process.returncode == 0


def test_the_command_says_which_port_is_taken():
    pytest.importorskip("flask", reason="needs flask (pip install flask)")
    with listen(0) as taken:
        number = str(taken.getsockname()[1])
        command = [
            sys.executable,
            ROOT / "tools" / "parse_clothing.py",
            "--serve",
            "--port",
            number,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {number} cannot be used")


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


def visit(browser, port, width=1280, height=900):
    """Open the page at a window size in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.call("Emulation.setDeviceMetricsOverride", **metrics)
    browser.messages.clear()
    browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
    wait(browser, "document.readyState === 'complete' && !!document.querySelector('#segments')")


def wait(browser, condition):
    """Until a JavaScript condition holds."""
    end = time.monotonic() + 1800
    while not browser.run(condition):
        assert time.monotonic() < end, browser.run("document.body.innerText")
        time.sleep(0.05)


def upload(browser, path):
    """Choose a file, as a user does with the file dialogue."""
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    field = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(path)])


def shown(panel):
    """The condition that the picture of a panel is on the page."""
    return f"(document.querySelector('#picture').dataset.shown || '').startsWith('{panel} ')"


def faults(browser, port):
    """Errors, and requests to anywhere but the server."""
    own = f"http://127.0.0.1:{port}/"
    return [fault for fault in browser.faults() if not str(fault).startswith(own)]


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photograph.png"
    path.write_bytes(picture(240, 360))
    return path


def test_upload_stages_sliders_and_download(browser, port, photograph, tmp_path):
    visit(browser, port)
    upload(browser, photograph)
    wait(browser, shown("joint"))
    text = browser.run("document.body.innerText")
    assert "2 garments, 1 person" in text and "photograph.png: 240 \u00d7 360 pixels" in text
    tabs = browser.run("[...document.querySelectorAll('[role=tab]')].map(e => e.textContent)")
    assert tabs == STAGES

    browser.run("document.querySelector('[data-panel=body]').click()")
    wait(browser, shown("body"))
    assert browser.run("document.querySelector('#picture').naturalWidth") == 240

    browser.run(
        "(e => { e.value = .4; e.dispatchEvent(new Event('input')); "
        "e.dispatchEvent(new Event('change')); })(document.querySelector('#confidence'))"
    )
    wait(browser, "document.body.innerText.includes('3 garments')")
    wait(browser, "document.querySelector('#picture').dataset.shown === 'body 2'")

    browser.downloads(tmp_path)
    browser.run("document.querySelector('#download').click()")
    end = time.monotonic() + 1800
    while not (tmp_path / "clothing.zip").is_file():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert faults(browser, port) == []


def test_arrow_keys_go_from_stage_to_stage(browser, port, photograph):
    visit(browser, port)
    upload(browser, photograph)
    wait(browser, shown("joint"))
    browser.run("document.querySelector('[data-panel=joint]').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft")
    wait(browser, shown("pixel level"))
    assert browser.run("document.activeElement.textContent") == "pixel level"


def test_a_file_that_is_no_picture_is_reported_and_the_page_continues(browser, port, photograph):
    visit(browser, port)
    bad = photograph.with_name("<img src=x onerror=alert(1)>.txt")
    bad.write_bytes(b"no picture")
    upload(browser, bad)
    wait(browser, "document.querySelector('#status.bad') !== null")
    assert "not a readable image" in browser.run("document.querySelector('#status').textContent")
    upload(browser, photograph)
    wait(browser, shown("joint"))
    assert browser.run("document.querySelector('#status.bad')") is None


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_window(browser, port, photograph, width):
    visit(browser, port, width)
    for step in ("before", "after"):
        assert browser.run("document.documentElement.scrollWidth") <= width, step
        small = browser.run(
            "[...document.querySelectorAll('button, .button, input[type=range]')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 28).length"
        )
        assert small == 0
        if step == "before":
            upload(browser, photograph)
            wait(browser, shown("joint"))
