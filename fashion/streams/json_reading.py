"""JSON files larger than memory, read value by value of a list or an object.

    with JsonStream("annotations.json") as stream:
        for name in stream.members():
            if name == "images":
                for _ in stream.elements():
                    use(stream.value(), stream.span)
            else:
                stream.value()

Values are built by Python's own `json`, so that they are those of `json.loads`, and as fast. To
find where a value ends, bytes are read as Latin-1 characters, so that positions are those in the
file; only a value that holds more than ASCII is then decoded.
"""

import codecs
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from fashion.json_files import check_regular, check_text, may_hold_half_pairs, reading
from mrcnn.errors import DatasetError

CHUNK = 1 << 20  # bytes that are read at once
MOST_VALUE_BYTES = 1 << 27  # of one value: an image's annotations take some thousands
_BLANKS = " \t\n\r"
# A number may continue behind what has been read ("1" of "1.5", "1.5e+" of "1.5e+3").
_NUMBER_TAIL = 3
_LONGEST_TOKEN = 16  # a pair of escaped surrogates has 12 characters, -Infinity 9


class JsonStream:
    """A JSON file that is being read; a context manager.

    `members` and `elements` iterate over the object or the list that comes next; in each step the
    value must be consumed: by `value`, or by iterating over it in turn. `span` is the place of the
    value consumed last: its first byte, and its number of bytes. Memory: a few `CHUNK`, and one
    value.

    Every method raises `DatasetError` as `fashion.json_files.read_json` does; the size of the file
    is unlimited, that of a value at most `MOST_VALUE_BYTES`.
    """

    def __init__(self, path: str | os.PathLike[str], *, chunk: int = CHUNK) -> None:
        self.path = Path(path)
        self.span = (0, 0)
        self._chunk = max(chunk, len(codecs.BOM_UTF8))
        self._file: IO[bytes]
        self._text = ""  # bytes as Latin-1
        self._at = 0  # the next character of `_text`
        self._base = 0  # the file's byte at which `_text` begins
        self._lines = 0  # line ends before `_text`
        self._line_start = 0  # the byte behind the last of them
        self._ended = False
        self._decode = json.JSONDecoder().raw_decode

    def __enter__(self) -> "JsonStream":
        with reading(self.path):
            check_regular(self.path)
            self._file = self.path.open("rb", buffering=0)
            self._more()
        if self._text.startswith(codecs.BOM_UTF8.decode("latin-1")):
            self._at = self._line_start = len(codecs.BOM_UTF8)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def next_character(self) -> str:
        """The character at which the next value begins; "" at the end of the file."""
        while True:
            text, at = self._text, self._at
            while at < len(text) and text[at] in _BLANKS:
                at += 1
            self._at = at
            if at < len(text) or self._ended:
                return text[at : at + 1]
            with reading(self.path):
                self._more()

    def members(self) -> Iterator[str]:
        """Iterate over an object: the name of each member, whose value must then be consumed."""
        self._take("{", "Expecting value")
        if self.next_character() == "}":
            self._at += 1
            return
        while True:
            if self.next_character() != '"':
                self._fail("Expecting property name enclosed in double quotes")
            name = self.value()
            self._take(":", "Expecting ':' delimiter")
            yield name
            if self._take(",}", "Expecting ',' delimiter") == "}":
                return

    def elements(self) -> Iterator[int]:
        """Iterate over a list: the number, from 0, of each element, which must then be consumed."""
        self._take("[", "Expecting value")
        if self.next_character() == "]":
            self._at += 1
            return
        number = 0
        while True:
            yield number
            number += 1
            if self._take(",]", "Expecting ',' delimiter") == "]":
                return

    def value(self) -> Any:
        """The next value, as `json.loads` gives it."""
        try:
            return self._value()
        except (OSError, ValueError, RecursionError):
            with reading(self.path):
                raise

    def finish(self) -> None:
        """Raise unless only whitespace is left."""
        if self.next_character():
            self._fail("Extra data")

    def _value(self) -> Any:
        self.next_character()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if self._ended or end + _NUMBER_TAIL <= len(self._text):
                    break
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut(error):
                    raise self._located(error) from None
            self._more()
        start, self._at = self._at, end
        self.span = (self._base + start, end - start)
        if not self._text.isascii():
            value = self._decoded(value, start, end)
        if may_hold_half_pairs(self._text, start, end):
            check_text(value)
        return value

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the value may only be cut off: the error is then at the end of the text."""
        return error.msg.startswith("Unterminated string") or (
            error.pos + _LONGEST_TOKEN >= len(self._text)
        )

    def _decoded(self, value: Any, start: int, end: int) -> Any:
        part = self._text[start:end]
        if part.isascii():
            return value
        try:
            return json.loads(part.encode("latin-1").decode("utf-8"))
        except UnicodeDecodeError as error:
            place = self._base + start + error.start
            raise UnicodeDecodeError("utf-8", b"", place, place + 1, error.reason) from None

    def _take(self, wanted: str, message: str) -> str:
        """Skip one of the characters `wanted`; return which it was."""
        character = self.next_character()
        if not character or character not in wanted:
            self._fail(message)
        self._at += 1
        return character

    def _fail(self, message: str) -> None:
        with reading(self.path):
            raise self._located(json.JSONDecodeError(message, self._text, self._at))

    def _located(self, error: json.JSONDecodeError) -> json.JSONDecodeError:
        """`error` with its place in the file instead of in the current text."""
        if error.lineno == 1:
            error.colno = self._base + error.pos - self._line_start + 1
        error.lineno += self._lines
        return error

    def _more(self) -> None:
        """Read more, as much again as is waiting, and drop what has been consumed."""
        done = self._text[: self._at]
        line_ends = done.count("\n")
        if line_ends:
            self._lines += line_ends
            self._line_start = self._base + done.rindex("\n") + 1
        self._base += self._at
        waiting, self._at = self._text[self._at :], 0
        if len(waiting) > MOST_VALUE_BYTES:
            raise DatasetError(
                f"its value at byte {self._base:,} has more than {MOST_VALUE_BYTES:,} bytes, as no "
                "entry of an annotation file has",
                path=self.path,
            )
        data = self._file.read(max(self._chunk, len(waiting)))
        self._ended = not data
        self._text = waiting + data.decode("latin-1")
