"""Files: written completely or not at all, with errors explained; and safe existence checks."""

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mrcnn.errors import UserError

_UNFINISHED = re.compile(r"\.(.+)\.[^.]+\.part")

# Bytes of a file's name that its temporary name repeats: file systems allow 255 in total, and the
# rest is needed for eight random characters and the suffix.
_NAME_BYTES = 255 - len("..12345678.part")


def is_file(path: str | os.PathLike) -> bool:
    """Whether there is a regular file; also False for a name that no file can have.

    `Path.is_file` raises if a name is too long or inaccessible.
    """
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: str | os.PathLike) -> bool:
    """Whether there is a folder; also False for a name that no folder can have."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def write_bytes(path: str | os.PathLike, data: bytes, kind: type[UserError] = UserError) -> Path:
    """Write a file, completely or not at all, and return its path; missing folders are created.

    Raises:
        UserError: of that kind, if it cannot be written.
    """
    path = Path(path)
    with saving(path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write(data)
    return path


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Like `write_bytes`, in UTF-8, with line endings unchanged."""
    return write_bytes(path, text.encode())


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside `path` that replaces it when the block ends without error.

    The data is on disk (fsync) before the rename, so that after a crash or power failure there is
    either the old file or the new one, never a partial one. An exception leaves the old file
    unchanged and no temporary file. The new file has the permissions of the old one, or else those
    that `open` gives.

    Args:
        path: the file to write; its folder must exist.
        mode: 'wb' or 'w' (UTF-8, line endings unchanged).
    """
    path = Path(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    temporary = path.with_name(f".{shortened(path.name)}.{secrets.token_hex(4)}.part")
    stream = temporary.open(mode.replace("w", "x"), **text)
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def saving(
    path: object,
    kind: type[UserError] = UserError,
    *,
    problem: str = "cannot be written",
    advice: str = "make room or choose another place",
    settings: tuple[str, ...] = (),
) -> Iterator[None]:
    """Explain in one sentence why `path` cannot be written: `with saving(p), replacing(p) as f:`.

    Args:
        path: the file or folder that the block writes.
        kind: of the error.
        problem: what has failed; the system's reason follows in brackets.
        advice: what to do, in the imperative.
        settings: the arguments that `advice` mentions.

    Raises:
        UserError: of that kind, for an OSError in the block.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"{problem} ({reason})"
        raise kind(text, path=path, advice=advice, settings=settings) from error


def sync(path: Path) -> None:
    """Flush a file's content to disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    """The temporary files that killed processes left in a folder, with their intended names.

    Names are truncated as by `shortened`. Files that a running process is writing are included:
    hold a lock before removing any.
    """
    for path in folder.glob(".*.part"):
        if match := _UNFINISHED.fullmatch(path.name):
            yield path, match[1]


def shortened(name: str) -> str:
    """A file name, truncated if necessary to leave room for the additions of a temporary name."""
    return os.fsdecode(os.fsencode(name)[:_NAME_BYTES])


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk after a rename, if the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
