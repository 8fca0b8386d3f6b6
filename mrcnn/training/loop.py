"""The training loop: batches, steps, validation, checkpoints, and a state to resume from."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from mrcnn.config import LOSS_NAMES
from mrcnn.data.loader import BatchLoader
from mrcnn.errors import DatasetError, TrainingError, UserError, counted
from mrcnn.system.locks import holding
from mrcnn.system.signals import handling_signals
from mrcnn.training.checkpoints import LogFolder
from mrcnn.training.epoch_evaluation import EpochEvaluation
from mrcnn.training.history import MASK_AP, write_history
from mrcnn.training.log import Checkpoints, ProgressBar, TensorBoardScalars, speed_text
from mrcnn.training.processes import SingleDevice
from mrcnn.training.state import Progress, save_state
from mrcnn.training.step import TrainingStep

LOG_NAMES = ("loss", *LOSS_NAMES)
# The loss starts at 5 to 20, whatever the data. Above this value, times the largest of
# LOSS_WEIGHTS, the weights cannot recover, and NaN is a few steps away.
EXPLODED = 1e4


@dataclass
class TrainingPlan:
    """What to train and for how long.

    Attributes:
        epochs: the total, earlier ones included.
        steps_per_epoch: training batches per epoch.
        validation_steps: maximum number of validation batches per epoch.
        state_seconds: write the state this often within an epoch.
        notes: texts to store in each checkpoint.
        callbacks: Keras callbacks.
        evaluation: measures average precision every few epochs; None: never.
        early_stopping: end after this many epochs without improvement in the deciding column; 0:
            never.
    """

    epochs: int
    steps_per_epoch: int
    validation_steps: int
    state_seconds: float = 600.0
    notes: Mapping[str, str] = field(default_factory=dict)
    callbacks: Sequence[keras.callbacks.Callback] = field(default_factory=list)
    evaluation: EpochEvaluation | None = None
    early_stopping: int = 0


@contextlib.contextmanager
def finishing_the_step() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end the loop between two steps; a second Ctrl-C ends it at once.

    A step interrupted in the middle could have changed the weights without being counted.

    Yields:
        A function that returns whether Ctrl-C was pressed.
    """
    pressed: list[int] = []

    def remember(number, _):
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    with handling_signals([signal.SIGINT], remember):
        yield lambda: bool(pressed)


