import numpy as np
import pytest
from PIL import Image

from fashion.autolabel.segments import cut_out, is_segment, remove_files, write_segments
from mrcnn.errors import UserError


def picture():
    image = np.zeros((40, 50, 3), np.uint8)
    image[...] = (200, 30, 10)
    return image


def mask(y1=5, x1=10, y2=25, x2=40):
    inside = np.zeros((40, 50), dtype=bool)
    inside[y1:y2, x1:x2] = True
    return inside


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def test_the_cut_out_is_the_box_of_the_mask():
    image, inside = cut_out(picture(), mask())
    assert image.shape == (20, 30, 3) and inside.all()
    assert cut_out(picture(), np.zeros((40, 50), bool))[0].size == 0


def test_outside_the_garment_it_is_white(tmp_path):
    corner = mask()
    corner[5:15, 10:25] = False
    write_segments(tmp_path, "bag_yaz_1", picture(), [corner])
    segment = read(tmp_path / "bag_yaz_1_segment_1.jpg").astype(int)
    assert segment.shape == (20, 30, 3)
    assert segment[:6, :10].min() > 245
    assert np.abs(segment[14:, 20:] - (200, 30, 10)).max() < 12  # red, not blue
    assert [p.name for p in tmp_path.iterdir()] == ["bag_yaz_1_segment_1.jpg"]


def test_transparent_png_on_request(tmp_path):
    corner = mask()
    corner[5:15, 10:25] = False
    write_segments(tmp_path, "a", picture(), [mask(), corner], alpha=True)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"a_segment_{k}.{e}" for k in (1, 2) for e in ("jpg", "png")]
    cut = read(tmp_path / "a_segment_2.png")
    assert cut.shape == (20, 30, 4)
    assert (cut[..., 3] == corner[5:25, 10:40] * 255).all()
    assert (cut[..., :3] == (200, 30, 10)).all()


def test_what_an_earlier_run_left_is_removed(tmp_path):
    write_segments(tmp_path, "a", picture(), [mask()] * 3, alpha=True)
    write_segments(tmp_path, "a_segment_1", picture(), [mask()])  # a picture of that name
    write_segments(tmp_path, "a", picture(), [mask()])
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["a_segment_1.jpg", "a_segment_1_segment_1.jpg"]
    write_segments(tmp_path, "a", picture(), [])
    assert [p.name for p in tmp_path.iterdir()] == ["a_segment_1_segment_1.jpg"]


def test_a_mask_without_a_pixel_makes_no_file(tmp_path):
    write_segments(tmp_path, "a", picture(), [mask(5, 5, 5, 5), mask()])
    assert [p.name for p in tmp_path.iterdir()] == ["a_segment_2.jpg"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"a_segment_1\.jpg: cannot be written"):
        write_segments(tmp_path / "gone", "a", picture(), [mask()])


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("a_segment_1.jpg", True),
        ("a_segment_12.png", True),
        ("b_segment_1.jpg", False),  # another picture's
        ("a.png", False),
        ("a_segment_1.json", False),
        ("a_segment_1_segment_2.jpg", False),
    ],
)
def test_names_of_cut_outs(name, reported):
    assert is_segment(name, {"a"}) is reported


def test_what_cannot_be_removed(tmp_path):
    assert not remove_files(tmp_path / "gone")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder: cannot be removed"):
        remove_files(tmp_path / "folder")
