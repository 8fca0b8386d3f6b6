"""Downloads from a real server that behaves, and from one that does not."""

import hashlib
import io
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest

from mrcnn.errors import DownloadError
from mrcnn.system.fetching import download, file_hash
from mrcnn.system.http import ClosingRedirects
from tests.mrcnn.http_server import Route, running_server
from tests.support import REPOSITORY

BODY = np.random.RandomState(0).bytes(1_500_000)
RUBBISH = np.random.RandomState(1).bytes(len(BODY))
HALF = len(BODY) // 2
MD5 = hashlib.md5(BODY).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()
CHECKS = {"size": len(BODY), "md5": MD5}


@pytest.fixture
def server():
    with running_server() as running:
        yield running


def fetch(url, path, **options):
    return download(url, path, progress=False, timeout=5, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("route", "checks"),
    [
        ({}, {}),
        ({}, {"size": len(BODY), "md5": MD5, "sha256": SHA256}),
        ({}, {"md5": MD5.upper()}),
        ({"announce": False}, CHECKS),  # no Content-Length: ends where the connection does
        ({"chunked": True}, CHECKS),
        ({"ranges": False}, CHECKS),
        ({"statuses": [503]}, CHECKS),  # overloaded once
    ],
)
def test_a_good_file_arrives_and_nothing_else(server, tmp_path, route, checks):
    url = server.add("/w.h5", Route(BODY, **route))
    path = tmp_path / "new" / "folder" / "w.h5"
    assert fetch(url, path, **checks) == path
    assert path.read_bytes() == BODY
    assert names(path.parent) == ["w.h5"]


