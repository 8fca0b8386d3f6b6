"""Training and evaluation of extreme data, and trainings that go astray."""

import re

import numpy as np
import pytest

from mrcnn.data.loader import BatchLoader
from mrcnn.errors import DatasetError, TrainingError
from mrcnn.evaluation.coco_ap import average_precision, detect_all, ground_truth
from mrcnn.model import MaskRCNN
from mrcnn.training.history import EVALUATED, read_epochs
from mrcnn.training.loop import EXPLODED, Trainer, TrainingPlan
from mrcnn.training.state import FILE_NAME, Progress
from tests.mrcnn.tiny import ShapesDataset, TinyConfig


class OddDataset(ShapesDataset):
    """Pictures with what drawn ones never have; class 3 is nowhere."""

    KINDS = ("plain", "one_pixel", "crowded", "all_crowd", "with_crowd", "nothing", "whole")

    def __init__(self, kinds=KINDS):
        super().__init__(0)
        self.add_class("shapes", 3, "star")
        for index, kind in enumerate(kinds):
            self.add_image("shapes", kind, path="", drawing_seed=[1, index], kind=kind)
        self.prepare()

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        match self.image_info[image_id]["kind"]:
            case "one_pixel":
                masks = np.zeros((48, 64, 3), bool)
                masks[0, 0, 0] = masks[47, 63, 1] = masks[20, 30, 2] = True
                return masks, np.array([1, 2, 1], np.int32)
            case "crowded":
                masks = np.zeros((48, 64, 120), bool)
                for index in range(120):
                    y, x = divmod(index, 15)
                    masks[6 * y : 6 * y + 4, 4 * x : 4 * x + 3, index] = True
                return masks, np.arange(120, dtype=np.int32) % 2 + 1
            case "all_crowd":
                return masks, -class_ids
            case "with_crowd":
                return masks, class_ids * np.array([1, -1], np.int32)
            case "nothing":
                return masks[..., :0], class_ids[:0]
            case "whole":
                return np.ones((48, 64, 1), bool), np.array([1], np.int32)
        return masks, class_ids


