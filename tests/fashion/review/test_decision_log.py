import json

import pytest

from fashion.review.decision_log import (
    Decision,
    DecisionLog,
    decision_of,
    is_log,
    latest,
    read_log,
)
from mrcnn.errors import DatasetError


def opened(folder, sha256="a1"):
    return DecisionLog(folder / "x.decisions.jsonl", "auto.json", sha256)


ACCEPT = Decision("a.jpg", "1", "accept", 5.0)
RELABEL = Decision("a.jpg", "2", "accept", 6.0, "bag_kis")


def test_decisions_stay(tmp_path):
    with opened(tmp_path) as log:
        log.append([ACCEPT, RELABEL])
    with opened(tmp_path) as log:
        assert log.decisions == [ACCEPT, RELABEL]
        log.append([Decision("a.jpg", "1", "", 7.0)])
    head, decisions = read_log(tmp_path / "x.decisions.jsonl")
    assert head == {"annotations": "auto.json", "sha256": "a1"}
    assert [d.verdict for d in decisions] == ["accept", "accept", ""]
    assert is_log(tmp_path / "x.decisions.jsonl") and not is_log(tmp_path / "nothing")


def test_an_empty_log(tmp_path):
    opened(tmp_path).close()
    assert read_log(tmp_path / "x.decisions.jsonl")[1] == []


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    with opened(tmp_path) as log:
        log.append([ACCEPT, RELABEL])
    path = tmp_path / "x.decisions.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    with opened(tmp_path) as log:
        assert log.decisions == [ACCEPT]
        log.append([RELABEL])
    assert read_log(path)[1] == [ACCEPT, RELABEL]


def test_one_process_at_a_time(tmp_path):
    with opened(tmp_path), pytest.raises(DatasetError, match="another process"):
        opened(tmp_path)


def test_another_state_of_the_annotations(tmp_path):
    opened(tmp_path).close()
    with pytest.raises(DatasetError, match=r"another version of auto\.json"):
        opened(tmp_path, sha256="b2")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2 cannot be used"),
        ("[]", "a decision is an object"),
        ('{"image": 1}', "are texts"),
        ('{"image": "a", "key": "1", "verdict": "maybe"}', "'maybe' is none of"),
        ('{"image": "a", "key": "1", "verdict": "", "time": "now"}', "a number of seconds"),
    ],
)
def test_damaged_logs(tmp_path, line, problem):
    opened(tmp_path).close()
    path = tmp_path / "x.decisions.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DatasetError, match=problem):
        read_log(path)


def test_other_files(tmp_path):
    other = tmp_path / "x.decisions.jsonl"
    other.write_text(json.dumps({"format": "label decisions"}) + "\n")
    with pytest.raises(DatasetError, match="not a log of decisions"):
        opened(tmp_path)
    other.write_text("")
    with pytest.raises(DatasetError, match="it is empty"):
        read_log(other)
    with pytest.raises(DatasetError, match="does not exist"):
        read_log(tmp_path / "missing")


def test_the_latest_decision_counts_in_any_order():
    later = Decision("a.jpg", "1", "reject", 9.0)
    assert latest([ACCEPT, later]) == latest([later, ACCEPT]) == {("a.jpg", "1"): later}
    undone = Decision("a.jpg", "1", "", 9.0)
    assert latest([later, undone]) == {("a.jpg", "1"): undone}, "of equal times the last line"
    assert latest([]) == {}


def test_a_decision_and_its_line():
    for decision in (ACCEPT, RELABEL):
        assert decision_of(decision.to_json()) == decision
    assert "label" not in ACCEPT.to_json()
