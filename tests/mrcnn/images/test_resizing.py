import random

import numpy as np
import pytest
import skimage.transform

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.images import resizing
from tests.mrcnn.models import tiny_config
from tests.support import golden, info

UTILS = golden("utils")
INFO = info(UTILS)


@pytest.mark.parametrize("i", range(len(INFO["resize_cases"])))
def test_resize_image_golden(i):
    case = INFO["resize_cases"][i]
    random.seed(case["random_seed"])
    image, window, scale, padding, crop = resizing.resize_image(
        UTILS[case["image"]], **case["args"]
    )
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
        found = resizing.resize(image, sizes[2:], preserve_range=True)
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
    np.testing.assert_array_equal(resizing.resize(image, new_size, preserve_range=True), expected)


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
    np.testing.assert_array_equal(resizing.resize(image, (13, 11), **options), expected)


def test_resize_image_keeps_grey_pictures_grey():
    image, window, *_ = resizing.resize_image(np.ones((10, 20, 1), np.uint8), max_dim=64)
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
    in_square, square_window, scale, *_ = resizing.resize_image(picture, max_dim=256)
    image, window, fitted_scale, padding, _ = resizing.resize_image(
        picture, max_dim=256, mode="fit64"
    )
    assert (square_window, window, fitted_scale) == (square, fitted, scale)
    assert all(side % 64 == 0 for side in image.shape[:2])
    assert all(before - after in (0, -1) for before, after in padding)
    (y1, x1, y2, x2), (top, left, bottom, right) = square, fitted
    np.testing.assert_array_equal(image[top:bottom, left:right], in_square[y1:y2, x1:x2])


@pytest.mark.parametrize(
    ("size", "window", "scale"),
    [
        ((830, 550), (0, 11, 448, 308), 448 / 830),  # shrunk, height decides
        ((100, 100), (64, 0, 384, 320), 3.2),  # enlarged, width decides
        ((550, 830), (118, 0, 330, 320), 320 / 830),
        ((448, 320), (0, 0, 448, 320), 1),
        ((1, 5000), (223, 0, 224, 320), 320 / 5000),  # at least one row stays
    ],
)
@pytest.mark.parametrize("resample", ["exact", "fast"])
def test_shape_fits_every_picture_into_one_rectangle(size, window, scale, resample):
    picture = np.full((*size, 3), 200, np.uint8)
    image, found, factor, padding, crop = resizing.resize_image(
        picture, 800, 1024, 2.0, "shape", shape=(448, 320), resample=resample
    )
    assert image.shape == (448, 320, 3) and crop is None
    assert (found, factor) == (window, scale)
    y1, x1, y2, x2 = window
    assert padding == [(y1, 448 - y2), (x1, 320 - x2), (0, 0)]
    assert image[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].min(initial=200) >= 199
    image[y1:y2, x1:x2] = 0
    assert not image.any()


@pytest.mark.parametrize(
    ("mode", "size"), [("square", (128, 128)), ("shape", (192, 64)), ("fit64", None)]
)
def test_the_size_of_a_config(mode, size):
    config = tiny_config(IMAGE_RESIZE_MODE=mode, IMAGE_HEIGHT=192, IMAGE_WIDTH=64)
    assert resizing.fixed_size(config) == size
    image, *_ = resizing.resize_to_config(np.zeros((60, 20, 3), np.uint8), config)
    assert image.shape[:2] == (size or (128, 64))


def test_resize_image_of_one_pixel():
    image, window, scale, _, _ = resizing.resize_image(
        np.full((1, 1, 3), 200, np.uint8), min_dim=64, max_dim=64
    )
    assert (image == 200).all()
    assert (window, scale) == ((0, 0, 64, 64), 64)


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"mode": "stretch", "max_dim": 64}, "IMAGE_RESIZE_MODE"),
        ({"mode": "square"}, "IMAGE_MAX_DIM"),
        ({"mode": "fit64"}, "IMAGE_MAX_DIM"),
        ({"mode": "shape", "max_dim": 64}, "shape"),
        ({"mode": "crop", "max_dim": 64}, "IMAGE_MIN_DIM"),
        ({"mode": "pad64", "min_dim": 100}, "IMAGE_MIN_DIM"),
        ({"mode": "pad64"}, "IMAGE_MIN_DIM"),
    ],
)
def test_resize_image_refuses(arguments, setting):
    with pytest.raises(ConfigError) as caught:
        resizing.resize_image(np.zeros((5, 5, 3), np.uint8), **arguments)
    assert caught.value.settings == (setting,)
    assert caught.value.sentence({setting: "--option"}).startswith("--option is not valid: ")


def test_resize_image_refuses_an_image_without_pixels():
    with pytest.raises(DatasetError, match="0 x 7 pixels"):
        resizing.resize_image(np.zeros((0, 7, 3), np.uint8), max_dim=64)


# Training may resize faster


def smooth_image(height, width):
    rows, columns = np.mgrid[:height, :width]
    layers = [rows * 200 / height, columns * 200 / width, (rows + columns) % 40 * 3]
    return np.stack(layers, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("shape", [(60, 40), (100, 250), (300, 31), (5, 3), (1, 1)])
def test_fast_resizing_differs_by_a_grey_level_within_the_border(shape):
    image = smooth_image(*shape)
    exact = resizing.resize_image(image, 64, 128)
    fast = resizing.resize_image(image, 64, 128, resample="fast")
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
    assert resizing.resize_image(grey, 64, 64, resample="fast")[0].shape == (64, 64, 1)
    floats = smooth_image(30, 20) / 7
    exact, fast = (resizing.resize_image(floats, 64, 64, resample=r)[0] for r in ("exact", "fast"))
    np.testing.assert_array_equal(fast, exact)


def test_another_way_to_resize_is_refused():
    with pytest.raises(ConfigError, match=r"resample is not valid: .* found 'quick'"):
        resizing.resize_image(smooth_image(4, 4), 64, 64, resample="quick")
