"""Keeping what TensorFlow's native code says on every start out of sight.

It tells what it has been built for and that there is no GPU, on some machines whatever
TF_CPP_MIN_LOG_LEVEL is. Its lines may follow a progress bar without a line break.
"""

import codecs
import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator

_NOTE = re.compile(
    r"(?:[IWE]0000 00:00:\d+\.\d+ +\d+ [\w.]+:\d+\] |WARNING: All log messages before absl::"
    r"|To enable the following instructions: )[^\n]*\n"
)
_NOTE_BEGINS = re.compile(r"(?:[IWE]0000 00:|WARNING: All log|To enable the foll)[^\n]*\Z")
CHUNK = 65536


def without_notes(text: str, at_end: bool = True) -> tuple[str, str]:
    """A text without TensorFlow's notes, and what may be the beginning of one: to be held back."""
    text = _NOTE.sub("", text)
    begun = None if at_end else _NOTE_BEGINS.search(text)
    return (text[: begun.start()], text[begun.start() :]) if begun else (text, "")


@contextlib.contextmanager
def native_notes_left_out() -> Iterator[None]:
    """While the block runs, native code's standard error passes through `without_notes`.

    Python's own goes where it went, so that a terminal stays one. Nothing is done where standard
    error has been replaced, as by a test, or where TF_CPP_MIN_LOG_LEVEL asks for the notes.
    """
    if sys.stderr is not sys.__stderr__ or os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1"):
        yield
        return
    former = sys.stderr
    former.flush()
    real = os.dup(2)
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    reader = threading.Thread(target=_pass_on, args=(read, real), daemon=True)
    reader.start()
    with os.fdopen(
        real, "w", buffering=1, encoding=former.encoding, errors="backslashreplace"
    ) as s:
        sys.stderr = s
        try:
            yield
        finally:
            s.flush()
            sys.stderr = former
            os.dup2(real, 2)
            # A process that was left behind may hold the pipe open.
            reader.join(timeout=2)


def _pass_on(read: int, real: int) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held = ""
    while True:
        chunk = os.read(read, CHUNK)
        text, held = without_notes(held + decoder.decode(chunk), at_end=not chunk)
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(real, text.encode())
        if not chunk:
            os.close(read)
            return
