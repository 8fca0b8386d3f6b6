"""Picture files: their sizes, without decoding them."""

import os

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from mrcnn.image_files import opened, orientation

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257  # the tags' numbers


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height of an image file as it is shown, with its EXIF orientation applied.

    Only the head of the file is read. Raises `DatasetError` when it is no readable image, or one
    of more than `mrcnn.image_files.MAX_PIXELS`.
    """
    with opened(path) as image:
        width, height = image.size
        # Orientations 5 to 8 lie on their side.
        turned = orientation(image) >= 5 and image.size == _size_as_stored(image)
    return (height, width) if turned else (width, height)


def _size_as_stored(image: Image.Image) -> tuple[int, int]:
    # Of a TIFF newer versions of Pillow give the upright size.
    if isinstance(image, TiffImageFile):
        return image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    return image.size
