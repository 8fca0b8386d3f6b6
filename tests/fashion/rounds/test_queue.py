import pytest

from fashion.annotations.via_reading import from_json
from fashion.rounds.decided import minutes_of
from fashion.rounds.queue import ranked, sureness
from tests.fashion.factories import SQUARE, entry, region


def image(name, *scores):
    """An image with a bag of each score."""
    regions = [
        region(SQUARE, label="bag", instance=str(number), score=str(score))
        for number, score in enumerate(scores)
    ]
    return from_json({"0": entry(name, regions)}).images[0]


def order(images, **more):
    return [row.picture for row in ranked(images, **more)]


def test_the_surest_first():
    """As sure as the least sure of its labels; by name where that is equal."""
    images = [image("d.jpg", 0.7), image("c.jpg"), image("b.jpg", 0.99, 0.6), image("a.jpg", 0.7)]
    rows = ranked(images)
    assert [row.picture for row in rows] == ["a.jpg", "d.jpg", "b.jpg", "c.jpg"]
    assert [row.sure for row in rows] == [0.7, 0.7, 0.6, 0]


def test_near_duplicates_are_proposed_once():
    images = [image(f"{name}.jpg", 0.9) for name in "abcd"]
    groups = [["a.jpg", "b.jpg"], ["c.jpg", "x.jpg"]]
    rows = ranked(images, duplicates=groups, decided=["x.jpg"])
    assert [row.picture for row in rows] == ["a.jpg", "d.jpg", "b.jpg", "c.jpg"]
    assert [row.repeats for row in rows] == [False, False, True, True]


def test_of_near_duplicates_the_surest():
    images = [image("a.jpg", 0.6), image("b.jpg", 0.9)]
    assert order(images, duplicates=[["a.jpg", "b.jpg"]]) == ["b.jpg", "a.jpg"]


def test_nothing_to_rank():
    assert ranked([]) == []


def test_labels_without_a_score_are_certain():
    """A garment of several outlines and holes is one label."""
    regions = [region(label="bag", instance="1"), region(label="bag", instance="1", hole="1")]
    assert sureness(from_json({"0": entry("a.jpg", regions)}).images[0]) == 1


@pytest.mark.parametrize(("times", "minutes"), [([0, 30, 60, 4000, 4030], 1.5), ([], 0)])
def test_minutes_of_work_leave_breaks_out(times, minutes):
    assert minutes_of(times) == minutes
