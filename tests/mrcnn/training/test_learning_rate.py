"""The learning rate is a function of the step: by hand."""

import math

import pytest

from mrcnn.config_rules import parse_rate_schedule
from mrcnn.training.learning_rate import LearningRate


def rates(text="constant", warmup=0, first=0, last=10, steps=range(10)):
    rate = LearningRate(0.4, parse_rate_schedule(text), warmup, 1, first, last)
    return [rate(step) for step in steps]


def test_a_constant_rate_is_left_to_callbacks():
    assert rates() == [None] * 10


def test_warm_up_rises_evenly_and_reaches_the_rate_at_its_last_step():
    assert rates(warmup=4)[:6] == pytest.approx([0.1, 0.2, 0.3, 0.4, None, None])


def test_steps_come_after_so_many_epochs_of_the_whole_training():
    found = rates("step:3,5:0.5", first=4)
    assert found == pytest.approx([0.4] * 3 + [0.2] * 2 + [0.1] * 5)
    per_epoch = LearningRate(0.4, parse_rate_schedule("step:3"), 0, 100, 0, 10)
    assert [per_epoch(299), per_epoch(300)] == pytest.approx([0.4, 0.04])


def test_a_cosine_falls_over_the_call():
    assert rates("cosine")[:6:5] == pytest.approx([0.4, 0.2])
    assert rates("cosine")[9] == pytest.approx(0.2 * (1 + math.cos(0.9 * math.pi)))
    # The second part of a training begins at its own full rate, and ends at its own share.
    second = rates("cosine:0.1", first=4, last=8, steps=(4, 6, 8))
    assert second == pytest.approx([0.4, 0.22, 0.04])


def test_warm_up_and_schedule_multiply():
    plain, warm = rates("cosine"), rates("cosine", warmup=4)
    assert warm[1] == pytest.approx(plain[1] / 2)
    assert warm[3:] == plain[3:]


def test_a_rate_does_not_depend_on_what_was_asked_before():
    assert rates("cosine", warmup=3, steps=[7, 1, 7])[::2] == rates("cosine", steps=[7, 7])
