"""What all commands share: how errors end them, text tables, and a quiet terminal.

TensorFlow's native code logs on every start what it was built for and that there is no GPU, on some
machines regardless of TF_CPP_MIN_LOG_LEVEL. Its lines would follow a progress bar without a line
break; they are left out.
"""

import argparse
import codecs
import contextlib
import errno
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion.command_table import with_commands
from mrcnn.errors import UserError, printable
from mrcnn.errors import counted as counted  # commands import it from here, too


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """A table in plain text: the first column aligned left, the others right.

    Every row has as many cells as `head`. There is a line of dashes below the head, and one above a
    last row that is called "total" or "all".
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    rule = gap.join("-" * width for width in widths)
    lines = [_line(head, widths, gap), rule]
    for index, row in enumerate(rows):
        if index and index == len(rows) - 1 and row[0] in ("total", "all"):
            lines.append(rule)
        lines.append(_line(row, widths, gap))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return gap.join([first, *rest]).rstrip()


def listed(paths: Sequence[Path]) -> str:
    """The files that were written, on one line; of more than three the first three."""
    return ", ".join(map(str, paths[:3])) + (f" .. ({len(paths)} files)" if len(paths) > 3 else "")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description, and adds the default to each option's help."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        shown = isinstance(default, str | int | float | os.PathLike) and default is not False
        text = with_commands(action.help or "")
        if not shown or default in ("", argparse.SUPPRESS) or "default" in text:
            return text
        return f"{text} (default: %(default)s)".strip()


def command_parser(
    description: str | None, prog: str | None = None, **how: Any
) -> argparse.ArgumentParser:
    """The parser of a command.

    Args:
        description: for `--help`, with its lines; `%(prog)s` in it is the command as typed.
        prog: the command as typed; by default argparse's.
        how: further arguments of `ArgumentParser`.
    """
    return argparse.ArgumentParser(
        prog=prog,
        description=with_commands(description or ""),
        formatter_class=HelpFormatter,
        **how,
    )


# The options that set what errors name: Config attributes and arguments.
OPTIONS: Mapping[str, str] = {
    "ACCUMULATE_STEPS": "--accumulate",
    "BATCH_SIZE": "--batch",
    "CLASS_WEIGHTS": "--class-weights",
    "DETECTION_MIN_CONFIDENCE": "--min-confidence",
    "EARLY_STOPPING": "--early-stopping",
    "EVALUATE_EVERY": "--evaluate-every",
    "EVALUATE_IMAGES": "--evaluate-images",
    "GPU_COUNT": "--gpus",
    "IMAGES_PER_GPU": "--batch",
    "IMAGE_RESIZE_MODE": "--resize-mode",
    "LEARNING_RATE": "--learning-rate",
    "LEARNING_RATE_SCHEDULE": "--lr-schedule",
    "LOADER_CACHE_MB": "--loader-cache",
    "LOADER_RESIZE": "--loader-resize",
    "LOADER_WORKERS": "--workers",
    "OPTIMIZER": "--optimizer",
    "PRECISION": "--precision",
    "REPEAT_FACTOR_THRESHOLD": "--repeat-rare",
    "SCALE_LEARNING_RATE": "--scale-learning-rate",
    "SEED": "--seed",
    "STEPS_PER_EPOCH": "--steps",
    "WARMUP_STEPS": "--warmup",
    "agreement": "--agreement",
    "batch": "--batch",
    "body": "--body",
    "body_preset": "--body-preset",
    "calibrate": "--calibrate",
    "classes": "--classes",
    "clothing": "--clothing",
    "clothing_preset": "--clothing-preset",
    "compactness": "--compactness",
    "completion_distance": "--completion-distance",
    "detections": "--detections",
    "drop_unknown": "--drop-unknown",
    "fallback": "--fallback",
    "formats": "--format",
    "garment": "--garment",
    "images": "--images",
    "int8": "--int8",
    "iterations": "--iterations",
    "json": "--json",
    "labels": "--labels",
    "layers": "--layers",
    "listing": "--listing",
    "logs": "--logs",
    "low_confidence": "--low-confidence",
    "min_confidence": "--min-confidence",
    "model": "--model",
    "model1": "--model1",
    "model2": "--model2",
    "model_dir": "--logs",
    "names": "--names",
    "output": "--output",
    "overwrite": "--overwrite",
    "port": "--port",
    "preset": "--preset",
    "preset1": "--preset1",
    "preset2": "--preset2",
    "previews": "--previews",
    "ray_address": "--ray-address",
    "removal": "--removal",
    "report": "--report",
    "restart": "--restart",
    "results": "--results",
    "schedule": "--schedule",
    "season": "--season",
    "segments": "--segments",
    "sigma": "--sigma",
    "truth": "--truth",
    "truth_json": "--truth-json",
    "video": "--video",
    "weights": "--weights",
    "weights_out": "--weights-out",
    "weights_path": "--model",
    "workers": "--workers",
}


def run(main: Callable[[], int | None]) -> int:
    """Call `main` and return the exit code of the process.

    The exit code is what `main` returns (None counts as 0); 2 after a `UserError`, whose one
    sentence goes to stderr with `OPTIONS` in place of settings, or after a name too long for any
    file; 130 after Ctrl-C. Anything else is a defect and keeps its traceback.

    Use: `if __name__ == "__main__": sys.exit(run(main))`.
    """
    with _printable_streams(), quiet_tensorflow():
        try:
            with native_notes_left_out():
                return main() or 0
        except UserError as error:
            print(f"error: {error.sentence(OPTIONS)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except BrokenPipeError:
            # The reader of a pipe (head, less) has seen enough; nothing more can be written.
            sys.stderr.close()
            return 0
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            print(f"error: {printable(error.filename)}: the name is too long.", file=sys.stderr)
            return 2


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Silence TensorFlow's log within the block, unless the environment variable is set.

    On every start it logs missing CUDA libraries and how it was compiled. Its errors still arrive
    as exceptions. It reads the variable when it is imported.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        yield
    finally:
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)


@contextlib.contextmanager
def _printable_streams() -> Iterator[None]:
    """Let output contain characters that the terminal's encoding lacks, as file names may."""
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    former = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, former, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)


