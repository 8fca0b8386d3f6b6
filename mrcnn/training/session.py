"""The parts of a call of `MaskRCNN.train`: its starting point, batches, plan and end."""

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.instances import require_class_ids
from mrcnn.data.jitter import without_jitter
from mrcnn.data.loader import BatchLoader
from mrcnn.data.pass_order import class_balance
from mrcnn.errors import ConfigError
from mrcnn.network.losses import use_class_weights
from mrcnn.system.locks import holding
from mrcnn.training.checkpoints import LogFolder
from mrcnn.training.epoch_evaluation import EpochEvaluation
from mrcnn.training.history import read_epochs, resumed_epochs
from mrcnn.training.learning_rate import LearningRate
from mrcnn.training.log import Checkpoints
from mrcnn.training.loop import Trainer, TrainingPlan, state_belongs_to, why_over
from mrcnn.training.processes import SingleDevice, train_set_facts
from mrcnn.training.state import (
    Continuation,
    Progress,
    read_progress,
    restore_optimizer,
    restore_weights,
)
from mrcnn.training.step import TrainingStep, repeatable_training

# The settings that may differ between machines.
OF_THE_MACHINE = ("LOADER_WORKERS", "LOADER_BACKEND", "LOADER_QUEUE", "LOADER_CACHE_MB")


@dataclass(frozen=True)
class Task:
    """The arguments of one call of `train`.

    Attributes:
        train_dataset: a prepared Dataset.
        val_dataset: a prepared Dataset, or None.
        learning_rate: for all devices together; see `learning_rate.scaled_rate`.
        epochs: the total, earlier ones included.
        augmentation: an imgaug augmenter for the training images, or None.
        callbacks: Keras callbacks.
        no_augmentation_sources: images of these sources are not augmented.
    """

    train_dataset: Dataset
    val_dataset: Dataset | None
    learning_rate: float
    epochs: int
    augmentation: Any = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    no_augmentation_sources: Sequence[str] = ()


@dataclass
class Session:
    """One call of `train`, from its start to its end or interruption.

    Attributes:
        config: of the training.
        distribution: the processes of the training.
        step: the compiled step of the model, with its weights.
        log: where to write; `begin` may switch to the chief's.
        notes: texts to store in each checkpoint.
        progress: how far the training has come.
    """

    config: Config
    distribution: SingleDevice
    step: TrainingStep
    log: LogFolder
    notes: Mapping[str, str]
    progress: Progress = field(default_factory=Progress)

    def begin(
        self,
        train_dataset: Dataset,
        weights_path: Path | None,
        continuation: Continuation | None,
    ) -> None:
        """Find out where to start: where the last call ended, the state on disk, or an epoch.

        Args:
            train_dataset: a prepared Dataset.
            weights_path: the file that the model's weights were loaded from since the last call.
            continuation: the end of the last call in this process.

        Raises:
            ConfigError: this process has settings or a data set that differ from the chief's.
            TrainingError: another process is gone, or the log folder is in use.
        """
        if continuation:
            continuation.restore_optimizer(self.step.optimizer)
            progress = continuation.progress
        else:
            progress = self._stored(weights_path) or self._new()
        self.progress, self.log = begin_together(
            self.distribution, self.config, train_dataset, progress, self.log, self.step
        )
        self.step.seed = self.progress.seed

    def is_over(self, epochs: int) -> bool:
        """Whether nothing is left to train up to `epochs`; if so, prints why."""
        reason = why_over(self.progress, epochs, self.config.EARLY_STOPPING)
        if reason:
            print(reason)
        return bool(reason)

    def run(self, task: Task, evaluation: EpochEvaluation | None) -> list[dict]:
        """Train; returns one dictionary for each epoch since training started.

        Raises:
            TrainingError: as for `Trainer.run`.
            DatasetError: an image or its annotation cannot be used.
        """
        config, progress = self.config, self.progress
        progress.begin_call(task.epochs)
        self.step.learning_rate = LearningRate.of_config(
            config,
            task.learning_rate,
            progress.call_begin,
            task.epochs,
            self.distribution.replicas,
        )
        balance = class_balance(task.train_dataset, config)
        use_class_weights(self.step.model, balance.weights)
        print(f"\nStarting at epoch {progress.epoch + 1}. LR={task.learning_rate:g}")
        print(f"Checkpoint path: {self.log.pattern}\n{balance.summary}")
        with contextlib.ExitStack() as stack:
            stack.enter_context(repeatable_training(progress.seed))
            loader = self._loader(
                stack,
                task.train_dataset,
                config=config,
                seed=progress.seed,
                augmentation=task.augmentation,
                no_augmentation_sources=task.no_augmentation_sources,
                repeat_factors=balance.factors,
            )
            validation = (
                self._loader(
                    stack,
                    task.val_dataset,
                    config=without_jitter(config),
                    seed=progress.seed + 1,
                )
                if task.val_dataset
                else None
            )
            trainer = Trainer(self.step, loader, validation, self.log, progress, self.distribution)
            return trainer.run(self._plan(task, evaluation))

    def _plan(self, task: Task, evaluation: EpochEvaluation | None) -> TrainingPlan:
        return TrainingPlan(
            epochs=task.epochs,
            steps_per_epoch=self.config.STEPS_PER_EPOCH,
            validation_steps=self.config.VALIDATION_STEPS,
            state_seconds=self.config.STATE_SECONDS,
            notes=self.notes,
            callbacks=list(task.callbacks),
            evaluation=evaluation,
            early_stopping=self.config.EARLY_STOPPING,
        )

    def _loader(
        self,
        stack: contextlib.ExitStack,
        dataset: Dataset,
        *,
        config: Config,
        seed: int,
        **options: Any,
    ) -> BatchLoader:
        loader = BatchLoader(
            dataset,
            config,
            batch_size=config.BATCH_SIZE * self.distribution.workers,
            share=(self.distribution.worker, self.distribution.workers),
            seed=seed,
            random_rois=0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING,
            **options,
        )
        return stack.enter_context(contextlib.closing(loader))

    def _stored(self, weights_path: Path | None) -> Progress | None:
        """The state in the log folder, restored; None if it does not belong to the weights."""
        folder = self.log.folder
        stored = read_progress(folder) if weights_path else None
        if stored is None or weights_path is None:
            return None
        if not state_belongs_to(stored, self.log, weights_path):
            return None
        if not restore_weights(folder, self.step.model):
            return None
        restore_optimizer(folder, self.step.optimizer)
        is_trained = stored.step >= self.config.STEPS_PER_EPOCH
        place = "after its last step" if is_trained else f"step {stored.step + 1}"
        print(f"Resuming from {folder} at epoch {stored.epoch + 1}, {place}")
        if self.distribution.is_chief:
            with holding(folder), self.step.averaged_weights():
                Checkpoints(self.log, self.notes).complete(self.step.model, stored)
        return stored

    def _new(self) -> Progress:
        seed = self.config.SEED
        read = resumed_epochs if self.distribution.is_chief else read_epochs
        return Progress(
            epoch=self.log.epoch,
            seed=secrets.randbits(31) if seed is None else seed,
            history=read(self.log.folder, self.log.epoch),
        )


