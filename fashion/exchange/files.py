"""Where exports are written: folders that appear as a whole, and the pictures beside them."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from fashion.annotations.locating import VARIABLE, leads_out, picture_path
from fashion.annotations.via_reading import check_filename
from fashion.json_files import read_json, write_json, writing
from fashion.splitting.placing import copy, link, same_content
from mrcnn.errors import DatasetError
from mrcnn.system.files import is_file, shortened

RECORD = ".exported"  # JSON, without the ending that tools look for
ELSEWHERE = "name another folder, or move this one away"
XML_CONTROLS = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))


class OutputFolder:
    """A folder that is filled under a temporary name and put in its place when it is complete.

    A context manager. The folder must not exist, be empty, or hold an earlier export: its files are
    then replaced, unless somebody has changed them since, and what others put there is kept. Raises
    `DatasetError` before anything in the folder has changed, also if two files would get the same
    name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        record = Record.read(path)
        if record is None and path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DatasetError(
                "it exists and is neither an empty folder nor an earlier export",
                path=path,
                advice="name another, or move it away",
            )
        self._earlier = record or Record()
        self._is_new = record is None
        self._place = path.with_name(f".{shortened(path.name)}.{secrets.token_hex(4)}.part")
        self._made: set[Path] = set()
        self._pictures: set[str] = set()

    def __enter__(self) -> "OutputFolder":
        self._make(self._place)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with writing(self.path):
                    self._put()
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def place(self, name: str | PurePosixPath) -> Path:
        """The current path of the file that will be `name` in the folder; makes its folder."""
        path = self._place / name
        self._make(path.parent)
        return path

    def write(self, name: str | PurePosixPath, data: str | bytes) -> None:
        """Write a new file, text as UTF-8."""
        place = self.place(name)
        if place.exists():
            raise DatasetError(
                "two pictures would both be written to it, as their names differ only in the "
                "ending or in case",
                path=name,
                advice="rename one",
            )
        with writing(self.path / name), place.open("xb") as stream:
            stream.write(data.encode("utf-8") if isinstance(data, str) else data)

    def append(self, name: str, text: str) -> None:
        """Append text to a new or existing file."""
        with writing(self.path / name), self.place(name).open("ab") as stream:
            stream.write(text.encode("utf-8"))

    def picture(self, name: str | PurePosixPath, pictures: "Pictures", filename: str) -> None:
        """Copy or link the picture `filename` to `name`, unless it is there already.

        If `pictures` stay where they are, one from an earlier export stays, too.
        """
        if pictures.mode is not None:
            there = self.path / name
            if not there.is_file():
                pictures.put(filename, self.place(name))
            elif not same_content(pictures.source(filename), there):
                raise another_file(there)
        elif str(name) not in self._earlier.pictures:
            return
        self._pictures.add(str(name))

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        with writing(self.path):
            folder.mkdir(parents=True, exist_ok=True)
        self._made.add(folder)

    def _put(self) -> None:
        made = {p.relative_to(self._place).as_posix() for p in self._place.rglob("*") if is_file(p)}
        files = {name: [_stamp(self._place / name)] for name in made - self._pictures}
        self._require_nothing_is_lost(files)
        record = Record(files, sorted(self._pictures))
        earlier = self._earlier
        if self._is_new:
            record.write(self._place)
            with contextlib.suppress(FileNotFoundError):
                self.path.rmdir()
            self._place.rename(self.path)
            return
        # Either version of a file is known as ours, should this be interrupted.
        names = {*earlier.files, *files}
        both = {name: [*earlier.files.get(name, []), *files.get(name, [])] for name in names}
        Record(both, sorted({*earlier.pictures, *record.pictures})).write(self.path)
        for name in sorted(made):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self._place / name).replace(self.path / name)
        for name in earlier.files.keys() - made:
            (self.path / name).unlink(missing_ok=True)
        record.write(self.path)

    def _require_nothing_is_lost(self, files: Mapping[str, object]) -> None:
        """Raise `DatasetError` if putting the files in their places would lose somebody's work.

        That is a file changed since the earlier export, somebody else's file of that name, or a
        picture that this export does not have.
        """
        earlier = self._earlier
        for name in earlier.pictures:
            if name not in self._pictures and (self.path / name).exists():
                raise DatasetError(
                    "this picture of the earlier export is not in the new one",
                    path=self.path / name,
                    advice=ELSEWHERE,
                )
        for name in sorted({*earlier.files, *files}):
            path = self.path / name
            if not path.exists() or _stamp(path) in earlier.files.get(name, []):
                continue
            if name not in files or not same_content(self._place / name, path):
                raise DatasetError(
                    "somebody has changed it since the earlier export"
                    if name in earlier.files
                    else "another file is there already",
                    path=path,
                    advice=ELSEWHERE,
                )


