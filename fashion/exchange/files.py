"""Where exports are written: folders that appear as a whole, and the pictures beside them."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path, PurePosixPath

from fashion.annotations.locating import VARIABLE, leads_out, picture_path
from fashion.json_files import writing
from fashion.splitting.placing import copy, link
from mrcnn.errors import DatasetError
from mrcnn.system.files import is_file, shortened

XML_CONTROLS = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))


class OutputFolder:
    """A folder that is filled under a temporary name and renamed when it is complete.

    A context manager. The folder must not exist, or be empty: exports are never mixed. Raises
    `DatasetError`, also where two files would get one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DatasetError(
                "it exists and is not an empty folder",
                path=path,
                advice="name another, or move it away",
            )
        self._place = path.with_name(f".{shortened(path.name)}.{secrets.token_hex(4)}.part")
        self._made: set[Path] = set()

    def __enter__(self) -> "OutputFolder":
        self._make(self._place)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with writing(self.path):
                    with contextlib.suppress(FileNotFoundError):
                        self.path.rmdir()
                    self._place.rename(self.path)
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def place(self, name: str | PurePosixPath) -> Path:
        """The present path of the file that will be `name` in the folder; makes its own folder."""
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
        """Append text to a file, which may be new."""
        with writing(self.path / name), self.place(name).open("ab") as stream:
            stream.write(text.encode("utf-8"))

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        with writing(self.path):
            folder.mkdir(parents=True, exist_ok=True)
        self._made.add(folder)


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
        """Width and height: as given, else by the head of the file. Raises `DatasetError`."""
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
    """`text`, if XML can hold it. Raises `DatasetError` that names its `source` otherwise."""
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
