import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import DatasetError
from mrcnn.images.reading import decoded, opened, read_image

# Left half red, right half blue, 4 rows by 8 columns.
HALVES = np.zeros((4, 8, 3), np.uint8)
HALVES[:, :4] = 255, 0, 0
HALVES[:, 4:] = 0, 0, 255
BEST_JPEG = {"quality": 95, "subsampling": 0}


@pytest.mark.parametrize(
    ("name", "save", "tolerance"),
    [
        ("rgb.png", lambda path: Image.fromarray(HALVES).save(path), 0),
        ("rgb.bmp", lambda path: Image.fromarray(HALVES).save(path), 0),
        # lossy; chroma at full resolution, or it would bleed across the middle
        ("rgb.jpg", lambda path: Image.fromarray(HALVES).save(path, **BEST_JPEG), 6),
        # print colours
        (
            "cmyk.jpg",
            lambda path: Image.fromarray(HALVES).convert("CMYK").save(path, **BEST_JPEG),
            6,
        ),
        ("palette.png", lambda path: Image.fromarray(HALVES).quantize(4).save(path), 0),
        (
            "transparent_palette.png",
            lambda path: Image.fromarray(HALVES).quantize(4).save(path, transparency=b"\x00\x80"),
            0,
        ),
        # alpha is dropped, not blended
        (
            "alpha.png",
            lambda path: Image.fromarray(np.dstack([HALVES, HALVES[..., 0]])).save(path),
            0,
        ),
        # the first frame of an animation
        (
            "animation.gif",
            lambda path: Image.fromarray(HALVES).save(
                path, save_all=True, append_images=[Image.new("RGB", (8, 4))]
            ),
            0,
        ),
    ],
)
def test_read_image_gives_rgb(tmp_path, name, save, tolerance):
    path = tmp_path / name
    save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_image(path)
    assert found.dtype == np.uint8
    assert found.shape == (4, 8, 3)
    assert found.flags.writeable
    assert np.abs(found.astype(int) - HALVES).max() <= tolerance


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("grey.png", np.array([[0, 7, 255]], np.uint8), [0, 7, 255]),
        ("bits.png", np.array([[False, True]]), [0, 255]),
        # 257 of 16 bits is 1 of 8; halves are rounded
        ("deep.png", np.array([[0, 128, 129, 257, 65535]], np.uint16), [0, 0, 1, 1, 255]),
        ("deep.tif", np.array([[0, 257 * 200, 65535]], np.uint16), [0, 200, 255]),
    ],
)
def test_read_image_repeats_grey(tmp_path, name, values, expected):
    Image.fromarray(values).save(tmp_path / name)
    found = read_image(tmp_path / name)
    np.testing.assert_array_equal(found, np.repeat(np.array([expected])[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, HALVES),
        # mirrored, upside down, and turned by a quarter either way
        (2, HALVES[:, ::-1]),
        (3, HALVES[::-1, ::-1]),
        (6, np.rot90(HALVES, -1)),
        (8, np.rot90(HALVES, 1)),
    ],
)
def test_read_image_honours_exif_orientation(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(HALVES).save(path, exif=exif, **BEST_JPEG)
    found = read_image(path)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= 6


def jpeg_bytes(tmp_path):
    path = tmp_path / "whole.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: b"", "not a readable image"),
        (lambda whole: b"<html>not found</html>", "not a readable image"),
        # cut off in the middle, as after an interrupted download
        (lambda whole: whole[: len(whole) // 2], "truncated"),
        (lambda whole: whole[:100], "not a readable image"),
    ],
)
def test_read_image_names_the_damaged_file(tmp_path, damage, message):
    path = tmp_path / "damaged.jpg"
    path.write_bytes(damage(jpeg_bytes(tmp_path)))
    with pytest.raises(DatasetError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [ValueError, KeyError, AttributeError, OSError])
@pytest.mark.parametrize("reader", [opened, decoded])
def test_what_the_block_raises_is_no_error_of_the_file(tmp_path, reader, error):
    Image.fromarray(HALVES).save(tmp_path / "good.png")
    with pytest.raises(error, match="a bug") as caught, reader(tmp_path / "good.png"):
        raise error("a bug")
    assert not isinstance(caught.value, DatasetError)


def test_opened_reads_the_header_alone(tmp_path):
    path = tmp_path / "cut.jpg"
    whole = jpeg_bytes(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with opened(path) as image:
        assert image.size == (64, 64)
    with pytest.raises(DatasetError, match="truncated"), decoded(path):
        raise AssertionError("the file cannot be decoded")


def test_read_image_names_the_missing_file(tmp_path):
    with pytest.raises(DatasetError, match=r"lost\.jpg: there is no such image file"):
        read_image(tmp_path / "lost.jpg")
    with pytest.raises(DatasetError, match="there is no such image file"):
        read_image(str(tmp_path))


def test_read_image_refuses_floats(tmp_path):
    Image.fromarray(np.array([[0.5, 1.5]], np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(DatasetError, match="not whole numbers of 8 or 16 bits"):
        read_image(tmp_path / "floats.tif")


def test_read_image_refuses_too_many_pixels(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (400, 300)).save(path)
    assert read_image(path, max_pixels=120_000).shape == (300, 400, 3)
    with pytest.raises(DatasetError, match=r"400 x 300 pixels, more than the 119999"):
        read_image(path, max_pixels=119_999)


def test_read_image_refuses_a_decompression_bomb(tmp_path):
    """A few kB that unpack to 540 MB: Pillow's own limit, as a DatasetError."""
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 9_000)).save(path)
    with pytest.raises(DatasetError, match=r"bomb\.png: Image size \(180000000 pixels\)"):
        read_image(path, max_pixels=10**9)
