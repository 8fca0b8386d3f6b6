"""Everything that training needs to resume exactly where it stopped, in one file.

`training_state.npz`, beside the checkpoints, contains weights, optimizer variables and counters. It
is written after every epoch and every few minutes within one, complete or not at all.
"""

import json
import math
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn.config import LOSS_NAMES
from mrcnn.errors import WeightsError
from mrcnn.system.files import replacing, saving
from mrcnn.training.npz_archives import opened_arrays

FILE_NAME = "training_state.npz"
FORMAT = 1

# What reading an archive of arrays, and the text in it, raises if the file is damaged.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class Progress:
    """How far training has come.

    Attributes:
        epoch: completed epochs.
        step: completed steps of the next one.
        seed: of data order, augmentation and sampling.
        totals: sums of the losses over these steps, float64 as a list.
        history: one row per completed epoch, as in the CSV.
        best: the best value so far of the column that decides on the best checkpoint.
        best_of: that column of the history.
        best_epoch: completed epochs when it was reached.
        call_begin: completed epochs when the current call of `train` began, even if it has been
            interrupted since.
        call_end: the total number of epochs passed to this call.
        stopped: the totals of the calls that early stopping has ended.
    """

    epoch: int = 0
    step: int = 0
    seed: int = 0
    totals: list[float] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)
    best: float | None = None
    best_of: str = "val_loss"
    best_epoch: int = 0
    call_begin: int = 0
    call_end: int = 0
    stopped: list[int] = field(default_factory=list)

    def begin_call(self, epochs: int) -> None:
        """Begin a call of `train` with this total, or resume the one that was interrupted."""
        if self.epoch >= self.call_end or self.call_end in self.stopped:
            self.call_begin = self.epoch
        self.call_end = epochs
        # Repeating a call after early stopping makes it an ordinary one.
        self.stopped = [end for end in self.stopped if end != epochs]


class Continuation:
    """The end of one call of `train`, held in memory for the next one in the same process.

    Args:
        progress: how far training has come.
        optimizer: the one whose state is kept.
    """

    def __init__(self, progress: Progress, optimizer: keras.optimizers.Optimizer):
        self.progress = progress
        self._optimizer = _kind(optimizer)
        self._slots = {name: np.asarray(v.value) for name, v in _slots(optimizer)}

    def restore_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Give a new optimizer the state of the previous one.

        An optimizer of another kind starts without it, and a message says so.
        """
        if not _is_of_kind(optimizer, self._optimizer):
            return
        shapes = {name: slot.shape for name, slot in self._slots.items()}
        _assign_slots(optimizer, self._slots, shapes)


def save_state(
    folder: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    progress: Progress,
) -> None:
    """Write the state into a log folder.

    Raises:
        WeightsError: it cannot be written; an existing state is then untouched.
    """
    arrays: dict[str, Any] = {"weight:" + v.path: np.asarray(v.value) for v in model.weights}
    arrays |= {"optimizer:" + key: np.asarray(v.value) for key, v in _slots(optimizer)}
    counters = {"format": FORMAT, "optimizer": _kind(optimizer), **asdict(progress)}
    arrays["progress"] = np.array(json.dumps(counters))
    path = folder / FILE_NAME
    advice = "make room or make the folder writable, then resume from the last checkpoint"
    with saving(path, WeightsError, advice=advice), replacing(path) as stream:
        np.savez(stream, **arrays)


def read_progress(folder: Path) -> Progress | None:
    """The counters in a folder's state, or None if there is no usable state."""
    try:
        with opened_arrays(folder / FILE_NAME) as (data, _):
            # Check all checksums: weights that are read later must not turn out damaged.
            if (damaged := data.zip.testzip()) is not None:
                raise zipfile.BadZipFile(damaged)
            text = str(data["progress"])
        stored = json.loads(text)
    except FileNotFoundError:
        return None
    except _DAMAGE:
        stored = None
    if isinstance(stored, dict) and stored.get("format") not in (None, FORMAT):
        return None  # from another version of this project
    progress = _parsed(stored)
    if progress is None:
        print(f"{folder / FILE_NAME} is damaged and ignored: resuming from the checkpoint.")
    return progress


def restore_weights(folder: Path, model: keras.Model) -> bool:
    """Restore the state's weights into the model; False if they do not cover the whole model."""
    with opened_arrays(folder / FILE_NAME) as (data, shapes):
        shapes_agree = all(shapes.get("weight:" + v.path) == tuple(v.shape) for v in model.weights)
        if shapes_agree:
            for variable in model.weights:
                variable.assign(data["weight:" + variable.path])
    return shapes_agree


def restore_optimizer(folder: Path, optimizer: keras.optimizers.Optimizer) -> None:
    """Restore the optimizer's state of each weight.

    The learning rate stays as the caller set it. A weight that was not trained before (another
    choice of layers) starts without state, as it would in uninterrupted training. So do all weights
    if another optimizer wrote the state, and a message says so.
    """
    with opened_arrays(folder / FILE_NAME) as (data, shapes):
        # Older states do not name their optimizer; it shows in the names of its variables.
        before = "Adam" if any(name.endswith("_velocity") for name in shapes) else "SGD"
        if not _is_of_kind(optimizer, json.loads(str(data["progress"])).get("optimizer", before)):
            return
        _assign_slots(optimizer, data, shapes, prefix="optimizer:")


def _parsed(stored: Any) -> Progress | None:
    """The counters in a state's JSON; None if it contains values that no training run has."""
    names = {each.name for each in fields(Progress)}
    if not isinstance(stored, dict) or stored.pop("format", None) != FORMAT:
        return None
    if not isinstance(stored.pop("optimizer", ""), str) or not stored.keys() <= names:
        return None
    progress = Progress(**stored)
    lists = (progress.totals, progress.history, progress.stopped)
    if not all(isinstance(values, list) for values in lists):
        return None
    if not all(isinstance(row, dict) for row in progress.history):
        return None
    counters = [progress.epoch, progress.step, progress.seed, progress.best_epoch]
    counters += [progress.call_begin, progress.call_end, *progress.stopped]
    numbers = [*progress.totals, 0.0 if progress.best is None else progress.best]
    rows = [value for row in progress.history for value in row.values()]
    is_whole = (
        all(type(n) is int and 0 <= n < 1 << 62 for n in counters)
        and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
        and all(type(value) in (int, float) for value in rows)
        and isinstance(progress.best_of, str)
        and len(progress.totals) in (0, 1 + len(LOSS_NAMES))
    )
    return progress if is_whole else None


def _kind(optimizer: keras.optimizers.Optimizer) -> str:
    return type(optimizer).__name__


def _is_of_kind(optimizer: keras.optimizers.Optimizer, before: str) -> bool:
    """Whether an optimizer is of the kind used before; prints a message if it is not."""
    now = _kind(optimizer)
    if now != before:
        print(f"{now} starts without memory: the training before used {before}.")
    return now == before


def _assign_slots(optimizer, arrays, shapes, prefix=""):
    for name, variable in _slots(optimizer):
        key = prefix + name
        if shapes.get(key) == tuple(variable.shape):
            variable.assign(arrays[key])


def _slots(optimizer):
    """The optimizer's variables, by names that do not depend on which layers are trained."""
    settings = {id(optimizer.learning_rate)}
    return [(v.name, v) for v in optimizer.variables if id(v) not in settings]
