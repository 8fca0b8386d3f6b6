"""Which pictures a command works on, and what their PNGs are called."""

from pathlib import Path

import numpy as np
import pytest

from fashion.pictures.listing import list_images, output_names, read_or_error
from mrcnn.errors import DatasetError
from tests.fashion.factories import write_image


def test_images_in_the_order_of_their_names(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.jpeg", "notes.txt", ".hidden"):
        (tmp_path / name).touch()
    assert [p.name for p in list_images(tmp_path)] == ["a.PNG", "b.jpg", "c.jpeg"]
    assert [p.name for p in list_images(tmp_path, limit=2)] == ["a.PNG", "b.jpg"]
    assert [p.name for p in list_images(tmp_path, limit=9)] == ["a.PNG", "b.jpg", "c.jpeg"]


def test_what_is_no_picture_is_counted_and_named(tmp_path, capsys):
    for name in ("b.jpg", "film.mov", "notes.txt", "annotations.json", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["b.jpg"]
    line = capsys.readouterr().err
    assert line.startswith(f"skipped in {tmp_path}: 3 entries that are not pictures")
    assert line.endswith("(film.mov, more/, notes.txt)\n")
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "more").rmdir()
    list_images(tmp_path)
    assert "1 entry that is not a picture (film.mov)" in capsys.readouterr().err


def test_one_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    assert list_images(path) == [path]


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"no picture in .*\.jpg.*images"):
        list_images(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"does not exist; .*another with images"):
        list_images(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ([], []),
        (["a.jpg", "b.png"], ["a.png", "b.png"]),
        # Two of one name keep their endings, so that neither overwrites the other.
        (["a.jpg", "a.png", "b.jpg"], ["a.jpg.png", "a.png.png", "b.png"]),
        # Some file systems do not distinguish upper from lower case.
        (["a.jpg", "A.png"], ["a.jpg.png", "A.png.png"]),
        (["a.b.jpg"], ["a.b.png"]),
        (["a.jpg", "a.png", "a.jpg.gif"], ["a.jpg.png", "a.png.png", "a.jpg.gif.png"]),
    ],
)
def test_names(images, names):
    paths = [Path(name) for name in images]
    assert output_names(paths) == dict(zip(paths, names, strict=True))


def test_a_picture_or_the_error_that_says_why_not(tmp_path):
    path = write_image(tmp_path / "a.png", 6, 4)
    image = read_or_error(path)
    assert isinstance(image, np.ndarray) and image.shape == (4, 6, 3)
    path.write_text("no picture")
    error = read_or_error(path)
    assert isinstance(error, DatasetError)
    assert "not a readable image" in str(error)


def test_pictures_in_folders_below_are_mentioned(tmp_path, capsys):
    write_image(tmp_path / "week 1" / "a.jpg")
    (tmp_path / "notes").mkdir()
    with pytest.raises(DatasetError, match="but in its folders week 1, which are not searched"):
        list_images(tmp_path)
    write_image(tmp_path / "b.jpg")
    assert list_images(tmp_path) == [tmp_path / "b.jpg"]
    assert "not searched: the folders week 1 in" in capsys.readouterr().err
