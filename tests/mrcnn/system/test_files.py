"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from mrcnn.errors import DatasetError, UserError, WeightsError
from mrcnn.system.files import replacing, saving, unfinished, write_bytes, write_text
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
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_of_an_ordinary_file(tmp_path, mask):
    """In a process of its own, since the mask is one of the whole process."""
    code = """
import os, sys
from mrcnn.system.files import replacing
os.umask(int(sys.argv[1]))
with open("ordinary", "w"), replacing("new.json"):
    pass
"""
    command = [sys.executable, "-c", code, str(mask)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == dict.fromkeys(("new.json", "ordinary"), 0o666 & ~mask)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_former_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.json"
    path.touch()
    path.chmod(0o640)
    with replacing(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="needs a umask")
def test_the_mask_of_the_process_is_never_changed(tmp_path, monkeypatch):
    """Between two changes of it another thread's file would be open to everybody."""
    monkeypatch.delattr(os, "umask")
    with replacing(tmp_path / "a.json"):
        pass
    assert names(tmp_path) == ["a.json"]


def test_why_a_file_cannot_be_written(tmp_path):
    path = tmp_path / "nowhere" / "a.json"
    with pytest.raises(WeightsError) as caught, saving(path, WeightsError), replacing(path):
        pass
    assert caught.value.path == path
    assert str(caught.value) == (
        f"{path}: cannot be written (No such file or directory); make room or choose another place."
    )


def test_a_whole_file_in_a_new_folder(tmp_path):
    path = tmp_path / "deep" / "er" / "a.bin"
    assert write_bytes(path, b"") == path and path.read_bytes() == b""
    write_text(path, "gömlek\n")
    assert path.read_bytes() == "gömlek\n".encode() and names(path.parent) == ["a.bin"]
    with pytest.raises(WeightsError, match="cannot be written"):
        write_bytes(path / "below", b"", WeightsError)


def test_another_problem_and_a_setting(tmp_path):
    words = {"problem": "cannot be removed", "advice": "choose another with {output}"}
    with pytest.raises(UserError) as caught, saving(tmp_path, **words, settings=("output",)):
        (tmp_path / "a.json").unlink()
    assert caught.value.sentence({"output": "--output"}) == (
        f"{tmp_path}: cannot be removed (No such file or directory); choose another with --output."
    )


def test_other_errors_are_not_a_failed_write(tmp_path):
    with pytest.raises(ZeroDivisionError), saving(tmp_path):
        raise ZeroDivisionError
    reported = DatasetError("there is no image", path="a.jpg")
    with pytest.raises(UserError) as caught, saving(tmp_path):
        raise reported
    assert caught.value is reported


def test_what_a_killed_process_left_is_known_by_its_name(tmp_path):
    with replacing(tmp_path / "mask.rcnn_1.h5"):
        (path,) = tmp_path.iterdir()
        assert list(unfinished(tmp_path)) == [(path, "mask.rcnn_1.h5")]
    for other in (".part", "a.part", ".a.part", ".b.c"):
        (tmp_path / other).touch()
    assert list(unfinished(tmp_path)) == []
