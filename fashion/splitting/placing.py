"""Putting files into folders by a plan, repeatedly, leaving nothing of earlier plans behind.

A record in the folder says which files were put there and where they came from. Before anything is
changed, the new plan is compared with the record and the disk; a plan that would lose or mix files
is refused as a whole. Every step leaves each file at its old or its new place, so that the next run
completes an interrupted one.
"""

import contextlib
import filecmp
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from fashion.annotations.locating import links_are_followed
from fashion.json_files import writing
from mrcnn.errors import DatasetError
from mrcnn.system.files import shortened, sync, sync_folder

# Where a file is to be -> where it comes from, absolute paths.
Plan = Mapping[Path, Path]


class Placer:
    """Turns the state `before` (the record of earlier runs) into the state `wanted`.

    `mode` is copy, link (hard; see `link` for other file systems) or move. `now` says where the
    bytes of a source are before the run, if not at the source itself. Raises `DatasetError`, before
    any change, when a file is at neither place, or when a file that is not in the record is in the
    way.
    """

    def __init__(
        self, before: Plan, wanted: Plan, mode: str, now: Plan = MappingProxyType({})
    ) -> None:
        self.mode = mode
        self.wanted = dict(wanted)
        self.before = {target: source for target, source in before.items() if is_there(target)}
        self.stale = {t: s for t, s in self.before.items() if self.wanted.get(t) != s}
        # A file that was moved away from its source is where an earlier run put it.
        self._now = {source: target for target, source in self.before.items()} | dict(now)
        self._check()

    def bytes_of(self, source: Path) -> Path | None:
        """Where the content of `source` is at present; None when it is gone."""
        if source.is_file():
            return source
        placed = self._now.get(source)
        return placed if placed is not None and placed.is_file() else None

    def content(self, source: Path) -> Path:
        """Where the content of `source` is at present. Raises `DatasetError` when it is gone."""
        content = self.bytes_of(source)
        if content is None:
            raise DatasetError("it is gone; nothing was changed", path=source)
        return content

    def _check(self) -> None:
        for target, source in self.wanted.items():
            content = self.content(source)
            foreign = is_there(target) and target not in self.before and target != source
            if foreign and (not target.is_file() or not same_content(content, target)):
                raise DatasetError(
                    f"in the way, since it differs from {content}, and no earlier run put it there",
                    path=target,
                    advice="move it away, or choose another folder",
                )
        for target, source in self.stale.items():
            present = self.bytes_of(source)
            if present and target.exists() and not same_content(present, target):
                raise DatasetError(
                    f"it has changed since it was copied from {source}",
                    path=target,
                    advice="move one of them away",
                )

    def run(self) -> Counter[str]:
        """`clear`, then `place`; counts of files by what was done with them."""
        cleared = self.clear()
        done = cleared + self.place()
        done["placed"] -= cleared["relocated"]
        return +done

    def clear(self) -> Counter[str]:
        """Remove what is no longer wanted: files "relocated", "taken out", "moved back"."""
        homes = {source: target for target, source in self.wanted.items()}
        done: Counter[str] = Counter()
        for target, source in self.stale.items():
            done[self._clear(target, source, homes.get(source))] += 1
        return done

    def place(self) -> Counter[str]:
        """Put every file where it is wanted: files "placed" and "kept"."""
        placed = [self._place(target, source) for target, source in self.wanted.items()]
        return Counter("placed" if new else "kept" for new in placed)

    def _clear(self, target: Path, source: Path, home: Path | None) -> str:
        if source.is_file():
            target.unlink()
            return "relocated" if home else "taken out"
        # The only copy: it goes where it is wanted, or back to where it came from.
        goal = home if home and not is_there(home) else source
        goal.parent.mkdir(parents=True, exist_ok=True)
        _move(target, goal)
        return "relocated" if home else "moved back"

    def _place(self, target: Path, source: Path) -> bool:
        if target == source:
            return False
        if not source.is_file():
            return target not in self.before
        there = is_there(target)
        if there and self._is_as_wanted(target, source):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.mode == "link":
            link(source, target)
        elif self.mode == "copy":
            copy(source, target)
        elif there and not target.is_symlink():
            source.unlink()  # an earlier run copied or linked it; now it is moved
        else:
            _move(source, target)
        return not there or target in self.stale

    def _is_as_wanted(self, target: Path, source: Path) -> bool:
        if not target.exists():
            return False
        linked = target.is_symlink() or target.samefile(source)
        if self.mode == "link":
            same = target.samefile(source)
            return same or (not links_are_followed() and _is_copy_from_afar(target, source))
        return self.mode == "copy" and not linked and _looks_same(target, source)


def _is_copy_from_afar(target: Path, source: Path) -> bool:
    apart = target.stat().st_dev != source.stat().st_dev
    return apart and _looks_same(target, source)


def _looks_same(target: Path, source: Path) -> bool:
    """Whether a copy has its source's size and time, which some file systems round to 2 seconds."""
    of_target, of_source = target.stat(), source.stat()
    same_age = abs(of_target.st_mtime - of_source.st_mtime) <= 2
    return of_target.st_size == of_source.st_size and same_age


def same_content(first: Path, second: Path) -> bool:
    """Whether two files are the same file, or hold the same bytes."""
    return first.samefile(second) or filecmp.cmp(first, second, shallow=False)


def copy(source: Path, target: Path) -> None:
    """Copy a file with its times; `target` appears whole or not at all."""
    with _beside(target) as temporary:
        shutil.copyfile(source, temporary)
        sync(temporary)
        shutil.copystat(source, temporary)
        temporary.replace(target)


def link(source: Path, target: Path) -> None:
    """Link a file, hard where both are on one file system.

    Otherwise it is copied, since symbolic links out of a folder are not followed; where they are
    (`fashion.annotations.locating`), a symbolic link is made.
    """
    with _beside(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
            temporary.replace(target)
            return
        except OSError:
            if links_are_followed():
                with contextlib.suppress(OSError):
                    temporary.symlink_to(source.resolve())
                    temporary.replace(target)
                    return
    copy(source, target)


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError:  # another file system
        copy(source, target)
        sync_folder(target.parent)  # or a power cut could lose both
        source.unlink()


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary file in the folder of `target`, removed afterwards."""
    with writing(target):
        prefix = f".{shortened(target.name)}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def is_there(path: Path) -> bool:
    """Whether anything has this path, even a broken symbolic link."""
    return path.exists() or path.is_symlink()
