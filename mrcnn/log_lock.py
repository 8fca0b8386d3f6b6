"""One training at a time in a log folder, and no temporary files left by killed ones."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mrcnn.errors import TrainingError
from mrcnn.file_lock import lock
from mrcnn.files import saving, unfinished

LOCK_FILE = ".training.lock"


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Lock a log folder for this training; the folder is made if need be.

    The lock ends with the process, however that ends; the empty file stays. Temporary files of
    trainings that were killed here are removed.

    Raises:
        TrainingError: another training is at work in the folder, or it cannot be written.
    """
    advice = "make it writable, make room, or name another log folder"
    with saving(folder, TrainingError, advice=advice):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock(handle):
            raise TrainingError(
                "another training is at work in this log folder",
                path=folder,
                advice="wait for its end, or start a training of your own, in another folder",
            )
        for path, name in unfinished(folder):
            if name.startswith(("mask_rcnn_", "training_state.", "history.")):
                path.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
