"""Colour splash: garments keep their colours, the rest turns grey; for pictures and videos.

`detect` is always a function that takes an RGB image, uint8 [H, W, 3], and returns a dictionary
whose "masks" are bool [H, W, N], as in one result of `MaskRCNN.detect`.
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

import cv2
import numpy as np

from fashion.pictures.sheets import save_png
from mrcnn.drawing.painting import as_rgb
from mrcnn.errors import DatasetError, DownloadError, UserError
from mrcnn.images.reading import MAX_PIXELS, opened, read_image
from mrcnn.system.background import changed_environment
from mrcnn.system.files import saving
from mrcnn.system.http import ClosingRedirects, http_opener, within

Detect = Callable[[np.ndarray], Mapping[str, np.ndarray]]

# Rec. 709 luma, which scikit-image's rgb2gray uses too.
_LUMA = np.array([[0.2125, 0.7154, 0.0721]], np.float32)
# Codec and the ending of its container, in the order of preference.
_CODECS = (("mp4v", ".mp4"), ("MJPG", ".avi"))
_DEFAULT_FRAME_RATE = 25.0
_CHUNK = 1 << 16
# FFmpeg recognises a playlist whatever its name, and plays the files and addresses in it.
_FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,mjpeg,asf,flv,"
    "ogg,ivf,mxf,nut,gif"
)
_MEGABYTE = 1 << 20
_BY_HAND = "try again, or fetch it by hand and name the file"


def colour_splash(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The image in grey, with colour where any mask is set: uint8 [H, W, 3].

    masks: bool [H, W, N]; without an instance (N = 0) everything is grey. Raises `UserError` where
    the masks differ from the image in size.
    """
    image, masks = as_rgb(image), np.asarray(masks)
    if masks.ndim != 3 or masks.shape[:2] != image.shape[:2]:
        raise UserError(
            "the masks do not fit the image",
            expected=f"shape [{image.shape[0]}, {image.shape[1]}, N]",
            found=str(list(masks.shape)),
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
    """Splash every frame of a video; see `paint_video`."""
    return paint_video(
        lambda image: colour_splash(image, detect(image)["masks"]), source, output, progress
    )


def paint_video(
    paint: Callable[[np.ndarray], np.ndarray],
    source: str | os.PathLike,
    output: str | os.PathLike,
    progress: bool = True,
) -> Path:
    """Paint every frame of a video and write a video of the same size and frame rate.

    paint: maps a frame to what is written for it, both uint8 RGB [H, W, 3] of one size.

    One frame is in memory at a time. The output gets its name when it is complete; it is MPEG-4 in
    .mp4, or Motion JPEG in .avi if the suffix asks for it or MPEG-4 cannot be encoded here. Sound
    is lost. Returns the path written, whose suffix may therefore differ from `output`'s.

    Raises:
        UserError: the video cannot be opened, read or written.
    """
    source, output = Path(source), Path(output)
    with _opened(source) as capture:
        rate, count = _frame_rate(capture), int(max(capture.get(cv2.CAP_PROP_FRAME_COUNT), 0))
        more, frame = capture.read()
        if not more:
            raise UserError("the video has no frame that can be decoded", path=source)
        size = frame.shape[1], frame.shape[0]
        frames = _bar(_frames(capture, frame), count, source.name, progress)
        with saving(output), _writer(output, rate, size) as (writer, target):
            for frame in frames:
                painted = paint(np.ascontiguousarray(frame[..., ::-1]))
                writer.write(np.ascontiguousarray(painted[..., ::-1]))
    return target


def fetch_image(url: str, max_bytes: int = 32 * _MEGABYTE, seconds: float = 30.0) -> np.ndarray:
    """Fetch a picture from an http or https address: uint8 RGB [H, W, 3].

    At most `max_bytes` are read and `seconds` waited in all, for the name, the connection, the
    headers and the picture. Redirects to addresses of any other kind, and from https to http, are
    refused. Raises `DownloadError` with the reason, also if what came is not a picture.
    """
    _require_http(url)
    try:
        data = within(seconds, lambda: _fetch(url, max_bytes, seconds))
    except TimeoutError as error:
        raise DownloadError(
            f"could not be fetched (it timed out after {seconds:g} seconds)",
            path=url,
            advice=_BY_HAND,
        ) from error
    # The file is closed before it is read, as Windows requires.
    handle, name = tempfile.mkstemp(suffix=".image")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        return read_image(temporary)
    except DatasetError as error:
        raise DownloadError(
            f"not a picture that can be read ({len(data):,} bytes came)",
            path=url,
            advice="open the address in a browser and copy the address of the picture itself",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


class _HttpRedirects(ClosingRedirects):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _require_http(newurl)
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise DownloadError(f"redirects to {newurl}, which is not https", path=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_http(url: str) -> None:
    try:
        parts = urllib.parse.urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise DownloadError("not an http:// or https:// address", path=url)


def _fetch(url: str, max_bytes: int, seconds: float) -> bytes:
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
                        f"sends more than {max_bytes:,} bytes",
                        path=url,
                        advice="fetch it by hand, make the picture smaller and name the file",
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {seconds:g} seconds")
            if response.length:
                raise OSError(f"the connection was cut after {len(data):,} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"the server answered {error.code} {error.reason}", path=url) from error
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"could not be fetched ({reason})", path=url, advice=_BY_HAND
        ) from error
    return bytes(data)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[cv2.VideoCapture]:
    if not source.is_file():
        raise UserError("there is no such video file", path=source)
    if _is_still(source):
        raise UserError("this is a picture, not a video", path=source, advice="choose a video")
    with _containers_only():
        capture = cv2.VideoCapture(str(source))
    try:
        if not capture.isOpened():
            raise UserError(
                "cannot be opened as a video: it is damaged, or in a format that OpenCV does not "
                "read here",
                path=source,
                advice="convert it to MPEG-4 or Motion JPEG",
            )
        _require_bounded(capture, source)
        yield capture
    finally:
        capture.release()


def _is_still(source: Path) -> bool:
    """Whether a file is a picture; an animated GIF is a video too."""
    try:
        with opened(source) as image:
            return image.format != "GIF"
    except DatasetError:
        return False


def _require_bounded(capture: cv2.VideoCapture, source: Path) -> None:
    """Refuse huge frames before one is decoded: a file of a kilobyte may announce a gigabyte."""
    width, height = (
        capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MAX_PIXELS:
        raise UserError(
            "its frames have too many pixels",
            path=source,
            expected=f"at most {MAX_PIXELS}",
            found=f"{width:.0f} x {height:.0f}",
            advice="make it smaller",
        )


@contextlib.contextmanager
def _containers_only() -> Iterator[None]:
    """Let FFmpeg open only files that contain their frames, unless the user sets its options."""
    options = os.environ.get(_FFMPEG_OPTIONS, f"format_whitelist;{_CONTAINERS}")
    with changed_environment({_FFMPEG_OPTIONS: options}):
        yield


def _frame_rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else _DEFAULT_FRAME_RATE


def _frames(capture: cv2.VideoCapture, frame: np.ndarray) -> Iterator[np.ndarray]:
    """The first frame and the following ones, resized to its size."""
    height, width = frame.shape[:2]
    more = True
    while more:
        if frame.shape[:2] != (height, width):
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        yield frame
        more, frame = capture.read()


def _bar(
    frames: Iterator[np.ndarray], count: int, name: str, progress: bool
) -> Iterable[np.ndarray]:
    from tqdm import tqdm

    return tqdm(frames, total=count or None, desc=name, unit="frame", disable=not progress)


@contextlib.contextmanager
def _writer(
    output: Path, rate: float, size: tuple[int, int]
) -> Iterator[tuple[cv2.VideoWriter, Path]]:
    """A VideoWriter to a temporary name, which is renamed when everything went well."""
    writer = temporary = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for codec, suffix in _codecs(output):
            target = output.with_suffix(suffix)
            temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{suffix}")
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*codec), rate, size)
            if writer.isOpened():
                break
            writer.release()
            temporary.unlink(missing_ok=True)
        else:
            raise UserError(
                "cannot be written: OpenCV cannot encode MPEG-4 or Motion JPEG here, or the folder "
                "is not writable",
                path=output,
            )
        yield writer, target
        writer.release()
        _require_whole(temporary, output)
        temporary.replace(target)
    finally:
        if writer is not None:
            writer.release()
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _codecs(output: Path) -> list[tuple[str, str]]:
    """All codecs, the one for the suffix of `output` first."""
    return sorted(_CODECS, key=lambda codec: codec[1] != output.suffix.lower())


def _require_whole(path: Path, output: Path) -> None:
    """Raise `UserError` if the video cannot be read back: OpenCV reports no full disk."""
    capture = cv2.VideoCapture(str(path))
    whole = capture.isOpened() and capture.read()[0]
    capture.release()
    if not whole:
        raise UserError("could not be written completely: is the disk full?", path=output)
