"""From photographs to detections: molding, batching, the way back."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.inference import predictor as inference
from mrcnn.inference.predictor import (
    MoldedImage,
    Predictor,
    mold_inputs,
    mold_one,
    unmold_detections,
)
from mrcnn.network.build import pyramid_anchors
from tests.mrcnn.models import config_from_golden, recipe_model, tiny_config
from tests.support import golden, info, unpack

LAYERS = golden("layers")
UNMOLD = info(LAYERS)["unmold"]


# ---- golden numbers ----


@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_molding(case):
    data = golden(f"forward_{case}_inputs")
    images = [data[key] for key in sorted(data) if key.startswith("image_") and key[-1].isdigit()]
    molded, metas, windows = mold_inputs(images, config_from_golden(data))
    np.testing.assert_array_equal(metas, data["image_metas"])
    np.testing.assert_array_equal(windows, data["windows"])
    assert molded.dtype == np.float32
    if "molded_images" in data:
        np.testing.assert_array_equal(molded, data["molded_images"])


def test_anchors():
    data = golden("forward_a_inputs")
    config = config_from_golden(data)
    predictor = Predictor(None, config)
    np.testing.assert_array_equal(predictor.anchors((256, 256, 3)), data["anchors_normalized"])
    np.testing.assert_array_equal(pyramid_anchors(config, (256, 256)), data["anchors_pixel"])


def test_unmolding():
    masks = LAYERS["unmold_mrcnn_mask_f16"].astype(np.float32)
    found = unmold_detections(LAYERS["unmold_detections"], masks, **UNMOLD)
    for name, array in zip(("rois", "class_ids", "scores"), found, strict=False):
        expected = LAYERS[f"unmold_{name}"]
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)
    expected = unpack(LAYERS["unmold_masks_packed"], LAYERS["unmold_masks_shape"])
    assert found[3].dtype == bool
    assert found[3].shape == expected.shape
    # Pixels whose interpolated probability is .5 within a rounding error may fall either way.
    assert np.count_nonzero(found[3] != expected) <= 2


@pytest.mark.parametrize("rows", [12, 0], ids=["padding only", "no row at all"])
def test_unmolding_nothing(rows):
    detections = np.zeros((rows, 6), np.float32)
    found = unmold_detections(detections, np.zeros((rows, 28, 28, 5), np.float32), **UNMOLD)
    described = [[list(array.shape), str(array.dtype)] for array in found]
    assert described == info(LAYERS)["unmold_empty"]


# ---- by hand ----


def test_every_row_may_be_used():
    detections = np.array([[0, 0, 1, 1, 1, 0.9], [0, 0, 0.5, 0.5, 2, 0.8]], np.float32)
    masks = np.zeros((2, 28, 28, 3), np.float32)
    masks[0, ..., 1] = masks[1, ..., 2] = 1
    boxes, class_ids, scores, full = unmold_detections(
        detections, masks, (65, 65, 3), (65, 65, 3), (0, 0, 65, 65)
    )
    assert boxes.tolist() == [[0, 0, 65, 65], [0, 0, 33, 33]]
    assert class_ids.tolist() == [1, 2]
    assert scores.tolist() == np.array([0.9, 0.8], np.float32).tolist()
    assert full.shape == (65, 65, 2)
    # Outside the mask counts as 0, so the outermost pixels of a full mask are halved, not lost.
    assert full[1:64, 1:64, 0].all() and full[1:32, 1:32, 1].all()
    assert not full[33:, :, 1].any()


def test_a_row_without_pixels_is_dropped_with_its_mask():
    detections = np.array([[0.5, 0.5, 0.4, 0.6, 1, 0.9], [0, 0, 1, 1, 2, 0.8]], np.float32)
    masks = np.ones((2, 28, 28, 3), np.float32)
    boxes, class_ids, _, full = unmold_detections(
        detections, masks, (64, 64, 3), (64, 64, 3), (0, 0, 64, 64)
    )
    assert class_ids.tolist() == [2]
    assert boxes.shape == (1, 4)
    assert full.shape == (64, 64, 1)


def test_boxes_move_from_the_window_to_the_original():
    # 100 x 200 pixels, enlarged to 128 x 256 in a square of 256.
    window = (64, 0, 192, 256)
    corners = norm_boxes(np.array([[64, 0, 192, 256], [64, 0, 128, 128]]), (256, 256))
    boxes = inference.boxes_in_window(corners, window, (256, 256, 3), (100, 200, 3))
    assert boxes.tolist() == [[0, 0, 100, 200], [0, 0, 50, 100]]


def test_a_window_of_one_pixel_row():
    window = (64, 0, 65, 256)
    row = norm_boxes(np.array([[64, 0, 65, 256]]), (256, 256))
    boxes = inference.boxes_in_window(row, window, (256, 256, 3), (1, 512, 3))
    assert boxes.tolist() == [[0, 0, 1, 512]]
    # A strip is one row in the network, and its detections are as high as it is.
    boxes = inference.boxes_in_window(row, window, (256, 256, 3), (10, 3000, 3))
    assert boxes.tolist() == [[0, 0, 10, 3000]]


def test_molding_one_image():
    image = np.full((32, 64, 3), 200, np.uint8)
    molded = mold_one(image, tiny_config())
    assert isinstance(molded, MoldedImage)
    assert molded.image.shape == (128, 128, 3)
    assert molded.window == (32, 0, 96, 128)
    assert molded.original is image
    np.testing.assert_allclose(molded.image[0, 0], [-123.7, -116.8, -103.9])
    np.testing.assert_allclose(molded.image[64, 64], [200 - 123.7, 200 - 116.8, 200 - 103.9])


@pytest.mark.parametrize(
    "shape",
    [
        (10, 10),  # grey
        (10, 10, 1),
        (10, 10, 4),  # transparency
        (0, 10, 3),
        (10, 0, 3),
        (1, 10, 10, 3),  # a batch
    ],
)
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(
        DatasetError, match=r"not an image for this model: expected \(height, width, 3\)"
    ):
        mold_one(np.zeros(shape, np.uint8), tiny_config())


@pytest.mark.parametrize("image", [None, "a.jpg", [[[0, 0, 0]]]])
def test_what_is_no_array_is_refused(image):
    kind = type(image).__name__
    with pytest.raises(DatasetError, match=rf"not an image: expected a NumPy .*found {kind}"):
        mold_one(image, tiny_config())


def test_detecting_within_a_graph_of_tensorflow_1_is_refused(compiled):
    with (
        tf.Graph().as_default(),
        pytest.raises(ConfigError, match=r"leave out `with graph.as_default\(\)"),
    ):
        list(predictor(compiled).detect([picture(30, 40)], 1))


def test_a_batch_of_several_sizes_is_refused_with_a_way_out():
    config = tiny_config(IMAGE_RESIZE_MODE="none")
    images = [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 128, 3), np.uint8)]
    with pytest.raises(DatasetError, match=r"\(64, 64\), \(64, 128\).*IMAGE_RESIZE_MODE"):
        mold_inputs(images, config)


# ---- a small network ----


@pytest.fixture(scope="module")
def compiled():
    """One predictor for all tests: compiling takes longer than detecting."""
    return Predictor(recipe_model("inference", tiny_config()), None)


def predictor(compiled, **changes):
    """The predictor with another configuration of what happens around the network."""
    compiled.config = tiny_config(**changes)
    return compiled


def picture(height, width, seed=0):
    """Coloured rectangles on grey."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128, np.uint8)
    for _ in range(6):
        y, x = rng.integers(0, height), rng.integers(0, width)
        image[y : y + height // 2, x : x + width // 2] = rng.integers(0, 255, 3)
    return image


def assert_well_formed(result, image):
    height, width = image.shape[:2]
    count = len(result["rois"])
    assert (result["rois"].dtype, result["class_ids"].dtype) == (np.int32, np.int32)
    assert result["rois"].shape == (count, 4)
    assert result["class_ids"].shape == result["scores"].shape == (count,)
    assert result["scores"].dtype == np.float32
    assert result["masks"].shape == (height, width, count)
    assert (np.diff(result["scores"]) <= 0).all()
    assert (result["class_ids"] > 0).all()
    y1, x1, y2, x2 = result["rois"].T
    assert ((y1 >= 0) & (x1 >= 0) & (y2 <= height) & (x2 <= width)).all()
    assert ((y1 < y2) & (x1 < x2)).all()
    for (top, left, bottom, right), mask in zip(
        result["rois"], np.moveaxis(result["masks"], -1, 0), strict=True
    ):
        outside = mask.copy()
        outside[top:bottom, left:right] = False
        assert not outside.any()


def assert_equal(first, second):
    """The same detections, scores within float32 rounding of other batches."""
    for name in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        ("square", (100, 60)),
        ("square", (400, 300)),  # shrunk
        ("shape", (100, 60)),
        ("shape", (60, 300)),  # shrunk
        ("fit64", (100, 60)),  # to 128 x 128 or less
        ("none", (64, 192)),
        ("none", (128, 64)),
        ("pad64", (100, 150)),  # to 128 x 192
        ("pad64", (30, 90)),  # enlarged
    ],
)
def test_resize_modes(compiled, mode, size):
    image = picture(*size)
    changes = {"IMAGE_RESIZE_MODE": mode, "IMAGE_HEIGHT": 192, "IMAGE_WIDTH": 64}
    (result,) = predictor(compiled, **changes).detect([image], 1)
    assert len(result["rois"])
    assert_well_formed(result, image)


