"""JSON files: read with an error that names the place, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from mrcnn.errors import DatasetError
from mrcnn.files import replacing


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a UTF-8 JSON file (a byte order mark is passed over).

    Raises `DatasetError` that names the file when it is missing, cannot be read, or is not valid
    JSON; then with the line and column where reading stopped.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist: check the path.") from None
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
            "Is the file cut off? Export it again."
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not a UTF-8 text file (byte {error.start}): expected JSON."
        ) from None
    except RecursionError:
        raise DatasetError(f"{path} is nested too deeply for an annotation file.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from None


def write_json(path: str | os.PathLike[str], data: Any, *, indent: int | None = None) -> None:
    """Write `data` as UTF-8 JSON so that `path` holds the old content or the new, never a part.

    The text goes to a temporary file in the same folder, is forced to the disk, and takes the
    place of `path` in one step. Folders above `path` are made. Raises `DatasetError` when the
    folder cannot be written, or a number is one that JSON does not know (NaN, infinity).
    """
    try:
        text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be written as JSON: {error}.") from None
    write_text(path, text + "\n")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 `text` to `path`, whole or not at all; see `write_json`."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, "w") as stream:
            stream.write(text)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror or error}.") from None
