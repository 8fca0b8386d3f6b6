"""The reviewer that knows the truth decides as a careful person would."""

import pytest

from benchmarks.perfect_reviewer import decide
from fashion.annotations.via_reading import from_json
from fashion.review.decision_log import WHOLE
from tests.fashion.factories import entry, region

SIZE = (60, 60)


def box(left, right):
    """An outline of 20 pixels height."""
    return [(left, 10), (right, 10), (right, 30), (left, 30)]


def image(*labels):
    """A picture with labels (class, left, right)."""
    regions = [
        region(box(left, right), label=label, instance=str(number))
        for number, (label, left, right) in enumerate(labels, 1)
    ]
    return from_json({"0": entry("a.jpg", regions, size=SIZE)}).images[0]


@pytest.mark.parametrize(
    ("found", "wanted", "decisions", "outlines"),
    [
        ([("bag", 10, 30)], [("bag", 10, 30)], [("1", "accept", "")], 0),
        # 16 of 20 pixels are enough, 14 are not.
        ([("bag", 10, 26)], [("bag", 10, 30)], [("1", "accept", "")], 0),
        ([("bag", 10, 24)], [("bag", 10, 30)], [("1", "reject", ""), (WHOLE, "outline", "")], 1),
        ([("top", 10, 30)], [("bag", 10, 30)], [("1", "accept", "bag")], 0),
        # One garment is found once.
        (
            [("bag", 10, 30), ("bag", 11, 30)],
            [("bag", 10, 30)],
            [("1", "accept", ""), ("2", "reject", "")],
            0,
        ),
        ([], [("bag", 10, 30), ("top", 30, 50)], [(WHOLE, "outline", "")], 2),
        ([("bag", 10, 30)], [], [("1", "reject", "")], 0),
        ([], [], [(WHOLE, "accept", "")], 0),
    ],
)
def test_decisions(found, wanted, decisions, outlines):
    log, result, drawn = decide(image(*found), image(*wanted))
    assert [(d.key, d.verdict, d.label) for d in log] == decisions
    assert drawn == outlines
    labels = [region.attributes["label"] for region in result.regions]
    assert sorted(labels) == sorted(label for label, _, _ in wanted)


def test_what_was_right_stays_as_the_model_drew_it():
    log, result, drawn = decide(image(("bag", 10, 26)), image(("bag", 10, 30), ("top", 30, 50)))
    assert [d.verdict for d in log] == ["accept", "outline"] and drawn == 1
    assert [region.points[:, 0].max() for region in result.regions] == [26, 50]
    assert len({region.instance for region in result.regions}) == 2
