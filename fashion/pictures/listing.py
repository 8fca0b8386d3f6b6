"""Which pictures a command works on, their sizes, how each is read, and what its PNG is called."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from fashion.annotations.locating import (
    IMAGE_SUFFIXES,
    VARIABLE,
    leads_out,
    print_not_read,
    some,
)
from fashion.pictures.remote import RemoteFolder, RemotePicture, list_remote, read_remote
from mrcnn.errors import DatasetError, UserError, counted, printable
from mrcnn.images.reading import is_video, opened, orientation

if TYPE_CHECKING:
    from PIL import Image
from typing import Any

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257  # the tags' numbers


def read_or_error(path: Path | RemotePicture) -> np.ndarray | UserError:
    """A picture, uint8 RGB [height, width, 3], or the error that says why it cannot be read.

    Raises:
        UserError: a remote store does not answer, see `fashion.pictures.remote.read_remote`.
    """
    from mrcnn.images.reading import read_image

    try:
        return read_remote(path) if isinstance(path, RemotePicture) else read_image(path)
    except DatasetError as error:
        return error


@overload
def list_images(folder: Path, limit: int | None = None) -> list[Path]: ...


@overload
def list_images(folder: RemoteFolder, limit: int | None = None) -> list[RemotePicture]: ...


def list_images(
    folder: Path | RemoteFolder, limit: int | None = None
) -> list[Path] | list[RemotePicture]:
    """The pictures of a folder in the order of their names; or the one picture.

    Links that lead out of the folder, and files that are not pictures, are skipped with a line on
    stderr each. Folders in it are not searched, with a line on stderr if they hold pictures.

    Raises:
        DatasetError: there is no such folder, no picture in it, or a video in its place.
    """
    if isinstance(folder, RemoteFolder):
        return list_remote(folder, IMAGE_SUFFIXES, limit)
    if folder.is_file():
        if is_video(folder):
            raise DatasetError(
                "this is a video, not a picture",
                path=folder,
                settings=("images",),
                advice="choose a picture or a folder of pictures with {images}; the training "
                "scripts' command splash takes videos",
            )
        return [folder]
    if not folder.is_dir():
        raise DatasetError(
            "the image folder does not exist",
            path=folder,
            settings=("images",),
            advice="create it and put photographs there, or choose another with {images}",
        )
    entries = list(folder.iterdir())
    found = sorted(p for p in entries if p.suffix.lower() in IMAGE_SUFFIXES)
    leaving = [path for path in found if leads_out(folder, path.name)]
    if leaving:
        print(
            f"skipped: {counted(len(leaving), 'link')} leading out of {folder} (the first is "
            f"{printable(leaving[0].name)}); {VARIABLE}=1 in the environment accepts them",
            file=sys.stderr,
        )
        found = [path for path in found if path not in set(leaving)]
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    below = [path.name for path in folders if _has_picture(path)]
    if not found:
        raise DatasetError(
            "there is no picture in this folder"
            + (f", but in its folders {some(below)}, which are not searched" if below else ""),
            path=folder,
            settings=("images",),
            expected=f"{', '.join(sorted(IMAGE_SUFFIXES))} files",
            advice="put some there, or choose another folder with {images}",
        )
    if below:
        print(
            f"not searched: the folders {printable(some(below))} in {folder}, which have pictures",
            file=sys.stderr,
        )
    print_not_read((p.name + "/" * p.is_dir() for p in entries if p.name not in below), folder)
    return found[:limit]


def _has_picture(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())
    except OSError:
        return False


def output_names(images: Iterable[Path]) -> dict[Path, str]:
    """A PNG name for each picture; the suffix stays where two would otherwise get the same name."""
    images = list(images)
    # Case-folded, because some file systems treat a.png and A.png as one file.
    count = Counter(image.stem.casefold() for image in images)
    # "a.jpg.gif" without its suffix is the whole name of another picture.
    count.update(image.name.casefold() for image in images)
    return {p: f"{p.stem if count[p.stem.casefold()] == 1 else p.name}.png" for p in images}


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height of an image file as it is shown, with its EXIF orientation applied.

    Only the header of the file is read. Raises `DatasetError` when it is not a readable image, or
    has more pixels than `mrcnn.images.reading.MAX_PIXELS`.
    """
    with opened(path) as image:
        width, height = image.size
        # Orientations 5 to 8 are turned by 90 degrees.
        turned = orientation(image) >= 5 and image.size == _size_as_stored(image)
    return (height, width) if turned else (width, height)


def wrong_size(
    path: Path, width: int | None, height: int | None, shown: tuple[int, int] | None = None
) -> str | None:
    """What is wrong with the size, in pixels, that annotations give for a picture; None: nothing.

    `shown` are width and height if the picture was read. Nothing is wrong where the size or the
    picture is missing or cannot be read: that is reported elsewhere.
    """
    if width is None or height is None:
        return None
    try:
        shown = shown or image_size(path)
    except DatasetError:
        return None
    if shown == (width, height):
        return None
    return (
        f"its annotations are for {width} x {height} pixels, but it has {shown[0]} x {shown[1]}, "
        "upright as it is shown"
    )


def _size_as_stored(image: "Image.Image") -> tuple[int, int]:
    from PIL.TiffImagePlugin import TiffImageFile

    # Newer versions of Pillow give the upright size of a TIFF.
    if isinstance(image, TiffImageFile):
        return image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    return image.size


def file_stamp(path: Path | RemotePicture) -> list[Any]:
    """Size in bytes and time of the last change, which differ once the file has changed.

    For a remote picture: its size, and what the store says about its content or its last change.
    Empty if there is no such file.
    """
    if isinstance(path, RemotePicture):
        return path.stamp
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
