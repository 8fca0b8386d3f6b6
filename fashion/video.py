"""Colour splash: garments keep their colours, all else turns grey; for pictures and videos.

`detect` stands everywhere for a function that takes an RGB image, uint8 [H, W, 3], and returns a
dictionary whose "masks" is bool [H, W, N], as one entry of `MaskRCNN.detect` does.
"""

import contextlib
import math
import os
import re
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

import cv2
import numpy as np

from fashion.report import save_png
from mrcnn.deadline import within
from mrcnn.drawing import as_rgb
from mrcnn.errors import DatasetError, DownloadError, UserError
from mrcnn.image_files import MAX_PIXELS
from mrcnn.images import read_image
from mrcnn.redirects import ClosingRedirects, http_opener
from mrcnn.thread_counts import changed_environment

Detect = Callable[[np.ndarray], Mapping[str, np.ndarray]]

# Rec. 709 luma, which scikit-image's rgb2gray uses too.
_LUMA = np.array([[0.2125, 0.7154, 0.0721]], np.float32)
# Codec and the ending of its container, in the order of preference.
_CODECS = (("mp4v", ".mp4"), ("MJPG", ".avi"))
_DEFAULT_FRAME_RATE = 25.0
_CHUNK = 1 << 16
# FFmpeg takes a text for a playlist, whatever its name, and plays the files and addresses in it.
_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,mjpeg,asf,flv,"
    "ogg,ivf,mxf,nut,gif"
)
_MEGABYTE = 1 << 20


