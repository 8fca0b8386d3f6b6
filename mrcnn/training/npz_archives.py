"""Archives of arrays (`.npz`) that are checked before any of their arrays is read.

`np.load` allocates as much memory as an array's header declares, and `zipfile` decompresses
anything, so a small file could use any amount of memory. Here an archive may only declare as much
as it contains.
"""

import contextlib
import math
import os
import struct
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mrcnn.system.files import is_file
from mrcnn.weights.h5_reading import MOST_NAMES, MOST_NUMBERS

# The weights and Adam's two moments of each, four bytes per value.
MOST_BYTES = min(3 * 4 * MOST_NUMBERS, (1 << 32) - 1)
MOST_MEMBERS = 4 * MOST_NAMES
MOST_TEXT = 1 << 26  # characters of one text

_DIRECTORY_BYTES = MOST_MEMBERS * 256
# The end of a zip archive without a comment: signature, four counts, size and offset of the
# directory, length of the comment. Archives above 4 GB have a 20-byte locator before it.
_END = struct.Struct("<4s4H2LH")
_LOCATOR = 20
# What NumPy raises, apart from ValueError, if the text of a header is not a dictionary.
_NO_HEAD = (SyntaxError, tokenize.TokenError, RecursionError, MemoryError)

Shapes = dict[str, tuple[int, ...]]


@contextlib.contextmanager
def opened_arrays(path: str | os.PathLike) -> Iterator[tuple[np.lib.npyio.NpzFile, Shapes]]:
    """Open an archive that `np.savez` wrote; its arrays are read on demand.

    The directory and the array headers are checked: nothing is compressed, all members together
    are no larger than the file, and each is exactly as long as its shape requires and contains real
    numbers or one text. No pickle is loaded. The second value is the shapes of the numeric arrays
    by name, so that a caller can skip arrays that are larger than expected.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError, RuntimeError, OSError, zipfile.BadZipFile: it is not such an archive.
    """
    path = Path(path)
    if not is_file(path):  # a pipe would block
        raise FileNotFoundError(path)
    with path.open("rb") as stream:
        _require_bounded(stream)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as data:
            _require_stored(data.zip, path.stat().st_size)
            yield data, _shapes(data.zip)


def _shapes(archive: zipfile.ZipFile) -> Shapes:
    """Shapes by name; raises ValueError if a header does not match the data after it."""
    shapes = {}
    for member in archive.infolist():
        with archive.open(member) as stream:
            shape, dtype = _read_head(stream)
            declared = stream.tell() + dtype.itemsize * math.prod(shape)
        if declared != member.file_size:
            raise ValueError(f"{member.filename} declares {declared:,} bytes")
        if dtype.kind in "biuf" and dtype.itemsize <= 8:
            shapes[member.filename.removesuffix(".npy")] = shape
        elif dtype.kind != "U" or shape or dtype.itemsize > 4 * MOST_TEXT:
            raise ValueError(f"{member.filename} holds {dtype}")
    return shapes


def _read_head(stream) -> tuple[tuple[int, ...], np.dtype]:
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in read:
        raise ValueError(f"an array of version {version}")
    try:
        shape, _, dtype = read[version](stream)
    except _NO_HEAD as error:
        raise ValueError("the header of an array cannot be parsed") from error
    if any(length < 0 for length in shape):
        raise ValueError("an array has a negative length")
    return shape, dtype


def _require_bounded(stream) -> None:
    """Raise ValueError before `zipfile` reads a directory that is larger than any of ours."""
    size = stream.seek(0, os.SEEK_END)
    if size > MOST_BYTES:
        raise ValueError(f"the archive has {size:,} bytes")
    stream.seek(max(0, size - _LOCATOR - _END.size))
    tail = stream.read()
    if len(tail) < _END.size:
        raise ValueError("the file is too short for an archive")
    signature, *_, members, directory, _, comment = _END.unpack(tail[-_END.size :])
    is_plain = signature == b"PK\x05\x06" and not comment and tail[:4] != b"PK\x06\x07"
    if not is_plain or members > MOST_MEMBERS or directory > _DIRECTORY_BYTES:
        raise ValueError("the file does not end as an archive of arrays does")


def _require_stored(archive: zipfile.ZipFile, size: int) -> None:
    """Raise ValueError if members are compressed, overlap, or have the same name."""
    members = archive.infolist()
    if any(
        member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size
        for member in members
    ):
        raise ValueError("the archive is compressed, unlike any training state")
    if sum(member.file_size for member in members) > size:
        raise ValueError("the archive declares more bytes than it has")
    if len({member.filename for member in members}) != len(members):
        raise ValueError("two arrays have the same name")
