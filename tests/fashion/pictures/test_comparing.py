import numpy as np
from PIL import Image

from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.pictures.comparing import ComparedModel, compare_pictures, draw_models
from tests.fashion.fake_detector import detect, photograph

GARMENTS = ComparedModel("garments", lambda image: detect([image])[0], MODANET_TABLE)


def seasons(image):
    """A season model that finds every garment, as a skirt of the summer."""
    result = detect([image])[0]
    return result | {"class_ids": np.ones_like(result["class_ids"])}


SEASONS = ComparedModel("seasons", seasons, SEASON_TABLE)


def test_side_by_side():
    image = np.full((80, 60, 3), 0, np.uint8)
    image[10:40, 10:50] = (10, 240, 20)
    both, found = draw_models(image, [GARMENTS, SEASONS])
    three, _ = draw_models(image, [GARMENTS, SEASONS], original=True)
    assert found == [{"bag": 1}, {"skirt_yaz": 1}]
    assert both.shape[0] > 80 and both.shape[1] > 2 * 60
    assert three.shape[1] == both.shape[1] + 60 + 8
    assert not (both[-88:-8, 8:68] == image).all()
    assert (three[-88:-8, 8:68] == image).all()


def test_one_picture_each_and_a_sheet(tmp_path):
    garment = [("bag", (10, 10, 40, 50), 0.95)]
    images = [
        photograph(tmp_path / "in" / "a.png", garment),
        photograph(tmp_path / "in" / "b.png", width=300, height=20),
        tmp_path / "in" / "c.png",
    ]
    images[2].write_bytes(b"no picture")
    called = []
    done = compare_pictures(
        images, [GARMENTS, SEASONS], tmp_path / "out", progress=lambda: called.append(1)
    )
    assert [p.name for p in done.written] == ["a.png", "b.png", "contact_sheet.png"]
    assert done.found == [{"bag": 1}, {"skirt_yaz": 1}]
    assert len(done.unreadable) == 1 and "c.png" in str(done.unreadable[0])
    assert len(called) == 3
    with Image.open(tmp_path / "out" / "contact_sheet.png") as sheet:
        assert sheet.width > 480


def test_no_picture(tmp_path):
    assert compare_pictures([], [GARMENTS], tmp_path / "out").written == []
