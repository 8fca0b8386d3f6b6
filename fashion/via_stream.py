"""VIA files larger than memory, written entry by entry; the reader is `fashion.annotation_stream`.

    with ViaStreamWriter("via_region_data.json") as writer:
        for key, entry in entries:
            writer.add(key, entry)

The file is, byte by byte, what `fashion.via_write.write` writes for the same entries.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fashion.json_files import json_text
from fashion.key_digests import KeyDigests
from fashion.shards import PendingFiles
from mrcnn.errors import DatasetError


class ViaStreamWriter:
    """Writes a VIA 2 annotation file an entry at a time; the file appears whole or not at all.

    A context manager: leaving it well lets the file take the place of `path` (`paths` then tells
    the files, `count` the entries); an exception leaves what was there and no temporary file.

    Args:
        path: the file; folders above it are made.
        shard_size: write files of so many entries, named as in `fashion.shards`, instead of one.
        lines: one entry a line, instead of all in one line.
        ready: called with the path and the sha256 (hexadecimal) of each file when all are on the
            disk, just before they appear.

    Raises:
        DatasetError: it cannot be written (disk full, folder read-only, a NaN, no text); two
            entries have one key, which a reader would take for one (told at the end).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        shard_size: int | None = None,
        lines: bool = False,
        ready: Callable[[Path, str], object] | None = None,
    ) -> None:
        if shard_size is not None and shard_size < 1:
            raise DatasetError(f"A shard of {shard_size} entries cannot be: name 1 or more.")
        self.path = Path(path)
        self.count = 0
        self._files = PendingFiles(path, sharded=shard_size is not None, ready=ready)
        self._shard_size = shard_size
        self._begin, self._between, self._end = (
            ("{\n", ",\n", "\n}\n") if lines else ("{", ", ", "}\n")
        )
        self._keys = KeyDigests()

    @property
    def paths(self) -> list[Path]:
        """The files that were written; empty before the end."""
        return self._files.paths

    def add(self, key: str, entry: Mapping[str, Any]) -> None:
        """Write one entry: `filename`, `size`, `regions`, `file_attributes`."""
        self._keys.add(key)
        if self._shard_size is not None and self.count and self.count % self._shard_size == 0:
            self._files.write(self._end)
            self._open()
        elif self.count:
            self._files.write(self._between)
        self._files.write(f"{json_text(key, self.path)}: {json_text(entry, self.path)}")
        self.count += 1

    def __enter__(self) -> "ViaStreamWriter":
        try:
            self._open()
        except BaseException:
            self._files.discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._files.write(self._end if self.count else self._end.lstrip())
                self._check_keys()
                self._files.commit()
        finally:
            self._files.discard()

    def _open(self) -> None:
        self._files.open()
        self._files.write(self._begin)

    def _check_keys(self) -> None:
        repeated = self._keys.first_repeated()
        if repeated:
            raise DatasetError(
                f"{self.path} is not written: entries {repeated[0] + 1} and {repeated[1] + 1} "
                "have the same key; give each image one of its own."
            )
