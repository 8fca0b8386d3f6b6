"""A stage's folders, numbers on the command line, and folders that can be written to."""

import argparse

import pytest

from fashion import REPOSITORY
from fashion.stages.stage import (
    MODANET_STAGE,
    SEASON_STAGE,
    fraction,
    positive,
    whole,
    writable_folder,
)
from mrcnn.errors import UserError


@pytest.mark.parametrize(("stage", "folder"), [(MODANET_STAGE, "model1"), (SEASON_STAGE, "model2")])
def test_folders_of_a_stage(stage, folder):
    root = REPOSITORY / folder
    assert stage.images == root / "images"
    assert stage.outputs == root / "outputs"
    assert stage.logs == root / "logs"
    assert stage.dataset == root / "samples" / "custom" / "dataset"
    assert root.is_absolute()
    assert stage.class_names == ["background", *stage.table.names]


def test_a_writable_folder_is_made(tmp_path):
    folder = tmp_path / "a" / "b"
    assert writable_folder(folder, "logs") == folder
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"nothing can be written .*another with logs"):
            writable_folder(folder, "logs")


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (whole(1), {"1": 1, "250": 250}, ["0", "-1", "1.5", "many", ""]),
        (whole(0), {"0": 0}, ["-1"]),
        (fraction, {"0": 0.0, ".5": 0.5, "1": 1.0}, ["-.1", "1.1", "nan", "x"]),
        (positive, {"1e-4": 0.0001}, ["0", "-1", "inf", "nan", "x"]),
    ],
)
def test_numbers_on_the_command_line(parse, good, bad, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=parse)
    for text, value in good.items():
        assert parser.parse_args([f"--x={text}"]).x == value
    for text in bad:
        with pytest.raises(SystemExit) as ended:
            parser.parse_args([f"--x={text}"])
        assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
