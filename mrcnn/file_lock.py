"""Locks on files that end with the process, however it ends."""

import os
import sys

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        """Lock one byte far behind the end, which leaves the content readable for others."""
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
        False if another process has it; True also on a file system without locks.
    """
    try:
        _lock(handle)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