@dataclass(frozen=True)
class Record:
    """What an export has put into its folder.

    Attributes:
        files: for each file size and time of its versions, of which one is there.
        pictures: the pictures.
    """

    files: dict[str, list[list[int]]] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """The record in a folder; None if no export was written there. Raises `DatasetError`."""
        path = folder / RECORD
        if not is_file(path):
            return None
        try:
            record = cls(**read_json(path))
            names = [*record.files, *record.pictures]
        except TypeError:
            raise DatasetError(
                "it is not the record of an export", path=path, advice="remove it"
            ) from None
        for name in names:
            check_filename(name, str(path))
        return record

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        write_json(folder / RECORD, asdict(self))


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def another_file(path: Path) -> DatasetError:
    """The error that a picture would replace another."""
    return DatasetError(
        "another file is there already",
        path=path,
        advice="move it away, or name another folder",
    )


class Pictures:
    """The image files of an export: looked up for their sizes, and copied or linked.

    Args:
        folder: where the files are; None if unknown.
        mode: "copy", "link" (`fashion.splitting.placing.link`), or None to leave them where they
        are.
    """

    def __init__(self, folder: Path | None, mode: str | None = None) -> None:
        self.folder = folder
        self.mode = mode

    def source(self, filename: str) -> Path:
        """The file of an image. Raises `DatasetError`: missing, or a link out of the folder."""
        if self.folder is None:
            raise DatasetError(
                "its folder is not known", path=filename, advice="name it with --images DIR"
            )
        path = picture_path(self.folder, filename)
        if not is_file(path):
            raise DatasetError(
                "there is no such image file",
                path=path,
                advice="name the folder of the images with --images DIR, or remove the image from "
                "the annotations",
            )
        if leads_out(self.folder, str(path.relative_to(self.folder))):
            raise DatasetError(
                f"it is a link that leads out of {self.folder}",
                path=path,
                advice=f"copy the file there, or set {VARIABLE}=1 in the environment if you made "
                "the link yourself",
            )
        return path

    def size(self, filename: str, width: int | None, height: int | None) -> tuple[int, int]:
        """Width and height: as given, else from the header of the file. Raises `DatasetError`."""
        if width is not None and height is not None:
            return width, height
        from fashion.pictures.listing import image_size

        try:
            path = self.source(filename)
        except DatasetError as error:
            problem = f"the annotations do not have its size, and {error.problem}"
            raise error.replace(problem=problem) from None
        return image_size(path)

    def wrong_size(self, filename: str, width: int, height: int) -> str | None:
        """What is wrong with the size by the annotations; see `fashion.pictures.listing`."""
        from fashion.pictures.listing import wrong_size

        if self.folder is None or leads_out(self.folder, filename):
            return None
        return wrong_size(picture_path(self.folder, filename), width, height)

    def put(self, filename: str, target: Path) -> None:
        """Copy or link one image file to `target`."""
        source = self.source(filename)
        if target.exists():
            raise DatasetError(
                "two pictures would both be written to it", path=target.name, advice="rename one"
            )
        (copy if self.mode == "copy" else link)(source, target)

    def reference(self, filename: str, start: Path) -> str:
        """The image's path as seen from the folder `start`, with slashes."""
        if self.folder is None:
            return filename
        path = os.path.relpath(self.folder.absolute() / filename, start.absolute())
        return Path(path).as_posix()


def check_xml_text(text: str, source: str) -> str:
    """`text`, if XML can hold it; otherwise raises a `DatasetError` that names its `source`."""
    if not XML_CONTROLS.isdisjoint(text):
        raise DatasetError(
            f"it has the text {text!a}, which XML cannot hold",
            path=source,
            advice="remove its control characters",
        )
    return text


def hex_colour(colour: tuple[int, int, int]) -> str:
    """A colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
