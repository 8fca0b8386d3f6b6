"""Texts that Config attributes are made of; values of attributes are in test_config.py."""

import pytest

from mrcnn.config_rules import RateSchedule, is_rate_schedule, parse_rate_schedule
from mrcnn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("constant", RateSchedule("constant")),
        ("cosine", RateSchedule("cosine", final=0.0)),
        ("cosine:0.01", RateSchedule("cosine", final=0.01)),
        ("step:60", RateSchedule("step", (60,), 0.1)),
        ("step:60,80:0.5", RateSchedule("step", (60, 80), 0.5)),
    ],
)
def test_schedules(text, schedule):
    assert parse_rate_schedule(text) == schedule
    assert is_rate_schedule(text)


@pytest.mark.parametrize(
    "text",
    ["", "linear", "constant:1", "cosine:2", "cosine:a", "cosine:nan", "step", "step:", "step:0",
     "step:80,60", "step:60,60", "step:1.5", "step:60:0", "step:60:nan", "step:60:.1:2", 7, None],
)  # fmt: skip
def test_what_is_no_schedule(text):
    assert not is_rate_schedule(text)
    with pytest.raises(ConfigError, match=r"is not a learning-rate schedule: .*'step:60,80:0\.1'"):
        parse_rate_schedule(text)
