import pytest

from fashion.annotations.via_reading import read
from fashion.review.applying import apply_log, read_logs, to_correct
from fashion.review.decision_log import WHOLE, Decision, DecisionLog, latest
from mrcnn.errors import DatasetError
from tests.fashion.factories import entry, region, write_json


@pytest.fixture
def annotations(tmp_path):
    def bags(count):
        return [region(label="bag_yaz", fashion="2", instance=str(i)) for i in range(1, count + 1)]

    data = {"1": entry("a.jpg", bags(3)), "2": entry("b.jpg", bags(1)), "3": entry("c.jpg")}
    return read(write_json(tmp_path / "auto.json", data))


def decided(*rows):
    return latest(Decision(image, key, verdict, 1.0, label) for image, key, verdict, label in rows)


def labels(annotations):
    return {
        image.filename: [(r.attributes["label"], r.attributes["fashion"]) for r in image.regions]
        for image in annotations
    }


def test_every_verdict(annotations):
    decisions = decided(
        ("a.jpg", "1", "accept", "bag_kis"),
        ("a.jpg", "2", "reject", ""),
        ("a.jpg", "3", "outline", ""),
        ("b.jpg", "1", "reject", ""),
        ("b.jpg", "7", "accept", ""),
        ("c.jpg", WHOLE, "accept", ""),
    )
    counts = apply_log(annotations, decisions)
    assert labels(annotations) == {"a.jpg": [("bag_kis", "4")], "b.jpg": [], "c.jpg": []}
    assert counts == {
        "kept": 1,
        "removed": 3,
        "outline": 1,
        "relabelled": 1,
        "unknown": 1,
    }


def test_the_undecided(annotations):
    decisions = decided(("a.jpg", "2", "accept", ""), ("a.jpg", "1", "", "belt"))
    apply_log(annotations, decisions, only_accepted=True)
    assert labels(annotations) == {"a.jpg": [("bag_yaz", "2")], "c.jpg": []}


def test_a_class_of_stage_one(annotations):
    apply_log(annotations, decided(("b.jpg", "1", "", "belt")))
    assert labels(annotations)["b.jpg"] == [("belt", "2")]


def test_an_image_whose_last_label_is_to_be_drawn_again_is_removed(annotations):
    counts = apply_log(annotations, decided(("b.jpg", "1", "outline", "")))
    assert "b.jpg" not in labels(annotations) and counts["images"] == 1


def test_no_decision(annotations):
    assert apply_log(annotations, {})["kept"] == 4


def test_what_is_to_correct(annotations):
    decisions = decided(
        ("a.jpg", "1", "outline", "bag_kis"),
        ("a.jpg", "2", "reject", ""),
        ("c.jpg", WHOLE, "outline", ""),
    )
    rest = to_correct(annotations, decisions)
    assert labels(rest) == {"a.jpg": [("bag_kis", "4"), ("bag_yaz", "2")], "c.jpg": []}
    assert len(annotations.images[0].regions) == 3, "the annotations themselves stay"
    assert len(to_correct(annotations, {})) == 0


def test_the_logs_of_two_people(tmp_path):
    for name, rows in (("x", [("a.jpg", "accept", 1.0)]), ("y", [("a.jpg", "reject", 2.0)])):
        with DecisionLog(tmp_path / name, "auto.json", "a1") as log:
            log.append([Decision(image, "1", verdict, time) for image, verdict, time in rows])
    paths = [tmp_path / "x", tmp_path / "y"]
    for order in (paths, paths[::-1]):
        assert read_logs(order, "a1")["a.jpg", "1"].verdict == "reject"
    with pytest.raises(DatasetError, match="another version"):
        read_logs(paths, "b2")
