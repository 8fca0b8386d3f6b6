"""Reading untrusted image files: damaged, enormous, of another kind, or an attack.

Only raster formats whose decoders are in Pillow or pi-heif are tried: others (EPS) run programs.
"""

import contextlib
import functools
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.errors import DatasetError
from mrcnn.system.files import is_file

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


# The most pixels for which Pillow suspects no decompression bomb: 268 MB as RGB.
MAX_PIXELS = 89_478_485
# The format is recognised by a file's first bytes, whatever its suffix. JPEG includes MPO.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "AVIF", "HEIF")
# How Matroska and WebM, MPEG and Flash videos begin; MP4 and QuickTime are found by "ftyp".
_VIDEO_HEADS = (b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1")
_PICTURE_BRANDS = frozenset(
    (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
)

# What Pillow's decoders raise for damaged files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_EXIF_ORIENTATION = 0x0112


def read_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read an image file as upright RGB.

    The EXIF orientation is applied, alpha is dropped, grey is repeated, palette and CMYK are
    converted, and 16 bits per channel are reduced to 8. For animations, the first frame is read.

    Args:
        path: a file in one of `FORMATS`, whatever its suffix.
        max_pixels: maximum height * width that is decoded. Above twice `MAX_PIXELS`, Pillow itself
            refuses.

    Returns:
        uint8 [height, width, 3].

    Raises:
        DatasetError: no such file, not an image, damaged, or too large.
    """
    with decoded(path, max_pixels) as image, _decoding(Path(path)):
        return _to_rgb(image)


@contextlib.contextmanager
def opened(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> "Iterator[PillowImage]":
    """Open an image file and read only its header (that of the first frame if it has several).

    Errors raised within the block pass through: to decode the pixels, use `decoded`.

    Args:
        path: the file.
        max_pixels: maximum height * width that is accepted. Above twice `MAX_PIXELS`, Pillow itself
            refuses.

    Raises:
        DatasetError: no such file, not an image, damaged, or too large.
    """
    from PIL import Image

    path = Path(path)
    if not is_file(path):
        raise DatasetError(
            "there is no such image file", path=path, advice="check its name and the image folder"
        )
    if is_video(path):
        raise DatasetError("this is a video, not a picture", path=path, advice="choose a picture")
    _register_heif()
    with _decoding(path):
        image = Image.open(path, formats=FORMATS)
    with image:
        _check_size(path, image.size, max_pixels)
        yield image


@functools.cache
def _register_heif() -> None:
    """Let Pillow read HEIC, the iPhone's format; done once per process."""
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False)


def is_video(path: str | os.PathLike) -> bool:
    """Whether a file starts like a video, whatever its suffix; False if it is not readable.

    An animated GIF, HEIC or AVIF is a picture here: its first frame is read.
    """
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(12)
    except OSError:
        return False
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    return head.startswith(_VIDEO_HEADS) or (head[:4], head[8:12]) == (b"RIFF", b"AVI ")


@contextlib.contextmanager
def decoded(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> "Iterator[PillowImage]":
    """Like `opened`, with the pixels decoded: reading them can no longer fail."""
    with opened(path, max_pixels) as image:
        with _decoding(Path(path)):
            image.load()
        yield image


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turn what Pillow raises for a bad file into a DatasetError; for code that only decodes."""
    from PIL import Image

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(str(error), path=path, advice="make the image smaller") from error
    except MemoryError as error:
        raise DatasetError("there is not enough memory to decode this image", path=path) from error
    except DatasetError:
        raise
    except _DECODER_ERRORS as error:
        raise DatasetError(
            f"not a readable image ({_reason(error)})",
            path=path,
            advice="replace the file or take it out of the data set",
        ) from error


def _reason(error: Exception) -> str:
    """The message of Pillow or the system, on one line and without the path (of a copy, say)."""
    from PIL import Image

    if isinstance(error, Image.UnidentifiedImageError):
        return "cannot identify image file"
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def orientation(image: "PillowImage") -> int:
    """The EXIF orientation of an image, 1 (upright) to 8; 1 if none can be read."""
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _DECODER_ERRORS:  # the pixels may still be good
        return 1
    return turned if turned in range(1, 9) else 1


def _to_rgb(image: "PillowImage") -> np.ndarray:
    from PIL import ImageOps

    if orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            raise ValueError("its grey values are not whole numbers of 8 or 16 bits")
        # 65535 = 255 * 257: the nearest of the 256 grey levels.
        return np.repeat(((grey.astype(np.int32) + 128) // 257).astype(np.uint8)[..., None], 3, 2)
    if image.mode in ("P", "PA"):
        # Via RGBA, as Pillow advises for palettes with transparent entries.
        image = image.convert("RGBA")
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image)


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    found = f"the image has {width} x {height} pixels"
    if width * height > max_pixels:
        raise DatasetError(
            f"{found}, more than the {max_pixels} that are accepted",
            path=path,
            advice="make it smaller",
        )
    if width * height <= 0:
        raise DatasetError(found, path=path, advice="replace it")