def begin_together(
    distribution: SingleDevice,
    config: Config,
    train_dataset: Dataset,
    progress: Progress,
    log: LogFolder,
    step: TrainingStep,
) -> tuple[Progress, LogFolder]:
    """Give every process the chief's progress, log folder, weights and optimizer state.

    So a process that cannot see the chief's log folder, or has no seed, starts where the chief
    does. A single process gets its own values back.

    Args:
        distribution: the processes of the training.
        config: of the training.
        train_dataset: a prepared Dataset.
        progress: where this process would start.
        log: where it would write.
        step: of the model, with its weights.

    Raises:
        ConfigError: this process has settings or a data set that differ from the chief's.
        TrainingError: another process is gone.
    """
    if distribution.workers == 1:
        return progress, log
    settings = {k: v for k, v in config.to_dict().items() if k not in OF_THE_MACHINE}
    distribution.require_equal("configuration", settings)
    distribution.require_equal("training set", train_set_facts(train_dataset))
    shared = distribution.share([asdict(progress), str(log.folder), log.name, log.epoch])
    distribution.share_variables([*step.model.weights, *step.optimizer.variables])
    return Progress(**shared[0]), LogFolder(Path(shared[1]), *shared[2:])


def require_fitting_classes(config: Config, dataset: Dataset) -> None:
    """Raise unless a data set has NUM_CLASSES classes, and its images contain no others.

    Raises:
        ConfigError: another number of classes.
        DatasetError: see `mrcnn.data.instances.require_class_ids`; not with SKIP_BAD_IMAGES, where
            bad images are found while loading.
    """
    count = dataset.num_classes
    if count == config.NUM_CLASSES:
        if not config.SKIP_BAD_IMAGES:
            require_class_ids(dataset)
        return
    names = ", ".join(dataset.class_names[1:8]) + ", ..." * (count > 8)
    raise ConfigError(
        f"{{NUM_CLASSES}} is {config.NUM_CLASSES}, but the data set has {count} classes, "
        f"background included ({names})",
        settings=("NUM_CLASSES",),
        advice=f"set {{NUM_CLASSES}} to {count}, or give a data set with these classes",
    )
