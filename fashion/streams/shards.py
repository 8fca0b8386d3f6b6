"""Annotations in several files: `via-00000-of-00003.json` and so on, each of them a whole file.

The files of one name are a set. Readers read the whole set or say what is missing; a set is named
by its folder, by a pattern with `*`, or by the name without the numbers (`via.json`).
"""

import abc
import contextlib
import glob
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from fashion.annotations.locating import ANNOTATION_FILE, find_annotations
from fashion.json_files import writing
from mrcnn.errors import DatasetError, counted
from mrcnn.system.files import is_file, shortened, sync_folder

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5,})-of-(?P<total>\d{5,})(?P<suffix>\.[^.]*)?")
_BUFFER = 1 << 20  # bytes


def shard_path(path: Path, number: int, total: int) -> Path:
    """The file of shard `number`, from 0: `via.json` gives `via-00002-of-00012.json`."""
    return path.with_name(f"{path.stem}-{number:05d}-of-{total:05d}{path.suffix}")


def shards_of(path: Path) -> list[Path]:
    """The existing files of the set that `path` (`via.json`) names, in order, unchecked."""
    pattern = f"{glob.escape(path.stem)}-*-of-*{glob.escape(path.suffix)}"
    own = [
        (int(m["total"]), int(m["number"]), p)
        for p, m in _shards_among(path.parent.glob(pattern)).items()
        if m["stem"] == path.stem and (m["suffix"] or "") == path.suffix
    ]
    return [p for _, _, p in sorted(own)]


def _shards_among(paths: Iterable[Path]) -> dict[Path, re.Match[str]]:
    """The paths that are named like shards, and what their names say."""
    found = ((path, _SHARD.fullmatch(path.name)) for path in paths)
    return {path: match for path, match in found if match}


