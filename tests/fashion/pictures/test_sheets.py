import os

import numpy as np
import pytest
from PIL import Image

from fashion.pictures import sheets
from mrcnn.errors import UserError

NAMES = ["background", "bag", "belt"]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(height=60, width=80, level=100):
    return np.full((height, width, 3), level, np.uint8)


def found(*class_ids, height=60, width=80):
    count = len(class_ids)
    masks = np.zeros((height, width, count), bool)
    masks[10:40, 10:50] = True
    return {
        "rois": np.tile(np.int32([10, 10, 40, 50]), (count, 1)),
        "class_ids": np.array(class_ids, np.int32),
        "scores": np.linspace(0.9, 0.8, count, dtype=np.float32),
        "masks": masks,
    }


def read(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image)


def test_png_keeps_every_pixel(tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    path = sheets.save_png(tmp_path / "new" / "folder" / "picture.png", image)
    assert np.array_equal(read(path), image)
    assert [p.name for p in path.parent.iterdir()] == ["picture.png"]


def test_detections_are_written_at_the_size_of_the_image(tmp_path):
    path = sheets.save_detections_png(
        tmp_path / "out.png", picture(), found(1), NAMES, {1: RED, 2: BLUE}
    )
    drawn = read(path)
    assert drawn.shape == (60, 80, 3)
    assert drawn[30, 30, 0] > drawn[30, 30, 2] + 50  # the bag is red, not blue: channels in order
    assert (drawn[50, 70] == 100).all()


def test_nothing_found_is_written_too(tmp_path):
    empty = found() | {"masks": np.zeros((60, 80, 0))}
    path = sheets.save_detections_png(tmp_path / "out.png", picture(), empty, NAMES)
    assert (read(path) == 100).all()
    path = sheets.save_detections_png(path, picture(), empty, NAMES, legend=True)
    assert (read(path)[:60] == 100).all() and len(read(path)) > 60


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = sheets.save_png(tmp_path / "a.png", picture())
    before = path.read_bytes()
    with pytest.raises(UserError):
        sheets.save_detections_png(path, picture(), found(1, height=9, width=9), NAMES)
    assert path.read_bytes() == before and len(os.listdir(tmp_path)) == 1  # noqa: PTH208


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*a\.png: cannot be written"):
        sheets.save_png(tmp_path / "file" / "a.png", picture())


def test_the_legend_lists_classes_once():
    image = sheets.add_legend(picture(), [2, 1, 2], NAMES, {1: RED, 2: BLUE})
    assert (image[:60] == 100).all() and image.shape[1] == 80
    strip = image[60:]
    red, blue = (strip == RED).all(axis=-1), (strip == BLUE).all(axis=-1)
    assert red.any() and red.sum() == blue.sum()
    # In the order of their ids: further to the left, or in a higher row.
    assert np.argmax(red.reshape(-1)) < np.argmax(blue.reshape(-1))


@pytest.mark.parametrize("width", [1, 15, 90, 2000])
def test_a_legend_fits_any_width(width):
    names = ["background", *[f"garment {i}" for i in range(1, 31)]]
    image = sheets.add_legend(picture(20, width), range(1, 31), names)
    assert image.shape[1] == width and image.shape[0] > 20


def test_side_by_side_keeps_the_pixels_of_all():
    left, right = picture(20, 30, 10), picture(40, 50, 20)
    sheet = sheets.side_by_side([left, right])
    assert (sheet == 10).all(axis=-1).sum() == 20 * 30
    assert (sheet == 20).all(axis=-1).sum() == 40 * 50
    assert (sheet[0] == 255).all()


def test_titles_stand_above():
    plain = sheets.side_by_side([picture(20, 200), picture(20, 200)])
    titled = sheets.side_by_side([picture(20, 200), picture(20, 200)], ["before", "after"])
    band = titled.shape[0] - plain.shape[0]
    assert band > 10 and titled.shape[1] == plain.shape[1]
    assert (titled[8 : 8 + band, 8:208].min() < 60) and (titled[8 : 8 + band, 216:].min() < 60)
    with pytest.raises(UserError, match="one title: expected 2, found 1"):
        sheets.side_by_side([picture(), picture()], ["one"])


@pytest.mark.parametrize(
    ("count", "columns", "rows_and_columns"),
    [
        (1, None, (1, 1)),
        (5, None, (2, 3)),
        (5, 2, (3, 2)),
        (2, 9, (1, 2)),  # more columns than images
    ],
)
def test_contact_sheet_is_a_grid(count, columns, rows_and_columns):
    sheet = sheets.contact_sheet([picture(100, 100)] * count, columns=columns, tile=50)
    rows, across = rows_and_columns
    assert sheet.shape == (rows * 58 + 8, across * 58 + 8, 3)
    assert (sheet == 100).all(axis=-1).sum() == count * 50 * 50


def test_contact_sheet_keeps_proportions_and_never_enlarges():
    sheet = sheets.contact_sheet([picture(20, 10, 1), picture(400, 100, 2)], tile=100)
    assert (sheet == 1).all(axis=-1).sum() == 20 * 10
    assert (sheet == 2).all(axis=-1).sum() == 100 * 25


def test_sheets_of_nothing():
    assert sheets.contact_sheet([]).shape == sheets.side_by_side([]).shape == (1, 1, 3)


HISTORY = """epoch,loss,rpn_class_loss,mrcnn_mask_loss,val_loss,val_rpn_class_loss,seconds
1,4.0,1.0,3.0,5.0,1.5,100
2,2.0,0.5,1.5,,,100
3,1.0,0.25,0.75,2.0,0.5,100
"""


@pytest.mark.parametrize(
    "text",
    [
        HISTORY,
        "epoch,loss\n1,2.5\n",  # one point, no parts
        "step,loss,val_loss\n10,3\n20,2\n",  # by step; a row that is cut short
        "\ufeffepoch,loss\r\n1,nan\r\n2,3\r\n",  # byte order mark, Windows line ends, a gap
    ],
)
def test_losses_are_plotted(tmp_path, text):
    (tmp_path / "history.csv").write_text(text, encoding="utf-8")
    path = sheets.plot_losses(tmp_path / "history.csv", tmp_path / "losses.png")
    image = read(path)
    assert image.shape[0] > 300 and image.shape[1] > 900
    assert len(np.unique(image[..., :3] @ [1, 256, 65536])) > 20


def test_each_loss_gets_a_line(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    lines = []
    plot = Axes.plot

    def recorded(self, x, y, *arguments, **options):
        lines.append((options["label"], list(x), list(y)))
        return plot(self, x, y, *arguments, **options)

    monkeypatch.setattr(Axes, "plot", recorded)
    (tmp_path / "history.csv").write_text(HISTORY)
    sheets.plot_losses(tmp_path / "history.csv", tmp_path / "losses.png")
    assert lines == [
        ("loss", [1, 2, 3], [4, 2, 1]),
        ("loss (validation)", [1, 3], [5, 2]),
        ("rpn_class", [1, 2, 3], [1, 0.5, 0.25]),
        ("rpn_class (validation)", [1, 3], [1.5, 0.5]),
        ("mrcnn_mask", [1, 2, 3], [3, 1.5, 0.75]),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read"),
        ("", "nothing to plot"),
        ("epoch,loss\n", "nothing to plot"),
        ("loss\n1\n", "nothing to plot"),  # no axis
        ("epoch,learning_rate\n1,2\n", "nothing to plot"),
        ("epoch,loss\n1,x\n", "nothing to plot"),
    ],
)
def test_a_csv_without_losses_is_refused(tmp_path, text, sentence):
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=rf"history\.csv.*{sentence}"):
        sheets.plot_losses(path, tmp_path / "losses.png")
    assert not (tmp_path / "losses.png").exists()
