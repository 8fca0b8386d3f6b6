"""One command in a separate process: its output shown and logged, Ctrl-C passed on to it."""

import codecs
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from fashion import IN_CLONE
from fashion.terminal import without_notes
from mrcnn.system.signals import handling_signals

CHUNK = 65536


class Interrupted(Exception):
    """The command was asked to end, and has ended."""


def invocation(words: Sequence[str]) -> tuple[str, ...]:
    """The words after the interpreter for a script of the clone with its arguments.

    An installed package has no scripts; `python -m fashion` accepts their paths as commands.
    """
    return tuple(words) if IN_CLONE else ("-m", "fashion", *words)


def run_process(
    words: Sequence[str], folder: Path, log: Path, title: str, keep_open: int | None = None
) -> int:
    """Run this interpreter with `words` in `folder`; return the exit code.

    What it prints appears here and, without the intermediate states of progress bars, in `log`,
    under the line `title`. SIGINT, SIGTERM and SIGHUP are passed on as SIGINT, on which our
    commands finish their current unit of work. keep_open: a descriptor that it inherits.

    Raises `Interrupted` when it has ended after such a signal.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    posix = os.name == "posix"
    with passing_interrupts_on() as interruption, log.open("a", encoding="utf-8") as record:
        interruption.process = process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # In its own session: the terminal's Ctrl-C reaches only us, and we pass it on once.
            start_new_session=posix,
            pass_fds=(keep_open,) if posix and keep_open is not None else (),
        )
        record.write(f"$ {title}\n")
        assert process.stdout is not None  # a pipe
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
        chunk = os.read(stream.fileno(), CHUNK)
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
    """Write the final state of a line, without what a progress bar has overwritten."""
    final = line.rstrip("\r").rsplit("\r", 1)[-1]
    record.write(final + "\n")
    record.flush()
    if not live:
        print(final, flush=True)


class Interruption:
    """How often this process was asked to end, and which process gets these signals."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.count = 0

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Pass a signal on as Ctrl-C; the third one kills the process."""
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
def passing_interrupts_on() -> Iterator[Interruption]:
    """While the block runs, signals that ask this process to end go to the yielded object."""
    interruption = Interruption()
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    kinds = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # A signal that was ignored when we were started (nohup) stays ignored.
    wanted = [kind for kind in kinds if signal.getsignal(kind) is not signal.SIG_IGN]
    with handling_signals(wanted, interruption):
        yield interruption
