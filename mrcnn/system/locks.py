"""Locks that end with the process that holds them; one training run at a time in a log folder."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mrcnn.errors import TrainingError
from mrcnn.system.files import saving, unfinished

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        """Lock one byte far beyond the end, so that others can still read the content."""
        os.lseek(handle, 1 << 40, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock(handle: int) -> bool:
    """Lock the open file `handle` for this process until it is closed.

    Returns:
        False if another process holds it; True even on a file system without locks.
    """
    try:
        _lock(handle)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks
        return True
    return True


LOCK_FILE = ".training.lock"


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Lock a log folder for this training run; the folder is created if necessary.

    The lock ends with the process, however that ends; the empty file stays. Temporary files of runs
    that were killed here are removed.

    Raises:
        TrainingError: another training run uses the folder, or it cannot be written.
    """
    advice = "make it writable, make room, or name another log folder"
    with saving(folder, TrainingError, advice=advice):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock(handle):
            raise TrainingError(
                "another training is using this log folder",
                path=folder,
                advice="wait until it ends, or train in another folder",
            )
        for path, name in unfinished(folder):
            if name.startswith(("mask_rcnn_", "training_state.", "history.")):
                path.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
