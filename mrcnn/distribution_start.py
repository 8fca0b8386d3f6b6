"""How the processes of one training come to begin with the same."""

from dataclasses import asdict
from pathlib import Path

from mrcnn.checkpoints import LogFolder
from mrcnn.distribution import SingleDevice, train_set_facts
from mrcnn.training_state import Progress
from mrcnn.training_step import TrainingStep

# What each machine may choose for itself.
OF_THE_MACHINE = ("LOADER_WORKERS", "LOADER_BACKEND", "LOADER_QUEUE", "LOADER_CACHE_MB")


def begin_together(
    distribution: SingleDevice,
    config,
    train_dataset,
    progress: Progress,
    log: LogFolder,
    step: TrainingStep,
) -> tuple[Progress, LogFolder]:
    """Give every process the chief's progress, log folder, weights, and memory of the optimizer.

    A process that cannot see the chief's log folder, or was given no seed, thus begins where the
    chief does. One process alone gets back what it gave.

    Args:
        distribution: the processes of the training.
        config: of the training.
        train_dataset: a prepared Dataset.
        progress: where this process would begin.
        log: where it would write.
        step: of the model, with its weights.

    Raises:
        ConfigError: this process has other settings or another data set than the chief.
        TrainingError: another process has gone.
    """
    if distribution.workers == 1:
        return progress, log
    settings = {k: v for k, v in config.to_dict().items() if k not in OF_THE_MACHINE}
    distribution.require_equal("configuration", settings)
    distribution.require_equal("training set", train_set_facts(train_dataset))
    shared = distribution.share([asdict(progress), str(log.folder), log.name, log.epoch])
    distribution.share_variables([*step.model.weights, *step.optimizer.variables])
    return Progress(**shared[0]), LogFolder(Path(shared[1]), *shared[2:])