def add_classes_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --classes, for commands that read labels: what `fashion.labels.named_table` accepts.

    default: what the command does without it, for its help.
    """
    parser.add_argument(
        "--classes",
        metavar="CLASSES",
        help='your own classes: a JSON file such as ["sneaker", "blazer"], which may have '
        "colours and aliases too; or modanet, photo (modanet and persons), season (nine season "
        f"labels), all (all fifty) (default: {default})",
    )
    parser.add_argument("--class-table", dest="classes", help=argparse.SUPPRESS)


def add_strict_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --strict, for commands that skip and list what they cannot use."""
    text = f"stop at the first {what} that cannot be used"
    parser.add_argument("--strict", action="store_true", help=text)


def add_stream_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --strict, --stream and --shard-size, for conversions between annotation formats."""
    add_strict_argument(parser, what)
    parser.add_argument(
        "--stream",
        action="store_true",
        help="read and write image by image (the default from 256 MB on, and for shards)",
    )
    parser.add_argument(
        "--shard-size",
        type=int,
        metavar="N",
        help="write files of N images, OUT-00000-of-00012.json and so on",
    )


_NOTE = re.compile(
    r"(?:[IWE]0000 00:00:\d+\.\d+ +\d+ [\w.]+:\d+\] |WARNING: All log messages before absl::"
    r"|To enable the following instructions: )[^\n]*\n"
)
_NOTE_BEGINS = re.compile(r"(?:[IWE]0000 00:|WARNING: All log|To enable the foll)[^\n]*\Z")
CHUNK = 65536


def without_notes(text: str, at_end: bool = True) -> tuple[str, str]:
    """A text without TensorFlow's notes, and a remainder that may be the beginning of one."""
    text = _NOTE.sub("", text)
    begun = None if at_end else _NOTE_BEGINS.search(text)
    return (text[: begun.start()], text[begun.start() :]) if begun else (text, "")


@contextlib.contextmanager
def native_notes_left_out() -> Iterator[None]:
    """While the block runs, native code's standard error passes through `without_notes`.

    Python's own bypasses the filter, so that it still sees a terminal. Afterwards standard error is
    as before, even if others replaced it within the block and put it back only later. Nothing is
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
        # Otherwise the code that replaced this stream still needs it.
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
