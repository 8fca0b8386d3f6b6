"""Commands that run with a disk of a given size, or one that cannot be written, in a folder.

The mounts are made in a namespace of the command's own, so that they end with it, however it ends,
and nobody else sees them. Where a system does not permit that the tests are skipped.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

SMALL = 'mount -t tmpfs -o "size=$1" tmpfs "$2" || exit 99'
READ_ONLY = 'mount --bind "$2" "$2" && mount -o remount,bind,ro "$2" || exit 99'
# What the disk holds is copied to $3 at the end: the disk itself is gone then.
RUN = 'disk="$2"; left="$3"; shift 3; "$@"; code=$?; cp -a "$disk/." "$left"; exit $code'


def with_small_disk(
    command: Sequence[object], disk: Path, kilobytes: int, **options
) -> subprocess.CompletedProcess:
    """Run a command while `disk` is an empty disk of that size; its files stay in `disk`."""
    return _run(SMALL, f"{kilobytes}k", command, disk, **options)


def with_read_only(
    command: Sequence[object], folder: Path, **options
) -> subprocess.CompletedProcess:
    """Run a command while nothing in `folder` can be written, not even by root."""
    return _run(READ_ONLY, "", command, folder, **options)


def _run(mount, size, command, disk, **options):
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, of util-linux")
    disk.mkdir(parents=True, exist_ok=True)
    left = disk.with_name(f"{disk.name}.left")
    left.mkdir()
    shell = ["sh", "-c", f"{mount}\n{RUN}", "sh", size, disk, left, *command]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *map(str, shell)],
        capture_output=True,
        text=True,
        timeout=1800,
        **options,
    )
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip(f"this system permits no mounts here: {done.stderr.strip()}")
    if mount == SMALL:
        disk.rmdir()
        left.rename(disk)
    return done
