"""The record of a split in its folder: which files an earlier run put there, and where from."""

import hashlib
import mimetypes
from pathlib import Path
from typing import Any

from fashion.annotations.locating import ANNOTATION_FILE, IMAGE_SUFFIXES, SUBSETS
from fashion.json_files import read_json
from fashion.splitting.annotations import COCO_FILE
from mrcnn.errors import DatasetError

RECORD = "split.json"
ANNOTATIONS = tuple(f"{s}/{name}" for s in SUBSETS for name in (ANNOTATION_FILE, COCO_FILE))


class SplitFolder:
    """A dataset folder with `train/`, `val/`, `test/` and the record of earlier runs.

    Raises `DatasetError` when the record cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        path = self.out / RECORD
        record = read_json(path) if path.exists() else {}
        parts = [_strings(record, name) for name in ("files", "copies", "annotations")]
        if None in parts:
            raise DatasetError(
                "this is not the record of a split", path=path, advice="move it away"
            )
        files, copies, annotations = (part or {} for part in parts)
        self.files = self._paths(files)
        self.copies = self._paths(copies)
        self.annotations = annotations
        if not self._is_sound():
            raise DatasetError(
                "the record is damaged, or was not written by a split",
                path=path,
                advice="move it away",
            )

    def _is_sound(self) -> bool:
        """Whether everything recorded is where a split would put it, so that it may be removed.

        A file is in a subset, under the end of its source's path; a copy is a picture that has the
        name of one in test.
        """
        named = [*self.files, *self.copies, *self.files.values(), *self.copies.values()]
        return (
            all(self._is_file(target, source) for target, source in self.files.items())
            and all(self._is_copy(target, source) for target, source in self.copies.items())
            and all(".." not in path.parts for path in named)
            and self.annotations.keys() <= set(ANNOTATIONS)
        )

    def _is_file(self, target: Path, source: Path) -> bool:
        if not target.is_relative_to(self.out):
            return False
        subset, *name = target.relative_to(self.out).parts or ("",)
        return subset in SUBSETS and bool(name) and source.parts[-len(name) :] == tuple(name)

    def _is_copy(self, target: Path, source: Path) -> bool:
        test = self.out / "test"
        return (
            source.is_relative_to(test)
            and flat_name(source.relative_to(test).as_posix()) == target.name
            and _is_picture(target)
        )

    def _paths(self, entries: dict[str, str]) -> dict[Path, Path]:
        return {self.out / target: self.out / source for target, source in entries.items()}

    def relative(self, paths: dict[Path, Path]) -> dict[str, str]:
        """`paths` as they are recorded: relative to the folder if inside, else absolute."""
        return {self._text(target): self._text(source) for target, source in paths.items()}

    def _text(self, path: Path) -> str:
        inside = path.is_relative_to(self.out)
        return (path.relative_to(self.out) if inside else path).as_posix()

    def check_foreign(self, wanted: dict[Path, Path], overwrite: bool) -> None:
        """Raise `DatasetError` for other files in the subsets, which would be mixed with ours."""
        for subset in SUBSETS:
            for path in sorted((self.out / subset).rglob("*")):
                name = self._text(path)
                if path.suffix.lower() == ".json" and path.is_file() and not overwrite:
                    self._check_annotations(path, self.annotations.get(name))
                elif (
                    path.suffix.lower() in IMAGE_SUFFIXES
                    and path not in self.files
                    and path not in wanted
                ):
                    raise DatasetError(
                        "it was not put there by an earlier split, and would be mixed with the new "
                        "subsets",
                        path=path,
                        advice="move it away, or choose another folder",
                    )

    @staticmethod
    def _check_annotations(path: Path, checksum: str | None) -> None:
        if checksum is None:
            raise DatasetError(
                "it was not written by an earlier split",
                path=path,
                advice="move it away, choose another folder, or give --overwrite",
            )
        if checksum_of(path) != checksum:
            raise DatasetError(
                "it has been changed since the split wrote it",
                path=path,
                advice="copy the changes to the divided file, or give --overwrite to discard them",
            )


def _strings(record: Any, name: str) -> dict[str, str] | None:
    """A part of the record, a JSON object of strings, {} if it is missing; None: malformed."""
    part = record.get(name, {}) if isinstance(record, dict) else None
    if not isinstance(part, dict) or not all(isinstance(text, str) for text in part.values()):
        return None
    return part


def flat_name(name: str) -> str:
    """An image's name without folders, for the test scripts, which look into one folder only."""
    return name.replace("/", "_")


def _is_picture(path: Path) -> bool:
    """Whether a name is that of an image, by its ending."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    return path.suffix.lower() in IMAGE_SUFFIXES or kind.startswith("image/")


def checksum_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
