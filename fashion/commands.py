"""What all command-line scripts share: how errors end them, and options that several have."""

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping

from fashion.native_notes import native_notes_left_out
from mrcnn.errors import UserError, printable

# The options by which users set what errors name: Config attributes and arguments.
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
    "class_table": "--class-table",
    "clothing": "--clothing",
    "clothing_preset": "--clothing-preset",
    "compactness": "--compactness",
    "completion_distance": "--completion-distance",
    "detections": "--detections",
    "fallback": "--fallback",
    "garment": "--garment",
    "images": "--images",
    "iterations": "--iterations",
    "json": "--json",
    "layers": "--layers",
    "logs": "--logs",
    "low_confidence": "--low-confidence",
    "min_confidence": "--min-confidence",
    "model": "--model",
    "model1": "--model1",
    "model2": "--model2",
    "model_dir": "--logs",
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
    "weights": "--weights",
    "weights_out": "--weights-out",
    "weights_path": "--model",
    "workers": "--workers",
}


def run(main: Callable[[], int | None]) -> int:
    """Call `main` and give the exit code of the process.

    The exit code is what `main` returns (None counts as 0); 2 after a `UserError`, whose one
    sentence goes to stderr with `OPTIONS` in place of settings, or after a name too long for any
    file; 130 after Ctrl-C. Anything else is a defect and keeps its traceback.

    Use: `if __name__ == "__main__": sys.exit(run(main))`.
    """
    with _printable_streams(), _quiet_tensorflow():
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
def _quiet_tensorflow() -> Iterator[None]:
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


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --stream and --shard-size, of the conversions between annotation formats."""
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
