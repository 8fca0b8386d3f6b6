"""What a run keeps of its pictures says the same as their paths and names, with less memory."""

import tracemalloc
from pathlib import Path

import pytest

from fashion.autolabel.pictures import (
    FolderPictures,
    Picture,
    PictureList,
    slim,
    stem_finder,
)
from fashion.autolabel.policy import LabelPolicy, Subject
from fashion.pictures.listing import file_stamp
from fashion.pictures.remote import RemotePicture

NAMES = ["bag_yaz_1.jpg", "holiday.jpg", "bag_yaz_2.jpg"]


@pytest.fixture
def paths(tmp_path):
    for size, name in enumerate(NAMES, 5):
        (tmp_path / name).write_bytes(b"x" * size)
    return [tmp_path / name for name in NAMES]


def listed(paths, done=()):
    pictures = PictureList(paths, LabelPolicy())
    for path in paths:
        pictures.add(file_stamp(path), path.name in done)
    return pictures


def test_paths_come_back_as_they_were(paths):
    slender = slim(paths)
    assert isinstance(slender, FolderPictures)
    assert list(slender) == paths and slender[-1] == paths[-1]
    assert list(slender[1:]) == paths[1:]
    here = FolderPictures(Path("images"), NAMES)
    assert list(here.absolute()) == [Path.cwd() / "images" / name for name in NAMES]
    assert slim([]) == []


def test_pictures_with_an_address_stay(paths):
    remote = [RemotePicture("s3://bucket/bag_yaz_1.jpg", 7, "abc")]
    assert slim(remote) is remote
    (picture,) = listed(remote)
    assert picture == Picture(remote[0], Subject("bag", "yaz"), [7, "abc"], False)


def test_a_list_knows_each_picture(paths):
    pictures = listed(slim(paths), done=NAMES[1:])
    assert (len(pictures), pictures.done) == (3, 2)
    assert pictures[0] == Picture(paths[0], Subject("bag", "yaz"), file_stamp(paths[0]), False)
    assert pictures[0].subject is pictures[2].subject, "one for all of a garment and season"
    assert pictures[1].subject[0] == "name" and "holiday" in pictures[1].subject[1]
    assert pictures[-1] == list(pictures)[2] == pictures[2:][0]
    with pytest.raises(IndexError):
        pictures[3]


@pytest.mark.parametrize("stamp", [[], [3, 2**63], [2**70, 1], [0, -5]])
def test_every_stamp_comes_back(paths, stamp):
    """No file; times that file systems can hold, after 2262 and before 1970."""
    pictures = PictureList(paths[:2], LabelPolicy())
    pictures.add(stamp, False)
    pictures.add([1, 2], False)
    assert [picture.stamp for picture in pictures] == [stamp, [1, 2]]


def test_a_picture_takes_little_memory(tmp_path):
    count = 1000
    names = [f"bag_yaz_{number}.jpg" for number in range(count)]
    tracemalloc.start()
    try:
        pictures = PictureList(FolderPictures(tmp_path, names), LabelPolicy())
        for _ in names:
            pictures.add([10**6, 10**18], False)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken / count < 60, "beside its name"


def test_what_is_drawn_of_two_pictures_gets_two_names():
    stem_of = stem_finder([Path("a.jpg"), Path("A.png"), Path("b.c.jpg"), Path("ä.jpg")])
    assert [stem_of(Path(n)) for n in ("a.jpg", "A.png", "b.c.jpg")] == ["a.jpg", "A.png", "b.c"]
