import json

import pytest

from fashion.autolabel.journal import JournalError, LabelJournal

SETTINGS = {"model": "0123456789abcdef" * 4, "min_confidence": 0.9, "tolerance": None}


def record(name, stamp=(1, 2), **more):
    return {"file": name, "stamp": list(stamp), **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "out.journal.jsonl"


def fill(path, *names, settings=SETTINGS):
    with LabelJournal(path, settings) as journal:
        for name in names:
            journal.append(record(name, labels=[name]))


def test_what_was_appended_is_there_for_the_next_process(path):
    fill(path, "b.jpg", "ä.jpg")
    with LabelJournal(path, SETTINGS) as journal:
        assert len(journal) == 2
        assert journal.holds("b.jpg", [1, 2]) and journal.holds("ä.jpg", [1, 2])
        assert not journal.holds("b.jpg", [1, 3])  # the picture was changed
        assert not journal.holds("c.jpg", [1, 2])
        assert journal.read("ä.jpg")["labels"] == ["ä.jpg"]
        assert [r["file"] for r in journal.records(["ä.jpg", "c.jpg", "b.jpg"])] == [
            "ä.jpg",
            "b.jpg",
        ]
        with pytest.raises(KeyError):
            journal.read("c.jpg")


def test_a_later_line_takes_the_place_of_an_earlier(path):
    with LabelJournal(path, SETTINGS) as journal:
        journal.append(record("a.jpg", (1, 2), labels=["old"]))
        journal.append(record("a.jpg", (1, 3), labels=["new"]))
    with LabelJournal(path, SETTINGS) as journal:
        assert len(journal) == 1
        assert journal.read("a.jpg")["labels"] == ["new"]


def test_cut_off_anywhere_it_holds_all_whole_lines(path):
    fill(path, "a.jpg", "b.jpg", "c.jpg")
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        with LabelJournal(path, SETTINGS) as journal:
            assert len(journal) == max(complete - 1, 0)
            journal.append(record("d.jpg"))
        with LabelJournal(path, SETTINGS) as journal:
            assert journal.read("d.jpg")["file"] == "d.jpg"


def test_zeros_after_a_power_cut_are_passed_over(path):
    fill(path, "a.jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 5000)
    with LabelJournal(path, SETTINGS) as journal:
        assert len(journal) == 1
    assert b"\0" not in path.read_bytes()


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"min_confidence": 0.7}, "min_confidence: 0.9 then, 0.7 now"),
        ({"tolerance": 0.5}, "tolerance: none then, 0.5 now"),
        ({"model": "f" * 64}, r"model: 0123456789ab\.\.\. then, ffffffffffff\.\.\. now"),
        ({"new": True}, "new: none then, true now"),
    ],
)
def test_other_settings_are_refused_by_name(path, change, reported):
    fill(path, "a.jpg")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=rf"\({reported}\).*restart to label"):
        LabelJournal(path, SETTINGS | change)
    assert path.read_bytes() == before
    with LabelJournal(path, SETTINGS | change, restart=True) as journal:
        assert len(journal) == 0
        assert path.read_bytes() == before, "nothing is lost before something takes its place"
        journal.append(record("b.jpg"))
    with pytest.raises(JournalError, match="other settings"):
        LabelJournal(path, SETTINGS)


@pytest.mark.parametrize(
    "text",
    ["not a journal\n", '{"some": "json"}\n', '{"journal": 99, "settings": {}}\n', "[1]\n"],
)
def test_files_of_others_are_left_alone(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(JournalError):
        LabelJournal(path, SETTINGS)
    assert path.read_text() == text


def test_damage_in_the_middle_is_reported(path):
    fill(path, "a.jpg", "b.jpg", "c.jpg")
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:10]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match="damaged at line 3"):
        LabelJournal(path, SETTINGS)


def test_one_process_at_a_time(path):
    with LabelJournal(path, SETTINGS):
        with pytest.raises(JournalError, match="another process"):
            LabelJournal(path, SETTINGS)
        with pytest.raises(JournalError, match="another process"):
            LabelJournal(path, SETTINGS, restart=True)
    fill(path, "a.jpg")


def test_final_files_are_noted_once_and_known_ever_after(path):
    with LabelJournal(path, SETTINGS) as journal:
        assert not journal.wrote("out.json", "abc")
        for digest in ("abc", "abc", "def"):
            journal.note_written("out.json", digest)
    with LabelJournal(path, SETTINGS) as journal:
        assert journal.wrote("out.json", "abc") and journal.wrote("out.json", "def")
        assert not journal.wrote("other.json", "abc") and not journal.wrote("out.json", "")
    assert len(path.read_text().splitlines()) == 3


def test_started_over_it_still_knows_the_final_files(path):
    fill(path, "a.jpg")
    with LabelJournal(path, SETTINGS) as journal:
        journal.note_written("out.json", "abc")
    other = SETTINGS | {"tolerance": 0.5}
    with LabelJournal(path, other, restart=True) as journal:
        assert journal.wrote("out.json", "abc")
        journal.append(record("b.jpg", labels=["new"]))
        assert journal.read("b.jpg")["labels"] == ["new"]
    with LabelJournal(path, other) as journal:
        assert len(journal) == 1 and "b.jpg" in journal and "a.jpg" not in journal
        assert journal.wrote("out.json", "abc")
        assert journal.read("b.jpg")["labels"] == ["new"]


@pytest.mark.parametrize(
    "content", [b"", b"no journal\n", b'[1]\n{"written": 1}\n\xff\n', b"\0" * 9]
)
def test_starting_over_takes_the_place_of_anything(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with LabelJournal(path, SETTINGS, restart=True) as journal:
        journal.append(record("a.jpg"))
    with LabelJournal(path, SETTINGS) as journal:
        assert "a.jpg" in journal


def test_a_disk_that_fails_is_reported_with_what_is_kept(path, monkeypatch):
    with LabelJournal(path, SETTINGS) as journal:
        journal.append(record("a.jpg"))
        monkeypatch.setattr("fashion.autolabel.journal.SYNC_SECONDS", 0)
        monkeypatch.setattr("os.fsync", _fail)
        with pytest.raises(JournalError, match=r"Input/output error.*; the labels of 1 image are"):
            journal.append(record("b.jpg"))


def _fail(handle):
    raise OSError(5, "Input/output error")


def test_every_line_is_json(path):
    fill(path, "a.jpg")
    head, line = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())
    assert head["settings"] == SETTINGS
    assert line == record("a.jpg", labels=["a.jpg"])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        LabelJournal(tmp_path / "file" / "x.jsonl", SETTINGS)
