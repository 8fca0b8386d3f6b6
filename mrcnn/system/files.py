"""Files: written whole or not at all, with failures explained; and looked up without surprises."""

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

# Bytes of a file's name that its temporary name repeats: file systems take 255 in all, and eight
# random characters stand between.
_NAME_BYTES = 255 - len("..12345678.part")


def is_file(path: str | os.PathLike) -> bool:
    """Whether there is a regular file; False too for a name that no file can have.

    `Path.is_file` raises where a name is too long, or may not be looked at.
    """
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: str | os.PathLike) -> bool:
    """Whether there is a folder; False too for a name that nothing can have."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def write_bytes(path: str | os.PathLike, data: bytes, kind: type[UserError] = UserError) -> Path:
    """Write a file, whole or not at all, and return its path; missing folders are created.

    Raises:
        UserError: of that kind, where it cannot be written.
    """
    path = Path(path)
    with saving(path, kind):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write(data)
    return path


def write_text(path: str | os.PathLike, text: str) -> Path:
    """As `write_bytes`, in UTF-8 with the line ends as given."""
    return write_bytes(path, text.encode())


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    The data is on the disk (fsync) before the rename, so that after a crash or a power cut there
    is the former file or the new one, never a part. An exception leaves the former file as it was
    and no temporary file. The new file has the permissions of the former one, else those that
    `open` gives.

    Args:
        path: the file to write; its folder must exist.
        mode: 'wb' or 'w' (UTF-8, line ends as given).
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
        problem: what does not work then; the system's reason follows in brackets.
        advice: what to do, as a command.
        settings: the arguments that `advice` names.

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
    """Force what a file holds to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    """The temporary files that killed processes left in a folder, with the names they were for.

    Names are cut as by `shortened`. Files that a running process is writing are among them: hold a
    lock before removing any.
    """
    for path in folder.glob(".*.part"):
        if match := _UNFINISHED.fullmatch(path.name):
            yield path, match[1]


def shortened(name: str) -> str:
    """A file name, or as much of it as leaves room for what makes it a temporary one."""
    return os.fsdecode(os.fsencode(name)[:_NAME_BYTES])


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk after a rename, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