def colour_splash(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The image in grey, with colour where any mask is set: uint8 [H, W, 3].

    masks: bool [H, W, N]; without an instance (N = 0) all is grey. Raises `UserError` where the
    masks are not of the image's size.
    """
    image, masks = as_rgb(image), np.asarray(masks)
    if masks.ndim != 3 or masks.shape[:2] != image.shape[:2]:
        raise UserError(
            f"Masks of shape {masks.shape} do not lie on an image of {image.shape[0]} x "
            f"{image.shape[1]} pixels: they must be [height, width, count]."
        )
    grey = cv2.transform(image, _LUMA).reshape(*image.shape[:2], 1)
    return np.where(masks.astype(bool).any(axis=-1, keepdims=True), image, grey)


def splash_image(detect: Detect, source: str | os.PathLike, output: str | os.PathLike) -> Path:
    """Splash one picture and write it as PNG; returns the path.

    source: a file, or an http(s) address. Raises `DatasetError` for a picture that cannot be read,
    `DownloadError` for one that cannot be fetched, `UserError` where `output` cannot be written.
    """
    remote = re.match(r"https?:", str(source), re.IGNORECASE)
    image = fetch_image(str(source)) if remote else read_image(source)
    return save_png(output, colour_splash(image, detect(image)["masks"]))


def splash_video(
    detect: Detect,
    source: str | os.PathLike,
    output: str | os.PathLike,
    progress: bool = True,
) -> Path:
    """Splash every frame of a video and write a video of the same size and frame rate.

    One frame is held at a time. The output takes its name when it is complete; it is MPEG-4 in
    .mp4, or Motion JPEG in .avi where that is asked for by the ending or the other cannot be
    encoded here. Sound is not kept. Returns the path written, whose ending may therefore differ
    from `output`'s. Raises `UserError` where the video cannot be opened, read or written.
    """
    source, output = Path(source), Path(output)
    with _opened(source) as capture:
        rate, count = _frame_rate(capture), int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0))
        more, frame = capture.read()
        if not more:
            raise UserError(f"{source}: the video holds no frame that can be decoded.")
        size = frame.shape[1], frame.shape[0]
        frames = _bar(_frames(capture, frame), count, source.name, progress)
        with _writer(output, rate, size) as (writer, target):
            for frame in frames:
                image = np.ascontiguousarray(frame[..., ::-1])
                splash = colour_splash(image, detect(image)["masks"])
                writer.write(np.ascontiguousarray(splash[..., ::-1]))
    return target


def fetch_image(url: str, max_bytes: int = 32 * _MEGABYTE, seconds: float = 30.0) -> np.ndarray:
    """Fetch a picture from an http or https address: uint8 RGB [H, W, 3].

    At most `max_bytes` are read and `seconds` waited in all, for the name, the connection, the
    headers and the picture. Redirects to addresses of any other kind, and from https to http, are
    refused. Raises `DownloadError` with the reason, also where what came is no
    picture.
    """
    _require_http(url)
    try:
        data = within(seconds, lambda: _fetch(url, max_bytes, seconds))
    except TimeoutError as error:
        raise DownloadError(
            f"{url} could not be fetched (it timed out after {seconds:g} seconds): try again, or "
            f"fetch it by hand and name the file."
        ) from error
    # mkstemp's name is closed before it is read, as Windows wants it.
    handle, name = tempfile.mkstemp(suffix=".image")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        return read_image(temporary)
    except DatasetError as error:
        raise DownloadError(
            f"{url} is not a picture that can be read ({len(data):,} bytes came): open the "
            f"address in a browser and take the address of the picture itself."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


class _HttpRedirects(ClosingRedirects):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _require_http(newurl)
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise DownloadError(f"{req.full_url} redirects to {newurl}, which is not https.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_http(url):
    try:
        parts = urllib.parse.urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise DownloadError(f"{url} is not an http:// or https:// address of a picture.")


def _fetch(url, max_bytes, seconds):
    deadline = time.monotonic() + seconds
    request = urllib.request.Request(url, headers={"User-Agent": "fashion-mask-rcnn"})
    data = bytearray()
    try:
        with http_opener(_HttpRedirects()).open(request, timeout=seconds) as response:
            # read1 returns what is there, so that a slow server cannot outlast the deadline.
            while chunk := response.read1(_CHUNK):
                data += chunk
                if len(data) > max_bytes:
                    raise DownloadError(
                        f"{url} sends more than {max_bytes:,} bytes: fetch it by hand, make the "
                        f"picture smaller and name the file."
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {seconds:g} seconds")
            if response.length:
                raise OSError(f"the connection was cut after {len(data):,} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}.") from error
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{url} could not be fetched ({reason}): try again, or fetch it by hand and name the "
            f"file."
        ) from error
    return bytes(data)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[cv2.VideoCapture]:
    if not source.is_file():
        raise UserError(f"{source}: there is no such video file.")
    with _containers_only():
        capture = cv2.VideoCapture(str(source))
    try:
        if not capture.isOpened():
            raise UserError(
                f"{source} cannot be opened as a video: it is damaged, or in a format that OpenCV "
                f"does not read here; convert it to MPEG-4 or Motion JPEG."
            )
        _require_bounded(capture, source)
        yield capture
    finally:
        capture.release()


def _require_bounded(capture, source):
    """A file of a kilobyte may announce frames of a gigabyte: refused before one is decoded."""
    width, height = (
        capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{source}: its frames have {width:.0f} x {height:.0f} pixels, more than the "
            f"{MAX_PIXELS} that are accepted; make it smaller."
        )


@contextlib.contextmanager
def _containers_only() -> Iterator[None]:
    """Let FFmpeg open files that hold their frames themselves, unless the user sets its options."""
    options = os.environ.get(_FFMPEG_OPTIONS, f"format_whitelist;{_CONTAINERS}")
    with changed_environment({_FFMPEG_OPTIONS: options}):
        yield


def _frame_rate(capture):
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else _DEFAULT_FRAME_RATE


def _frames(capture, frame):
    """The first frame, and those that follow, all of the first one's size."""
    height, width = frame.shape[:2]
    more = True
    while more:
        if frame.shape[:2] != (height, width):
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        yield frame
        more, frame = capture.read()


def _bar(frames, count, name, progress):
    from tqdm import tqdm

    return tqdm(frames, total=count or None, desc=name, unit="frame", disable=not progress)


@contextlib.contextmanager
def _writer(output: Path, rate: float, size: tuple[int, int]):
    """A VideoWriter to a temporary name, which gives way to the real one when all went well."""
    writer = temporary = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for codec, suffix in _codecs(output):
            target = output.with_suffix(suffix)
            temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{suffix}")
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*codec), rate, size)
            if writer.isOpened():
                break
            writer.release()
            temporary.unlink(missing_ok=True)
        else:
            raise UserError(
                f"{output} cannot be written: OpenCV cannot encode MPEG-4 or Motion JPEG here, or "
                f"the folder is not writable."
            )
        yield writer, target
        writer.release()
        _require_whole(temporary, output)
        temporary.replace(target)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror or error}).") from error
    finally:
        if writer is not None:
            writer.release()
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _codecs(output):
    """All codecs, the one that belongs to the ending of `output` first."""
    return sorted(_CODECS, key=lambda codec: codec[1] != output.suffix.lower())


def _require_whole(path, output):
    """OpenCV does not say when writing failed (a full disk): look at what is there."""
    capture = cv2.VideoCapture(str(path))
    whole = capture.isOpened() and capture.read()[0]
    capture.release()
    if not whole:
        raise UserError(f"{output} could not be written whole: is the disk full?")
