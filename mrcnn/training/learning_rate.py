"""The learning rate as a function of the step alone: warm-up, then constant, steps or a cosine.

Loshchilov and Hutter, "SGDR" (2017), for the cosine; Goyal et al., "Accurate, Large Minibatch SGD"
(2017), section 2.2, for the warm-up.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from mrcnn.config import Config
from mrcnn.config_rules import RateSchedule, parse_rate_schedule

# A large batch's rate is too high for the weights of the first steps. Goyal et al. warm up over
# five epochs of ImageNet; detectors usually use 500 to 1,000 steps.
SCALED_WARMUP_STEPS = 500


class ScalesRate(Protocol):
    """The part of a Config that determines how the rate scales with the number of devices."""

    SCALE_LEARNING_RATE: bool
    WARMUP_STEPS: int


def scaled_rate(config: ScalesRate, rate: float, replicas: int) -> float:
    """The rate for this many devices: proportional to their number with SCALE_LEARNING_RATE."""
    return rate * replicas if config.SCALE_LEARNING_RATE else rate


def warmup_steps(config: ScalesRate, replicas: int = 1) -> int:
    """WARMUP_STEPS, or `SCALED_WARMUP_STEPS` if it is 0 and the rate is scaled up."""
    is_scaled = config.SCALE_LEARNING_RATE and replicas > 1
    return config.WARMUP_STEPS or (SCALED_WARMUP_STEPS if is_scaled else 0)


@dataclass(frozen=True)
class LearningRate:
    """The rate of each step of one call of `train`; a step is a batch.

    Attributes:
        rate: the one passed to `train`.
        schedule: how it changes.
        warmup_steps: number of steps from the start of training over which the rate rises
            linearly; multiplies the schedule.
        steps_per_epoch: batches per epoch.
        first_epoch: epochs completed when the call began, even if it was interrupted since.
        last_epoch: epochs completed when it ends.
    """

    rate: float
    schedule: RateSchedule
    warmup_steps: int
    steps_per_epoch: int
    first_epoch: int
    last_epoch: int

    @classmethod
    def of_config(
        cls, config: Config, rate: float, first_epoch: int, last_epoch: int, replicas: int = 1
    ) -> "LearningRate":
        """The rate of one call of `train` with this configuration, on this many devices.

        `rate` is the result of `scaled_rate`.
        """
        return cls(
            rate,
            parse_rate_schedule(config.LEARNING_RATE_SCHEDULE),
            warmup_steps=warmup_steps(config, replicas),
            steps_per_epoch=config.STEPS_PER_EPOCH,
            first_epoch=first_epoch,
            last_epoch=last_epoch,
        )

    def __call__(self, step: int) -> float | None:
        """The rate of a step, counted from the start of training.

        None once a constant rate has been reached: it is then left alone, since callbacks may set
        it.
        """
        warming = step < self.warmup_steps
        if self.schedule.kind == "constant" and not warming:
            return None
        warm = (step + 1) / self.warmup_steps if warming else 1.0
        return self.rate * self._factor(step) * warm

    def _factor(self, step: int) -> float:
        schedule = self.schedule
        if schedule.kind == "step":
            epoch = step // self.steps_per_epoch
            return schedule.factor ** sum(epoch >= m for m in schedule.milestones)
        if schedule.kind == "cosine":
            first = self.first_epoch * self.steps_per_epoch
            last = self.last_epoch * self.steps_per_epoch
            done = min(max((step - first) / max(last - first, 1), 0.0), 1.0)
            return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * done)) / 2
        return 1.0