def annotation_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `path` means: a file, a folder, a pattern, or the common name of shards.

    In a folder it is the one set of shards there, else the file that
    `fashion.annotations.locating.find_annotations` finds. Raises `DatasetError` if shards of a set
    are missing, if two sets, or a set and a file, could be meant, and if nothing is there.
    """
    path = Path(path)
    if is_file(path):
        return [path]
    if path.is_dir():
        return _files_in(path)
    shards = shards_of(path)
    if shards:
        return _checked(shards, path)
    if any(character in str(path) for character in "*?["):
        return _matching(path)
    raise DatasetError("it does not exist", path=path, advice="check the path")


def _files_in(folder: Path) -> list[Path]:
    shards = list(_shards_among(sorted(folder.glob("*-of-*.json"))))
    if not shards:
        return [find_annotations(folder)]
    if is_file(folder / ANNOTATION_FILE):
        raise DatasetError(
            f"the folder has {ANNOTATION_FILE} and {counted(len(shards), 'shard')}",
            path=folder,
            advice="name the file or the set that you mean",
        )
    return _checked(shards, folder)


def _matching(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor) if pattern.is_absolute() else Path()
    found = [p for p in sorted(root.glob(str(pattern.relative_to(root)))) if p.is_file()]
    if not found:
        raise DatasetError("the pattern matches no file", path=pattern, advice="check it")
    return _checked(found, pattern) if len(_shards_among(found)) == len(found) else found


def _checked(shards: list[Path], source: Path) -> list[Path]:
    """`shards` in order, if they are the whole of one set."""
    matches = _shards_among(shards)
    sets = {(str(p.parent), m["stem"], m["suffix"], int(m["total"])) for p, m in matches.items()}
    if len(sets) > 1:
        names = ", ".join(sorted(f"{stem}-*-of-{total:05d}" for _, stem, _, total in sets)[:3])
        raise DatasetError(
            f"there are shards of {len(sets)} sets ({names})",
            path=source,
            advice="name one of them, or remove the files of those you do not need",
        )
    total = next(iter(sets))[3]
    numbers = {int(m["number"]): p for p, m in matches.items()}
    missing = [number for number in range(min(total, 100_000)) if number not in numbers]
    if missing or len(numbers) != total:
        some = ", ".join(map(str, missing[:5])) + (", .." if len(missing) > 5 else "")
        raise DatasetError(
            f"there are {len(numbers)} of {counted(total, 'shard')} (missing: {some})",
            path=source,
            advice="copy the others there, or write the set again",
        )
    return [numbers[number] for number in sorted(numbers)]


class PendingFiles:
    """Text files that appear together when all of them are whole, or not at all.

    `open` begins the next file, under a temporary name beside `path`. `commit` forces them to the
    disk and gives them their names: `path` itself, or with `sharded` the names of a set, whose
    number is known only then. An existing set with another number of files is removed; a single
    file that a set replaces stays, and so does a set that a single file replaces. `discard` leaves
    nothing behind. `ready` is called with each file's path and sha256 when all are whole, before
    any appears.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sharded: bool = False,
        ready: Callable[[Path, str], object] | None = None,
    ) -> None:
        self.path = Path(path)
        self.sharded = sharded
        self.paths: list[Path] = []
        self._ready = ready
        self._temporary: list[Path] = []
        self._digests: list[str] = []
        self._stream: IO[bytes] | None = None
        self._hash = hashlib.sha256()

    def open(self) -> None:
        """Begin the next file; the previous one is complete."""
        with writing(self.path):
            self._finish()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            name = f".{shortened(self.path.name)}.{secrets.token_hex(4)}.part"
            temporary = self.path.with_name(name)
            # Not tempfile: its files are private, but these need the usual permissions.
            self._stream = temporary.open("xb", buffering=_BUFFER)
            self._temporary.append(temporary)
            self._hash = hashlib.sha256()

    def write(self, text: str) -> None:
        """Write `text` to the open file. Raises `DatasetError` if it cannot be written."""
        assert self._stream is not None, "open comes first"
        with writing(self.path):
            data = text.encode("utf-8")
            if self._ready is not None:
                self._hash.update(data)
            self._stream.write(data)

    def commit(self) -> list[Path]:
        """Let the files appear; return their paths. Without any `open` there are none."""
        with writing(self.path):
            self._finish()
            total = len(self._temporary)
            former = shards_of(self.path) if self.sharded else []
            self.paths = (
                [shard_path(self.path, number, total) for number in range(total)]
                if self.sharded
                else [self.path][:total]
            )
            if self._ready is not None:
                for path, digest in zip(self.paths, self._digests, strict=True):
                    self._ready(path, digest)
            for temporary, path in zip(list(self._temporary), self.paths, strict=True):
                if path.exists():
                    temporary.chmod(path.stat().st_mode & 0o777)
                temporary.replace(path)
                self._temporary.remove(temporary)
            for path in set(former) - set(self.paths):
                path.unlink()
            sync_folder(self.path.parent)
        return self.paths

    def discard(self) -> None:
        """Remove what has been written and not committed."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None
        for temporary in self._temporary:
            temporary.unlink(missing_ok=True)
        self._temporary.clear()

    def _finish(self) -> None:
        """Force the open file to the disk."""
        if self._stream is None:
            return
        with self._stream as stream:
            self._stream = None
            stream.flush()
            os.fsync(stream.fileno())
        self._digests.append(self._hash.hexdigest())


class EntryWriter(abc.ABC):
    """What the writers of annotation files share: entries one by one, in one file or in shards.

    A context manager: leaving it well lets the files appear (`paths` then names them, `count` is
    the number of entries); an exception leaves what was there and no temporary file.

    Args:
        path: the file; folders above it are made.
        shard_size: write files of this many entries, named as in `fashion.streams.shards`, instead
            of one.
        ready: called with the path and the sha256 (hexadecimal) of each file when all are on the
            disk, just before they appear.

    Raises:
        DatasetError: it cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        shard_size: int | None = None,
        ready: Callable[[Path, str], object] | None = None,
    ) -> None:
        if shard_size is not None and shard_size < 1:
            raise DatasetError(
                "{shard_size} leaves no entry in a file",
                settings=("shard_size",),
                expected="1 or more",
                found=shard_size,
            )
        self.path = Path(path)
        self.count = 0
        self._files = PendingFiles(path, sharded=shard_size is not None, ready=ready)
        self._shard_size = shard_size

    @property
    def paths(self) -> list[Path]:
        """The files that were written; empty before the end."""
        return self._files.paths

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
                self._commit()
        finally:
            self._discard()

    def _next(self, separator: str) -> None:
        """Write what comes before an entry, in a new file if the current one is full."""
        if self._shard_size is not None and self.count and self.count % self._shard_size == 0:
            self._end()
            self._begin()
        elif self.count:
            self._files.write(separator)
        self.count += 1

    @abc.abstractmethod
    def _begin(self) -> None:
        """Open a file and write what comes before its entries."""

    @abc.abstractmethod
    def _end(self) -> None:
        """Write what comes after the entries of a file."""

    def _commit(self) -> None:
        """Let the files appear."""
        self._files.commit()

    def _discard(self) -> None:
        self._files.discard()
