"""Locks on files: one process at a time, and none where the file system has no locks."""

import errno
import os

import pytest

from mrcnn.system import locks
from mrcnn.system.locks import lock


@pytest.fixture
def handles(tmp_path):
    """Two open handles of one file, as two processes would have them."""
    path = tmp_path / ".lock"
    opened = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2)]
    yield opened
    for handle in opened:
        os.close(handle)


def test_only_one_has_the_lock_until_it_closes_the_file(handles, tmp_path):
    assert lock(handles[0])
    assert not lock(handles[1])
    with (tmp_path / "other").open("wb") as other:
        assert lock(other.fileno())
    os.close(handles.pop(0))
    assert lock(handles[0])


@pytest.mark.skipif(os.name != "posix", reason="replaces a function of fcntl")
def test_a_file_system_without_locks_bars_nobody(handles, monkeypatch):
    def no_locks(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    assert lock(handles[0]) and lock(handles[1])
