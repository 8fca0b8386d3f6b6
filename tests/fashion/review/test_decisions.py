import pytest

from fashion.annotations.via_reading import from_json
from fashion.annotations.via_writing import to_json
from fashion.review.decisions import Decisions, apply_decisions, read_decisions
from mrcnn.errors import DatasetError
from tests.fashion.factories import entry, region, write_json


def labelled(label, instance=None, **more):
    attributes = {"label": label} if instance is None else {"label": label, "instance": instance}
    return region(**attributes, **more)


def annotations():
    return from_json(
        {
            "a": entry("a.jpg", [labelled("bag_yaz", "1"), labelled("bag_yaz", "2"),
                                 labelled("bag_yaz", "1", hole="1")]),
            "b": entry("b.jpg", [labelled("top_yaz"), labelled("top_yaz")]),
            "c": entry("c.jpg", []),
        }
    )  # fmt: skip


def left(via):
    return {e["filename"]: len(e["regions"]) for e in to_json(via).values()}


@pytest.mark.parametrize(
    ("images", "only_accepted", "regions", "counts"),
    [
        # nothing decided: nothing changes, or nothing stays
        ({}, False, {"a.jpg": 3, "b.jpg": 2, "c.jpg": 0}, (4, 0, 0, 0)),
        ({}, True, {"c.jpg": 0}, (0, 4, 2, 0)),
        # an instance goes with all its regions, also where another stands between them
        ({"a.jpg": {"1": "reject"}}, False, {"a.jpg": 1, "b.jpg": 2, "c.jpg": 0}, (3, 1, 0, 0)),
        ({"a.jpg": {"1": "accept"}}, True, {"a.jpg": 2, "c.jpg": 0}, (1, 3, 1, 0)),
        # regions without instance
        (
            {"b.jpg": {"region 2": "reject"}},
            False,
            {"a.jpg": 3, "b.jpg": 1, "c.jpg": 0},
            (3, 1, 0, 0),
        ),
        # an image whose labels are all rejected stays, as one without any
        (
            {"b.jpg": {"region 1": "reject", "region 2": "reject"}},
            False,
            {"a.jpg": 3, "b.jpg": 0, "c.jpg": 0},
            (2, 2, 0, 0),
        ),
        # decisions about what is not there
        (
            {"x.jpg": {"1": "reject"}, "a.jpg": {"9": "reject"}},
            False,
            {"a.jpg": 3, "b.jpg": 2, "c.jpg": 0},
            (4, 0, 0, 2),
        ),
    ],
)
def test_applying(images, only_accepted, regions, counts):
    via = annotations()
    done = apply_decisions(via, Decisions("a.json", "", images), only_accepted=only_accepted)
    assert left(via) == regions
    assert tuple(done[name] for name in ("kept", "removed", "images", "unknown")) == counts


def test_order_and_attributes_of_regions_stay():
    via = annotations()
    before = to_json(via)
    apply_decisions(via, Decisions("a.json", "", {"a.jpg": {"2": "reject"}}))
    expected = before["a"]["regions"][::2]
    assert to_json(via)["a"]["regions"] == expected
    assert to_json(via)["b"] == before["b"]


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"format": "label decisions"},
        {"format": "label decisions", "images": []},
        {"format": "label decisions", "images": {"a.jpg": ["1"]}},
        {"format": "label decisions", "images": {"a.jpg": {"1": "perhaps"}}},
    ],
)
def test_what_is_no_decision_list(tmp_path, data):
    path = write_json(tmp_path / "d.json", data)
    with pytest.raises(DatasetError, match=r"d\.json"):
        read_decisions(path)


def test_reading(tmp_path):
    data = {"format": "label decisions", "annotations": "a", "sha256": "b", "images": {}}
    assert read_decisions(write_json(tmp_path / "d.json", data)) == Decisions("a", "b", {})


def test_what_cannot_be_used_stays_to_be_corrected():
    point = {"shape_attributes": {"name": "point", "cx": 1, "cy": 1}, "region_attributes": {}}
    two = region([(1, 1), (2, 2)], label="bag_yaz")
    outside = region([(90, 1), (99, 1), (99, 9)], label="bag_yaz", instance="9")
    regions = [point, labelled("bag_yaz", "1"), two, outside, labelled("top_yaz", "2")]
    via = from_json({"a": entry("a.jpg", regions), "b": entry("b.jpg", [point])})
    counts = apply_decisions(via, Decisions("", "", {"a.jpg": {"1": "reject"}}))
    assert (counts["kept"], counts["removed"], counts["unusable"]) == (1, 1, 4)
    written = to_json(via)
    assert written["a"]["regions"] == [point, two, outside, labelled("top_yaz", "2")]
    assert written["b"]["regions"] == [point]
    accepted = Decisions("", "", {})
    apply_decisions(via, accepted, only_accepted=True)
    assert left(via) == {"a.jpg": 3, "b.jpg": 1}
