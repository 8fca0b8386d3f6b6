"""Test-time augmentation: what comes back from each variant, and how it is merged."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.inference.test_time_augmentation import (
    Augmentation,
    AugmentedDetector,
    ScaledDetector,
    flip_result,
    merge_detections,
    mold_at_scale,
)
from tests.mrcnn.models import tiny_config

HEIGHT, WIDTH = 40, 60


def seen(image):
    """Reads instances from the pixels: red is the class id, green the score in 100ths."""
    colours = [c for c in np.unique(image.reshape(-1, 3), axis=0) if c[0]]
    masks = [np.all(image == colour, axis=2) for colour in colours]
    masks = np.stack(masks, -1) if masks else np.zeros((*image.shape[:2], 0))
    ids, scores = (np.array([c[i] for c in colours]) for i in (0, 1))
    order = np.argsort(-scores.astype(int), kind="stable")
    return {
        "rois": extract_bboxes(masks)[order],
        "class_ids": ids.astype(np.int32)[order],
        "scores": (scores / 100).astype(np.float32)[order],
        "masks": masks[..., order],
    }


def picture():
    """Three instances, none of them its own mirror image, one at the left border."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[5:25, 0:9] = image[5:10, 9:20] = (1, 90, 1)
    image[30:39, 41:58] = (2, 80, 2)
    image[0:1, 59:60] = (3, 70, 3)
    return image


def result(*rows):
    """A pass's result; a row is (class id, score, box)."""
    masks = np.zeros((HEIGHT, WIDTH, len(rows)), bool)
    for index, (_, _, (y1, x1, y2, x2)) in enumerate(rows):
        masks[y1:y2, x1:x2, index] = True
    return {
        "rois": np.array([box for _, _, box in rows], np.int32).reshape(-1, 4),
        "class_ids": np.array([class_id for class_id, _, _ in rows], np.int32),
        "scores": np.array([score for _, score, _ in rows], np.float32),
        "masks": masks,
    }


def same(first, second):
    for key in ("rois", "class_ids", "scores", "masks"):
        assert np.array_equal(first[key], second[key]), key


def test_a_mirrored_picture_maps_back_exactly():
    image = picture()
    mirrored = seen(np.ascontiguousarray(image[:, ::-1]))
    assert not np.array_equal(mirrored["rois"], seen(image)["rois"])
    same(flip_result(mirrored, WIDTH), seen(image))
    same(flip_result(flip_result(mirrored, WIDTH), WIDTH), mirrored)


def test_mirrored_and_merged_it_is_what_one_pass_finds():
    (merged,) = AugmentedDetector([seen], flip=True).detect([picture()])
    same(merged, seen(picture()))
    dtypes = [merged[key].dtype for key in ("rois", "class_ids", "scores", "masks")]
    assert dtypes == [np.int32, np.int32, np.float32, bool]


def test_nothing_there():
    empty = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    (merged,) = AugmentedDetector([seen], flip=True).detect([empty])
    assert merged["rois"].shape == (0, 4) and merged["masks"].shape == (HEIGHT, WIDTH, 0)
    assert AugmentedDetector([seen], flip=True).detect([]) == []


BOX, MOVED, BESIDE = (5, 5, 25, 25), (5, 8, 25, 28), (5, 14, 25, 34)


def test_passes_that_agree_keep_their_score_and_a_lone_one_loses():
    passes = [result((1, 0.9, BOX)), result((1, 0.7, BOX)), result((2, 0.9, BOX))]
    merged = merge_detections(passes)
    assert merged["class_ids"].tolist() == [1, 2]  # of another class, so not the same
    assert merged["scores"] == pytest.approx([1.6 / 3, 0.9 / 3])


def test_the_mask_is_that_of_most_votes():
    left, middle, right = ((5, x, 25, x + 20) for x in (5, 7, 9))
    passes = [result((1, s, box)) for s, box in ((0.9, left), (0.8, middle), (0.7, right))]
    merged = merge_detections(passes)
    assert merged["rois"].tolist() == [list(middle)]  # 6.8 rounded
    assert extract_bboxes(merged["masks"]).tolist() == [list(middle)]


