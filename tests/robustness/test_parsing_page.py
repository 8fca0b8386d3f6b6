"""The parsing page against uploads, settings and addresses that are meant to harm.

One real server process; whatever is sent, it answers in a sentence, continues, and prints no
traceback.
"""

import concurrent.futures
import contextlib
import http.client
import io
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

import pytest
from PIL import Image

from fashion.html.page import page_file
from fashion.parsing.page.workshop import LARGEST_SETTINGS, Workshop
from mrcnn.errors import DatasetError, UserError
from tests.fashion.parsing.page.parsing_page_process import find_garments
from tests.robustness.hostile import damaged, ran_code, value_or_sentence, watched
from tests.robustness.test_bad_images import BOMBS, KINDS, OTHERS, encoded

pytest.importorskip("flask", reason="needs flask (pip install flask)")
PROCESS = (
    pathlib.Path(__file__).parents[1] / "fashion" / "parsing" / "page" / "parsing_page_process.py"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Port of the server, and the file that its stderr goes to."""
    errors = tmp_path_factory.mktemp("page") / "errors.txt"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, PROCESS], stdout=subprocess.PIPE, stderr=stream, text=True
        )
        try:
            line = process.stdout.readline()
            yield int(re.search(r":(\d+)/", line)[1]), errors
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def port(page):
    """The port; afterwards the server must still be there, and must not have shown a traceback."""
    number, errors = page
    yield number
    assert ask(number, "GET", "/")[0] == 200
    assert "Traceback" not in errors.read_text()


def ask(port, method, path, body=None, **headers):
    """Status and body of an answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1800)) as one:
        one.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        found = one.getresponse()
        return found.status, found.read()


def raw(port, data):
    """What comes back, up to the end, for bytes that `http.client` would not send."""
    with socket.create_connection(("127.0.0.1", port), timeout=1800) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        back = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                back += piece
    return back


@pytest.fixture(scope="module")
def token(page):
    status, body = ask(page[0], "POST", "/photographs", encoded(KINDS["png"]))
    assert status == 201
    return json.loads(body)["token"]


# --- uploads --------------------------------------------------------------------------------

REFUSED = {name: data for name, data in (BOMBS | OTHERS).items() if name != "png_text"}


@pytest.mark.parametrize("name", REFUSED)
def test_uploads_that_are_refused(port, name):
    status, body = ask(port, "POST", "/photographs", REFUSED[name])
    reported = json.loads(body)["error"]
    assert status == 400 and reported.startswith("The upload: ")
    assert tempfile.gettempdir() not in reported


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_are_taken_whatever_they_are_said_to_be(port, kind):
    """Of an animation the first frame."""
    data = encoded(KINDS[kind])
    status, body = ask(port, "POST", "/photographs", data, Content_Type="text/html")
    assert status == 201
    assert sorted(json.loads(body)[side] for side in ("width", "height")) == [24, 40]


@pytest.mark.parametrize("size", [(1, 1), (1, 40_000), (40_000, 1)])
def test_extreme_shapes_are_parsed(port, size):
    stream = io.BytesIO()
    Image.new("RGB", size, "red").save(stream, format="PNG")
    status, body = ask(port, "POST", "/photographs", stream.getvalue())
    assert status == 201
    path = f"/photographs/{json.loads(body)['token']}"
    status, _ = ask(port, "POST", path, b"{}", Content_Type="application/json")
    assert status == 200
    assert ask(port, "GET", f"{path}/joint.png")[0] == 200
    assert ask(port, "GET", f"{path}/clothing.zip")[0] == 200


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_uploads():
    workshop = Workshop(find_garments)
    with watched() as events:
        for kind in ("jpeg", "png", "webp", "gif"):
            good = encoded(KINDS[kind])
            for seed in range(30):
                value_or_sentence(workshop.take_in, damaged(good, seed))
    assert not ran_code(events)


def test_nothing_of_an_upload_stays_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    workshop = Workshop(find_garments)
    workshop.take_in(encoded(KINDS["png"]))
    with pytest.raises(DatasetError):
        workshop.take_in(b"no picture")
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_an_upload_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"the upload cannot be stored .*make room"):
        Workshop(find_garments).take_in(encoded(KINDS["png"]))


HEAD = "POST /photographs HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n"


