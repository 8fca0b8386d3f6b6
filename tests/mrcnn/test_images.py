import random
import warnings

import numpy as np
import pytest
import skimage.transform
from PIL import Image

from mrcnn import images
from mrcnn.config import Config
from mrcnn.errors import ConfigError, DatasetError
from tests.support import golden, info

UTILS = golden("utils")
INFO = info(UTILS)


@pytest.mark.parametrize("i", range(len(INFO["resize_cases"])))
def test_resize_image_golden(i):
    case = INFO["resize_cases"][i]
    random.seed(case["random_seed"])
    image, window, scale, padding, crop = images.resize_image(UTILS[case["image"]], **case["args"])
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, UTILS[case["out"]])
    assert list(window) == case["window"]
    assert scale == case["scale"]
    assert type(scale).__name__ == case["scale_type"]
    assert [list(sides) for sides in padding] == case["padding"]
    assert (crop and list(crop)) == case["crop"]


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        # a mask's probabilities
        (lambda rng, shape: rng.random(shape).astype(np.float32), ()),
        # a mask: skimage is given its 0 and 1 as floats, as it refuses to blend bool
        (lambda rng, shape: rng.random(shape) > 0.5, ()),
        # a picture, where truncation to uint8 would show the last bit
        (lambda rng, shape: rng.integers(0, 256, shape, dtype=np.uint8), (3,)),
        # 16 bits; a least value above 0 makes clipping visible at the border
        (lambda rng, shape: rng.integers(3000, 65536, shape, dtype=np.uint16), (1,)),
        (lambda rng, shape: rng.normal(size=shape), (2,)),
    ],
    ids=["float32", "bool", "uint8", "uint16", "float64"],
)
def test_resize_is_skimages_to_the_bit(make, channels):
    rng = np.random.default_rng(0)
    for sizes in rng.integers(1, 90, (120, 4)):
        image = make(rng, (*sizes[:2], *channels))
        found = images.resize(image, sizes[2:], preserve_range=True)
        values = image.astype(float) if image.dtype == bool else image
        expected = skimage.transform.resize(
            values, sizes[2:], order=1, mode="constant", preserve_range=True, anti_aliasing=False
        )
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("size", "new_size"), [((700, 500), (1024, 731)), ((1500, 900), (640, 384))]
)
def test_resize_of_pictures_computed_in_blocks(size, new_size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = skimage.transform.resize(
        image, new_size, order=1, mode="constant", preserve_range=True, anti_aliasing=False
    )
    np.testing.assert_array_equal(images.resize(image, new_size, preserve_range=True), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"order": 0},
        {"mode": "edge"},
        {"anti_aliasing": True},
        # integers are mapped to 0..1
        {"preserve_range": False},
        {"cval": 0.5, "clip": False},
    ],
)
def test_resize_hands_other_settings_to_skimage(options):
    image = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    settings = {"order": 1, "mode": "constant", "anti_aliasing": False, **options}
    expected = skimage.transform.resize(image, (13, 11), **settings)
    np.testing.assert_array_equal(images.resize(image, (13, 11), **options), expected)


def test_resize_image_keeps_grey_pictures_grey():
    image, window, *_ = images.resize_image(np.ones((10, 20, 1), np.uint8), max_dim=64)
    assert image.shape == (64, 64, 1)
    assert window == (27, 22, 37, 42)


@pytest.mark.parametrize(
    ("size", "square", "fitted"),
    [
        ((600, 400), (0, 42, 256, 213), (0, 10, 256, 181)),  # in 256 x 192
        ((200, 256), (28, 0, 228, 256), (28, 0, 228, 256)),  # in 256 x 256 both
        ((60, 250), (98, 3, 158, 253), (2, 3, 62, 253)),  # in 64 x 256
    ],
)
def test_fit64_scales_as_square_and_pads_less(size, square, fitted):
    picture = np.full((*size, 3), 200, np.uint8)
    in_square, square_window, scale, *_ = images.resize_image(picture, max_dim=256)
    image, window, fitted_scale, padding, _ = images.resize_image(
        picture, max_dim=256, mode="fit64"
    )
    assert (square_window, window, fitted_scale) == (square, fitted, scale)
    assert all(side % 64 == 0 for side in image.shape[:2])
    assert all(before - after in (0, -1) for before, after in padding)
    (y1, x1, y2, x2), (top, left, bottom, right) = square, fitted
    np.testing.assert_array_equal(image[top:bottom, left:right], in_square[y1:y2, x1:x2])


def test_resize_image_of_one_pixel():
    image, window, scale, _, _ = images.resize_image(
        np.full((1, 1, 3), 200, np.uint8), min_dim=64, max_dim=64
    )
    assert (image == 200).all()
    assert (window, scale) == ((0, 0, 64, 64), 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "stretch", "max_dim": 64}, "The resize mode is 'stretch'"),
        ({"mode": "square"}, "needs max_dim"),
        ({"mode": "fit64"}, "needs max_dim"),
        ({"mode": "crop", "max_dim": 64}, "needs min_dim"),
        ({"mode": "pad64", "min_dim": 100}, "min_dim is 100"),
        ({"mode": "pad64"}, "min_dim is None"),
    ],
)
def test_resize_image_refuses(arguments, message):
    with pytest.raises(ConfigError, match=message):
        images.resize_image(np.zeros((5, 5, 3), np.uint8), **arguments)


