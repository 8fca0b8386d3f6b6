import subprocess
import sys

import pytest

from fashion.pictures.season_names import read_seasons, season_names, season_of
from mrcnn.errors import DatasetError
from tests.fashion.factories import write_image
from tests.support import REPOSITORY


def run(folder, *arguments):
    script = REPOSITORY / "tools" / "name_seasons.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )


def pictures(folder, *names):
    for number, name in enumerate(names):
        write_image(folder / name, width=40 + number)
    return folder


def table(folder, text):
    path = folder / "seasons.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_seasons_from_folders(tmp_path):
    names = ["summer/IMG_1.jpg", "Winter/old/bag_2.jpg", "kis/top_yaz_3.jpg", "IMG_4.jpg"]
    pictures(tmp_path / "photos", *names)
    done = run(tmp_path, "photos", "named")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "named").iterdir()) == [
        "bag_kis_2.jpg",
        "top_yaz_3.jpg",
        "yaz_IMG_1.jpg",
    ]
    assert "1 without a season were left out (IMG_4.jpg)" in done.stdout
    again = run(tmp_path, "photos", "named")
    assert again.returncode == 0 and again.stdout == done.stdout


def test_seasons_from_a_table(tmp_path):
    pictures(tmp_path / "photos", "a.jpg", "skirt_9.png", "deep/b.jpg", "deep/c.jpg")
    table(tmp_path, "\ufeffpicture,season\na.jpg, Summer\n\nskirt_9.png,ilkb\ndeep\\b.jpg,fall\n")
    done = run(tmp_path, "photos", "named", "--table=seasons.csv")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "named").iterdir()) == [
        "skirt_ilkb_9.png",
        "sonb_b.jpg",
        "yaz_a.jpg",
    ]


def test_two_pictures_of_one_name(tmp_path):
    pictures(tmp_path, "yaz/a/1.jpg", "yaz/b/1.jpg")
    assert season_names(tmp_path).names == {
        "yaz/a/1.jpg": "yaz_1.jpg",
        "yaz/b/1.jpg": "yaz_1_2.jpg",
    }


def test_another_picture_is_never_replaced(tmp_path):
    pictures(tmp_path / "photos", "yaz/1.jpg")
    write_image(tmp_path / "named" / "yaz_1.jpg", width=99)
    done = run(tmp_path, "photos", "named")
    assert done.returncode == 2 and "another picture is there already" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.jpg,yaz\nb.jpg,monsoon\n", "line 2 is not a picture with its season.*winter"),
        ("a.jpg,yaz\nb.jpg\n", "line 2 is not a picture"),
        ("a.jpg,yaz\na.jpg,kis\n", "line 2 gives a.jpg a second season"),
    ],
)
def test_bad_tables(tmp_path, text, problem):
    with pytest.raises(DatasetError, match=problem):
        read_seasons(table(tmp_path, text))


def test_an_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match="no picture"):
        season_names(tmp_path)


def test_nothing_with_a_season(tmp_path):
    pictures(tmp_path / "photos", "a.jpg")
    assert run(tmp_path, "photos", "named").returncode == 1


def test_words():
    assert [
        season_of(word) for word in ("K\u0131\u015f", "WINTER", "4mev", "all seasons", "x")
    ] == [
        "kis",
        "kis",
        "4mev",
        "4mev",
        None,
    ]
