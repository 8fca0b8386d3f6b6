"""Annotations in several files: `via-00000-of-00003.json` and so on, each of them a whole file.

The files of one name are a set. Readers take the whole set or say what is missing; a set is named
by its folder, by a pattern with `*`, or by the name without the numbers (`via.json`).
"""

import contextlib
import glob
import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fashion.json_files import writing
from mrcnn.errors import DatasetError
from mrcnn.files import is_file, shortened, sync_folder

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5,})-of-(?P<total>\d{5,})(?P<suffix>\.[^.]*)?")
_BUFFER = 1 << 20  # bytes


def shard_path(path: Path, number: int, total: int) -> Path:
    """The file of shard `number`, from 0: `via.json` gives `via-00002-of-00012.json`."""
    return path.with_name(f"{path.stem}-{number:05d}-of-{total:05d}{path.suffix}")


def shards_of(path: Path) -> list[Path]:
    """The files that are there of the set that `path` (`via.json`) names, in order; no check."""
    pattern = f"{glob.escape(path.stem)}-*-of-*{glob.escape(path.suffix)}"
    found = [(_SHARD.fullmatch(p.name), p) for p in path.parent.glob(pattern)]
    own = [
        (int(m["total"]), int(m["number"]), p)
        for m, p in found
        if m and m["stem"] == path.stem and (m["suffix"] or "") == path.suffix
    ]
    return [p for _, _, p in sorted(own)]


def annotation_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `path` means: a file, a folder, a pattern, or the common name of shards.

    In a folder it is the one set of shards there, else the file that
    `fashion.dataset.find_annotations` takes. Raises `DatasetError` where shards of a set are
    missing, where two sets, or a set and a file, could be meant, and where nothing is there.
    """
    path = Path(path)
    if is_file(path):
        return [path]
    if path.is_dir():
        shards = [p for p in sorted(path.glob("*-of-*.json")) if _SHARD.fullmatch(p.name)]
        if not shards:
            from fashion.dataset import find_annotations

            return [find_annotations(path)]
        if is_file(path / "via_region_data.json"):
            raise DatasetError(
                f"{path} holds via_region_data.json and the shards of {len(shards)} files: name "
                "the file or the set that is meant."
            )
        return _checked(shards, path)
    shards = shards_of(path)
    if shards:
        return _checked(shards, path)
    if any(character in str(path) for character in "*?["):
        root = Path(path.anchor) if path.is_absolute() else Path()
        found = [p for p in sorted(root.glob(str(path.relative_to(root)))) if p.is_file()]
        shards = [p for p in found if _SHARD.fullmatch(p.name)]
        if shards and len(shards) == len(found):
            return _checked(shards, path)
        if found:
            return found
        raise DatasetError(f"{path} fits no file: check the pattern.")
    raise DatasetError(f"{path} does not exist: check the path.")


def _checked(shards: list[Path], source: Path) -> list[Path]:
    """`shards` in order, if they are the whole of one set."""
    matches = {p: _SHARD.fullmatch(p.name) for p in shards}
    sets = {(str(p.parent), m["stem"], m["suffix"], int(m["total"])) for p, m in matches.items()}
    if len(sets) > 1:
        names = ", ".join(sorted(f"{stem}-*-of-{total:05d}" for _, stem, _, total in sets)[:3])
        raise DatasetError(
            f"{source} holds shards of {len(sets)} sets ({names}): name one of them, or remove the "
            "files that belong to no set you need."
        )
    total = next(iter(sets))[3]
    numbers = {int(m["number"]): p for p, m in matches.items()}
    missing = [number for number in range(min(total, 100_000)) if number not in numbers]
    if missing or len(numbers) != total:
        some = ", ".join(map(str, missing[:5])) + (", .." if len(missing) > 5 else "")
        raise DatasetError(
            f"{source} has {len(numbers)} of {total} shards (missing: {some}): copy the others "
            "there, or write the set again."
        )
    return [numbers[number] for number in sorted(numbers)]


class PendingFiles:
    """Text files that appear together when all of them are whole, or not at all.

    `open` begins the next file, under a temporary name beside `path`. `commit` forces them to the
    disk and gives them their names: `path` itself, or with `sharded` the names of a set, whose
    number is known only then. Where a set of another number stood, its files go; where a file
    stood that a set replaces, or the other way round, it stays. `discard` leaves nothing behind.
    `ready` is called with each file's path and sha256 when all are whole, before any appears.
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
        """Begin the next file; the one before is whole."""
        with writing(self.path):
            self._finish()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            name = f".{shortened(self.path.name)}.{secrets.token_hex(4)}.part"
            temporary = self.path.with_name(name)
            # Not tempfile: its files are private, these are to have the usual permissions.
            self._stream = temporary.open("xb", buffering=_BUFFER)
            self._temporary.append(temporary)
            self._hash = hashlib.sha256()

    def write(self, text: str) -> None:
        """Write `text` to the file that is open. Raises `DatasetError` where that cannot be."""
        with writing(self.path):
            data = text.encode("utf-8")
            if self._ready is not None:
                self._hash.update(data)
            self._stream.write(data)

    def commit(self) -> list[Path]:
        """Let the files appear; their paths. Without any `open` there are none."""
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
