"""Pictures and annotations that are not on this machine: addresses such as s3://bucket/folder.

Any protocol of fsspec works (s3, gcs, memory, file, ...). fsspec is an extra, and imported only
when an address is given. Pictures are read one by one; a folder is never copied. Results are
written on this machine first, and uploaded whole.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fashion.annotations.locating import print_not_read
from mrcnn.errors import DatasetError, UserError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
TRIES = 4
PAUSE_SECONDS = 0.5  # before the second try; doubled before each further one
CHUNK = 1 << 20  # bytes
MAX_BYTES = 1 << 29  # of a picture's file; it is held in memory
# What stores say about an object's content or its last change; the first one present counts.
_TOKENS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "updated", "created")


def is_address(text: str | os.PathLike) -> bool:
    """Whether a text names a place by `protocol://`."""
    return "://" in str(text)


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder, or a file, by its address."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.url.rstrip("/")).name


def place(text: str) -> Path | RemoteFolder:
    """An argparse type: a path of this machine, or an address."""
    return RemoteFolder(text) if is_address(text) else Path(text)


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A picture by its address, with what the listing of its folder said; used like a `Path`.

    size: in bytes. token: changes when the content does (an ETag, or the time of the last change).
    """

    url: str
    size: int
    token: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def stamp(self) -> list[Any]:
        """Size and token, as `fashion.pictures.listing.file_stamp` gives size and time of a
        file."""
        return [self.size, self.token]


@contextlib.contextmanager
def _explained(url: str, setting: str | None = None) -> Iterator[None]:
    """Turn what a store raises in the block into one sentence about `url`.

    The block calls only the store, nothing of this project. setting: the argument that gave `url`.
    """
    advice = "check the address and your access to it"
    if setting:
        advice = f"{advice}, or choose another with {{{setting}}}"
    settings = (setting,) if setting else ()
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError("does not exist", path=url, settings=settings, advice=advice) from error
    except Exception as error:  # each store's package has its own classes
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"cannot be used ({reason})", path=url, settings=settings, advice=advice
        ) from error


def _opened(url: str, setting: str | None = None) -> tuple[Any, str]:
    """The file system of an address, and the path there."""
    advice = 'type: pip install ".[remote]"'
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UserError(
            "cannot be read: fsspec is not installed", path=url, advice=advice
        ) from error
    with _explained(url, setting):
        try:
            return url_to_fs(url)
        except ImportError as error:
            missing = error
    package = PACKAGES.get(url.split("://", 1)[0])
    problem = f"{package} is not installed" if package else str(missing).rstrip(".")
    raise UserError(problem, path=url, advice=advice) from missing


def list_remote(
    folder: RemoteFolder, suffixes: Collection[str], limit: int | None = None
) -> list[RemotePicture]:
    """The pictures of a remote folder in the order of their names; or the one picture.

    suffixes: endings of picture files, in lower case.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
        UserError: the store does not answer, or a package is missing.
    """
    files, path = _opened(folder.url, "images")
    with _explained(folder.url, "images"):
        files.invalidate_cache()
        listed = files.ls(path, detail=True)
    pictures, others = [], []
    for info in listed:
        name = str(info["name"]).rstrip("/")
        if info["type"] != "file" or PurePosixPath(name).suffix.lower() not in suffixes:
            others.append(PurePosixPath(name).name + "/" * (info["type"] != "file"))
            continue
        token = next((str(info[key]) for key in _TOKENS if info.get(key)), "")
        url = files.unstrip_protocol(name)
        pictures.append(RemotePicture(url, int(info["size"]), token.strip('"')))
    if not pictures:
        raise DatasetError(
            "there is no picture in this folder",
            path=folder,
            settings=("images",),
            expected=f"{', '.join(sorted(suffixes))} files",
            advice="put some there, or choose another folder with {images}",
        )
    print_not_read(others, folder)
    return sorted(pictures, key=lambda picture: picture.name)[:limit]


def read_remote(picture: RemotePicture) -> np.ndarray:
    """A remote picture, uint8 RGB [height, width, 3].

    Raises:
        DatasetError: it cannot be read.
        UserError: the store does not answer, even after several tries, for which the
            picture is not to blame: a later run can label it.
    """
    from mrcnn.images.reading import read_image

    if picture.size > MAX_BYTES:
        raise DatasetError(
            "the file is too large for a picture",
            path=picture.url,
            expected=f"at most {MAX_BYTES} bytes",
            found=picture.size,
        )
    data = _fetch(picture.url)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / picture.name
        path.write_bytes(data)
        del data
        try:
            return read_image(path)
        except DatasetError as error:
            raise error.replace(path=picture.url) from error


def _fetch(url: str) -> bytes:
    """The bytes of a file. Raises `DatasetError` if it is not there, else `UserError`."""
    for pause in (*(PAUSE_SECONDS * 2**number for number in range(TRIES - 1)), None):
        try:
            files, path = _opened(url)
            with _explained(url):
                return files.cat_file(path)
        except DatasetError:
            raise
        except UserError:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def remote_digest(url: str) -> str | None:
    """The sha256 of a remote file, in hexadecimal digits; None if there is no such file."""
    digest = hashlib.sha256()
    try:
        files, path = _opened(url, "output")
        with _explained(url, "output"):
            files.invalidate_cache()
            with files.open(path, "rb") as stream:
                while block := stream.read(CHUNK):
                    digest.update(block)
    except DatasetError:
        return None
    return digest.hexdigest()


def upload(source: Path, url: str) -> None:
    """Copy a file of this machine to an address, whole. Raises `UserError`."""
    files, path = _opened(url, "output")
    with _explained(url, "output"):
        files.makedirs(files._parent(path), exist_ok=True)
        protocols = [files.protocol] if isinstance(files.protocol, str) else files.protocol
        # Object stores show only complete objects; on a file system, a rename does that.
        target = f"{path}.part" if "file" in protocols else path
        files.put_file(str(source), target)
        if target != path:
            files.mv(target, path)


def working_folder(output: RemoteFolder) -> Path:
    """The folder of this machine for the journal and the files that go to an address."""
    from mrcnn.weights.known_files import cache_folder

    digest = hashlib.sha256(output.url.encode()).hexdigest()[:16]
    return cache_folder() / "labelling" / digest


class RemoteOutput:
    """The address that annotations and report go to when they are written.

    Args:
        output: the address of the annotation file.

    Attributes:
        local: the annotation file on this machine.
    """

    def __init__(self, output: RemoteFolder) -> None:
        if not output.name.endswith(".json"):
            raise UserError(
                "the address is not that of an annotation file",
                path=output,
                settings=("output",),
                advice="choose one that ends with .json with {output}",
            )
        self.output = output
        self.local = working_folder(output) / output.name

    def url_of(self, name: str) -> str:
        """The address of a file beside the annotation file."""
        return f"{self.output.url.rsplit('/', 1)[0]}/{name}"

    def digest(self, name: str) -> str | None:
        """The sha256 of a file beside the annotation file; None if there is no such file."""
        return remote_digest(self.url_of(name))

    def publish(self, paths: Sequence[Path]) -> None:
        """Upload the files that were written. Raises `UserError`; the local files stay."""
        for path in paths:
            try:
                upload(path, self.url_of(path.name))
            except UserError as error:
                kept = (
                    f"no label is lost: {path} is the same file, and the same command tries again"
                )
                raise error.replace(advice=f"{error.advice}; {kept}") from error