class OddConfig(TinyConfig):
    NUM_CLASSES = 1 + 3
    IMAGES_PER_GPU = 1
    MAX_GT_INSTANCES = 130
    STEPS_PER_EPOCH = 9
    VALIDATION_STEPS = 7
    LOADER_WORKERS = 0
    LEARNING_RATE = 0.001


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One epoch over all kinds of images, validated on all kinds."""
    model = MaskRCNN("training", OddConfig(), tmp_path_factory.mktemp("logs"))
    model.train(OddDataset(), OddDataset(), 0.001, 1, "all")
    return model


def test_extreme_images_train(trained):
    (row,) = read_epochs(trained._log.folder, 1)
    losses = {name: value for name, value in row.items() if "loss" in name}
    assert len(losses) == 12
    assert all(np.isfinite(value) and value >= 0 for value in losses.values())
    assert 0 < row["loss"] < EXPLODED
    for variable in trained.keras_model.weights:
        assert np.isfinite(np.asarray(variable.value)).all(), variable.path


def perfect(dataset, image_id):
    """The truth as a detection result; crowds are detected as what they are of."""
    masks, class_ids = dataset.load_mask(image_id)
    boxes = [
        [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        for rows, columns in (np.nonzero(masks[..., i]) for i in range(masks.shape[-1]))
    ]
    return {
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "class_ids": np.abs(class_ids),
        "scores": np.full(len(class_ids), 0.9, np.float32),
        "masks": masks,
    }


def test_extreme_images_evaluate():
    """All kinds at once, and each alone: figures, or none, but no error and no NaN."""
    data = OddDataset()
    for ids in (list(data.image_ids), *([i] for i in data.image_ids)):
        truth = ground_truth(data, ids)
        perfect_ones = (perfect(data, i) for i in ids)
        rows = detect_all(data, lambda image, found=perfect_ones: next(found), ids)
        for found in (rows, []):
            figures = average_precision(truth, found)
            for kind in ("bbox", "segm"):
                numbers = [v for v in figures[kind].values() if isinstance(v, int | float)]
                assert np.isfinite(numbers).all()
                assert "star" not in figures[kind]["per_class"] or (
                    figures[kind]["per_class"]["star"].get("AP") in (None, -1)
                )
        counted = [a for a in truth["annotations"] if not a["iscrowd"]]
        if len(ids) > 1:
            figures = average_precision(truth, rows)
            assert len(counted) == 2 + 3 + 120 + 1 + 1
            assert figures["segm"]["AP50"] > 0.8  # 100 of the 120 count, by COCO's rule


def test_a_loss_that_explodes_is_reported_before_it_is_nan(trained):
    trainer = trainer_of(trained)
    losses = np.array([3 * EXPLODED, 1, 1, 1, 3 * EXPLODED, 1], np.float32)
    with pytest.raises(TrainingError, match=r"loss has grown to 3e\+04, mrcnn_bbox_loss has"):
        trainer._require_sane(losses, "At step 5", [0], trainer.loader)
    trainer._require_sane(losses / 10, "At step 5", [0], trainer.loader)


@pytest.mark.slow
def test_extreme_images_train_with_whole_masks_and_are_evaluated(tmp_path):
    """With the evaluation of a real training, whose network detects on each of them."""
    config = type("Whole", (OddConfig,), {"EVALUATE_EVERY": 1, "USE_MINI_MASK": False})()
    model = MaskRCNN("training", config, tmp_path)
    for kind in ("nothing", "all_crowd"):
        alone = OddDataset([kind])
        # Nothing to learn from is told before the first step.
        with pytest.raises(DatasetError, match="othing can be learnt from 1 image of"):
            model.train(alone, alone, 0.001, 1, "all")
    (row,) = model.train(OddDataset(), OddDataset(), 0.001, 1, "all")
    assert {"val_loss", *EVALUATED} <= row.keys()
    assert all(np.isfinite(value) for value in row.values()), row
    for variable in model.keras_model.weights:
        assert np.isfinite(np.asarray(variable.value)).all(), variable.path


@pytest.mark.slow
def test_a_training_that_explodes_by_itself_stops_and_says_what_to_try(tmp_path):
    """Nothing is put into the network: the learning rate alone is a million times too high."""
    config = type("Wild", (TinyConfig,), {"LOADER_WORKERS": 0, "STEPS_PER_EPOCH": 40})()
    model = MaskRCNN("training", config, tmp_path)
    with pytest.raises(TrainingError) as caught:
        model.train(ShapesDataset(6), None, 1e4, 1, "all")
    text = str(caught.value)
    assert re.match(r"At step \d+ \(images \d: \d, \d: \d\) .*(no longer finite|grown to)", text)
    assert "lower learning rate" in text
    (state,) = tmp_path.glob("*/training_state.npz")
    with np.load(state) as data:
        assert all(np.isfinite(data[n]).all() for n in data.files if n.startswith("weight:"))


def trainer_of(model):
    loader = BatchLoader(OddDataset(), model.config, batch_size=model.config.BATCH_SIZE, seed=0)
    return Trainer(model.compile(0.001, 0.9), loader, None, model._log, Progress(epoch=1))


def test_weights_that_are_no_numbers_are_not_saved(trained):
    trainer = trainer_of(trained)
    kernel = next(v for v in trained.keras_model.weights if v.path.endswith("kernel"))
    good, before = np.array(kernel.value), (trained._log.folder / FILE_NAME).read_bytes()
    try:
        kernel.assign(np.full_like(good, np.inf))
        with pytest.raises(TrainingError, match="1 weights hold NaN or infinity"):
            trainer._save_state()
    finally:
        kernel.assign(good)
    assert (trained._log.folder / FILE_NAME).read_bytes() == before


def test_a_loss_that_is_no_number_names_step_images_and_remedy(trained):
    """The last test: the model is of no use afterwards."""
    kernel = trained.keras_model.get_layer("rpn_model").weights[2]
    kernel.assign(np.full(kernel.shape, np.nan, np.float32))
    before = (trained._log.folder / FILE_NAME).read_bytes()
    with pytest.raises(TrainingError) as caught:
        trainer_of(trained).run(TrainingPlan(epochs=2, steps_per_epoch=9, validation_steps=0))
    text = str(caught.value)
    assert re.match(r"At step 9 \(images \d: [a-z_]+\) loss is no longer finite", text)
    assert "lower learning rate" in text and "images' annotations" in text
    # The state of the last good epoch is untouched.
    assert (trained._log.folder / FILE_NAME).read_bytes() == before
    assert not trained._log.checkpoint(2).exists()
