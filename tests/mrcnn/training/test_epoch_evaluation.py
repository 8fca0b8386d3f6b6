"""Average precision in training, and what hangs on it: pictures, the best weights, the end."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.errors import ConfigError
from mrcnn.evaluation.coco_ap import average_precision, detect_all, ground_truth
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.model import MaskRCNN
from mrcnn.network.build import build_model
from mrcnn.training import epoch_evaluation
from mrcnn.training.epoch_evaluation import (
    PICTURE_SIDE,
    EpochEvaluation,
    Evaluated,
    evaluation_for,
)
from mrcnn.training.history import EVALUATED, MASK_AP, read_epochs
from tests.mrcnn.tiny import ShapesDataset, TinyConfig


def config_with(**values):
    return type("C", (TinyConfig,), values)()


class Perfect:
    """Stands for the network: gives the annotations back, but for the disc of the first image."""

    def __init__(self, dataset):
        self.dataset = dataset

    def detect(self, images, batch_size):
        for image_id, _ in enumerate(images):
            masks, class_ids = self.dataset.load_mask(image_id)
            kept = slice(0, 1 if image_id == 0 else 2)
            found = {"masks": masks[:, :, kept], "class_ids": class_ids[kept]}
            found["rois"] = extract_bboxes(found["masks"])
            yield {**found, "scores": np.array([0.9, 0.3], np.float32)[kept]}


@pytest.fixture
def perfect(monkeypatch):
    data = ShapesDataset(5)
    evaluation = EpochEvaluation(data, config_with(), every=1, pictures=2)
    monkeypatch.setattr(evaluation, "_predictor_with_weights_of", lambda model: Perfect(data))
    return evaluation


def test_figures_and_pictures(perfect):
    steps = []
    figures, pictures = perfect.run(None, lambda: steps.append(1))
    assert set(figures) == set(EVALUATED)
    # All five squares and four of five discs: recall stops at .8, which is 81 of COCO's 101 points.
    assert figures[MASK_AP] == pytest.approx((1 + 81 / 101) / 2)
    assert figures["val_box_AP50"] == pytest.approx((1 + 81 / 101) / 2)
    assert len(steps) == 5
    assert list(pictures) == ["validation/1", "validation/2"]
    assert all(p.shape == (48, 64 + 4 + 64, 3) and p.dtype == np.uint8 for p in pictures.values())


def test_what_is_found_in_pictures_without_instances_counts(monkeypatch):
    class HalfEmpty(ShapesDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return (masks, class_ids) if image_id % 2 else (masks[:, :, :0], class_ids[:0])

    measured = []
    for found_in in (ShapesDataset(4), HalfEmpty(4)):
        evaluation = EpochEvaluation(HalfEmpty(4), config_with(), every=1, pictures=0)
        detector = Perfect(found_in)
        monkeypatch.setattr(
            evaluation, "_predictor_with_weights_of", lambda model, detector=detector: detector
        )
        measured.append(evaluation.run(None, lambda: None).figures[MASK_AP])
    assert measured[1] == pytest.approx(1)
    assert measured[0] < 0.8


def test_pictures_show_annotations_beside_what_is_sure(perfect, monkeypatch):
    shown = []
    monkeypatch.setattr(
        epoch_evaluation,
        "draw_detections",
        lambda image, result, names: shown.append(result["class_ids"].tolist()) or image,
    )
    picture = perfect.run(None).pictures["validation/2"]  # the images 0 and 2 are drawn
    image = perfect.dataset.load_image(2)
    np.testing.assert_array_equal(picture[:, :64], image)
    np.testing.assert_array_equal(picture[:, 68:], image)
    # The disc of image 2 is found with a score of .3 only.
    assert shown == [[1, 2], [1], [1, 2], [1]]


def test_large_pictures_are_made_small():
    image = np.zeros((600, 1200, 3), np.uint8)
    result = {"rois": np.array([[300, 600, 600, 1200]]), "masks": np.ones((600, 1200, 1), bool)}
    small, scaled = epoch_evaluation._shrink(image, result)
    assert small.shape == (PICTURE_SIDE // 2, PICTURE_SIDE, 3)
    assert scaled["masks"].shape == (PICTURE_SIDE // 2, PICTURE_SIDE, 1) and scaled["masks"].all()
    assert scaled["rois"].tolist() == [[120, 240, 240, 480]]


def test_an_evaluation_can_be_ended(perfect):
    def end():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perfect.run(None, end)


@pytest.mark.parametrize(
    ("count", "chosen"), [(None, range(10)), (20, range(10)), (3, [0, 3, 6]), (1, [0])]
)
def test_images_are_spread_evenly(count, chosen):
    evaluation = EpochEvaluation(ShapesDataset(10), config_with(), every=1, images=count)
    assert evaluation.image_ids.tolist() == list(chosen)


def test_the_last_epoch_is_always_evaluated():
    evaluation = EpochEvaluation(ShapesDataset(1), config_with(), every=3)
    assert [epoch for epoch in range(1, 9) if evaluation.is_due(epoch, 8)] == [3, 6, 8]


def test_what_the_configuration_asks_for():
    data = ShapesDataset(4)
    assert evaluation_for(data, config_with()) is None
    config = config_with(EVALUATE_EVERY=2, EVALUATE_IMAGES=3)
    first = evaluation_for(data, config)
    assert (first.every, len(first.image_ids)) == (2, 3)
    assert evaluation_for(data, config, first) is first, "its model is built once"
    assert evaluation_for(ShapesDataset(4), config, first) is not first
    with pytest.raises(ConfigError, match="EVALUATE_EVERY needs a validation set"):
        evaluation_for(None, config)


def test_a_training_in_crops_is_evaluated_on_whole_images():
    config = config_with(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=64)
    evaluation = EpochEvaluation(ShapesDataset(1), config, every=1)
    assert evaluation.config.IMAGE_RESIZE_MODE == "pad64"
    assert (config.IMAGE_RESIZE_MODE, config.DETECTION_MIN_CONFIDENCE) == ("crop", 0.7)
    assert evaluation.config.DETECTION_MIN_CONFIDENCE == 0.05


def test_layers_without_a_name_of_their_own_are_refused():
    def nameless(image, stage5=True, train_bn=None):
        x, stages = image, []
        for strides in (4, 1, 2, 2, 2):
            x = keras.layers.Conv2D(8, 3, strides=strides, padding="same")(x)
            stages.append(x)
        return stages

    config = config_with(BACKBONE=staticmethod(nameless))
    with pytest.raises(ConfigError, match="give every layer of BACKBONE a name"):
        EpochEvaluation(ShapesDataset(1), config, every=1).run(build_model("training", config))


def images_in(folder):
    found = set()
    for path in folder.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "images":
                    found.add((event.step, value.tag))
    return found


def test_a_training_is_measured_as_its_weights_are_afterwards(tmp_path, capsys):
    config = config_with(EVALUATE_EVERY=2, STEPS_PER_EPOCH=25, OPTIMIZER="adam")
    model = MaskRCNN("training", config, tmp_path)
    validation = ShapesDataset(3, seed=1)
    history = model.train(ShapesDataset(6), validation, 0.003, 3, "all")
    assert [MASK_AP in row for row in history] == [False, True, True], "every 2, and the last"
    (folder,) = tmp_path.iterdir()
    assert images_in(folder) == {(e, f"validation/{n}") for e in (2, 3) for n in (1, 2, 3)}
    with (folder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0][MASK_AP] == "" and float(rows[2][MASK_AP]) == history[2][MASK_AP]
    assert read_epochs(folder, 3)[2]["val_box_AP"] == history[2]["val_box_AP"]
    assert f"(best {MASK_AP} so far)" in capsys.readouterr().out

    low = config_with(DETECTION_MIN_CONFIDENCE=0.05)
    inference = MaskRCNN("inference", low, tmp_path)
    inference.load_weights(folder / "mask_rcnn_shapes_0003.h5", by_name=True)
    rows = detect_all(validation, lambda image: inference.detect([image])[0])
    assert rows, "otherwise there is nothing to compare"
    measured = average_precision(ground_truth(validation), rows)
    for name, (kind, figure) in EVALUATED.items():
        assert history[2][name] == pytest.approx(measured[kind][figure], abs=1e-3)


@pytest.mark.slow
def test_the_best_weights_follow_mask_ap_and_the_training_stops_without_a_better(
    tmp_path, monkeypatch, capsys
):
    aps = iter([0.3, 0.5, 0.4, 0.5, 0.9])
    monkeypatch.setattr(
        EpochEvaluation,
        "run",
        lambda *_: Evaluated({**dict.fromkeys(EVALUATED, 0.0), MASK_AP: next(aps)}, {}),
    )
    config = config_with(EVALUATE_EVERY=1, EARLY_STOPPING=2, STEPS_PER_EPOCH=1)
    model = MaskRCNN("training", config, tmp_path)
    data = ShapesDataset(2)
    assert len(model.train(data, data, 0.001, 9, "heads")) == 4
    (folder,) = tmp_path.iterdir()
    best, second = (folder / f for f in ("best_mask_rcnn_shapes.h5", "mask_rcnn_shapes_0002.h5"))
    assert best.read_bytes() == second.read_bytes()
    assert "the best val_mask_AP is that of epoch 2" in capsys.readouterr().out
    # The same call has nothing left to do, also when the training is taken up from its files.
    assert len(model.train(data, data, 0.001, 9, "heads")) == 4
    resumed = MaskRCNN("training", config, tmp_path)
    resumed.load_weights(resumed.find_last(), by_name=True)
    assert len(resumed.train(data, data, 0.001, 9, "heads")) == 4
    # Another call, such as the next part of a schedule, begins with patience of its own.
    assert len(resumed.train(data, data, 0.001, 5, "all")) == 5