class Trainer:
    """Runs a plan from `progress` to its end, with a state on disk to resume from at any time.

    Args:
        step: the compiled step.
        loader: training batches; its batch n must be a function of n alone.
        validation_loader: validation batches, or None.
        log: the log folder, created if absent; no other training run can use it meanwhile.
        progress: where to start.
        distribution: the processes of the training. All of them run the same plan and compute the
            same values; only the chief writes.
    """

    def __init__(
        self,
        step: TrainingStep,
        loader: BatchLoader,
        validation_loader: BatchLoader | None,
        log: LogFolder,
        progress: Progress,
        distribution: SingleDevice | None = None,
    ):
        self.distribution = distribution or SingleDevice()
        self.step = step
        self.model = step.model
        self.loader, self.validation_loader = loader, validation_loader
        self.log = log
        self.progress = progress

    def run(self, plan: TrainingPlan) -> list[dict]:
        """Train.

        Returns:
            One dictionary for each epoch since training started, as in `history.csv`.

        Raises:
            TrainingError: a loss is no longer finite, a loader worker died, another process of
                the training is gone, or another training run uses the log folder.
            KeyboardInterrupt: after Ctrl-C, once the state is written.
        """
        if not self.distribution.is_chief:
            return self._run(plan)
        with holding(self.log.folder):
            return self._run(plan)

    def _run(self, plan: TrainingPlan) -> list[dict]:
        self.checkpoints = Checkpoints(self.log, plan.notes)
        self.board = TensorBoardScalars(self.log.folder)
        self._begin()
        writers = [self.board] if self.distribution.is_chief else []
        callbacks = keras.callbacks.CallbackList(
            [*writers, *plan.callbacks],
            add_history=True,
            model=self.model,
            epochs=plan.epochs,
            steps=plan.steps_per_epoch,
        )
        self.model.stop_training = False
        callbacks.on_train_begin()
        first = self.progress.epoch * plan.steps_per_epoch + self.progress.step
        batches = self.loader.stream(first, plan.epochs * plan.steps_per_epoch)
        with finishing_the_step() as pressed, contextlib.closing(batches):

            def interrupted() -> bool:
                return self.distribution.agree(pressed())

            while self.progress.epoch < plan.epochs and not self.model.stop_training:
                self._epoch(batches, plan, callbacks, interrupted)
        callbacks.on_train_end()
        self.distribution.wait_for_all()
        return self.progress.history

    def _begin(self) -> None:
        # So that a run killed in its first epoch can be found and resumed.
        is_new = self.progress.epoch == 0 and not self.log.checkpoint(0).exists()
        if is_new and self.distribution.is_chief:
            self._save_state()
            self.checkpoints.save(self.model, 0, is_best=False)

    def _save_state(self) -> None:
        """Write the state; if weights are NaN, keep the previous one and raise TrainingError."""
        self.step.restore_weights()
        bad = [v.path for v in self.model.weights if not np.isfinite(np.asarray(v.value)).all()]
        if bad:
            raise TrainingError(
                f"After step {self.progress.step} of epoch {self.progress.epoch + 1} {len(bad)} "
                f"weights hold NaN or infinity (the first is {bad[0]}) and are not saved",
                advice="resume from the last checkpoint, which is good, with a lower learning rate",
            )
        if self.distribution.is_chief:
            save_state(self.log.folder, self.model, self.step.optimizer, self.progress)

    def _epoch(self, batches, plan: TrainingPlan, callbacks, interrupted) -> None:
        epoch = self.progress.epoch
        started = last_saved = time.monotonic()
        steps_before = self.progress.step
        self.progress.totals = self.progress.totals or [0.0] * len(LOG_NAMES)
        callbacks.on_epoch_begin(epoch)
        bar = ProgressBar(
            epoch + 1, plan.epochs, plan.steps_per_epoch, steps_before, self.loader.batch_size
        )
        with contextlib.closing(bar):
            while self.progress.step < plan.steps_per_epoch:
                self._one_step(self._next(batches, steps_before), callbacks, steps_before)
                bar.update(self._means())
                self._stop_if(interrupted())
                if time.monotonic() - last_saved > plan.state_seconds:
                    self._save_state()
                    last_saved = time.monotonic()
        speed = {"seconds": time.monotonic() - started}
        if images := (self.progress.step - steps_before) * self.loader.batch_size:
            speed["images_per_second"] = images / speed["seconds"]
        if self.validation_loader or plan.evaluation:
            self._save_state()  # if the evaluation fails, the epoch is not lost
        logs = dict(zip(LOG_NAMES, self._means(), strict=True))
        with self.step.averaged_weights():
            logs |= self._validate(plan, interrupted)
            logs |= self._evaluate(plan, interrupted, epoch)
        logs["learning_rate"] = float(np.asarray(self.step.optimizer.learning_rate.value))
        # Only the chief has all measurements.
        self._close_epoch(plan, self.distribution.share(logs | speed))
        # As in Matterport's code, callbacks find the epoch's checkpoint, and may fail.
        callbacks.on_epoch_end(epoch, logs)
        # A callback may have stopped only one process.
        self.model.stop_training = self.distribution.agree(self.model.stop_training)

    def _next(self, batches, steps_before: int):
        """The next batch; if loading fails, the steps since the last state are not lost."""
        with self._saving_what_is_new(steps_before, UserError):
            return next(batches)

    @contextlib.contextmanager
    def _saving_what_is_new(self, steps_before: int, kind: type[Exception]) -> Iterator[None]:
        """Save the state, between two steps, before an error of this kind ends training."""
        try:
            yield
        except kind:
            if self.progress.step > steps_before:
                self._save_and_report()
            raise

    def _one_step(self, item, callbacks, steps_before: int) -> None:
        number, image_ids, inputs = item
        _require_built_size(self.loader, image_ids, inputs[0])
        with self._saving_what_is_new(steps_before, Exception):
            callbacks.on_train_batch_begin(self.progress.step)
        losses = self.step.train(inputs, number)
        self._require_sane(losses, f"At step {number}", image_ids, self.loader)
        self.progress.totals = np.add(self.progress.totals, losses, dtype=np.float64).tolist()
        self.progress.step += 1
        logs = dict(zip(LOG_NAMES, self._means(), strict=True))
        with self._saving_what_is_new(steps_before, Exception):
            callbacks.on_train_batch_end(self.progress.step - 1, logs)

    def _require_sane(self, losses, when: str, image_ids: Sequence[int], loader) -> None:
        """Raise TrainingError if a loss is not finite, or too large to recover from."""
        limit = EXPLODED * max(1.0, *self.step.weights)
        named = list(zip(LOG_NAMES, map(float, losses), strict=True))
        wrong = [f"{name} is no longer finite" for name, x in named if not np.isfinite(x)]
        wrong = wrong or [f"{name} has grown to {x:.3g}" for name, x in named if x > limit]
        if wrong:
            self.distribution.wait_for_all()
            whose = f"worker {self.distribution.worker}'s " * (self.distribution.workers > 1)
            raise TrainingError(
                f"{when} ({whose}images {_image_names(loader, image_ids)}) {', '.join(wrong)}",
                advice="resume from the last checkpoint, which is good, with a lower learning "
                "rate, and look at these images' annotations",
            )

    def _means(self) -> list[float]:
        return [total / self.progress.step for total in self.progress.totals]

    def _validate(self, plan: TrainingPlan, interrupted) -> dict[str, float]:
        """Mean losses over the same validation batches each time, each image at most once."""
        if self.validation_loader is None or plan.validation_steps < 1:
            return {}
        images = self.validation_loader.source.order.places
        count = min(plan.validation_steps, -(-images // self.validation_loader.batch_size))
        rows = []
        for number, image_ids, inputs in self.validation_loader.stream(0, count):
            _require_built_size(self.validation_loader, image_ids, inputs[0])
            rows.append(self.step.validate(inputs, number))
            when = f"In validation batch {number} after epoch {self.progress.epoch + 1}"
            self._require_sane(rows[-1], when, image_ids, self.validation_loader)
            self._stop_if(interrupted())
        means = np.mean(np.asarray(rows, np.float64), axis=0)
        return {f"val_{name}": float(x) for name, x in zip(LOG_NAMES, means, strict=True)}

    def _evaluate(self, plan: TrainingPlan, interrupted, epoch: int) -> dict[str, float]:
        evaluation = plan.evaluation
        if evaluation is None or not evaluation.is_due(epoch + 1, plan.epochs):
            return {}
        if not self.distribution.is_chief:
            return {}
        # The other processes wait meanwhile and cannot take part in a vote.
        alone = self.distribution.workers == 1
        evaluated = evaluation.run(self.model, lambda: self._stop_if(alone and interrupted()))
        self.board.write_pictures(epoch + 1, evaluated.pictures)
        return evaluated.figures

    def _close_epoch(self, plan: TrainingPlan, row: dict) -> None:
        progress = self.progress
        progress.epoch, progress.step, progress.totals = progress.epoch + 1, 0, []
        progress.history = [*progress.history, {"epoch": progress.epoch, **row}]
        decisive = deciding_column(plan.evaluation is not None, row)
        is_best = note_best(progress, decisive, row)
        stops = stops_early(progress, plan.early_stopping) and decisive in row
        if stops:
            progress.stopped = [*progress.stopped, plan.epochs]
            self.model.stop_training = True
        # The state is written first, so it is never older than the last checkpoint beside it.
        self._save_state()
        if self.distribution.is_chief:
            with self.step.averaged_weights():
                self.checkpoints.save(self.model, progress.epoch, is_best)
            write_history(self.log.folder, progress.history)
        print(_epoch_line(progress.history[-1], decisive if is_best else None), flush=True)
        if stops:
            print(
                f"Stopped early: the best {decisive} is that of epoch {progress.best_epoch}, "
                f"{counted(plan.early_stopping, 'epoch')} or more ago.",
                flush=True,
            )

    def _stop_if(self, interrupted: bool) -> None:
        if not interrupted:
            return
        self._save_and_report()
        self.distribution.wait_for_all()
        raise KeyboardInterrupt

    def _save_and_report(self) -> None:
        self._save_state()
        print(
            f"\nStopped in epoch {self.progress.epoch + 1} after step {self.progress.step}; the "
            f"state is saved in {self.log.folder}. Resume from the last checkpoint there.",
            flush=True,
        )


def _require_built_size(loader: BatchLoader, image_ids: Sequence[int], images: np.ndarray) -> None:
    """Raise DatasetError if the images are not of the size that the network's anchors are for."""
    built = tuple(int(side) for side in loader.source.config.IMAGE_SHAPE[:2])
    if images.shape[1:3] != built:
        raise DatasetError(
            f"the network is built for images of another size than these have when "
            f"{{IMAGE_RESIZE_MODE}} is {loader.source.config.IMAGE_RESIZE_MODE!r} "
            f"({_image_names(loader, image_ids)})",
            settings=("IMAGE_RESIZE_MODE",),
            expected=" x ".join(map(str, built)),
            found=" x ".join(map(str, images.shape[1:3])),
            advice="set {IMAGE_RESIZE_MODE} to 'square' or 'crop' for training",
        )


def deciding_column(evaluated: bool, row: Mapping[str, float]) -> str:
    """The column of the history that decides which weights are the best.

    Mask AP if training is evaluated, else the validation loss, else the training loss.
    """
    if evaluated:
        return MASK_AP
    return "val_loss" if "val_loss" in row else "loss"


def note_best(progress: Progress, column: str, row: Mapping[str, float]) -> bool:
    """Record an epoch's value if it is the best so far; return whether it is."""
    if progress.best_of != column:
        progress.best, progress.best_of = None, column
    if column not in row:
        return False
    value, best = row[column], progress.best
    is_best = best is None or (value > best if column == MASK_AP else value < best)
    if is_best:
        progress.best, progress.best_epoch = value, progress.epoch
    return is_best


def stops_early(progress: Progress, patience: int) -> bool:
    """Whether the current call has had `patience` epochs without improvement."""
    return bool(patience) and (
        progress.epoch - max(progress.best_epoch, progress.call_begin) >= patience
    )


def _epoch_line(row: dict, best_by: str | None) -> str:
    parts = [f"Epoch {row['epoch']}: loss {row['loss']:.4f}"]
    if "val_loss" in row:
        parts.append(f"val_loss {row['val_loss']:.4f}")
    if MASK_AP in row:
        parts.append(f"mask AP {row[MASK_AP]:.3f}, box AP {row['val_box_AP']:.3f}")
    parts.append(f"{row['seconds']:.0f} s")
    if "images_per_second" in row:
        parts.append(speed_text(row["images_per_second"]))
    return ", ".join(parts) + (f" (best {best_by} so far)" if best_by else "")


def why_over(progress: Progress, epochs: int, early_stopping: int) -> str:
    """A sentence saying why a call of `train` up to `epochs` has nothing left to do, else ''."""
    if early_stopping and epochs in progress.stopped:
        return f"The training up to epoch {epochs} was stopped early: nothing to train."
    if progress.epoch >= epochs:
        return f"{progress.epoch} of {counted(epochs, 'epoch')} done already: nothing to train."
    return ""


def _image_names(loader: BatchLoader, image_ids: Sequence[int]) -> str:
    """The images' numbers in the data set, each with its id."""
    infos = loader.source.dataset.image_info
    return ", ".join(f"{int(i)}: {infos[int(i)].get('id')}" for i in image_ids)


def state_belongs_to(progress: Progress, log: LogFolder, weights_path: Path) -> bool:
    """Whether to resume the state in the log folder after these weights were loaded.

    Yes if they are the folder's last checkpoint, or the one the state was written with. An earlier
    checkpoint provides its weights alone.
    """
    if weights_path.parent.resolve() != log.folder.resolve():
        return False
    checkpoints = log.checkpoints()
    is_last = bool(checkpoints) and checkpoints[-1].name == weights_path.name
    return progress.epoch == log.epoch or (is_last and progress.epoch > log.epoch)
