import os

import pytest

from fashion.autolabel.checks import prepare_folders, remove_unfinished, require_names
from fashion.autolabel.job import LabelJob
from fashion.autolabel.policy import LabelPolicy
from mrcnn.errors import UserError
from tests.fashion.fake_detector import CLASS_NAMES, photograph


def make_job(folder, *names, **values):
    images = [folder / "images" / name for name in names or ("bag_yaz_1.png",)]
    return LabelJob(images=images, class_names=CLASS_NAMES, **values)


def test_names_that_are_no_text(tmp_path):
    require_names(make_job(tmp_path, "bag_yaz_ü.png"))
    with pytest.raises(UserError, match=r"bag_yaz_\\udcfc\.png' is not UTF-8"):
        require_names(make_job(tmp_path, os.fsdecode(b"bag_yaz_\xfc.png")))


@pytest.mark.parametrize(
    ("names", "policy", "reported"),
    [
        (["IMG_0001.jpg", "IMG_0002.jpg"], {}, r'\(2 pictures; the first: .*"IMG_0001\.jpg" is no'),
        (["IMG_0001.jpg"], {"garment": "bag"}, "season what they show"),  # still no season
        (["belt_yaz_1.jpg"], {}, '"belt" has no code in the label scheme'),
    ],
)
def test_a_folder_without_a_usable_name_is_refused(tmp_path, names, policy, reported):
    with pytest.raises(UserError, match=reported):
        require_names(make_job(tmp_path, *names, policy=LabelPolicy(**policy)))


def test_one_usable_name_is_enough(tmp_path):
    require_names(make_job(tmp_path, "IMG_0001.jpg", "bag_yaz_1.jpg"))
    everything = LabelPolicy(garment="any", season="yaz")
    require_names(make_job(tmp_path, "IMG_0001.jpg", policy=everything))
    require_names(LabelJob(images=[], class_names=CLASS_NAMES))


def test_folders_are_made(tmp_path):
    job = make_job(tmp_path, segments=tmp_path / "s" / "t", previews=tmp_path / "images" / "p")
    prepare_folders(job, tmp_path / "out" / "a.json")
    assert job.segments.is_dir() and job.previews.is_dir() and (tmp_path / "out").is_dir()
    prepare_folders(make_job(tmp_path), tmp_path / "images" / "a.json")


@pytest.mark.parametrize("option", ["segments", "previews"])
def test_pictures_are_not_written_among_the_photographs(tmp_path, option):
    path = photograph(tmp_path / "images" / "bag_yaz_1.png")
    job = make_job(tmp_path, **{option: tmp_path / "other" / ".." / "images"})
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=f"the folder of the photographs; .*another with {option}"):
        prepare_folders(job, tmp_path / "a.json")
    assert list(path.parent.iterdir()) == [path]


def test_unfinished_files_are_removed_and_no_others(tmp_path):
    """All in one folder; those of other names may be a running process's."""
    ours = [
        ".out.json.ab12.part",
        ".out.report.json.ab12.part",
        ".bag_yaz_1_segment_1.jpg.x_y.part",
        ".bag_yaz_1_segment_1.png.x_y.part",
        ".bag_yaz_1.png.zz.part",
    ]
    others = ["out.json", ".bag_yaz_1.png.part", "download.part", ".notes.txt.ab.part"]
    others += [".other.json.ab12.part", ".bag_yaz_2.png.zz.part", ".bag_yaz_2_segment_1.jpg.z.part"]
    for name in ours + others:
        (tmp_path / name).write_text("")
    job = make_job(tmp_path, segments=tmp_path, previews=tmp_path)
    remove_unfinished(job, tmp_path / "out.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(others)
    for name in ours:
        (tmp_path / name).write_text("")
    remove_unfinished(make_job(tmp_path), tmp_path / "out.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(others + ours[2:])