def test_of_two_masks_the_surer_remains():
    for order in (1, -1):
        merged = merge_detections([result((1, 0.6, MOVED)), result((1, 0.8, BOX))][::order])
        assert np.array_equal(merged["masks"], result((1, 0.8, BOX))["masks"])
        assert merged["rois"].tolist() == [[5, 6, 25, 26]]  # 5 and 8 weighed: 6.3
        assert merged["scores"] == pytest.approx([0.7])


def test_half_of_the_votes_are_decided_by_the_surest():
    passes = [result((1, 0.5, BOX)), *[result((1, 0.25, MOVED))] * 2]
    assert extract_bboxes(merge_detections(passes)["masks"]).tolist() == [list(BOX)]


def test_one_pass_has_one_vote_for_an_instance():
    # The second detection of the first pass lies near, as its own suppression let it.
    passes = [result((1, 0.9, BOX), (1, 0.8, MOVED)), result((1, 0.5, BOX))]
    merged = merge_detections(passes, nms_threshold=0.9)
    assert merged["scores"] == pytest.approx([0.7, 0.4])
    # With a lower threshold it is taken out, and has no vote all the same.
    merged = merge_detections(passes, nms_threshold=0.3)
    assert merged["scores"] == pytest.approx([0.7])


def test_what_overlaps_a_little_is_suppressed_without_a_vote():
    passes = [result((1, 0.9, BOX)), result((1, 0.8, BESIDE))]  # IoU .38
    assert merge_detections(passes, 0.3)["scores"] == pytest.approx([0.45])
    assert merge_detections(passes, 0.5)["scores"] == pytest.approx([0.45, 0.4])


def test_the_surest_remain():
    boxes = [(0, x, 9, x + 9) for x in range(0, 50, 10)]
    rows = [(1, 0.1 * (i + 1), box) for i, box in enumerate(boxes)]
    merged = merge_detections([result(*rows)], max_instances=2)
    assert merged["scores"] == pytest.approx([0.5, 0.4])
    assert merged["rois"].tolist() == [list(boxes[4]), list(boxes[3])]


def test_results_are_left_as_they_are():
    passes = [result((1, 0.9, BOX)), result((1, 0.7, MOVED)), result((1, 0.6, MOVED))]
    before = [{k: v.copy() for k, v in each.items()} for each in passes]
    merge_detections(passes)
    for each, was in zip(passes, before, strict=True):
        same(each, was)


def test_no_pass():
    with pytest.raises(ValueError, match="no pass"):
        merge_detections([])


@pytest.mark.parametrize(
    ("text", "flip", "scales", "passes"),
    [
        ("flip", True, (1.0,), 2),
        ("0.8,1.25", False, (1.0, 0.8, 1.25), 3),
        ("flip, 0.8 ,1.25,1,0.80", True, (1.0, 0.8, 1.25), 6),
        ("1", False, (1.0,), 1),
    ],
)
def test_the_words_of_an_augmentation(text, flip, scales, passes):
    parsed = Augmentation.parse(text)
    assert (parsed.flip, parsed.scales, parsed.passes) == (flip, scales, passes)


def test_the_same_passes_have_the_same_name():
    names = [str(Augmentation.parse(text)) for text in ("1.25,flip,0.8", "flip,.8,1.250,1")]
    assert names == ["flip,0.8,1.25"] * 2
    assert str(Augmentation.parse("1.0")) == "none"


@pytest.mark.parametrize("text", ["", "flop", "flip,", "0", "-1", "nan", "inf", "100", "0.8;1.25"])
def test_words_that_are_none(text):
    with pytest.raises(ConfigError, match="not a test-time augmentation"):
        Augmentation.parse(text)


SIZES = {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 128, "IMAGE_HEIGHT": 64, "IMAGE_WIDTH": 192}


