import io
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from fashion.pictures.splash import colour_splash, fetch_image, splash_image, splash_video
from mrcnn.errors import DatasetError, DownloadError, UserError
from tests.mrcnn.http_server import Route, running_server

SIZE = (48, 64)  # height, width; multiples of 16 as codecs like them


def picture(height=SIZE[0], width=SIZE[1]):
    """Red above, green below: neither is grey."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2] = (200, 30, 30)
    image[height // 2 :] = (30, 180, 30)
    return image


def left_half(image):
    mask = np.zeros((*image.shape[:2], 1), bool)
    mask[:, : image.shape[1] // 2] = True
    return {"masks": mask}


def nothing(image):
    return {"masks": np.zeros((*image.shape[:2], 0))}


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def saturation(image):
    return np.ptp(image.astype(int), axis=-1)


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture
def video(tmp_path):
    """Twelve frames whose brightness rises, in Motion JPEG at 10 frames a second."""
    path = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, SIZE[::-1])
    assert writer.isOpened()
    for index in range(12):
        writer.write(np.ascontiguousarray(picture()[..., ::-1] // 12 * (index + 1)))
    writer.release()
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    while True:
        more, frame = capture.read()
        if not more:
            break
        frames.append(frame[..., ::-1])
    capture.release()
    return rate, frames


def test_colour_stays_inside_the_masks_alone():
    image = picture()
    masks = np.concatenate([left_half(image)["masks"], np.zeros((*SIZE, 1), bool)], axis=-1)
    masks[0, -1, 1] = True
    splash = colour_splash(image, masks)
    assert splash.dtype == np.uint8
    inside = masks.any(axis=-1)
    assert (splash[inside] == image[inside]).all()
    assert (saturation(splash)[~inside] == 0).all()
    # Luma of (200, 30, 30): 0.2125 * 200 + 0.7154 * 30 + 0.0721 * 30
    assert splash[5, -5, 0] == round(66.125)


def test_without_masks_all_is_grey():
    splash = colour_splash(picture(), np.zeros((*SIZE, 0)))
    assert (saturation(splash) == 0).all() and len(np.unique(splash)) == 2


def test_one_pixel():
    image = np.array([[[9, 8, 7]]], np.uint8)
    assert colour_splash(image, np.ones((1, 1, 1), bool)).tolist() == image.tolist()
    assert colour_splash(image, np.zeros((1, 1, 1), bool)).tolist() == [[[8, 8, 8]]]


def test_grey_agrees_with_scikit_image():
    from skimage.color import rgb2gray

    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    splash = colour_splash(image, np.zeros((50, 60, 0)))
    assert np.abs(splash[..., 0] - 255 * rgb2gray(image)).max() < 0.51  # rounding


def test_masks_of_another_size_are_refused():
    with pytest.raises(UserError, match=r"the image: expected shape \[48, 64, N\]"):
        colour_splash(picture(), np.zeros((5, 5, 1), bool))


def test_splash_of_a_file(tmp_path):
    (tmp_path / "in.png").write_bytes(png(picture()))
    output = splash_image(left_half, tmp_path / "in.png", tmp_path / "new" / "out.png")
    expected = colour_splash(picture(), left_half(picture())["masks"])
    with Image.open(output) as image:
        assert np.array_equal(np.array(image), expected)


def test_splash_of_an_address(tmp_path, server):
    url = server.add("/in.png", Route(body=png(picture())))
    output = splash_image(nothing, url, tmp_path / "out.png")
    with Image.open(output) as image:
        assert (saturation(np.array(image)) == 0).all()


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere\.jpg"):
        splash_image(nothing, tmp_path / "nowhere.jpg", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_fetch_follows_redirects_within_http(server):
    target = server.add("/in.png", Route(body=png(picture())))
    url = server.add("/moved", Route(location=target))
    assert np.array_equal(fetch_image(url), picture())


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_fetch_refuses_other_kinds_of_address(server, target):
    with pytest.raises(DownloadError, match="not an http"):
        fetch_image(target)
    with pytest.raises(DownloadError, match=r"not an http|Redirection .* is not allowed"):
        fetch_image(server.add("/moved", Route(location=target)))


@pytest.mark.parametrize("url", ["", "picture.png", "http://", "http://[::1", "https:picture"])
def test_fetch_refuses_what_is_no_address(url):
    with pytest.raises(DownloadError, match="not an http"):
        fetch_image(url)


@pytest.mark.parametrize(
    ("route", "sentence"),
    [
        (Route(statuses=[404]), "answered 404"),
        (Route(statuses=[500]), "answered 500"),
        (Route(body=b"<html>no picture</html>"), "not a picture"),
        (Route(body=b""), "not a picture"),
        (Route(body=png(picture())[:100]), "not a picture"),
        (Route(body=png(picture()), cuts=[50]), "cut after 50 bytes"),
        (Route(body=b"x" * 1000, endless=True), "more than 100,000 bytes"),
        (Route(body=b"x" * 200_000), "more than 100,000 bytes"),
    ],
)
def test_fetch_says_what_went_wrong(server, route, sentence):
    with pytest.raises(DownloadError, match=sentence):
        fetch_image(server.add("/in.png", route), max_bytes=100_000)


def test_fetch_does_not_follow_a_circle(server):
    url = server.add("/a", Route())
    server.routes["/a"].location = url
    with pytest.raises(DownloadError):
        fetch_image(url)
    assert len(server.seen) < 20


def test_fetch_gives_up_in_time(server):
    import threading

    gate = threading.Event()
    url = server.add("/slow", Route(body=png(picture()), gate=gate))
    began = time.monotonic()
    with pytest.raises(DownloadError, match="timed out"):
        fetch_image(url, seconds=0.5)
    assert time.monotonic() - began < 5
    gate.set()


def test_fetch_without_a_server():
    with running_server() as stopped:
        url = stopped.add("/in.png", Route())
    stopped.server_close()
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch_image(url)


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_video_keeps_frames_size_and_rate(tmp_path, video, name):
    output = splash_video(left_half, video, tmp_path / "new" / name, progress=False)
    assert output.name == name
    assert [path.name for path in output.parent.iterdir()] == [name]
    rate, frames = frames_of(output)
    assert rate == 10 and len(frames) == 12 and frames[0].shape == (*SIZE, 3)
    last = frames[-1]
    # Lossy coding blurs colour across the middle: look beside it.
    assert saturation(last)[5:20, 5:25].min() > 80
    assert saturation(last)[:, 40:].max() < 25
    assert frames[0].mean() < frames[6].mean() < frames[11].mean()


def test_video_in_an_unknown_format_becomes_mp4(tmp_path, video):
    output = splash_video(nothing, video, tmp_path / "out.webm", progress=False)
    assert output == tmp_path / "out.mp4" and len(frames_of(output)[1]) == 12


def test_video_frames_come_one_at_a_time(tmp_path, video):
    seen = []

    def detect(image):
        seen.append(image.mean())
        if len(seen) == 3:
            raise RuntimeError("enough")
        return nothing(image)

    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="enough"):
        splash_video(detect, video, tmp_path / "out.mp4", progress=False)
    assert len(seen) == 3  # the rest was not read ahead of detection
    assert sorted(tmp_path.iterdir()) == before  # neither a part nor an output


def test_the_progress_bar_counts_frames(tmp_path, video, capsys):
    splash_video(nothing, video, tmp_path / "out.mp4")
    assert "12/12" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"no video at all", b"\0" * 5000])
def test_a_video_that_cannot_be_opened(tmp_path, content):
    source = tmp_path / "in.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(UserError, match=r"in\.mp4"):
        splash_video(nothing, source, tmp_path / "out.mp4", progress=False)
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_that_cannot_be_written(tmp_path, video):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        splash_video(nothing, video, tmp_path / "file" / "out.mp4", progress=False)


def test_an_earlier_output_survives_a_failure(tmp_path, video):
    output = splash_video(nothing, video, tmp_path / "out.mp4", progress=False)
    before = output.read_bytes()
    with pytest.raises(UserError, match="do not fit the image"):
        splash_video(lambda image: {"masks": np.ones((1, 1, 1))}, video, output, progress=False)
    assert output.read_bytes() == before


@pytest.mark.parametrize("name", ["IMG_0001.jpg", "a.PNG"])
def test_a_picture_is_no_video(tmp_path, name):
    for number in range(3):
        Image.new("RGB", (32, 32)).save(tmp_path / f"IMG_{number:04d}.jpg")
    Image.new("RGB", (32, 32)).save(tmp_path / "a.PNG")
    with pytest.raises(UserError, match="a picture, not a video"):
        splash_video(nothing, tmp_path / name, tmp_path / "out.mp4", progress=False)
    assert not (tmp_path / "out.mp4").exists()