def test_an_upload_of_unknown_length_is_refused(port):
    """Chunked: the server cannot know before how much will come."""
    body = b"Transfer-Encoding: chunked\r\n\r\n" + b"a\r\n0123456789\r\n" * 50_000 + b"0\r\n\r\n"
    back = raw(port, HEAD.format(port).encode() + body)
    assert not back or back.startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999999999", "1e3", ""])
def test_lengths_that_are_none(port, length):
    back = raw(port, f"{HEAD.format(port)}Content-Length: {length}\r\n\r\nabc".encode())
    assert back.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_many_uploads_at_once(port):
    """Each is answered, or refused without an answer; none harms another."""
    data = encoded(KINDS["png"])

    def upload(_):
        try:
            return ask(port, "POST", "/photographs", data)[0]
        except (ConnectionError, http.client.HTTPException):
            return None

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        found = list(pool.map(upload, range(80)))
    assert set(found) <= {201, None} and found.count(201) >= 16


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 8000,
        b'{"a":' * 2000,
        b"\xff\xfe{}",
        b"{",
        b"",
        b"null",
        b"9" * 5000,
        b'{"segments": ' + b"9" * 4000 + b"}",
        b'{"segments": 1e999}',
        b'{"segments": NaN}',
        b'{"segments": [900]}',
        b'{"confidence": "0.5"}',
        b'{"compactness": -Infinity}',
        b" " * (LARGEST_SETTINGS + 1),
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_settings_that_cannot_be(port, token, body):
    status, answer = ask(
        port, "POST", f"/photographs/{token}", body, Content_Type="application/json"
    )
    assert status == 400 and len(json.loads(answer)["error"]) > 5


def test_settings_beyond_those_that_are_known_mean_nothing(port, token):
    body = json.dumps({"__proto__": 1, "superpixel_side": 10**9, "person": "each"})
    path = f"/photographs/{token}"
    assert ask(port, "POST", path, body, Content_Type="application/json")[0] == 200


# --- addresses and strangers ----------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc",
        "//etc/passwd",
        "/parsing.css/../../parsing_server.py",
        "/pages/parsing.html",
        "/static/x",
        "/photographs/{token}/..%2f..%2fsecret.png",
        "/photographs/{token}/%00.png",
        "/photographs/{token}/%ff%fe.png",
        "/photographs/{token}/__class__.png",
        "/photographs/%F0%9F%A7%A5/joint.png",
        "/photographs/" + "x" * 4000 + "/joint.png",
        "/console",
    ],
)
def test_there_is_nothing_elsewhere(port, token, path):
    status, body = ask(port, "GET", path.format(token=token))
    assert status in (404, 405, 308)
    assert b"root:" not in body and b"import " not in body


def test_a_panel_name_is_not_part_of_the_answer_as_html(port, token):
    _, body = ask(port, "GET", f"/photographs/{token}/%3Cscript%3E.png")
    assert b"<script>" not in body and json.loads(body)["error"]


@pytest.mark.parametrize(
    "lines",
    [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example",
        "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:{port}",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}@evil.example",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}.evil.example",
        "GET / HTTP/1.1\r\nX-Forwarded-Host: 127.0.0.1:{port}\r\nHost: evil.example",
        "GET / HTTP/1.0",
    ],
    ids=["twice", "address", "user", "longer", "forwarded", "none"],
)
def test_other_hosts_in_other_ways(port, lines):
    back = raw(port, f"{lines.format(port=port)}\r\nConnection: close\r\n\r\n".encode())
    assert b" 421 " in back.split(b"\r\n")[0]


@pytest.mark.parametrize("origin", ["null", "", "http://127.0.0.1", "https://127.0.0.1:{port}"])
def test_other_origins(port, token, origin):
    given = {"Origin": origin.format(port=port), "Content_Type": "application/json"}
    assert ask(port, "POST", f"/photographs/{token}", b"{}", **given)[0] == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT"])
def test_other_methods_do_nothing(port, token, method):
    status, body = ask(port, method, f"/photographs/{token}")
    assert status in (200, 405)
    assert status == 405 or (method == "OPTIONS" and not body)


def test_no_text_of_a_file_becomes_markup_in_the_page():
    """The page's script writes texts alone."""
    text = page_file("parsing.js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
