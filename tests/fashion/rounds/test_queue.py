from collections import Counter

import pytest

from fashion.annotations.via_reading import from_json
from fashion.rounds.decided import minutes_of
from fashion.rounds.queue import disagreement_of, labels_of, mixed, ranked
from tests.fashion.factories import SQUARE, entry, region

AWAY = [(25, 10), (35, 10), (35, 20), (25, 20)]


def image(name="a.jpg", *labels):
    """An image with labels (name, score, points)."""
    regions = [
        region(points, label=label, instance=str(number), score=str(score))
        for number, (label, score, points) in enumerate(labels)
    ]
    return from_json({"0": entry(name, regions)}).images[0]


def order(images, former=(), counts=(), **more):
    by_name = {one.filename: one for one in former}
    return [row.picture for row in ranked(images, by_name, Counter(dict(counts)), **more)]


def test_what_shows_most_first():
    """Each class counts once, by its surest label."""
    images = [
        image("a.jpg", ("bag", 0.9, SQUARE), ("bag", 0.8, AWAY)),
        image("b.jpg", ("bag", 0.7, SQUARE), ("belt", 0.6, AWAY)),
        image("c.jpg"),
    ]
    assert order(images) == ["b.jpg", "a.jpg", "c.jpg"]
    assert [row.priority for row in ranked(images[:1], {}, Counter())] == [0.9]


def test_rare_labels_first():
    images = [image("a.jpg", ("bag", 0.9, SQUARE)), image("b.jpg", ("belt", 0.6, SQUARE))]
    rows = ranked(images, {}, Counter(bag=8))
    assert [(row.picture, row.teaches) for row in rows] == [("b.jpg", "belt"), ("a.jpg", "bag")]
    assert [row.priority for row in rows] == [0.6, 0.3]  # the bag's .9 by sqrt(1 + 8)


def test_not_the_same_again_and_again():
    """What is expected of the pictures ahead counts as if it were decided."""
    images = [image(f"{n}.jpg", ("bag", 0.8, SQUARE)) for n in range(3)]
    images += [image("belt.jpg", ("belt", 0.6, SQUARE))]
    rows = ranked(images, {}, Counter())
    assert [row.picture for row in rows] == ["0.jpg", "belt.jpg", "1.jpg", "2.jpg"]
    # Divided by the roots of 1, 1, 1.8 and 2.6.
    assert [row.priority for row in rows] == [0.8, 0.6, 0.5963, 0.4961]


def test_models_that_disagree_first():
    sure = ("bag", 0.9, SQUARE)
    images = [image("a.jpg", sure), image("b.jpg", sure), image("c.jpg", sure)]
    former = [image("a.jpg", sure), image("b.jpg", ("belt", 0.9, SQUARE)), image("c.jpg")]
    rows = {row.picture: row.disagreement for row in ranked(images, dict_of(former), Counter())}
    assert rows == {"a.jpg": 0, "b.jpg": 1, "c.jpg": 1}
    assert order(images, former)[-1] == "a.jpg"


def dict_of(images):
    return {one.filename: one for one in images}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([], [], 0),
        ([("bag", 0.9, SQUARE)], [("bag", 0.6, SQUARE)], 0),
        ([("bag", 0.9, SQUARE)], [("bag", 0.9, AWAY)], 1),
        ([("bag", 0.9, SQUARE), ("bag", 0.8, AWAY)], [("bag", 0.9, AWAY)], pytest.approx(1 / 3)),
    ],
)
def test_disagreement(first, second, expected):
    labels = [labels_of(image("a.jpg", *some)) for some in (first, second)]
    assert disagreement_of(*labels) == expected
    assert disagreement_of(*labels[::-1]) == expected


def test_near_duplicates_are_proposed_once():
    images = [image(f"{name}.jpg", ("bag", 0.9, SQUARE)) for name in "abcd"]
    groups = [["a.jpg", "b.jpg"], ["c.jpg", "x.jpg"]]
    assert order(images, duplicates=groups, decided=["x.jpg"]) == [
        "a.jpg",
        "d.jpg",
        "b.jpg",
        "c.jpg",
    ]


def test_every_second_by_chance():
    images = [image(f"{n}.jpg", ("bag", 0.9 - 0.01 * n, SQUARE)) for n in range(20)]
    rows = ranked(images, {}, Counter(), duplicates=[["18.jpg", "19.jpg"]])
    found = mixed(rows)
    assert [row.by_chance for row in found[:10]] == 5 * [False, True]
    assert sorted(row.picture for row in found) == sorted(row.picture for row in rows)
    assert found[-1].picture == "19.jpg" and found[-1].repeats
    by_worth = [row.picture for row in found if not row.by_chance]
    assert by_worth[:-1] == sorted(by_worth[:-1], key=lambda name: int(name.split(".")[0]))
    assert mixed([]) == []


def test_nothing_to_rank():
    assert order([]) == []
    (row,) = ranked([image("a.jpg")], {}, Counter())
    assert (row.priority, row.teaches) == (0, "")


def test_labels_without_a_score_are_certain():
    regions = [region(label="bag", instance="1"), region(label="bag", instance="1", hole="1")]
    found = labels_of(from_json({"0": entry("a.jpg", regions)}).images[0])
    assert [label.score for label in found] == [1]


def test_minutes_of_work_leave_breaks_out():
    assert minutes_of([0, 30, 60, 4000, 4030]) == 1.5
    assert minutes_of([]) == 0
