"""JSON files: read with an error that names the place, written whole or not at all."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrcnn.errors import DatasetError
from mrcnn.system.files import saving, write_bytes

# COCO's largest annotation file has under half of it. Parsed, it takes some ten times the memory.
MAX_BYTES = 1 << 30


def file_digest(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a UTF-8 JSON file (a byte order mark is skipped).

    Raises a `DatasetError` that names the file when it is missing, cannot be read, is larger than
    `MAX_BYTES`, is not valid JSON (then with the line and column where reading stopped), or has
    text with half of a surrogate pair, which no file name or page can hold. Image entries that
    share a name are all kept, see `keep_all_entries`.
    """
    path = Path(path)
    with reading(path):
        text = _text(path)
        data = json.loads(text)
        if text.count(_ENTRY) > _entries(data):
            data = json.loads(text, object_pairs_hook=keep_all_entries)
        if may_hold_half_pairs(text):
            check_text(data)
        return data


_ENTRY = '"filename"'  # what every image entry of a VIA file has


def _entries(data: Any) -> int:
    """How many image entries parsed JSON has, if it is a VIA file."""
    entries = data.get("_via_img_metadata", data) if isinstance(data, dict) else {}
    entries = entries.values() if isinstance(entries, dict) else ()
    return sum(isinstance(entry, dict) and "filename" in entry for entry in entries)


def keep_all_entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of `pairs`; an image entry whose name is taken gets another (`further_name`).

    A file merged from two by hand may have a name twice, and `json` would drop the first. Of other
    members the last counts.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and isinstance(value, dict) and "filename" in value:
            number = 2
            while further_name(name, number) in found:
                number += 1
            name = further_name(name, number)
        found[name] = value
    return found


def further_name(name: str, number: int) -> str:
    """The name given to the second, third, .. entry of the same name."""
    return f"{name} ({number})"


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what reading a bad JSON file raises into a `DatasetError` that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise DatasetError("it does not exist", path=path, advice="check the path") from None
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"it is not valid JSON ({error.msg} at line {error.lineno}, column {error.colno})",
            path=path,
            advice="export it again, it may be cut off",
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(
            "it is not a UTF-8 text file", path=path, expected="JSON", found=f"byte {error.start}"
        ) from None
    except RecursionError:
        raise DatasetError("it is nested too deeply for an annotation file", path=path) from None
    except OSError as error:
        raise DatasetError(f"it cannot be read ({error.strerror or error})", path=path) from None
    except UnicodeEncodeError:
        raise DatasetError(
            "it contains half of a surrogate pair, which is not text",
            path=path,
            advice="export it again",
        ) from None
    except DatasetError:
        raise
    except ValueError as error:  # a number with thousands of digits
        raise DatasetError(f"it cannot be read ({error})", path=path) from None


def _text(path: Path) -> str:
    check_regular(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise OSError(f"it has {size:,} bytes, more than the {MAX_BYTES:,} that are accepted")
    return path.read_text(encoding="utf-8-sig")


def check_regular(path: Path) -> None:
    """Raise `OSError` for a pipe or a device, which might never end, and for a folder."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a file")


def may_hold_half_pairs(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether JSON text may hold half a surrogate pair: UTF-8 cannot, but an escape can."""
    return text.find("\\ud", start, end) >= 0 or text.find("\\uD", start, end) >= 0


def check_text(data: Any) -> None:
    """Raise `UnicodeEncodeError` if a text of `data` cannot be written as UTF-8."""
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

    The text is written to a temporary file in the same folder, flushed to the disk, and renamed to
    `path`. Folders above `path` are made. Raises `DatasetError` when the folder cannot be written,
    or `data` has a number that JSON does not know (NaN, infinity).
    """
    write_text(path, json_text(data, path, indent=indent) + "\n")


def json_text(data: Any, path: str | os.PathLike[str], *, indent: int | None = None) -> str:
    """`data` as JSON text for `path`; `DatasetError` for a number that JSON does not know."""
    try:
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DatasetError(f"cannot be written as JSON ({error})", path=path) from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 `text` to `path`, whole or not at all; see `write_json`."""
    with writing(path):
        write_bytes(path, text.encode(), DatasetError)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what writing text to `path` raises into a `DatasetError` that names the file."""
    try:
        with saving(path, DatasetError):
            yield
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"cannot be written: UTF-8 cannot hold {error.object[error.start : error.end]!a}",
            path=path,
            advice="rename the file whose name has it",
        ) from None
