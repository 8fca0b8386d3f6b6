"""Locks on files that end with the process, however it ends."""

import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock(handle: int) -> bool:
    """Lock the open file `handle` for this process until it is closed; False if another has it."""
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _lock_on_windows(handle)
    except BlockingIOError:
        return False
    except PermissionError:
        if fcntl is not None:
            raise
        return False
    return True


def _lock_on_windows(handle: int) -> None:
    """Lock one byte far behind the end, which leaves the content readable for others."""
    import msvcrt

    os.lseek(handle, 1 << 40, os.SEEK_SET)
    msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
