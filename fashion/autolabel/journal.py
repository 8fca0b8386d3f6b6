"""The journal of a labelling run: every finished image survives any end of the process.

A text file of JSON lines that only grows. The first line holds the settings of the run; every
other line is one finished image, or notes that a final file was written. A line counts when it is
whole, so that a process that is killed in the middle of one loses that image alone. Lines reach the
operating system at once, which survives the end of the process, and the disk every second, which
survives a power cut.
"""

import contextlib
import hashlib
import json
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from mrcnn.errors import UserError, counted
from mrcnn.system.files import saving
from mrcnn.system.locks import lock

FORMAT = 1
SYNC_SECONDS = 1.0


class JournalError(UserError):
    """The journal cannot be resumed, or cannot be written."""


class _Index:
    """Where each image's line is in the file, in bytes, and a digest of its stamp.

    A million images take some 170 MB: their names, and 24 bytes each.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._starts, self._lengths, self._stamps = array("Q"), array("Q"), array("Q")

    def enter(self, name: str, start: int, length: int, stamp: list[Any]) -> None:
        """Add an image, or replace its former line by the new one."""
        place = self._places.setdefault(name, len(self._starts))
        if place == len(self._starts):
            for values in (self._starts, self._lengths, self._stamps):
                values.append(0)
        self._starts[place], self._lengths[place] = start, length
        self._stamps[place] = _stamp_digest(stamp)

    def holds(self, name: str, stamp: list[Any]) -> bool:
        """Whether the image is there with this stamp."""
        place = self._places.get(name)
        return place is not None and self._stamps[place] == _stamp_digest(stamp)

    def __getitem__(self, name: str) -> tuple[int, int]:
        """Where the line begins, and its length."""
        place = self._places[name]
        return self._starts[place], self._lengths[place]

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)


def _stamp_digest(stamp: list[Any]) -> int:
    text = json.dumps(stamp, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


class LabelJournal:
    """The open journal of one output file; no other process can open it meanwhile.

    Args:
        path: the file; made when it is not there, with the folders above it.
        settings: all that determines the labels, as JSON values. A journal with other settings is
            refused.
        restart: start over: forget the images that the journal holds, whatever its settings, as
            soon as there is something to append. Which final files were written is remembered.

    Raises:
        JournalError: the settings differ (it says which), or the file is damaged, not a journal,
            not writable, or open in another process.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, restart: bool = False) -> None:
        self.path = Path(path)
        self.settings = json.loads(json.dumps(settings))
        self._written: dict[tuple[str, str], None] = {}
        self._restart = restart
        self._lines = _Index()
        self._synced = time.monotonic()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._handle: int | None = os.open(self.path, flags, 0o666)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if not lock(self._file):
            raise JournalError(
                "another process is labelling into the same output",
                path=self.path,
                settings=("output",),
                advice="wait for it, or choose another {output}",
            )
        self._end = 0
        if self._restart:
            self._read_written()
            return
        self._end = self._read_lines()
        with self._explained():
            # Anything after the last whole line would run into the next one.
            os.ftruncate(self._file, self._end)
            if not self._end:
                self._append({"journal": FORMAT, "settings": self.settings})
            self.sync()

    def _read_written(self) -> None:
        """Index the final files that an earlier run wrote; other lines may be anything."""
        with self._reader() as stream:
            for line in stream:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    self._written[entry["written"], entry["sha256"]] = None

    def _read_lines(self) -> int:
        """Index all whole lines; return the byte where the last of them ends."""
        end = 0
        with self._reader() as stream:
            for number, line in enumerate(stream, 1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not line.endswith(b"\n"):
                    return end
                if not isinstance(entry, dict):
                    raise self._unusable(f"the journal is damaged at line {number}")
                self._enter(entry, number, end, len(line))
                end += len(line)
        return end

    def _enter(self, entry: dict[str, Any], number: int, start: int, length: int) -> None:
        if number == 1:
            self._check_settings(entry)
        elif "file" in entry:
            self._lines.enter(entry["file"], start, length, entry["stamp"])
        elif "written" in entry:
            self._written[entry["written"], entry["sha256"]] = None

    def _check_settings(self, header: dict[str, Any]) -> None:
        if header.get("journal") != FORMAT or not isinstance(header.get("settings"), dict):
            raise self._unusable("is not a journal of this version")
        old, new = header["settings"], self.settings
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if names:
            changes = "; ".join(_change(name, old.get(name), new.get(name)) for name in names)
            raise JournalError(
                f"the journal has labels made with other settings ({changes}), which cannot be "
                f"mixed",
                path=self.path,
                settings=("restart", "output"),
                advice="give the former settings to resume, {restart} to label all images again, "
                "or another {output}",
            )

    def _unusable(self, problem: str) -> JournalError:
        return JournalError(
            problem,
            path=self.path,
            settings=("restart",),
            advice="move it away, or start over with {restart}",
        )

    @property
    def _file(self) -> int:
        """The open file's descriptor."""
        if self._handle is None:
            raise ValueError(f"the journal {self.path} is closed")
        return self._handle

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    def holds(self, name: str, stamp: list[Any]) -> bool:
        """Whether image `name` is finished, and its file has not been changed since."""
        return self._lines.holds(name, stamp)

    def read(self, name: str) -> dict[str, Any]:
        """The record of image `name`. Raises `KeyError` when it is not there."""
        start, length = self._lines[name]
        with self._reader() as stream:
            stream.seek(start)
            return json.loads(stream.read(length))

    def records(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The records of those of `names` that are there, in their order, one at a time."""
        with self._reader() as stream:
            for name in names:
                if name in self._lines:
                    start, length = self._lines[name]
                    stream.seek(start)
                    yield json.loads(stream.read(length))

    def _reader(self) -> BinaryIO:
        return self.path.open("rb")

    def append(self, record: dict[str, Any]) -> None:
        """Add a finished image: `file`, `stamp` and anything else. Raises `JournalError`."""
        start, end = self._append_or_explain(record)
        self._lines.enter(record["file"], start, end - start, record["stamp"])

    def note_written(self, name: str, digest: str) -> None:
        """Note that the final file `name` is about to be written, with this sha256.

        Call it before the file appears, so that a process killed at any moment leaves no file that
        the journal does not know. Raises `JournalError`.
        """
        if not self.wrote(name, digest):
            self._append_or_explain({"written": name, "sha256": digest})
            self._written[name, digest] = None
        self.sync()

    def wrote(self, name: str, digest: str) -> bool:
        """Whether a run of this journal wrote the file `name` with this sha256."""
        return (name, digest) in self._written

    def _append_or_explain(self, entry: dict[str, Any]) -> tuple[int, int]:
        """Add a line; return the bytes where it begins and ends."""
        try:
            with self._explained():
                if self._restart:
                    self._start_over()
                start = self._end
                self._append(entry)
                if time.monotonic() - self._synced >= SYNC_SECONDS:
                    self.sync()
        except JournalError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        return start, self._end

    def _start_over(self) -> None:
        """Empty the file, and write what is remembered."""
        os.ftruncate(self._file, 0)
        self._restart = False
        self._append({"journal": FORMAT, "settings": self.settings})
        for name, digest in self._written:
            self._append({"written": name, "sha256": digest})

    def _append(self, entry: dict[str, Any]) -> None:
        data = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        os.lseek(self._file, self._end, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._end += len(data)

    def sync(self) -> None:
        """Force all lines to the disk. Raises `OSError`."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Release the file for others; a second call does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> "LabelJournal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _explained(self) -> AbstractContextManager[None]:
        done = f"the labels of {counted(len(self), 'image')} are kept in it; " if len(self) else ""
        return saving(
            self.path,
            JournalError,
            problem="the journal cannot be written",
            advice=f"{done}make room or make the folder writable, and run the same command again, "
            "or choose another {output}",
            settings=("output",),
        )


def _change(name: str, old: Any, new: Any) -> str:
    return f"{name}: {_short(old)} then, {_short(new)} now"


def _short(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
