"""Parsing a folder of photographs: however the process ends, it resumes at the next picture.

photograph -> detectors -> parse -> files -> record

The detectors run in this thread; others read the next photographs, and parse and write the previous
ones.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion.parsing.files import OutputJob, read_record, write_parsed
from fashion.parsing.models import Detect
from fashion.parsing.parse import Parsed, ParsingSettings, parse
from fashion.pictures.listing import file_stamp, read_or_error
from fashion.stages.found import CSV, PAGE, PREDICTIONS
from mrcnn.errors import DatasetError, UserError, counted
from mrcnn.images.reading import decoded
from mrcnn.system.background import read_ahead

# For each photograph at work, parsing takes some 40 bytes per pixel, plus one per garment.
MOST_PIXELS = 60_000_000
# Bytes of a name: file systems allow 255, with the suffix.
_NAME_BYTES = 240
_TAKEN = ("measures.png", CSV, PREDICTIONS, PAGE)


@dataclass
class ParsingSummary:
    """What became of the pictures of a run.

    Attributes:
        parsed: pictures done now.
        kept: pictures that an earlier run finished with the same settings.
        garments: garments found now, by class.
        persons: persons found now.
        nobody: pictures done now on which nobody was found although persons were looked for.
        unreadable: an error for each picture that could not be read.
    """

    parsed: int = 0
    kept: int = 0
    garments: Counter = field(default_factory=Counter)
    persons: int = 0
    nobody: int = 0
    unreadable: list[UserError] = field(default_factory=list)


class LabelMapFiles(NamedTuple):
    """The label maps of a finished picture, uint8 [H, W], as its files hold them."""

    pixel_labels: np.ndarray
    joint_labels: np.ndarray


class _Detected(NamedTuple):
    """What the detectors found on a photograph, or the error instead of its pixels."""

    path: Path
    image: np.ndarray | UserError
    garments: dict[str, np.ndarray] | None = None
    persons: dict[str, np.ndarray] | None = None


@dataclass
class ParsingRun:
    """A run over pictures; `each` does the work and yields the results.

    Attributes:
        images: the pictures.
        job: what is written, and where.
        settings: of the parsing.
        load: returns the detectors of garments and of persons, None for one that is not wanted;
            called when a picture needs them.
        overwrite: parse finished pictures again.
        progress: called once for each picture.
    """

    images: Sequence[Path]
    job: OutputJob
    settings: ParsingSettings
    load: Callable[[], tuple[Detect | None, Detect | None]]
    overwrite: bool = False
    progress: Callable[[], object] = lambda: None
    summary: ParsingSummary = field(default_factory=ParsingSummary)

    def each(self) -> Iterator[tuple[Path, Parsed | LabelMapFiles | None]]:
        """Every picture with its `Parsed`, or with the `LabelMapFiles` of an earlier run.

        None means an earlier run whose stage wrote no label maps. Pictures that cannot be read are
        skipped and listed in the summary. Raises `UserError` if finished pictures were made with
        other settings, before anything is done.
        """
        names = folder_names(self._named_in_text())
        done = self._finished(names)
        todo = [path for path in names if path not in done]
        detected = self._detected(todo, *(self.load() if todo else (None, None)))
        fresh = read_ahead(
            lambda found: self._finish(found, names), detected, workers=2, ahead=3, finish=True
        )
        for path in names:
            if path in done:
                self.summary.kept += 1
                yield path, _label_maps(self.job.folder / names[path])
            else:
                _, parsed = next(fresh)
                if isinstance(parsed, UserError):
                    self.summary.unreadable.append(parsed)
                else:
                    self._count(parsed)
                    yield path, parsed
            self.progress()

    def _named_in_text(self) -> list[Path]:
        """The pictures whose names are valid UTF-8; others cannot be written to a record."""
        named = []
        for path in self.images:
            try:
                path.name.encode()
                named.append(path)
            except UnicodeEncodeError:
                error = DatasetError("its name is not UTF-8", path=path, advice="rename the file")
                self.summary.unreadable.append(error)
                self.progress()
        return named

    def _finished(self, names: dict[Path, str]) -> set[Path]:
        """The pictures whose record shows that parsing again would give the same."""
        if self.overwrite:
            return set()
        done, others = set(), []
        for path, name in names.items():
            record = read_record(self.job, name)
            if record == self._identity(path):
                done.add(path)
            elif record is not None:
                others.append(path.name)
        if others:
            raise DatasetError(
                f"parsed with other settings, or changed since: {counted(len(others), 'picture')} "
                f"in this folder (the first is {others[0]})",
                path=self.job.folder,
                settings=("overwrite", "output"),
                advice="give {overwrite} to parse them again, or another {output}",
            )
        return done

    def _identity(self, path: Path) -> dict:
        return {**self.job.record(), "picture": file_stamp(path)}

    def _detected(
        self, paths: Iterable[Path], clothing: Detect | None, body: Detect | None
    ) -> Iterator[_Detected]:
        for path, image in read_ahead(_read_or_error, paths, workers=2, ahead=4):
            if isinstance(image, UserError):
                yield _Detected(path, image)
            else:
                garments = clothing(image) if clothing else None
                yield _Detected(path, image, garments, body(image) if body else None)

    def _finish(self, found: _Detected, names: Mapping[Path, str]) -> Parsed | UserError:
        path, image, garments, persons = found
        if isinstance(image, UserError):
            return image
        parsed = parse(image, garments, persons, self.settings, self.job.table)
        source = {"file": path.name}
        write_parsed(self.job, names[path], parsed, source, self._identity(path))
        return parsed

    def _count(self, parsed: Parsed) -> None:
        summary = self.summary
        summary.parsed += 1
        summary.persons += len(parsed.persons)
        summary.nobody += parsed.looked_for_persons and not len(parsed.persons)
        summary.garments.update(o.name for o in parsed.objects if o.kind == "garment")


def folder_names(images: Iterable[Path]) -> dict[Path, str]:
    """What the sheet (NAME.png) and the folder (NAME) of each picture are called.

    It is the picture's name without its suffix, unless that is empty or another picture's. No two
    share a path, and none leads out of the output folder, as `..` of `...jpg` would.
    """
    images = list(images)
    # Case-folded, because some file systems treat a.png and A.png as one file.
    count = Counter(image.stem.casefold() for image in images)
    taken, names = set(_TAKEN), {}
    for image in images:
        is_name = image.stem.strip(". ") and count[image.stem.casefold()] == 1
        name = _shortened(image.stem if is_name else image.name)
        name = name if name.strip(". ") else f"_{name}"
        while not _places(name).isdisjoint(taken):
            name += "_"
        taken |= _places(name)
        names[image] = name
    return names


def _places(name: str) -> set[str]:
    return {name.casefold(), f"{name}.png".casefold()}


def _shortened(name: str) -> str:
    return os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")


def _read_or_error(path: Path) -> np.ndarray | UserError:
    """A picture, uint8 RGB [height, width, 3], or the error that says why it is skipped."""
    image = read_or_error(path)
    if isinstance(image, UserError) or image.shape[0] * image.shape[1] <= MOST_PIXELS:
        return image
    return DatasetError(
        "the image has too many pixels to be parsed",
        path=path,
        expected=f"at most {MOST_PIXELS}",
        found=f"{image.shape[1]} x {image.shape[0]}",
        advice="make it smaller",
    )


def _label_maps(folder: Path) -> LabelMapFiles | None:
    """The label maps of a finished picture; None if the stage of that run wrote none."""
    maps = []
    for name in LabelMapFiles._fields:
        path = folder / f"{name}.png"
        if not path.is_file():
            return None
        with decoded(path) as image:
            if image.mode != "P":
                raise DatasetError(
                    "this is not a label map",
                    path=path,
                    settings=("overwrite",),
                    advice="give {overwrite} to parse the picture again",
                )
            maps.append(np.array(image))
    return LabelMapFiles(*maps)
