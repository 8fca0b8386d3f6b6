"""Pictures and annotations that are not on this machine: addresses such as s3://bucket/folder.

All that fsspec knows can be named (s3, gcs, memory, file, ...); it is an extra, and is imported
only when an address is. Pictures are read one by one, by their bytes; a folder is never copied.
Results are written on this machine first, and go to their address whole.
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

from mrcnn.errors import DatasetError, UserError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
TRIES = 4
PAUSE_SECONDS = 0.5  # before the second try; doubled before each further one
CHUNK = 1 << 20  # bytes
MAX_BYTES = 1 << 29  # of a picture's file; it is held in memory
# What stores say of an object's content, or of its last change; the first that is there is taken.
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
    """A picture by its address, with what the listing of its folder said; used as a `Path` is.

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
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def stamp(self) -> list[Any]:
        """Size and token, as `fashion.autolabel.file_stamp` gives size and time of a file."""
        return [self.size, self.token]


@contextlib.contextmanager
def _explained(url: str, option: str = "") -> Iterator[None]:
    """Make what fsspec and the stores' packages raise one sentence about `url`."""
    advice = f"check the address and your access to it, or name another with {option}"
    advice = advice if option else "check the address and your access to it"
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        package = PACKAGES.get(url.split("://", 1)[0])
        what = f"{package} is not installed" if package else str(error).rstrip(".")
        raise UserError(f'{url} cannot be used: {what}. Type: pip install ".[remote]"') from error
    except FileNotFoundError as error:
        raise DatasetError(f"{url} does not exist: {advice}.") from error
    except Exception as error:  # each store has its own
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(f"{url} cannot be used ({reason}): {advice}.") from error


def _opened(url: str):
    """The file system of an address, and the path there."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UserError(
            f'{url} is an address, for which fsspec is not installed. Type: pip install ".[remote]"'
        ) from None
    return url_to_fs(url)


def list_remote(
    folder: RemoteFolder, suffixes: Collection[str], limit: int | None = None
) -> list[RemotePicture]:
    """The pictures of a remote folder in the order of their names; or the one picture.

    suffixes: endings of picture files, in small letters.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
        UserError: the store does not answer, or a package is missing.
    """
    with _explained(folder.url, "--images"):
        files, path = _opened(folder.url)
        files.invalidate_cache()
        pictures = []
        for info in files.ls(path, detail=True):
            name = str(info["name"]).rstrip("/")
            if info["type"] != "file" or PurePosixPath(name).suffix.lower() not in suffixes:
                continue
            token = next((str(info[key]) for key in _TOKENS if info.get(key)), "")
            url = files.unstrip_protocol(name)
            pictures.append(RemotePicture(url, int(info["size"]), token.strip('"')))
    if not pictures:
        raise DatasetError(
            f"There is no picture in {folder}: put {', '.join(sorted(suffixes))} files there, or "
            f"name another folder with --images."
        )
    return sorted(pictures, key=lambda picture: picture.name)[:limit]


def read_remote(picture: RemotePicture) -> np.ndarray | UserError:
    """A remote picture, uint8 RGB [height, width, 3], or the error why it cannot be read.

    A store that does not answer is no fault of the picture: that is tried again, and then raises
    `UserError`, so that the picture is labelled by a later run.
    """
    from mrcnn.images import read_image

    if picture.size > MAX_BYTES:
        return DatasetError(
            f"its {picture.size} bytes are too many for a picture", path=picture.url
        )
    try:
        data = _fetch(picture.url)
    except DatasetError:
        return DatasetError(
            "there is no such image file",
            path=picture.url,
            advice="check its name and the image folder",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / picture.name
        path.write_bytes(data)
        del data
        try:
            return read_image(path)
        except DatasetError as error:
            return error.replace(path=picture.url)


def _fetch(url: str) -> bytes:
    for number in range(TRIES):
        try:
            with _explained(url):
                files, path = _opened(url)
                return files.cat_file(path)
        except DatasetError:
            raise
        except UserError:
            if number == TRIES - 1:
                raise
            time.sleep(PAUSE_SECONDS * 2**number)
    raise AssertionError("not reached")


def remote_digest(url: str) -> str | None:
    """The sha256 of a remote file, in hexadecimal digits; None where there is none."""
    digest = hashlib.sha256()
    try:
        with _explained(url, "--output"):
            files, path = _opened(url)
            files.invalidate_cache()
            with files.open(path, "rb") as stream:
                while block := stream.read(CHUNK):
                    digest.update(block)
    except DatasetError:
        return None
    return digest.hexdigest()


def upload(source: Path, url: str) -> None:
    """Put a file of this machine to an address, whole. Raises `UserError`."""
    with _explained(url, "--output"):
        files, path = _opened(url)
        files.makedirs(files._parent(path), exist_ok=True)
        protocols = [files.protocol] if isinstance(files.protocol, str) else files.protocol
        # Object stores show an object when it is complete; on a file system, a renaming does that.
        target = f"{path}.part" if "file" in protocols else path
        files.put_file(str(source), target)
        if target != path:
            files.mv(target, path)


def working_folder(output: RemoteFolder) -> Path:
    """Where, on this machine, the journal and the files that go to an address stand."""
    from mrcnn.downloads import cache_folder

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
                f"{output} is to be an annotation file: name one that ends with .json by --output."
            )
        self.output = output
        self.local = working_folder(output) / output.name

    def url_of(self, name: str) -> str:
        """The address of a file beside the annotation file."""
        return f"{self.output.url.rsplit('/', 1)[0]}/{name}"

    def require_own(self, names: Sequence[str], journal) -> None:
        """Raise `UserError` where one of the files there is not as a run of `journal` wrote it."""
        for name in names:
            digest = remote_digest(self.url_of(name))
            if digest is not None and not journal.wrote(name, digest):
                raise UserError(
                    f"{self.url_of(name)} was not written by this command, or was changed since: "
                    f"move it away, or --overwrite replaces it."
                )

    def publish(self, paths: Sequence[Path]) -> None:
        """Upload the files that were written. Raises `UserError`; they are kept here."""
        for path in paths:
            try:
                upload(path, self.url_of(path.name))
            except UserError as error:
                raise UserError(
                    f"{error} No label is lost: {path} holds what was to go there, and the same "
                    f"command tries again."
                ) from error
