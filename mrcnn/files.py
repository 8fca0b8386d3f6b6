"""Files: written so that they appear whole or not at all, and looked for without surprises."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mrcnn.errors import UserError

_UNFINISHED = re.compile(r"\.(.+)\.[^.]+\.part")

# Bytes of a file's name that its temporary name repeats: file systems take 255 in all, and tempfile
# puts eight characters between.
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


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text, whole or not at all. Raises UserError if that fails."""
    try:
        with replacing(path, "w") as stream:
            stream.write(text)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})",
            path=path,
            advice="make room, or name another folder",
        ) from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    The data is on the disk (fsync) before the rename, so that after a crash or a power cut there
    is the former file or the new one, never a part. An exception leaves the former file as it was
    and no temporary file.

    Args:
        path: the file to write; its folder must exist.
        mode: 'wb' or 'w' (UTF-8, line ends as given).
    """
    path = Path(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{shortened(path.name)}.", suffix=".part"
    )
    temporary = Path(name)
    try:
        with os.fdopen(handle, mode, **text) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(_ordinary_mode(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync(path: Path) -> None:
    """Force what a file holds to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    """The temporary files that killed processes left in a folder, and the names they were for.

    Names are cut as by `shortened`. The files of a process that is at work are among them: hold a
    lock before removing any.
    """
    for path in folder.glob(".*.part"):
        if match := _UNFINISHED.fullmatch(path.name):
            yield path, match[1]


def shortened(name: str) -> str:
    """A file name, or as much of it as leaves room for what makes it a temporary one."""
    return os.fsdecode(os.fsencode(name)[:_NAME_BYTES])


def _ordinary_mode(path: Path) -> int:
    """The permissions `path` has, or what a plain `open` would give: mkstemp's are private."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, after a renaming; where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
