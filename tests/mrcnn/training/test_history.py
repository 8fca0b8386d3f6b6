"""The history of a training as a CSV file, written and read back."""

import csv

import pytest

from mrcnn.config import LOSS_NAMES
from mrcnn.errors import TrainingError, UserError
from mrcnn.training.history import (
    COLUMNS,
    HISTORY_FILE,
    read_epochs,
    read_history,
    write_history,
)


def read_rows(folder):
    with (folder / HISTORY_FILE).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_history_has_a_row_for_each_epoch(tmp_path):
    rows = [{"epoch": 1, "loss": 2.5, "seconds": 3.25}, {"epoch": 2, "loss": 0.1 + 0.2}]
    write_history(tmp_path, rows)
    first, second = read_rows(tmp_path)
    assert tuple(first) == COLUMNS
    assert {*LOSS_NAMES, *(f"val_{name}" for name in LOSS_NAMES)} < set(COLUMNS)
    assert (first["epoch"], first["loss"], first["seconds"]) == ("1", "2.5", "3.25")
    assert first["val_loss"] == ""  # without validation
    assert float(second["loss"]) == 0.1 + 0.2  # no digit is lost


def test_history_of_nothing_is_the_head(tmp_path):
    write_history(tmp_path, [])
    assert read_rows(tmp_path) == []
    assert (tmp_path / HISTORY_FILE).read_text().startswith("epoch,loss,rpn_class_loss,")


def test_history_is_rewritten_whole(tmp_path):
    write_history(tmp_path, [{"epoch": 1}])
    write_history(tmp_path, [{"epoch": 1}, {"epoch": 2, "of no column": 5}])
    assert [row["epoch"] for row in read_rows(tmp_path)] == ["1", "2"]
    assert [path.name for path in tmp_path.iterdir()] == [HISTORY_FILE]


def test_history_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"history\.csv: cannot be written .*resume from"):
        write_history(tmp_path / "file", [])


def test_history_of_the_first_epochs_is_read_back(tmp_path):
    rows = [{"epoch": n, "loss": 0.1 * n, "val_loss": 0.3, "seconds": 2.5} for n in (1, 2, 3)]
    write_history(tmp_path, rows)
    assert read_epochs(tmp_path, 2) == rows[:2]
    assert [type(row["epoch"]) for row in read_epochs(tmp_path)] == [int] * 3
    assert read_epochs(tmp_path, 0) == []
    write_history(tmp_path, read_epochs(tmp_path, 2))
    assert [row["loss"] for row in read_rows(tmp_path)] == ["0.1", "0.2"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["no file", "no text"])
def test_a_history_that_cannot_be_read(tmp_path, content):
    if content is not None:
        (tmp_path / HISTORY_FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"history\.csv: cannot be read \("):
        read_history(tmp_path / HISTORY_FILE)
    assert read_epochs(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("", []),
        ("epoch,loss\n", []),
        ("epoch,loss,val_loss\n1,2.5,\n2,nan,3\n", [{"epoch": 1, "loss": 2.5},
                                                   {"epoch": 2, "val_loss": 3}]),
        ("epoch,loss\n1,many\n2,inf\n", [{"epoch": 1}, {"epoch": 2}]),
        ("epoch,loss\n1,0.5,0.6\n", [{"epoch": 1, "loss": 0.5}]),  # a cell too many
        ("epoch,loss,val_loss\n1\n", [{"epoch": 1}]),  # a row that was cut short
        ("\ufeffepoch, loss\r\n1,2\r\n", [{"epoch": 1, "loss": 2}]),  # as a spreadsheet saves it
        ("step,loss\n10,3\n", [{"step": 10, "loss": 3}]),
    ],
)  # fmt: skip
def test_cells_that_are_no_numbers_are_missing(tmp_path, content, rows):
    (tmp_path / HISTORY_FILE).write_text(content, encoding="utf-8", newline="")
    assert read_history(tmp_path / HISTORY_FILE) == rows


def test_rows_without_an_epoch_are_none_of_a_training(tmp_path):
    (tmp_path / HISTORY_FILE).write_text("epoch,loss\n,0.5\n1,0.4\n")
    assert read_epochs(tmp_path) == [{"epoch": 1, "loss": 0.4}]


def test_a_history_without_the_later_columns_is_read_and_continued(tmp_path):
    head = [name for name in COLUMNS if not name.startswith(("val_mask_AP", "val_box_AP"))]
    (tmp_path / HISTORY_FILE).write_text(f"{','.join(head)}\n1,0.5{',2' * (len(head) - 2)}\n")
    rows = read_epochs(tmp_path)
    assert rows[0]["images_per_second"] == 2 and "val_mask_AP" not in rows[0]
    write_history(tmp_path, [*rows, {"epoch": 2, "val_mask_AP": 0.25}])
    assert [row["val_mask_AP"] for row in read_rows(tmp_path)] == ["", "0.25"]
    assert read_epochs(tmp_path)[1] == {"epoch": 2, "val_mask_AP": 0.25}
