"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys
import time

import pytest

from mrcnn.files import replacing, unfinished
from tests.support import REPOSITORY


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("mode", "content", "stored"),
    [
        ("wb", b"\x00\xff\r\n", b"\x00\xff\r\n"),
        ("w", "gömlek\n\r\n", "gömlek\n\r\n".encode()),  # UTF-8, line ends as given
        ("wb", b"", b""),
    ],
)
def test_a_new_file(mode, content, stored, tmp_path):
    with replacing(tmp_path / "a.json", mode) as file:
        file.write(content)
        assert not (tmp_path / "a.json").exists()
    assert (tmp_path / "a.json").read_bytes() == stored
    assert names(tmp_path) == ["a.json"]


def test_a_former_file_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("former")
    with replacing(str(path), "w") as file:
        file.write("new")
        assert path.read_text() == "former"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_former_file_and_no_other(error, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("former")
    with pytest.raises(error), replacing(path, "w") as file:
        file.write("half")
        raise error
    assert path.read_text() == "former"
    assert names(tmp_path) == ["a.json"]


def test_an_error_where_there_was_no_file_leaves_none(tmp_path):
    with pytest.raises(ValueError), replacing(tmp_path / "a.json", "w"):
        raise ValueError
    assert names(tmp_path) == []


def test_the_folder_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "a.json"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    with (tmp_path / "ordinary").open("w"), replacing(tmp_path / "a.json"):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "a.json")}
    assert len(modes) == 1


def test_what_a_killed_process_left_is_known_by_its_name(tmp_path):
    with replacing(tmp_path / "mask.rcnn_1.h5"):
        (path,) = tmp_path.iterdir()
        assert list(unfinished(tmp_path)) == [(path, "mask.rcnn_1.h5")]
    for other in (".part", "a.part", ".a.part", ".b.c"):
        (tmp_path / other).touch()
    assert list(unfinished(tmp_path)) == []


WRITE_FOREVER = """
import sys
from mrcnn.files import replacing
for i in range(10**9):
    with replacing(sys.argv[1], "w") as file:
        for _ in range(200):
            file.write(f"{i % 10}" * 1000)
"""


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.txt"
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(path)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
    finally:
        process.kill()
        process.wait()
    text = path.read_text()
    assert len(text) == 200_000
    assert len(set(text)) == 1
