"""One training at a time in a log folder, and nothing left there by those that were killed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mrcnn.errors import TrainingError
from mrcnn.file_lock import lock
from mrcnn.files import unfinished

LOCK_FILE = ".training.lock"


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep a log folder for this training; it is made if need be.

    The lock ends with the process, however that ends; the empty file stays. Temporary files of
    trainings that were killed here are removed.

    Raises:
        TrainingError: another training is at work in the folder, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise TrainingError(
            f"Nothing can be written to the log folder {folder} ({error.strerror or error}): make "
            f"it writable, make room, or name another."
        ) from error
    try:
        if not lock(handle):
            raise TrainingError(
                f"Another training is at work in {folder}: wait for its end, or name another log "
                f"folder; a training that is not to go on from that one can just be started again."
            )
        for path, name in unfinished(folder):
            if name.startswith(("mask_rcnn_", "training_state.", "history.")):
                path.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
