"""A schedule is written by name, or part by part."""

import pytest

from fashion.stages.presets import NAMED, Part, parse_schedule
from mrcnn.errors import ConfigError


def parse(text, layers="heads", epochs=160, learning_rate=0.001):
    return [
        (part.layers, part.until_epoch, pytest.approx(part.learning_rate))
        for part in parse_schedule(text, layers, epochs, learning_rate)
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # One part, of what the other options say.
        (None, [("heads", 160, 0.001)]),
        ("", [("heads", 160, 0.001)]),
        # Matterport's samples: 40, 120 and 160 epochs, the last at a tenth of the rate.
        ("matterport", [("heads", 40, 0.001), ("4+", 120, 0.001), ("all", 160, 0.0001)]),
        ("scratch", [("all", 112, 0.001), ("all", 144, 0.0001), ("all", 160, 0.00001)]),
        # Spelled out: the other options do not count.
        ("heads:40:0.001,all:60:1e-4", [("heads", 40, 0.001), ("all", 60, 0.0001)]),
        (" 5+:1:0.5 , 3+:2:0.25 ", [("5+", 1, 0.5), ("3+", 2, 0.25)]),
        # A regular expression of layer names with colons of its own.
        ("(?:rpn|fpn).*:3:0.01", [("(?:rpn|fpn).*", 3, 0.01)]),
    ],
)
def test_parts(text, parts):
    assert parse(text) == parts


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 75])
def test_a_named_schedule_ends_with_the_last_epoch(name, epochs):
    ends = [part.until_epoch for part in parse_schedule(name, "heads", epochs, 0.02)]
    assert ends == sorted(ends)
    assert ends[0] >= 1
    assert ends[-1] == epochs


@pytest.mark.parametrize(
    "text",
    [
        "matterprot",  # neither a name nor a part
        "heads:40",  # no rate
        "heads:forty:0.001",
        "heads:40:fast",
        "heads:0:0.001",  # no epoch at all
        "heads:40:0",
        "heads:40:-0.001",
        "heads:40:nan",
        "heads:40:inf",
        ":40:0.001",  # no layers
        "heads:40:0.001,",  # an empty part
    ],
)
def test_what_is_no_schedule(text):
    with pytest.raises(
        ConfigError, match="is not a part of a schedule: expected layers:epochs:rate"
    ) as caught:
        parse(text)
    assert "matterport, scratch" in str(caught.value)


@pytest.mark.parametrize("text", ["heads:40:0.1,all:40:0.1", "heads:40:0.1,all:20:0.1"])
def test_epochs_rise(text):
    with pytest.raises(ConfigError, match="must rise from part to part"):
        parse(text)


def test_parts_compare_by_value():
    assert parse_schedule(None, "all", 3, 0.5) == [Part("all", 3, 0.5)]
