import numpy as np
import pytest
from PIL import Image

from fashion.annotations import via
from fashion.data_quality import counting, plots
from fashion.labels import MODANET_TABLE, ClassTable
from mrcnn.errors import DatasetError, UserError
from tests.fashion.factories import entry, region


def figures(entries, table):
    data = via.from_json({str(i): e for i, e in enumerate(entries)})
    return counting.collect([("", data, None)], table)


def colours(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(np.int32) @ (65536, 256, 1)
    return image.size, [(c >> 16, c >> 8 & 255, c & 255) for c in np.unique(pixels).tolist()]


def paler(colour):
    return tuple(round(255 - 0.75 * (255 - channel)) for channel in colour)


@pytest.mark.parametrize("size", [(40, 30), None])  # with sizes of images and without
def test_a_sheet(tmp_path, size):
    entries = [
        entry("a.jpg", [region(label="bag"), region(label="dress")], size=size),
        entry("b.jpg", [region(label="bag", instance="1"), region(label="bag", instance="1")]),
        entry("c.jpg"),
    ]
    path = tmp_path / "new" / "sheet.png"
    plots.write_sheet(path, figures(entries, MODANET_TABLE), "A title")
    pixels, found = colours(path)
    assert pixels == (2100, 1150)
    # every class that occurs is drawn in its colour, no other
    for row in MODANET_TABLE:
        near = any(
            max(abs(a - b) for a, b in zip(paler(row.colour), c, strict=True)) <= 1 for c in found
        )
        assert near or row.name not in ("bag", "dress")
    assert [p.name for p in path.parent.iterdir()] == ["sheet.png"]


def test_one_class_with_one_instance(tmp_path):
    table = ClassTable(["a very long name of a class that somebody wanted"])
    entries = [entry("a.jpg", [region(label=table.names[0])])]
    plots.write_sheet(tmp_path / "sheet.png", figures(entries, table))
    assert colours(tmp_path / "sheet.png")[0] == (2100, 1150)


def test_no_instance(tmp_path):
    with pytest.raises(DatasetError, match="no instance to draw statistics of"):
        plots.write_sheet(tmp_path / "sheet.png", figures([entry()], MODANET_TABLE))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        plots.write_sheet(
            tmp_path / "file" / "sheet.png", figures([entry(regions=[region()])], MODANET_TABLE)
        )
