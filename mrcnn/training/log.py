"""What training shows and keeps: a progress bar, TensorBoard events, checkpoints."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mrcnn.errors import WeightsError
from mrcnn.system.files import replacing, saving
from mrcnn.training.checkpoints import LogFolder
from mrcnn.training.history import write_history
from mrcnn.training.state import Progress
from mrcnn.weights.matching import save_weights

SHORT_NAMES = ("rpn_cls", "rpn_box", "cls", "box", "mask")


class ProgressBar:
    """One line per epoch: steps, the mean losses so far, images per second.

    If the output is not a terminal, it prints a line every half minute instead of a moving bar.
    """

    def __init__(self, epoch: int, epochs: int, steps: int, done: int, batch_size: int):
        terminal = sys.stderr.isatty()
        self.batch_size = batch_size
        self.bar = tqdm(
            total=steps,
            initial=done,
            desc=f"Epoch {epoch}/{epochs}",
            unit="step",
            dynamic_ncols=terminal,
            ncols=None if terminal else 150,
            mininterval=0.2 if terminal else 30,
            maxinterval=10 if terminal else 60,
        )

    def update(self, means: list[float]) -> None:
        """Show the mean losses after one more step."""
        parts = [f"loss {means[0]:.3f}"]
        parts += [f"{name} {x:.3f}" for name, x in zip(SHORT_NAMES, means[1:], strict=True)]
        parts.append(speed_text(self._steps_per_second() * self.batch_size))
        self.bar.set_postfix_str(", ".join(parts), refresh=False)
        self.bar.update()

    def _steps_per_second(self) -> float:
        # tqdm knows the rate of recent steps once it has drawn a line.
        done = self.bar.n + 1 - self.bar.initial
        state = self.bar.format_dict
        return state["rate"] or done / max(state["elapsed"], 1e-6)

    def close(self) -> None:
        """Finish the line, leaving it as it is."""
        self.bar.close()


def speed_text(images_per_second: float) -> str:
    """Images per second in readable form; never "0.0"."""
    digits = ".1f" if images_per_second >= 1 else ".2g"
    return f"{images_per_second:{digits}} img/s"


class TensorBoardScalars(keras.callbacks.Callback):
    """Writes each epoch's values for TensorBoard into the log folder.

    If that fails, it says so once and stops writing: training ends if its state cannot be written,
    not for want of charts.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.writer = None

    def on_train_begin(self, logs=None) -> None:
        """Open the event file."""
        with self._giving_up():
            self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Write the epoch's values."""
        self._write(epoch + 1, tf.summary.scalar, logs or {})

    def write_pictures(self, epoch: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Write pictures by name, uint8 RGB `[height, width, 3]`, after this many epochs."""
        stacks = {name: picture[np.newaxis] for name, picture in pictures.items()}
        self._write(epoch, tf.summary.image, stacks)

    def on_train_end(self, logs=None) -> None:
        """Close the event file."""
        if self.writer:
            with self._giving_up():
                self.writer.close()

    def _write(self, step: int, kind: Callable, values: Mapping) -> None:
        if self.writer is None:
            return
        with self._giving_up():
            with self.writer.as_default(step=step):
                for name, value in values.items():
                    kind(name, value)
            self.writer.flush()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            self.writer = None
            reason = str(error.message).split(" [Op:")[0].strip()
            print(f"TensorBoard's events are no longer written: {reason}", flush=True)


class Checkpoints:
    """Writes the weights after each epoch, and keeps the best.

    The best checkpoint gets a second name, `best_mask_rcnn_<name>.h5`: `find_last` would take a
    name that starts with `mask_rcnn_` for the last checkpoint.

    Args:
        folder: where to write.
        notes: texts to store in each file.
    """

    def __init__(self, folder: LogFolder, notes: Mapping[str, str] | None = None):
        self.folder = folder
        self.notes = notes

    @property
    def best(self) -> Path:
        """Path of the best weights so far."""
        return self.folder.folder / f"best_mask_rcnn_{self.folder.name}.h5"

    def save(self, model: keras.Model, epoch: int, is_best: bool) -> Path:
        """Write the checkpoint of an epoch.

        Raises:
            WeightsError: it cannot be written.
        """
        path = self.folder.checkpoint(epoch)
        save_weights(model, path, self.notes)
        if is_best:
            self._keep(path)
        return path

    def complete(self, model: keras.Model, progress: Progress) -> None:
        """Write the missing files of the epoch at whose end a state was written.

        The state is written first. A run that was killed right afterwards has no checkpoint of that
        epoch yet; if the epoch was the last, nothing else would ever write one.

        Raises:
            WeightsError, TrainingError: a file cannot be written.
        """
        if progress.step or not progress.epoch:
            return
        path = self.folder.checkpoint(progress.epoch)
        is_best = progress.best_epoch == progress.epoch
        if not path.exists():
            self.save(model, progress.epoch, is_best)
        elif is_best:
            self._keep(path)
        write_history(self.folder.folder, progress.history)

    def _keep(self, path: Path) -> None:
        temporary = self.best.with_suffix(".part")
        advice = "make room or make the folder writable, then resume from the last checkpoint"
        with saving(self.best, WeightsError, advice=advice):
            temporary.unlink(missing_ok=True)
            try:
                os.link(path, temporary)
                temporary.replace(self.best)
                # Renaming one link over another to the same file does nothing: both names stay.
                temporary.unlink(missing_ok=True)
            except OSError:  # the file system has no hard links
                with replacing(self.best) as copy, path.open("rb") as stream:
                    shutil.copyfileobj(stream, copy)
