"""Pictures from addresses and videos: servers that drip, lie or redirect, and playlists."""

import contextlib
import socket
import threading
import urllib.request

import cv2
import numpy as np
import pytest

from fashion.pictures import splash
from fashion.pictures.splash import _HttpRedirects, fetch_image, splash_image, splash_video
from fashion.stages.command import source_name
from mrcnn.errors import DownloadError, UserError
from mrcnn.system.fetching import download
from tests.mrcnn.http_server import Route, running_server


def nothing(image):
    return {"masks": np.zeros((*image.shape[:2], 0), bool)}


@contextlib.contextmanager
def dripping_server(pieces):
    """A server that sends one byte of `pieces` after another, ten a second; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    for byte in pieces:
                        if ended.wait(0.1):
                            return
                        connection.sendall(bytes([byte]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500]
)
def test_a_picture_that_drips_ends_at_the_limit(head):
    """Each byte comes in time; all of them would take 50 seconds."""
    slow = pytest.raises(DownloadError, match=r"(timed out|not complete) after 1")
    with dripping_server(head) as port, slow:
        fetch_image(f"http://127.0.0.1:{port}/a.jpg", seconds=1)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500, "sends under 256 bytes a second"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500, "no answer after 2 seconds"),
    ],
    ids=["body", "headers"],
)
def test_a_weight_file_that_drips_counts_as_cut(tmp_path, sent, reason):
    with dripping_server(sent) as port:
        url = f"http://127.0.0.1:{port}/a.h5"
        with pytest.raises(DownloadError, match=reason):
            download(url, tmp_path / "a.h5", timeout=1.0, attempts=1, progress=False)
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://",
        "http:///a.jpg",
        "HTTP://127.0.0.1:1/a.jpg",
        "http://127.0.0.1:99999/a.jpg",
        "http://127.0.0.1:1/a b\r\nX: y",
        "http://\0/a.jpg",
        "https://127.0.0.1:1/ü.jpg",
        "file:///etc/hostname",
        "ftp://127.0.0.1/a.jpg",
        "data:image/png;base64,AAAA",
        "/dev/zero",
        "",
    ],
)
def test_odd_addresses(tmp_path, url):
    with pytest.raises(UserError):
        splash_image(nothing, url, tmp_path / "out.png")
    options = type("Options", (), {"video": None, "image": url})
    assert "/" not in source_name(options)
    with pytest.raises(DownloadError):
        download(url, tmp_path / "a.h5", attempts=1, progress=False)
    assert not list(tmp_path.glob("*.png")) and not (tmp_path / "a.h5").exists()


def test_a_picture_of_any_size_is_not_taken(tmp_path):
    with running_server() as server:
        endless = server.add("/a.png", Route(b"x" * 4096, endless=True))
        with pytest.raises(DownloadError, match="more than 65,536 bytes"):
            fetch_image(endless, max_bytes=1 << 16)


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/", "//[", "gopher:x"]
)
def test_redirects_to_other_kinds_of_addresses(location):
    with running_server() as server:
        url = server.add("/a.png", Route(location=location))
        with pytest.raises(DownloadError):
            fetch_image(url, seconds=10)


def test_redirects_in_a_circle_end():
    with running_server() as server:
        url = server.add("/a.png", Route(location="/a.png"))
        with pytest.raises(DownloadError, match="redirect"):
            fetch_image(url, seconds=20)


def test_no_redirect_from_https_to_http():
    request = urllib.request.Request("https://127.0.0.1/a.png")
    handler = _HttpRedirects()
    with pytest.raises(DownloadError, match="which is not https"):
        handler.redirect_request(request, None, 302, "", {}, "http://127.0.0.1/a.png")
    assert handler.redirect_request(request, None, 302, "", {}, "https://127.0.0.1/b.png")


def test_frames_of_any_size_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(splash, "MAX_PIXELS", 64 * 48 - 1)
    source, decoded = tmp_path / "a.avi", []
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    with pytest.raises(
        UserError, match=r"a\.avi: its frames have too many pixels: .*found 64 x 48"
    ):
        splash_video(decoded.append, source, tmp_path / "out.mp4", progress=False)
    assert not decoded and not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
    ],
)
def test_a_playlist_is_not_played_whatever_its_name(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.mp4"
    writer = cv2.VideoWriter(str(secret), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for _ in range(30):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    (tmp_path / "a.avi").write_text(text.format(secret.name))
    with pytest.raises(UserError, match="cannot be opened as a video"):
        splash_video(nothing, tmp_path / "a.avi", tmp_path / "out.mp4", progress=False)
    assert splash_video(nothing, secret, tmp_path / "out.mp4", progress=False).is_file()
