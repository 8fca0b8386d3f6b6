"""The pictures of a labelling run, at about 100 bytes each, so that a million fit in memory.

A `Path` alone takes 350 bytes. Here only names are kept, and numbers in arrays; paths and
`Picture`s are made on demand and forgotten.
"""

import operator
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

from fashion.autolabel.policy import LabelPolicy, LeftOut, Subject, subject_of
from fashion.pictures.remote import RemotePicture


class Picture(NamedTuple):
    """A picture to label: what its name says, its `file_stamp`, and whether it is done."""

    path: Path | RemotePicture
    subject: Subject | LeftOut
    stamp: list[Any]
    done: bool


class FolderPictures(Sequence[Path]):
    """The files of these `names` in one `folder`, in the given order."""

    def __init__(self, folder: Path, names: Iterable[str]):
        self.folder = folder
        self._names = list(names)

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "FolderPictures": ...
    def __getitem__(self, index: int | slice) -> "Path | FolderPictures":
        if isinstance(index, slice):
            return FolderPictures(self.folder, self._names[index])
        return self.folder / self._names[index]

    def absolute(self) -> "FolderPictures":
        """The same files with absolute paths."""
        return FolderPictures(self.folder.absolute(), self._names)


def slim(images: Sequence[Path] | Sequence[RemotePicture]) -> Sequence[Path | RemotePicture]:
    """The same pictures in less memory, if they are files in one folder."""
    first = images[0] if images else None
    if not isinstance(first, Path):
        return images
    return FolderPictures(first.parent, (path.name for path in images))


class PictureList(Sequence[Picture]):
    """What a run knows about its pictures before labelling; `add` them in the order of `paths`.

    Args:
        paths: all pictures.
        policy: says what their names mean.
    """

    def __init__(self, paths: Sequence[Path | RemotePicture], policy: LabelPolicy):
        self._paths, self._policy = paths, policy
        self._done = bytearray()
        self._sizes, self._times = array("q"), array("q")
        self._other_stamps: dict[int, list[Any]] = {}  # no file, or a time that does not fit
        self._subjects: list[Subject | None] = []  # None: the name says too little
        self._known: dict[Subject, Subject] = {}

    def add(self, stamp: list[Any], done: bool) -> None:
        """Enter the next picture: its `file_stamp`, and whether it is done."""
        index = len(self._done)
        path = self._paths[index]
        subject = subject_of(path.name, self._policy)
        if isinstance(subject, Subject):
            self._subjects.append(self._known.setdefault(subject, subject))
        else:
            self._subjects.append(None)
        self._done.append(done)
        if isinstance(path, RemotePicture):
            return
        try:
            size, time = array("q", stamp)
        except (OverflowError, ValueError):  # a time after the year 2262; no file
            self._other_stamps[index] = stamp
            size, time = 0, 0
        self._sizes.append(size)
        self._times.append(time)

    def __len__(self) -> int:
        return len(self._done)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        index = range(len(self))[operator.index(index)]
        path = self._paths[index]
        subject = self._subjects[index] or subject_of(path.name, self._policy)
        return Picture(path, subject, self._stamp(path, index), bool(self._done[index]))

    def _stamp(self, path: Path | RemotePicture, index: int) -> list[Any]:
        if isinstance(path, RemotePicture):
            return path.stamp
        known = self._other_stamps.get(index)
        return [self._sizes[index], self._times[index]] if known is None else known

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(self._done)

    def __iter__(self) -> Iterator[Picture]:
        return map(self.__getitem__, range(len(self)))


def stem_finder(paths: Sequence[Path | RemotePicture]) -> Callable[[Path | RemotePicture], str]:
    """How the names of the drawings of each of `paths` begin: its name without the ending.

    The ending stays where two would get the same name, also on file systems that treat a.png and
    A.png as one.
    """
    seen: set[str] = set()
    twice: set[str] = set()
    for path in paths:
        stem = path.stem.casefold()
        (twice if stem in seen else seen).add(stem)
    return lambda path: path.name if path.stem.casefold() in twice else path.stem
