"""One command as a process of its own: its output shown and kept, Ctrl-C handed on to it."""

import codecs
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from fashion.native_notes import without_notes
from mrcnn.signals import handling_signals

CHUNK = 65536


class Interrupted(Exception):
    """The command was asked to end, and has ended."""


def run_process(
    words: Sequence[str], folder: Path, log: Path, title: str, keep_open: int | None = None
) -> int:
    """Run this interpreter with `words` in `folder`; its exit code.

    What it prints appears here and, without the intermediate states of progress bars, in `log`,
    under the line `title`. Ctrl-C, a polite `kill` and a terminal that is closed are handed on as
    Ctrl-C: our commands then finish what they are at. keep_open: a descriptor that it inherits.

    Raises `Interrupted` when it has ended after that.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    options = {}
    if os.name == "posix":
        # A session of its own: the terminal's Ctrl-C reaches us alone, and we hand it on once.
        options["start_new_session"] = True
        options["pass_fds"] = () if keep_open is None else (keep_open,)
    with handing_on_interrupts() as interruption, log.open("a", encoding="utf-8") as record:
        interruption.process = process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )
        record.write(f"$ {title}\n")
        _pass_on(process.stdout, record)
        code = process.wait()
        record.write(f"exit code {code}\n")
    if interruption.count or code == 130:
        raise Interrupted
    return code


def _pass_on(stream: IO[bytes], record: IO[str]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    live = sys.stdout.isatty()
    line, held = "", ""
    while True:
        chunk = stream.read1(CHUNK)
        text, held = without_notes(held + decoder.decode(chunk), at_end=not chunk)
        if live:
            sys.stdout.write(text)
            sys.stdout.flush()
        *whole, line = (line + text.replace("\r\n", "\n")).split("\n")
        for one in whole:
            _write_line(one, record, live)
        if not chunk:
            break
    if line:
        _write_line(line, record, live)


def _write_line(line: str, record: IO[str], live: bool) -> None:
    """A line as it stands at its end: what a progress bar has overwritten is left out."""
    final = line.rstrip("\r").rsplit("\r", 1)[-1]
    record.write(final + "\n")
    record.flush()
    if not live:
        print(final, flush=True)


class Interruption:
    """How often this process was asked to end, and the process to which that is handed on."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.count = 0

    def __call__(self, signum, frame) -> None:
        """Handle a signal: Ctrl-C for the process, the third time its end."""
        self.count += 1
        if self.process is None or self.process.poll() is not None:
            return
        if os.name == "posix":
            kind = signal.SIGKILL if self.count > 2 else signal.SIGINT
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, kind)
        elif self.count > 2:  # the console itself has sent Ctrl-C to both
            self.process.kill()


@contextlib.contextmanager
def handing_on_interrupts() -> Iterator[Interruption]:
    """While the block runs, signals to end go to the `Interruption` that it gets."""
    interruption = Interruption()
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    kinds = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # Whoever started us with a signal ignored (nohup) wants it ignored.
    wanted = [kind for kind in kinds if signal.getsignal(kind) is not signal.SIG_IGN]
    with handling_signals(wanted, interruption):
        yield interruption