@pytest.mark.parametrize(
    ("changes", "scale", "shape", "window"),
    [
        # 40 x 60 is enlarged to 85 x 128 in square mode, 64 x 96 in the others.
        ({"IMAGE_RESIZE_MODE": "square"}, 1, (128, 128), (32, 16, 96, 112)),
        ({"IMAGE_RESIZE_MODE": "square"}, 0.5, (64, 64), (16, 8, 48, 56)),
        ({"IMAGE_RESIZE_MODE": "square"}, 1.25, (192, 192), (56, 36, 136, 156)),
        ({"IMAGE_RESIZE_MODE": "shape"}, 1, (64, 192), (0, 48, 64, 144)),
        ({"IMAGE_RESIZE_MODE": "shape"}, 2, (128, 384), (0, 96, 128, 288)),
        ({"IMAGE_RESIZE_MODE": "pad64"}, 1, (64, 128), (0, 16, 64, 112)),
        ({"IMAGE_RESIZE_MODE": "pad64"}, 0.5, (64, 64), (16, 8, 48, 56)),
        ({"IMAGE_RESIZE_MODE": "none"}, 2, (128, 128), (24, 4, 104, 124)),
    ],
)
def test_the_network_sees_the_picture_at_that_scale(changes, scale, shape, window):
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    molded, meta, got = mold_at_scale(image, tiny_config(**SIZES, **changes), scale)
    assert molded.shape == (*shape, 3) and molded.dtype == np.float32
    assert got == window and meta[7:11].tolist() == list(window)
    bright = np.argwhere(molded[..., 0] > 50)
    assert [*bright.min(axis=0), *bright.max(axis=0) + 1] == list(window)


def test_at_scale_one_it_is_the_usual_molding():
    from mrcnn.inference.predictor import mold_one

    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    for mode in ("square", "shape", "pad64"):
        config = tiny_config(**SIZES, IMAGE_RESIZE_MODE=mode)
        molded, meta, window = mold_at_scale(image, config, 1)
        usual = mold_one(image, config)
        assert np.array_equal(molded, usual.image) and np.array_equal(meta, usual.meta)
        assert window == usual.window


@pytest.mark.slow
def test_half_the_scale_with_a_network(tmp_path):
    """A network of random weights: what it finds lies on the whole picture, not on half of it."""
    from mrcnn.model import MaskRCNN
    from tests.mrcnn.models import assign_recipe

    model = MaskRCNN("inference", tiny_config(IMAGES_PER_GPU=1), tmp_path)
    assign_recipe(model.keras_model)
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    augmented = AugmentedDetector([ScaledDetector(model).at(0.5)], flip=True)
    passes = augmented.detect_passes(image)
    assert not np.array_equal(passes[0]["rois"], passes[1]["rois"])
    for each in passes:
        assert each["masks"].shape == (90, 70, len(each["scores"])) and each["masks"].any()
        assert (each["rois"] >= 0).all() and (each["rois"] <= [90, 70, 90, 70]).all()
        assert each["rois"][:, 2].max() > 60
    merged = merge_detections(passes)
    assert (np.diff(merged["scores"]) <= 0).all() and merged["masks"].any()


def test_a_model_runs_once_for_each_scale_and_direction(monkeypatch):
    seen_scales = []

    class Scaled:
        def __init__(self, model):
            assert model is fake

        def at(self, scale):
            return lambda image: seen_scales.append(scale) or seen(image)

    monkeypatch.setattr("mrcnn.inference.test_time_augmentation.ScaledDetector", Scaled)
    config = SimpleNamespace(DETECTION_NMS_THRESHOLD=0.4, DETECTION_MAX_INSTANCES=2)
    fake = SimpleNamespace(config=config, detect=lambda images: [seen(i) for i in images])
    detector = AugmentedDetector.of_model(fake, Augmentation.parse("flip,0.8,1.25"))
    (merged,) = detector.detect([picture()])
    assert seen_scales == [0.8, 0.8, 1.25, 1.25]
    assert merged["class_ids"].tolist() == [1, 2], "no more than DETECTION_MAX_INSTANCES"
    assert detector.nms_threshold == 0.4


def test_the_crop_mode_has_no_scales():
    config = tiny_config(IMAGE_RESIZE_MODE="crop")
    with pytest.raises(ConfigError, match="'crop', which is for training"):
        ScaledDetector(SimpleNamespace(config=config, keras_model=None))
