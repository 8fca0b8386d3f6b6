"""Hiding what TensorFlow's native code logs on every start.

It logs what it was built for and that there is no GPU, on some machines regardless of
TF_CPP_MIN_LOG_LEVEL. Its lines may follow a progress bar without a line break.
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
    """A text without TensorFlow's notes, and a rest that may be the beginning of one."""
    text = _NOTE.sub("", text)
    begun = None if at_end else _NOTE_BEGINS.search(text)
    return (text[: begun.start()], text[begun.start() :]) if begun else (text, "")


@contextlib.contextmanager
def native_notes_left_out() -> Iterator[None]:
    """While the block runs, native code's standard error passes through `without_notes`.

    Python's own bypasses the filter, so that a terminal stays one. Afterwards standard error is as
    before, also where others replaced it within the block and put it back only later. Nothing is
    done where it has been replaced already, as by a test or an outer block, or where
    TF_CPP_MIN_LOG_LEVEL asks for the notes.
    """
    former = sys.__stderr__
    wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1")
    if former is None or sys.stderr is not former or wanted:
        yield
        return
    former.flush()
    real = os.dup(2)
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    reader = threading.Thread(target=_pass_on, args=(read, os.dup(real)), daemon=True)
    reader.start()
    stream = os.fdopen(
        os.dup(real), "w", buffering=1, encoding=former.encoding, errors="backslashreplace"
    )
    sys.stderr = stream
    try:
        yield
    finally:
        stream.flush()
        if sys.stderr is stream:
            sys.stderr = former
            stream.close()
        # Otherwise whoever replaced this stream still needs it.
        os.dup2(real, 2)
        os.close(real)
        # A process that was left behind may hold the pipe open.
        reader.join(timeout=2)


def _pass_on(read: int, real: int) -> None:
    """Copy from one file descriptor to the other without notes until the end; close both."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held = ""
    while True:
        chunk = os.read(read, CHUNK)
        text, held = without_notes(held + decoder.decode(chunk), at_end=not chunk)
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(real, text.encode())
        if not chunk:
            os.close(read)
            os.close(real)
            return
