"""Opening image files that may be anything: damaged, enormous, of another kind, or an attack.

Only raster formats whose decoders are in Pillow itself are tried: others (EPS) start programs.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from mrcnn.errors import DatasetError
from mrcnn.files import is_file

# The pixels up to which Pillow takes an image for no decompression bomb: 268 MB as RGB.
MAX_PIXELS = 89_478_485
# Whatever the name's ending says, a file's first bytes decide among these. JPEG means MPO, too.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")

# What Pillow's decoders raise at damaged files.
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


@contextlib.contextmanager
def opened(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Iterator:
    """The `PIL.Image.Image` of a picture file, not decoded yet; its first frame.

    What decoding within the block raises is an error of the file, too.

    Args:
        path: the file.
        max_pixels: greatest height * width that is accepted. Above twice `MAX_PIXELS` Pillow
            refuses by itself.

    Raises:
        DatasetError: no such file, not a picture, damaged, or too large.
    """
    from PIL import Image

    path = Path(path)
    if not is_file(path):
        raise DatasetError(
            f"{path}: there is no such image file; check its name and the image folder."
        )
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(path, image.size, max_pixels)
            yield image
    except DatasetError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DatasetError(f"{path}: {error} Make the image smaller.") from error
    except MemoryError as error:
        raise DatasetError(f"{path}: there is not enough memory to decode this image.") from error
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DatasetError(
            f"{path}: not a readable image ({reason}); "
            f"replace the file or take it out of the data set."
        ) from error


def orientation(image) -> int:
    """The EXIF orientation of a `PIL.Image.Image`, 1 (upright) to 8; 1 where none can be read."""
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1)
    except _DECODER_ERRORS:  # the pixels may be good all the same
        return 1
    return turned if turned in range(1, 9) else 1


def _check_size(path, size, max_pixels):
    width, height = size
    if not 0 < width * height <= max_pixels:
        limit = f"more than the {max_pixels} that are" if width * height else "which cannot be"
        raise DatasetError(
            f"{path}: the image has {width} x {height} pixels, {limit} accepted; "
            f"{'make it smaller' if width * height else 'replace it'}."
        )
