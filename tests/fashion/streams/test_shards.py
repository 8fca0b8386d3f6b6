import hashlib

import pytest

from fashion.streams.shards import PendingFiles, annotation_files, shard_path
from mrcnn.errors import DatasetError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, texts, **options):
    files = PendingFiles(path, **options)
    try:
        for text in texts:
            files.open()
            files.write(text)
        return files.commit()
    finally:
        files.discard()


def test_shards_appear_together_with_their_number_in_the_name(tmp_path):
    ready = []
    paths = write(
        tmp_path / "new" / "via.json",
        ["a", "b"],
        sharded=True,
        ready=lambda path, digest: ready.append((path, digest, path.exists())),
    )
    assert [path.name for path in paths] == ["via-00000-of-00002.json", "via-00001-of-00002.json"]
    assert [path.read_text() for path in paths] == ["a", "b"]
    assert ready == [
        (path, hashlib.sha256(text.encode()).hexdigest(), False)
        for path, text in zip(paths, "ab", strict=True)
    ]


def test_a_set_takes_the_place_of_the_former_one_and_of_nothing_else(tmp_path):
    for name in ("via-best.json", "via-00000-of-00001.txt", "other-00000-of-00001.json"):
        (tmp_path / name).write_text("keep")
    write(tmp_path / "via.json", ["a", "b", "c"], sharded=True)
    write(tmp_path / "via.json", ["d"], sharded=True)
    assert names(tmp_path) == [
        "other-00000-of-00001.json",
        "via-00000-of-00001.json",
        "via-00000-of-00001.txt",
        "via-best.json",
    ]


def test_nothing_is_left_of_a_failure(tmp_path):
    (tmp_path / "via.json").write_text("former")
    files = PendingFiles(tmp_path / "via.json")
    files.open()
    files.write("new")
    files.discard()
    assert names(tmp_path) == ["via.json"]
    assert (tmp_path / "via.json").read_text() == "former"


def test_what_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    files = PendingFiles(tmp_path / "file" / "via.json")
    with pytest.raises(DatasetError, match=r"via\.json: cannot be written"):
        files.open()


def test_a_set_is_found_by_folder_pattern_and_common_name(tmp_path):
    paths = write(tmp_path / "a[1].json", ["1", "2", "3"], sharded=True)
    assert annotation_files(tmp_path) == paths
    assert annotation_files(tmp_path / "a[1].json") == paths
    assert annotation_files(tmp_path / "a*.json") == paths
    assert annotation_files(paths[1]) == [paths[1]]


def test_an_ordinary_file_is_found_in_its_folder(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    assert annotation_files(tmp_path) == [tmp_path / "x.json"]


def test_what_is_no_whole_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        annotation_files(tmp_path / "via.json")
    with pytest.raises(DatasetError, match="matches no file"):
        annotation_files(tmp_path / "*.json")
    paths = write(tmp_path / "via.json", ["1", "2", "3"], sharded=True)
    (tmp_path / "via_region_data.json").write_text("{}")
    with pytest.raises(DatasetError, match="name the file or the set"):
        annotation_files(tmp_path)
    (tmp_path / "via_region_data.json").unlink()
    paths[1].unlink()
    with pytest.raises(DatasetError, match=r"there are 2 of 3 shards \(missing: 1\)"):
        annotation_files(tmp_path)
    shard_path(tmp_path / "b.json", 0, 1).write_text("{}")
    with pytest.raises(DatasetError, match="shards of 2 sets"):
        annotation_files(tmp_path)