@pytest.mark.parametrize("size", [(128, 64), (64, 192)])
def test_modes_agree_where_nothing_is_to_resize(compiled, size):
    image = picture(*size)
    results = [
        next(predictor(compiled, IMAGE_RESIZE_MODE=mode).detect([image], 1))
        for mode in ("none", "pad64")
    ]
    assert len(results[0]["rois"])
    assert_equal(*results)


def test_a_shape_equals_padding_to_it(compiled):
    image = picture(192, 60)
    changes = {"IMAGE_RESIZE_MODE": "shape", "IMAGE_HEIGHT": 192, "IMAGE_WIDTH": 64}
    shaped = next(predictor(compiled, **changes).detect([image], 1))
    padded = np.pad(image, [(0, 0), (2, 2), (0, 0)])
    by_hand = next(predictor(compiled, IMAGE_RESIZE_MODE="none").detect([padded], 1))
    assert len(shaped["rois"])
    # Detection stops at the window, not at the padded border.
    inside = (by_hand["rois"][:, 1] > 2) & (by_hand["rois"][:, 3] < 62)
    moved = {tuple(roi) for roi in by_hand["rois"][inside] - [0, 2, 0, 2]}
    assert moved <= {tuple(roi) for roi in shaped["rois"]}


def test_anchors_follow_a_molded_size_that_is_not_square(compiled):
    anchors = predictor(compiled, IMAGE_RESIZE_MODE="none").anchors((64, 192, 3))
    assert anchors.shape == (sum(-(-64 // s) * -(-192 // s) * 3 for s in (4, 8, 16, 32, 64)), 4)
    # The last centres of P2, index * stride.
    centres = (anchors[:, :2] + anchors[:, 2:] + [1 / 63, 1 / 191]) / 2
    last = 3 * 16 * 48 - 1
    np.testing.assert_allclose(centres[last], [60 / 63, 188 / 191], atol=1e-6)


def test_anchors_of_the_latest_sizes_are_kept(compiled):
    kept = predictor(compiled, IMAGE_RESIZE_MODE="none")
    for number in range(1, inference.ANCHOR_SIZES + 3):
        last = kept.anchors((64, 64 * number))
    assert len(kept._anchors) == inference.ANCHOR_SIZES
    assert kept.anchors((64, 64 * number)) is last


def test_any_number_of_images_in_batches_of_neighbours(compiled):
    images = [picture(100, 60, seed) for seed in range(5)]
    square = predictor(compiled)
    alone = [next(square.detect([image], 1)) for image in images]
    for count in (0, 1, 3, 5):
        results = list(square.detect(images[:count], 2))
        assert len(results) == count
        for result, expected in zip(results, alone, strict=False):
            assert_equal(result, expected)


def test_sizes_may_change_from_image_to_image(compiled):
    sizes = [(64, 64), (64, 64), (64, 128), (64, 64)]
    images = [picture(*size, seed) for seed, size in enumerate(sizes)]
    unchanged = predictor(compiled, IMAGE_RESIZE_MODE="none")
    for image, result in zip(images, unchanged.detect(images, 2), strict=True):
        assert_well_formed(result, image)
        assert_equal(result, next(unchanged.detect([image], 1)))


def test_images_may_come_from_a_generator_one_by_one(compiled):
    taken = []

    def images():
        for seed in range(4):
            taken.append(seed)
            yield picture(64, 64, seed)

    results = predictor(compiled).detect(images(), 1)
    next(results)
    assert len(taken) < 4


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (3, 1)])
def test_an_image_of_one_pixel(compiled, size):
    image = picture(*size)
    (result,) = predictor(compiled).detect([image], 1)
    assert_well_formed(result, image)


def test_soft_masks_on_request(compiled):
    image = picture(100, 70)
    (plain,) = predictor(compiled).detect([image], 1)
    (soft,) = predictor(compiled).detect([image], 1, soft_masks=True)
    assert "soft_masks" not in plain
    for name in plain:
        np.testing.assert_array_equal(soft[name], plain[name])
    probabilities = soft["soft_masks"]
    assert probabilities.dtype == np.float32 and len(probabilities) == len(soft["rois"]) > 0
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    full = inference.paste_all(probabilities, soft["rois"], image.shape)
    np.testing.assert_array_equal(full, soft["masks"])


def test_guided_masks_follow_the_image_itself():
    config = tiny_config(MASK_RESAMPLE="guided")
    image = picture(900, 900)  # masks of small boxes are not guided
    (found,) = Predictor(recipe_model("inference", config), config).detect([image], 1, True)
    soft, boxes = found["soft_masks"], found["rois"]
    guided = inference.paste_all(soft, boxes, image.shape, "guided", image)
    np.testing.assert_array_equal(found["masks"], guided)
    assert (guided != inference.paste_all(soft, boxes, image.shape, "aligned")).any()


def test_each_mask_lies_in_one_piece():
    """However many there are: else reading one costs as much as reading all."""
    masks, boxes = np.ones((3, 28, 28), np.float32), np.array([[0, 0, 5, 5]] * 3)
    full = inference.paste_all(masks, boxes, (20, 30, 3))
    assert full.shape == (20, 30, 3) and full.dtype == bool
    assert all(full[..., number].flags.c_contiguous for number in range(3))


def test_seven_outputs(compiled):
    config = tiny_config()
    molded, metas, _ = mold_inputs([picture(64, 64)], config)
    shapes = [output.shape for output in predictor(compiled).run(molded, metas)]
    assert shapes == [
        (1, 6, 6),
        (1, 30, 4),
        (1, 30, 4, 4),
        (1, 6, 28, 28, 4),
        (1, 30, 4),
        (1, 4092, 2),
        (1, 4092, 4),
    ]


def test_a_network_is_compiled_a_few_times_whatever_the_sizes(compiled):
    unchanged = predictor(compiled, IMAGE_RESIZE_MODE="none")
    for height in (64, 128, 192, 256):
        for width in (64, 128):
            next(unchanged.detect([picture(height, width)], 1))
    # At most once more where the batch, the height and the width begin to vary.
    assert unchanged._run_detection.experimental_get_tracing_count() <= 4
