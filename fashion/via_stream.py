"""VIA files larger than memory, written entry by entry; the reader is `fashion.annotation_stream`.

    with ViaStreamWriter("via_region_data.json") as writer:
        for key, entry in entries:
            writer.add(key, entry)

The file is, byte by byte, what `fashion.annotations.via_writing.write` writes for the same entries.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fashion.json_files import json_text
from fashion.key_digests import KeyDigests
from fashion.shards import EntryWriter
from mrcnn.errors import DatasetError


class ViaStreamWriter(EntryWriter):
    """Writes a VIA 2 annotation file an entry at a time; see `fashion.shards.EntryWriter`.

    lines: one entry a line, instead of all in one line. Raises `DatasetError` also for a NaN, for
    text that UTF-8 cannot hold, and, at the end, for two entries of one key: a reader would see
    one of them.
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
                advice="give each image one of its own",
            )
        super()._commit()
