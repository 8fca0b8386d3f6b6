"""VIA files larger than memory, written entry by entry; the reader is `fashion.streams.images`.

    with ViaStreamWriter("via_region_data.json") as writer:
        for key, entry in entries:
            writer.add(key, entry)

The file is, byte by byte, what `fashion.annotations.via_writing.write` writes for the same entries.
"""

import hashlib
import os
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashion.json_files import json_text
from fashion.streams.shards import EntryWriter
from mrcnn.errors import DatasetError


class ViaStreamWriter(EntryWriter):
    """Writes a VIA 2 annotation file an entry at a time; see `fashion.streams.shards.EntryWriter`.

    lines: one entry per line, instead of all in one line. Raises `DatasetError` also for a NaN, for
    text that UTF-8 cannot hold, and, at the end, for two entries with the same key: a reader would
    see only one of them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        shard_size: int | None = None,
        lines: bool = False,
        ready: Callable[[Path, str], object] | None = None,
    ) -> None:
        super().__init__(path, shard_size=shard_size, ready=ready)
        self._opening, self._separator, self._closing = (
            ("{\n", ",\n", "\n}\n") if lines else ("{", ", ", "}\n")
        )
        self._keys = KeyDigests()

    def add(self, key: str, entry: Mapping[str, Any]) -> None:
        """Write one entry: `filename`, `size`, `regions`, `file_attributes`."""
        self._keys.add(key)
        self._next(self._separator)
        self._files.write(f"{json_text(key, self.path)}: {json_text(entry, self.path)}")

    def _begin(self) -> None:
        self._files.open()
        self._files.write(self._opening)

    def _end(self) -> None:
        self._files.write(self._closing if self.count else self._closing.lstrip())

    def _commit(self) -> None:
        repeated = self._keys.first_repeated()
        if repeated:
            raise DatasetError(
                f"it is not written: entries {repeated[0] + 1} and {repeated[1] + 1} have the "
                "same key",
                path=self.path,
                advice="give each image its own",
            )
        super()._commit()


class KeyDigests:
    """Keeps 16 bytes per key instead of the key; repeated keys are found at the end.

    Among a billion keys, the chance that two different ones count as equal is 1 in 10 ** 20.
    """

    def __init__(self) -> None:
        self._words = array("Q")

    def add(self, key: str) -> None:
        """Record a key."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._words.frombytes(digest)

    def first_repeated(self) -> tuple[int, int] | None:
        """The numbers, from 0, of two equal keys; None when all differ."""
        words = np.frombuffer(self._words, dtype=np.uint64).reshape(-1, 2)
        order = np.lexsort((words[:, 1], words[:, 0]))  # stable: the earlier first
        ordered = words[order]
        alike = np.flatnonzero((ordered[1:] == ordered[:-1]).all(axis=1))
        if not len(alike):
            return None
        place = alike[np.argmin(order[alike + 1])]
        return int(order[place]), int(order[place + 1])
