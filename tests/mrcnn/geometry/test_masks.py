import itertools
import warnings

import numpy as np
import pytest
import scipy.ndimage

from mrcnn.config import Config
from mrcnn.errors import ConfigError, DatasetError
from mrcnn.geometry import masks
from mrcnn.geometry.boxes import extract_bboxes
from tests.support import golden, info, unpack

UTILS = golden("utils")
INFO = info(UTILS)
NO_PADDING = [(0, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize("i", range(len(INFO["resize_cases"])))
def test_resize_mask_golden(i):
    case = INFO["resize_cases"][i]
    mask = unpack(UTILS[f"rm_mask_{i}_packed"], case["mask_in_shape"])
    found = masks.resize_mask(mask, case["scale"], case["padding"], case["crop"])
    assert found.dtype == case["mask_out_dtype"]
    np.testing.assert_array_equal(
        found, unpack(UTILS[f"rm_out_{i}_packed"], case["mask_out_shape"])
    )


def zoomed(mask, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scipy.ndimage.zoom(mask, [scale, scale, 1], order=0)


@pytest.mark.parametrize("scale", [0.1, 0.5, 0.77, 1, 1.28, 2, 3.3])
def test_resize_mask_is_scipys_zoom(scale):
    rng = np.random.default_rng(0)
    for height, width in rng.integers(5, 150, (60, 2)):
        mask = rng.random((height, width, 2)) > 0.5
        found = masks.resize_mask(mask, scale, NO_PADDING)
        np.testing.assert_array_equal(found, zoomed(mask, scale))


@pytest.mark.parametrize(("size", "scale"), [(125, 1.28), (512, 1.28), (256, 1.6), (64, 1.7)])
def test_resize_mask_is_scipys_zoom_where_rounding_passes_the_last_pixel(size, scale):
    """(new - 1) * ((size - 1) / (new - 1)) exceeds size - 1 by rounding: scipy reads 0 there."""
    last = round(size * scale) - 1
    assert last * ((size - 1) / last) > size - 1
    mask = np.ones((size, size, 1), dtype=bool)
    found = masks.resize_mask(mask, scale, NO_PADDING)
    np.testing.assert_array_equal(found, zoomed(mask, scale))
    assert found[:-1, :-1].all()
    assert not found[-1].any()
    assert not found[:, -1].any()


def test_resize_mask_without_instance_and_of_one_pixel():
    none = masks.resize_mask(np.zeros((10, 20, 0), bool), 1.5, [(2, 3), (0, 0), (0, 0)])
    assert none.shape == (20, 30, 0)
    one = masks.resize_mask(np.ones((1, 1, 1), bool), 3, NO_PADDING)
    np.testing.assert_array_equal(one, zoomed(np.ones((1, 1, 1), bool), 3))
    unsized = masks.resize_mask(np.zeros((0, 0, 0), bool), 1, [(1, 1), (2, 2), (0, 0)])
    assert unsized.shape == (2, 4, 0)


def test_minimize_and_expand_golden():
    every = unpack(UTILS["masks_packed"], UTILS["masks_shape"])[..., :-1]
    boxes = UTILS["extract_bboxes"][:-1]
    mini = masks.minimize_mask(boxes, every, tuple(UTILS["minimize_shape"]))
    assert mini.dtype == bool
    np.testing.assert_array_equal(mini, unpack(UTILS["minimize_packed"], UTILS["minimize_dims"]))
    full = masks.expand_mask(boxes, mini, every.shape)
    assert full.dtype == bool
    np.testing.assert_array_equal(full, unpack(UTILS["expand_packed"], UTILS["expand_dims"]))


@pytest.mark.parametrize("i", [0, 1])
def test_training_masks_golden(i):
    """Resized, boxed and minimised masks of the training samples, empty instances left out."""
    data = golden("load_image_gt")
    raw = unpack(data[f"masks_{i}_packed"], data[f"masks_{i}_shape"])
    meta = data[f"{i}_full_meta"]
    y1, x1, y2, x2 = meta[7:11].astype(int)
    padding = [(y1, 256 - y2), (x1, 256 - x2), (0, 0)]
    resized = masks.resize_mask(raw, meta[11], padding)
    resized = resized[..., resized.any(axis=(0, 1))]
    full = unpack(data[f"{i}_full_mask_packed"], data[f"{i}_full_mask_shape"])
    np.testing.assert_array_equal(resized, full)
    boxes = extract_bboxes(resized)
    np.testing.assert_array_equal(boxes, data[f"{i}_full_bbox"])
    mini = unpack(data[f"{i}_mini_mask_packed"], data[f"{i}_mini_mask_shape"])
    np.testing.assert_array_equal(masks.minimize_mask(boxes, full, (56, 56)), mini)


def test_minimize_mask_names_the_box_without_area():
    mask = np.ones((5, 5, 2), dtype=bool)
    boxes = np.array([[0, 0, 2, 2], [3, 3, 3, 4]])
    with pytest.raises(DatasetError, match=r"instance 1 has the box \[3, 3, 3, 4\]"):
        masks.minimize_mask(boxes, mask, (4, 4))


def test_minimize_and_expand_without_instance():
    mini = masks.minimize_mask(np.zeros((0, 4), int), np.zeros((9, 9, 0), bool), (4, 4))
    assert mini.shape == (4, 4, 0)
    assert masks.expand_mask(np.zeros((0, 4), int), mini, (9, 9)).shape == (9, 9, 0)


@pytest.mark.parametrize(("i", "resample"), list(itertools.product(range(5), ["exact", "fast"])))
def test_unmold_mask_golden(i, resample):
    shape = INFO["unmold_image_shape"]
    found = masks.unmold_mask(
        UTILS[f"unmold_in_{i}"], UTILS[f"unmold_bbox_{i}"], shape, resample=resample
    )
    assert found.dtype == bool
    np.testing.assert_array_equal(found, unpack(UTILS[f"unmold_out_{i}_packed"], shape[:2]))


@pytest.mark.parametrize(("case", "image"), [("a", 0), ("b", 0), ("b", 1), ("c", 0)])
@pytest.mark.parametrize("resample", ["exact", "fast"])
def test_detected_masks_golden(case, image, resample):
    """Every pixel of the masks that whole-model runs gave (every second mask of case b)."""
    detect = golden(f"forward_{case}_detect")
    selected = golden(f"forward_{case}_masks")[f"mrcnn_mask_selected_{image}"]
    full = unpack(detect[f"masks_packed_{image}"], detect[f"masks_shape_{image}"])
    rois = detect[f"rois_{image}"]
    every = len(rois) // len(selected)
    assert len(rois[::every]) == len(selected) >= 48
    for mask, roi, expected in zip(
        selected, rois[::every], np.moveaxis(full, -1, 0)[::every], strict=True
    ):
        found = masks.unmold_mask(mask, roi, full.shape, resample=resample)
        np.testing.assert_array_equal(found, expected)


def test_fast_differs_at_most_where_the_probability_meets_the_threshold():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mask = rng.random((28, 28)).astype(np.float32) ** rng.uniform(0.2, 3)
        shape = rng.integers(1, 120, 2)
        close = np.abs(masks.resize(mask, shape) - 0.5) < 1e-5
        fast, exact = masks.box_mask(mask, shape, "fast"), masks.box_mask(mask, shape)
        assert not (fast != exact)[~close].any()


def test_probabilities_are_what_the_exact_way_decides_from():
    rng = np.random.default_rng(1)
    for _ in range(30):
        mask = rng.random((28, 28)).astype(np.float32)
        shape = rng.integers(1, 120, 2)
        found = masks.box_probabilities(mask, shape)
        assert (found.dtype, found.shape) == (np.float32, tuple(shape))
        # The exact way clips to the mask's range, where this one fades to 0.
        np.testing.assert_allclose(
            np.maximum(found, mask.min()), masks.resize(mask, shape), atol=1e-5
        )


@pytest.mark.parametrize("resample", ["exact", "fast"])
@pytest.mark.parametrize("value", [0.0, 0.49, 0.5, 1.0])
def test_constant_mask_fills_its_box_or_not(value, resample):
    """The result is clipped to the mask's range, so a full mask does not fade at its border."""
    mask = np.full((28, 28), value, np.float32)
    assert masks.box_mask(mask, (50, 60), resample).all() == (value >= 0.5)
    assert masks.box_mask(mask, (50, 60), resample).any() == (value >= 0.5)


def test_aligned_values_lie_from_border_to_border():
    ramp = np.tile(np.linspace(0, 1, 28, dtype=np.float32), (28, 1))
    enlarged = masks.aligned_probabilities(ramp, (5, 280))
    assert enlarged.shape == (5, 280) and enlarged.dtype == np.float32
    np.testing.assert_allclose(enlarged[2], (np.arange(280) + 0.5) / 280, atol=1e-6)


def test_aligned_masks_have_the_size_of_what_roi_align_saw():
    """A disc sampled as RoIAlign does, from border to border, comes back in its size."""
    place = np.linspace(-1, 1, 28)
    distance = np.hypot(place[:, None], place[None, :])
    mask = np.clip(0.5 + (0.8 - distance) * 8, 0, 1).astype(np.float32)
    area = np.pi * 0.8**2 / 4 * 100 * 140
    aligned, exact = (masks.box_mask(mask, (100, 140), way).sum() for way in ("aligned", "exact"))
    assert abs(aligned / area - 1) < 0.005
    assert exact / area < 0.95


def test_an_aligned_mask_of_one_value_is_whole_or_empty():
    for value, expected in ((0.51, True), (0.49, False)):
        for values in (1, 2, 28):
            mask = np.full((values, values), value, np.float32)
            assert (masks.box_mask(mask, (3, 40), "aligned") == expected).all()


def test_paste_mask_touches_only_the_box():
    out = np.zeros((3, 10, 10), dtype=bool)
    out[1, 0, 0] = True
    masks.paste_mask(np.ones((28, 28), np.float32), (2, 3, 5, 7), out[1])
    assert out.sum() == 1 + 3 * 4
    assert out[1, 2:5, 3:7].all()
    masks.paste_mask(np.zeros((28, 28), np.float32), (4, 6, 5, 7), out[1])
    assert not out[1, 4, 6]


@pytest.mark.parametrize("resample", masks.RESAMPLES)
def test_one_pixel_box(resample):
    mask = np.ones((28, 28), np.float32)
    assert masks.unmold_mask(mask, (4, 4, 5, 5), (9, 9, 3), resample).sum() == 1


def test_unknown_resample_is_refused():
    with pytest.raises(ConfigError, match=r"MASK_RESAMPLE is not valid: .*found 'nearest'"):
        masks.box_mask(np.ones((2, 2)), (4, 4), "nearest")


def test_mold_mask_is_undone_by_unmold_mask():
    y, x = np.mgrid[:100, :80]
    disc = (y - 45) ** 2 + (x - 40) ** 2 < 30**2
    box = extract_bboxes(disc[..., None])[0]
    small = masks.mold_mask(disc, Config())
    assert small.dtype == np.float32
    assert small.shape == (28, 28)
    again = masks.unmold_mask(small, box, disc.shape)
    assert (again & disc).sum() / (again | disc).sum() > 0.97
    given = masks.mold_mask(disc, Config(), bbox=box)
    np.testing.assert_array_equal(given, small)


def test_mold_mask_of_an_empty_mask_is_empty():
    assert not masks.mold_mask(np.zeros((9, 9), bool), Config()).any()


def test_detections_on_a_smaller_drawing():
    mask = np.zeros((40, 60, 2), bool)
    mask[10:20, 20:40, 0] = True
    mask[0, 59, 1] = True  # less than a pixel of the drawing
    rois = np.array([[10, 20, 20, 40], [0, 59, 1, 60]])
    boxes, small = masks.resize_detections(rois, mask, 20, 30)
    assert boxes.tolist() == [[5, 10, 10, 20], [0, 29, 1, 30]]
    assert small.shape == (20, 30, 2) and small[5:10, 10:20, 0].all() and small[..., 0].sum() == 50
    none, empty = masks.resize_detections(np.zeros((0, 4), int), np.zeros((40, 60, 0)), 20, 30)
    assert none.shape == (0, 4) and empty.shape == (20, 30, 0)
