"""JSON files: read with an error that names the place, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from mrcnn.errors import DatasetError
from mrcnn.files import replacing

# COCO's largest annotation file has under half of it. Parsed, text takes some ten times the memory.
MAX_BYTES = 1 << 30


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a UTF-8 JSON file (a byte order mark is passed over).

    Raises `DatasetError` that names the file when it is missing, cannot be read, or is not valid
    JSON (then with the line and column where reading stopped), or is larger than `MAX_BYTES`; and
    for text that is none: half of a surrogate pair, which no file name or page can hold.
    """
    path = Path(path)
    try:
        data = json.loads(_text(path))
        _check_text(data)
        return data
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
    except UnicodeEncodeError:
        raise DatasetError(
            f"{path} holds text that is none (half of a surrogate pair): export it again."
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise DatasetError(f"{path} cannot be read: {error}.") from None


def _text(path: Path) -> str:
    # A pipe or a device would be read for ever.
    if path.exists() and not path.is_file():
        raise OSError("it is no file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise OSError(f"it has {size:,} bytes, more than the {MAX_BYTES:,} that are accepted")
    return path.read_text(encoding="utf-8-sig")


def _check_text(data: Any) -> None:
    """Raise `UnicodeEncodeError` where a text of `data` cannot be written as UTF-8."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not value.isascii():
                value.encode()
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


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
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"{path} cannot be written: {error.object[error.start : error.end]!a} is no text "
            "that UTF-8 can hold; rename the file whose name has it."
        ) from None