def test_an_existing_file_is_replaced(server, tmp_path):
    (tmp_path / "w.h5").write_bytes(b"old")
    fetch(server.add("/w.h5", Route(BODY)), tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5").read_bytes() == BODY


@pytest.mark.parametrize(
    ("route", "second_request"),
    [
        ({"cuts": [HALF]}, f"bytes={HALF}-"),
        ({"cuts": [HALF], "etag": '"one"'}, f"bytes={HALF}-"),
        ({"cuts": [HALF], "ranges": False}, f"bytes={HALF}-"),  # answered with the whole file
        ({"cuts": [0]}, None),  # cut before the first byte
    ],
)
def test_a_cut_connection_is_taken_up_again(server, tmp_path, route, second_request):
    url = server.add("/w.h5", Route(BODY, **route))
    fetch(url, tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert [header for _, header in server.seen] == [None, second_request]


def test_a_cut_without_checksum_is_resumed_only_by_etag(server, tmp_path):
    fetch(server.add("/plain", Route(BODY, cuts=[HALF])), tmp_path / "plain")
    fetch(server.add("/tagged", Route(BODY, cuts=[HALF], etag='"one"')), tmp_path / "tagged")
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "tagged").read_bytes() == BODY
    assert [header for _, header in server.seen] == [None, None, None, f"bytes={HALF}-"]


def test_two_cuts_end_in_an_error_and_keep_what_came(server, tmp_path):
    url = server.add("/w.h5", Route(BODY, cuts=[HALF, 1000]))
    with pytest.raises(DownloadError, match=f"cut after {HALF + 1000:,} of {len(BODY):,} bytes"):
        fetch(url, tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5.part").read_bytes() == BODY[: HALF + 1000]
    fetch(url, tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert server.seen[-1] == ("/w.h5", f"bytes={HALF + 1000}-")


@pytest.mark.parametrize(
    ("part", "route", "requests"),
    [
        (BODY[:HALF], {}, [f"bytes={HALF}-"]),
        (BODY, {}, []),  # complete, only not yet renamed
        (BODY[:HALF], {"ranges": False}, [f"bytes={HALF}-"]),
        (BODY[:HALF], {"shift": -10}, [f"bytes={HALF}-", None]),  # the server serves another range
        (RUBBISH[:HALF], {}, [f"bytes={HALF}-", None]),  # of another file: the checksum shows it
        (RUBBISH, {}, [None]),
        (BODY + b"more", {}, [None]),
        (b"", {}, [None]),
    ],
)
def test_a_part_of_an_earlier_call_is_continued_or_dropped(server, tmp_path, part, route, requests):
    (tmp_path / "w.h5.part").write_bytes(part)
    fetch(server.add("/w.h5", Route(BODY, **route)), tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert [header for _, header in server.seen] == requests
    assert names(tmp_path) == ["w.h5"]


def test_a_complete_part_of_unknown_size_is_not_asked_for_twice_in_vain(server, tmp_path):
    (tmp_path / "w.h5.part").write_bytes(BODY)
    fetch(server.add("/w.h5", Route(BODY)), tmp_path / "w.h5", md5=MD5)  # 416, then all of it
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert [header for _, header in server.seen] == [f"bytes={len(BODY)}-", None]


def test_a_part_that_nothing_can_prove_is_not_continued(server, tmp_path):
    (tmp_path / "w.h5.part").write_bytes(RUBBISH[:HALF])
    fetch(server.add("/w.h5", Route(BODY)), tmp_path / "w.h5", size=len(BODY))
    assert (tmp_path / "w.h5").read_bytes() == BODY


@pytest.mark.parametrize(
    ("route", "checks", "reason", "requests"),
    [
        (Route(RUBBISH), CHECKS, f"md5 is .* where {MD5} was expected", 2),
        (Route(RUBBISH), {"sha256": SHA256}, f"sha256 is .* where {SHA256} was expected", 2),
        (Route(BODY[:-1]), CHECKS, "offers 1,499,999 bytes where 1,500,000 were expected", 1),
        (Route(BODY[:-1], announce=False), CHECKS, "1,499,999 bytes came where 1,500,000 were", 2),
        (Route(BODY + b"x", announce=False), CHECKS, "sends more than 1,500,000 bytes", 1),
        (Route(BODY, endless=True), {"max_bytes": 10_000_000}, "sends more than 10,000,000", 1),
        (Route(BODY), {"max_bytes": 1000}, "offers 1,500,000 bytes, over the limit of 1,000", 1),
        (Route(b""), {}, "nothing came", 2),
        (Route(BODY, statuses=[404]), CHECKS, "answered 404 Not Found", 1),
        (Route(BODY, statuses=[403]), CHECKS, "answered 403", 1),
        (Route(BODY, statuses=[500, 503]), CHECKS, "answered 503", 2),
        (Route(location="file:///etc/passwd"), CHECKS, "file:///etc/passwd", 1),
        (Route(location="ftp://127.0.0.1/w.h5"), CHECKS, "redirects to ftp:", 1),
        (Route(location="https://127.0.0.1:1/w.h5"), CHECKS, "another kind of address", 1),
        (Route(location="http://192.0.2.1/w.h5"), CHECKS, "is not an https:// address", 1),
        (Route(location="/w.h5"), CHECKS, "infinite loop", 5),
    ],
)
def test_bad_servers(server, tmp_path, route, checks, reason, requests):
    url = server.add("/w.h5", route)
    (tmp_path / "w.h5").write_bytes(b"the former file")
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch(url, tmp_path / "w.h5", **checks)
    advice = f"fetch {re.escape(url)}.* by hand and put it at {re.escape(str(tmp_path / 'w.h5'))}"
    assert re.search(advice, str(caught.value))
    assert len(server.seen) == requests
    assert (tmp_path / "w.h5").read_bytes() == b"the former file"
    assert names(tmp_path) == ["w.h5"]


def test_a_redirect_on_the_same_server_is_followed_with_its_range(server, tmp_path):
    server.add("/real.h5", Route(BODY))
    (tmp_path / "w.h5.part").write_bytes(BODY[:HALF])
    fetch(server.add("/w.h5", Route(location="/real.h5")), tmp_path / "w.h5", **CHECKS)
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert server.seen[-1] == ("/real.h5", f"bytes={HALF}-")


def test_a_silent_server_counts_as_cut(server, tmp_path):
    url = server.add("/w.h5", Route(BODY, gate=threading.Event()))
    with pytest.raises(DownloadError, match=r"broke after .*timed out"):
        download(url, tmp_path / "w.h5", **CHECKS, progress=False, attempts=1, timeout=0.3)
    server.routes["/w.h5"].gate.set()


def test_offline(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/w.h5"
        with pytest.raises(DownloadError, match=r"w\.h5 could not be fetched: no connection") as e:
            fetch(url, tmp_path / "w.h5", **CHECKS)
    assert f"1,500,000 bytes, md5 {MD5}" in str(e.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    ["http://example.org/w.h5", "ftp://example.org/w.h5", "file:///etc/passwd", "w.h5", ""],
)
def test_only_https_or_this_machine(tmp_path, url):
    with pytest.raises(DownloadError, match="is not an https:// address"):
        fetch(url, tmp_path / "w.h5")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch(server.add("/w.h5", Route(BODY)), tmp_path / "file" / "w.h5")


def test_progress_goes_to_stderr(server, tmp_path, capsys):
    url = server.add("/w.h5", Route(BODY))
    download(url, tmp_path / "w.h5", **CHECKS)
    shown = capsys.readouterr()
    assert shown.out == "" and "w.h5" in shown.err and "1.50M" in shown.err


DOWNLOAD = """
import sys
from mrcnn.errors import DownloadError
from mrcnn.system.fetching import download
try:
    download(sys.argv[1], sys.argv[2], md5=sys.argv[3], progress=False)
except DownloadError as error:
    sys.exit(str(error))
"""


def start_download(url, path):
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, url, path, MD5],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_bytes(part, count):
    deadline = time.monotonic() + 30
    while not part.exists() or part.stat().st_size < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_download_is_resumed_by_the_next_process(server, tmp_path):
    route = Route(BODY, gate=threading.Event())
    url = server.add("/w.h5", route)
    part = tmp_path / "w.h5.part"
    with start_download(url, tmp_path / "w.h5") as killed:
        wait_for_bytes(part, 300_000)
        killed.kill()
    route.gate.set()
    have = part.stat().st_size
    assert 0 < have < len(BODY) and not (tmp_path / "w.h5").exists()
    with start_download(url, tmp_path / "w.h5") as second:
        assert second.wait(30) == 0
    assert (tmp_path / "w.h5").read_bytes() == BODY
    assert [header for _, header in server.seen] == [None, f"bytes={have}-"]
    assert names(tmp_path) == ["w.h5"]


@pytest.mark.skipif(sys.platform == "win32", reason="files are locked the POSIX way")
def test_two_processes_do_not_write_into_each_other(server, tmp_path):
    route = Route(BODY, gate=threading.Event())
    url = server.add("/w.h5", route)
    with start_download(url, tmp_path / "w.h5") as first:
        wait_for_bytes(tmp_path / "w.h5.part", 300_000)
        with start_download(url, tmp_path / "w.h5") as second:
            assert "another process is fetching it" in second.communicate(timeout=30)[1]
        assert second.returncode == 1
        route.gate.set()
        assert first.wait(30) == 0
    assert (tmp_path / "w.h5").read_bytes() == BODY


def test_file_hash(tmp_path):
    (tmp_path / "f").write_bytes(BODY)
    (tmp_path / "empty").write_bytes(b"")
    assert file_hash(tmp_path / "f") == MD5
    assert file_hash(tmp_path / "f", "sha256") == SHA256
    assert file_hash(tmp_path / "empty") == "d41d8cd98f00b204e9800998ecf8427e"


def test_an_answer_whose_redirect_is_refused_is_closed():
    class Refusing(ClosingRedirects):
        def redirect_request(self, *answer):
            raise ValueError("refused")

    answer = io.BytesIO()
    request = urllib.request.Request("https://here.example/a")
    headers = {"location": "https://elsewhere.example/a"}
    with pytest.raises(ValueError, match="refused"):
        Refusing().http_error_301(request, answer, 301, "moved", headers)
    assert answer.closed
