"""Parsing a folder of photographs: resumable to the picture, whatever ends the process.

photograph -> detectors -> parse -> files -> record
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion.autolabel import file_stamp
from fashion.parsing import ParsingSettings, parse
from fashion.parsing_files import OutputJob, read_record, write_parsed
from fashion.parsing_models import Detect
from fashion.picture_stage import output_names, read_or_reason
from mrcnn.errors import DatasetError
from mrcnn.image_files import opened
from mrcnn.read_ahead import read_ahead


@dataclass
class ParsingSummary:
    """What became of the pictures of a run.

    Attributes:
        parsed: pictures done now.
        kept: pictures that an earlier run finished with the same settings.
        garments: garments found now, by class.
        persons: persons found now.
        nobody: pictures done now on which nobody was found, where somebody was looked for.
        unreadable: a sentence for each picture that could not be read.
    """

    parsed: int = 0
    kept: int = 0
    garments: Counter = field(default_factory=Counter)
    persons: int = 0
    nobody: int = 0
    unreadable: list[str] = field(default_factory=list)


class LabelMapFiles(NamedTuple):
    """The label maps of a finished picture, uint8 [H, W], as its files hold them."""

    pixel_labels: np.ndarray
    joint_labels: np.ndarray


@dataclass
class ParsingRun:
    """A run over pictures; `each` does the work and yields what was parsed.

    Attributes:
        images: the pictures.
        job: what is written, and where.
        settings: of the parsing.
        load: gives the detectors of garments and of persons, None for one that is not wanted;
            called when the first picture needs them.
        overwrite: do finished pictures again.
        progress: called once a picture.
    """

    images: Sequence[Path]
    job: OutputJob
    settings: ParsingSettings
    load: Callable[[], tuple[Detect | None, Detect | None]]
    overwrite: bool = False
    progress: Callable[[], object] = lambda: None
    summary: ParsingSummary = field(default_factory=ParsingSummary)

    def each(self) -> Iterator[tuple[Path, object]]:
        """Every picture with its `Parsed`, or with the `LabelMapFiles` of an earlier run.

        Pictures that cannot be read are left out and listed. Raises `UserError` where finished
        pictures were made with other settings, before anything is done.
        """
        names = {p: Path(name).stem for p, name in output_names(list(self.images)).items()}
        done = self._finished(names)
        todo = [path for path in self.images if path not in done]
        fresh = read_ahead(read_or_reason, todo, workers=2, ahead=4)
        detectors = self.load() if todo else (None, None)
        for path in self.images:
            if path in done:
                self.summary.kept += 1
                yield path, _label_maps(self.job.folder / names[path])
            else:
                _, image = next(fresh)
                if isinstance(image, str):
                    self.summary.unreadable.append(image)
                else:
                    yield path, self._parse(path, names[path], image, detectors)
            self.progress()

    def _finished(self, names: dict[Path, str]) -> set[Path]:
        """The pictures whose record says that nothing would come out differently."""
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
                f"{self.job.folder} holds {len(others)} pictures that were parsed with other "
                f"settings, or have changed since (the first is {others[0]}): give --overwrite "
                f"to do them again, or another --output."
            )
        return done

    def _identity(self, path: Path) -> dict:
        return {**self.job.record(), "picture": file_stamp(path)}

    def _parse(self, path: Path, name: str, image: np.ndarray, detectors):
        clothing, body = detectors
        garments = clothing(image) if clothing else None
        persons = body(image) if body else None
        parsed = parse(image, garments, persons, self.settings, self.job.table)
        source = {"file": path.name}
        write_parsed(self.job, name, parsed, source, self._identity(path))
        summary = self.summary
        summary.parsed += 1
        summary.persons += len(parsed.persons)
        summary.nobody += body is not None and not len(parsed.persons)
        summary.garments.update(o.name for o in parsed.objects if o.kind == "garment")
        return parsed


def _label_maps(folder: Path) -> LabelMapFiles | None:
    """None where the stage of that run wrote none."""
    maps = []
    for name in LabelMapFiles._fields:
        path = folder / f"{name}.png"
        if not path.is_file():
            return None
        with opened(path) as image:
            maps.append(np.array(image))
    return LabelMapFiles(*maps)
