"""Tables of measures: as text, as CSV, as JSON and as a picture."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from fashion.parsing.measuring.measures import ParsingMeasures
from fashion.parsing.measuring.tables import (
    classes_text,
    confusion_csv,
    measures_csv,
    measures_text,
    overall_text,
    recap_text,
    write_tables,
)
from mrcnn.errors import UserError

NAMES = ("background", "bag", "belt", "boots")


def labels(*rows):
    return np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint8)


@pytest.fixture
def levels():
    pixel, joint = ParsingMeasures(NAMES), ParsingMeasures(NAMES)
    truth = labels("0011", "0022")
    pixel.add(truth, labels("0010", "0122"))
    joint.add(truth, labels("0011", "0122"))
    return {"pixel level": pixel, "joint": joint}


def line(text, start):
    return next(line.split() for line in text.splitlines() if line.startswith(start))


def test_overall_figures_stand_side_by_side_with_the_gain(levels):
    text = overall_text(levels)
    assert line(text, "pixel accuracy")[2:] == ["75.0", "87.5", "+12.5"]
    assert line(text, "foreground accuracy")[2:] == ["75.0", "100.0", "+25.0"]


def test_classes_that_occur_have_a_line(levels):
    text = classes_text(levels)
    # Pixels of the truth, then IoU and F1 of both levels.
    assert line(text, "bag")[1:6] == ["2", "33.3", "66.7", "50.0", "80.0"]
    assert "boots" not in text


def test_the_recap_table_is_in_per_cent_of_the_true_pixels(levels):
    text = recap_text(levels["pixel level"])
    assert line(text, "0 background")[2:] == ["75.0", "25.0", "-", "4"]
    assert line(text, "1 bag")[2:] == ["50.0", "50.0", "-", "2"]


def test_a_predicted_class_that_is_not_true_has_a_column_and_an_empty_line():
    measures = ParsingMeasures(NAMES)
    measures.add(labels("0011"), labels("0311"))
    text = recap_text(measures)
    assert line(text, "0 background")[2:] == ["50.0", "-", "50.0", "2"]
    assert line(text, "3 boots")[2:] == ["-", "-", "-", "0"]


def test_csv_has_a_line_for_each_level_and_class(levels):
    rows = list(csv.DictReader(io.StringIO(measures_csv(levels))))
    assert [(row["level"], row["class"]) for row in rows] == [
        (level, name) for level in levels for name in (*NAMES, "all")
    ]
    bag, boots, whole = rows[1], rows[3], rows[4]
    assert float(bag["iou"]) == pytest.approx(1 / 3, abs=1e-6)
    assert bag["truth"] == "2" and boots["iou"] == ""
    assert float(whole["pixel_accuracy"]) == 0.75


def test_the_confusion_as_csv(levels):
    rows = list(csv.reader(io.StringIO(confusion_csv(levels["joint"]))))
    assert rows[0] == ["truth", *NAMES]
    assert rows[1] == ["background", "3", "1", "0", "0"]


def test_all_files_are_written(levels, tmp_path):
    folder = tmp_path / "new" / "folder"
    text = write_tables(levels, folder)
    assert text == measures_text(levels)
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion_joint.csv",
        "confusion_pixel.csv",
        "measures.csv",
        "measures.json",
        "measures.png",
    ]
    figures = json.loads((folder / "measures.json").read_text())
    assert figures["pixel level"]["overall"]["pixel_accuracy"] == 0.75
    with Image.open(folder / "measures.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[1] > 1000 and pixels.std() > 10


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_levels(levels, tmp_path, count):
    some = {f"level {i}": levels["joint"] for i in range(count)}
    text = write_tables(some, tmp_path)
    assert "gain" not in text and f"level {count - 1}" in text


def test_measures_of_nothing(tmp_path):
    text = write_tables({"pixel level": ParsingMeasures(NAMES)}, tmp_path)
    assert line(text, "pixel accuracy")[2] == "-"


def test_a_folder_that_cannot_be_made(levels, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        write_tables(levels, tmp_path / "file" / "folder")