def test_resize_image_refuses_an_image_without_pixels():
    with pytest.raises(DatasetError, match="0 x 7 pixels"):
        images.resize_image(np.zeros((0, 7, 3), np.uint8), max_dim=64)


def test_mold_and_unmold_golden():
    molded = images.mold_image(UTILS["ri_image_tiny"], Config())
    assert molded.dtype == INFO["mold_dtype"]
    np.testing.assert_array_equal(molded, UTILS["mold_image"])
    found = images.unmold_image(molded, Config())
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, UTILS["unmold_image_of_mold"])
    found = images.unmold_image(molded.astype(np.float32), Config())
    np.testing.assert_array_equal(found, UTILS["unmold_image_of_mold_f32"])


def compose_golden(**changes):
    arguments = {**INFO["compose_args"], **changes}
    active = UTILS[arguments.pop("active")]
    return images.compose_image_meta(**arguments, active_class_ids=active)


def test_compose_and_parse_image_meta_golden():
    meta = compose_golden()
    assert meta.dtype == np.float64
    np.testing.assert_array_equal(meta, UTILS["compose_image_meta"])
    parsed = images.parse_image_meta(np.stack([meta, meta]))
    assert set(parsed) == set(INFO["parse_image_meta"])
    for name, expected in INFO["parse_image_meta"].items():
        assert parsed[name].dtype == expected["dtype"]
        np.testing.assert_array_equal(parsed[name], np.array(expected["value"], expected["dtype"]))


def test_meta_of_an_image_that_was_not_resized_is_of_integers():
    assert compose_golden(scale=1).dtype == np.int64


def test_parse_image_meta_of_no_image():
    parsed = images.parse_image_meta(np.zeros((0, 18)))
    assert parsed["active_class_ids"].shape == (0, 6)
    assert parsed["scale"].shape == (0,)


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
        found = images.read_image(path)
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
    found = images.read_image(tmp_path / name)
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
    found = images.read_image(path)
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
        images.read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_image_names_the_missing_file(tmp_path):
    with pytest.raises(DatasetError, match=r"lost\.jpg: there is no such image file"):
        images.read_image(tmp_path / "lost.jpg")
    with pytest.raises(DatasetError, match="there is no such image file"):
        images.read_image(str(tmp_path))


def test_read_image_refuses_floats(tmp_path):
    Image.fromarray(np.array([[0.5, 1.5]], np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(DatasetError, match="not whole numbers of 8 or 16 bits"):
        images.read_image(tmp_path / "floats.tif")


def test_read_image_refuses_too_many_pixels(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (400, 300)).save(path)
    assert images.read_image(path, max_pixels=120_000).shape == (300, 400, 3)
    with pytest.raises(DatasetError, match=r"400 x 300 pixels, more than the 119999"):
        images.read_image(path, max_pixels=119_999)


def test_read_image_refuses_a_decompression_bomb(tmp_path):
    """A few kB that unpack to 540 MB: Pillow's own limit, told as a DatasetError."""
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 9_000)).save(path)
    with pytest.raises(DatasetError, match=r"bomb\.png: Image size \(180000000 pixels\)"):
        images.read_image(path, max_pixels=10**9)


# Training may resize faster


def smooth_image(height, width):
    rows, columns = np.mgrid[:height, :width]
    layers = [rows * 200 / height, columns * 200 / width, (rows + columns) % 40 * 3]
    return np.stack(layers, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("shape", [(60, 40), (100, 250), (300, 31), (5, 3), (1, 1)])
def test_fast_resizing_differs_by_a_grey_level_within_the_border(shape):
    image = smooth_image(*shape)
    exact = images.resize_image(image, 64, 128)
    fast = images.resize_image(image, 64, 128, resample="fast")
    assert fast[1:] == exact[1:]
    assert fast[0].dtype == np.uint8 and fast[0].shape == exact[0].shape
    y1, x1, y2, x2 = exact[1]
    border = int(np.ceil(exact[2]))
    inner = np.s_[y1 + border : y2 - border, x1 + border : x2 - border]
    difference = fast[0][inner].astype(int) - exact[0][inner]
    assert np.abs(difference).max(initial=0) <= 1
    # Outside counts as 0 exactly, and as more of the same quickly.
    assert fast[0][y1, x1].sum() >= exact[0][y1, x1].sum()


def test_fast_resizing_of_one_channel_and_of_floats():
    grey = smooth_image(30, 20)[..., :1]
    assert images.resize_image(grey, 64, 64, resample="fast")[0].shape == (64, 64, 1)
    floats = smooth_image(30, 20) / 7
    exact, fast = (images.resize_image(floats, 64, 64, resample=r)[0] for r in ("exact", "fast"))
    np.testing.assert_array_equal(fast, exact)


def test_another_way_to_resize_is_refused():
    with pytest.raises(ConfigError, match="resample is 'quick'"):
        images.resize_image(smooth_image(4, 4), 64, 64, resample="quick")
