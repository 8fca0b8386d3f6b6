"""Which files a labelling run leaves: one, or shards; the journal beside them, or elsewhere."""

import json

import pytest

from fashion.annotations.via_reading import read
from fashion.autolabel.job import LabelJob
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.report import annotation_paths, write_files
from fashion.autolabel.run import LabelFiles, label_folder
from mrcnn.errors import UserError
from tests.fashion.fake_detector import CLASS_NAMES, detect, folder_of_photographs


@pytest.fixture
def job(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 20)
    return LabelJob(
        images=sorted(images.iterdir()),
        class_names=CLASS_NAMES,
        policy=LabelPolicy(min_confidence=0.8),
        batch=3,
    )


def label(job, output, **more):
    return label_folder(job, LabelFiles(output, **more), lambda: detect, quiet=True)


def entries(*paths):
    return {key: entry for path in paths for key, entry in json.loads(path.read_text()).items()}


def test_shards_hold_what_one_file_would(tmp_path, job):
    one = label(job, tmp_path / "one" / "a.json")
    many = label(job, tmp_path / "many" / "a.json", shard_size=3)
    assert one.files == [tmp_path / "one" / "a.json", tmp_path / "one" / "a.report.json"]
    *shards, report = many.files
    assert shards == annotation_paths(tmp_path / "many" / "a.json")
    count = len(read(one.files[0]))
    assert [len(read(path, strict=True)) for path in shards] == [3] * (count // 3) + [count % 3]
    assert [path.name for path in shards] == [f"a-0000{n}-of-00003.json" for n in range(3)]
    assert list(entries(*shards).items()) == list(entries(one.files[0]).items())
    assert report.read_bytes() == one.files[1].read_bytes()


def test_a_shard_that_was_corrected_is_not_overwritten(tmp_path, job):
    output = tmp_path / "a.json"
    shards = label(job, output, shard_size=3).files[:-1]
    label(job, output, shard_size=3)
    corrected = b"{}"
    shards[1].write_bytes(corrected)
    with pytest.raises(UserError, match=r"a-00001-of-00003\.json: was not written by this command"):
        label(job, output, shard_size=3)
    assert shards[1].read_bytes() == corrected
    label(job, output, shard_size=5, overwrite=True)
    assert [path.name for path in annotation_paths(output)] == [
        "a-00000-of-00002.json",
        "a-00001-of-00002.json",
    ]


def test_the_journal_at_another_place(tmp_path, job):
    output, journal = tmp_path / "out" / "a.json", tmp_path / "local" / "j.jsonl"
    label(job, output, journal=journal)
    assert sorted(path.name for path in output.parent.iterdir()) == ["a.json", "a.report.json"]
    before = journal.read_bytes()
    label(job, output, journal=journal)
    assert journal.read_bytes() == before


def test_scores_are_summed_label_by_label(tmp_path):
    scores = {"bag_yaz": [0.91, 0.99, 0.95], "top_kis": [0.9]}
    with LabelJournal(tmp_path / "j.jsonl", {}) as journal:
        for label_name, values in scores.items():
            for number, score in enumerate(values):
                report = {"status": "labelled", "instances": 1, "regions": 1}
                report |= {"labels": [label_name], "scores": [score]}
                name = f"{label_name}_{number}.jpg"
                journal.append({"file": name, "stamp": [1], "entry": None, "report": report})
        names = [f"{name}_{n}.jpg" for name, values in scores.items() for n in range(len(values))]
        totals = write_files(tmp_path / "a.json", journal, names).totals()
    assert totals["labels"]["bag_yaz"] == {
        "images": 3,
        "instances": 3,
        "mean_score": 0.95,
        "least_score": 0.91,
    }
    assert totals["labels"]["top_kis"]["mean_score"] == 0.9
