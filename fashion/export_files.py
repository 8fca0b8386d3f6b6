"""Where exports are written: folders that appear whole, and pictures that are put beside them."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path, PurePosixPath

from fashion.links import VARIABLE, leads_out
from fashion.placing import copy, link
from mrcnn.errors import DatasetError
from mrcnn.files import is_file, shortened

XML_CONTROLS = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))


class OutputFolder:
    """A folder that is filled under a temporary name and appears when all is in it.

    A context manager. It must not exist, or be empty: what stands there is never mixed with
    another export. Raises `DatasetError`, also where two files would get one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DatasetError(
                f"{path} is there already, and not an empty folder: name another, or move it away."
            )
        self._place = path.with_name(f".{shortened(path.name)}.{secrets.token_hex(4)}.part")
        self._made: set[Path] = set()

    def __enter__(self) -> "OutputFolder":
        self._make(self._place)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with contextlib.suppress(FileNotFoundError):
                    self.path.rmdir()
                self._place.rename(self.path)
        except OSError as error:
            raise DatasetError(
                f"{self.path} cannot be written: {error.strerror or error}."
            ) from None
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def place(self, name: str | PurePosixPath) -> Path:
        """The path, now, of a file that is to be `name` in the folder; its own folder is made."""
        path = self._place / name
        self._make(path.parent)
        return path

    def write(self, name: str | PurePosixPath, data: str | bytes) -> None:
        """Write a new file, text as UTF-8."""
        try:
            with self.place(name).open("xb") as stream:
                stream.write(data.encode("utf-8") if isinstance(data, str) else data)
        except FileExistsError:
            raise DatasetError(
                f"Two pictures would both be written to {name}: their names differ in the ending "
                "(or in capitals) alone; rename one."
            ) from None
        except OSError as error:
            raise DatasetError(
                f"{self.path / name} cannot be written: {error.strerror or error}."
            ) from None

    def append(self, name: str, text: str) -> None:
        """Write more text to a file, which may be new."""
        try:
            with self.place(name).open("ab") as stream:
                stream.write(text.encode("utf-8"))
        except OSError as error:
            raise DatasetError(
                f"{self.path / name} cannot be written: {error.strerror or error}."
            ) from None

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(
                f"{self.path} cannot be written: {error.strerror or error}."
            ) from None
        self._made.add(folder)


class Pictures:
    """The image files of an export: found for their sizes, and copied or linked.

    Args:
        folder: where the files are; None when unknown.
        mode: "copy", "link" (`fashion.placing.link`) or None, to leave them where they are.
    """

    def __init__(self, folder: Path | None, mode: str | None = None) -> None:
        self.folder = folder
        self.mode = mode

    def source(self, filename: str) -> Path:
        """The file of an image. Raises `DatasetError`: not there, or a link out of the folder."""
        if self.folder is None:
            raise DatasetError(f"{filename}: its folder is not known; name it with --images DIR.")
        path = self.folder / filename
        if not is_file(path):
            raise DatasetError(
                f"{path} is not there: name the folder of the images with --images DIR, or take "
                "the image out of the annotations."
            )
        if leads_out(self.folder, filename):
            raise DatasetError(
                f"{path} is a link that leads out of {self.folder}: copy the file there, or set "
                f"{VARIABLE}=1 in the environment if you made the link yourself."
            )
        return path

    def size(self, filename: str, width: int | None, height: int | None) -> tuple[int, int]:
        """Width and height: as told, else by the file's head. Raises `DatasetError`."""
        if width is not None and height is not None:
            return width, height
        from fashion.listing import image_size

        try:
            path = self.source(filename)
        except DatasetError as error:
            raise DatasetError(
                f"The annotations do not tell the size of {filename}, and its file cannot be "
                f"looked at: {error}"
            ) from None
        return image_size(path)

    def put(self, filename: str, target: Path) -> None:
        """Copy or link one image file to `target`."""
        source = self.source(filename)
        if target.exists():
            raise DatasetError(f"Two pictures would both be written to {target.name}: rename one.")
        (copy if self.mode == "copy" else link)(source, target)

    def reference(self, filename: str, start: Path) -> str:
        """The image's path as seen from the folder `start`, with slashes."""
        if self.folder is None:
            return filename
        path = os.path.relpath(self.folder.absolute() / filename, start.absolute())
        return Path(path).as_posix()


def check_xml_text(text: str, source: str) -> str:
    """`text`, which XML can hold, or `DatasetError`."""
    if not XML_CONTROLS.isdisjoint(text):
        raise DatasetError(
            f"{source} has the text {text!a}, which XML cannot hold: take the control characters "
            "out of it."
        )
    return text
