"""What all command-line scripts share: how errors end them, and the options of several."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable

from fashion.native_notes import native_notes_left_out
from mrcnn.errors import UserError, printable


def run(main: Callable[[], int | None]) -> int:
    """Call `main` and give the exit code of the process.

    The exit code is what `main` returns (None counts as 0); 2 after a `UserError`, whose one
    sentence goes to stderr, or a name too long for any file; 130 after Ctrl-C. Anything else is a
    defect and keeps its traceback. Use: `if __name__ == "__main__": sys.exit(run(main))`.
    """
    # TensorFlow tells of CUDA libraries that it misses, and how it was compiled, on every start.
    # Its own errors arrive as exceptions all the same. It reads this when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may hold what the terminal's encoding cannot say.
            stream.reconfigure(errors="backslashreplace")
    try:
        with native_notes_left_out():
            return main() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
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


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --stream and --shard-size, of the conversions between annotation formats."""
    parser.add_argument(
        "--stream",
        action="store_true",
        help="read and write image by image (of itself from 256 MB on, and for shards)",
    )
    parser.add_argument(
        "--shard-size",
        type=int,
        metavar="N",
        help="write files of N images, OUT-00000-of-00012.json and so on",
    )
