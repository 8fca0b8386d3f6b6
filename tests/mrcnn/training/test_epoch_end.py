"""The end of an epoch: what is on disk when callbacks run, and when something fails."""

import keras
import numpy as np
import pytest

from mrcnn.errors import DatasetError
from mrcnn.model import MaskRCNN
from mrcnn.training.state import read_progress
from tests.mrcnn.tiny import ShapesDataset, TinyConfig


class ShortConfig(TinyConfig):
    STEPS_PER_EPOCH = 2
    VALIDATION_STEPS = 1
    LOADER_WORKERS = 0


class Scores(keras.callbacks.Callback):
    """Looks for the epoch's checkpoint, as a script does that measures mAP with a second model."""

    def __init__(self, model, fails_at=None):
        super().__init__()
        self.trained, self.fails_at, self.found = model, fails_at, []

    def on_epoch_end(self, epoch, logs=None):
        self.found.append(self.trained.find_last()[-7:])
        if epoch == self.fails_at:
            raise RuntimeError("no mAP today")


class BrokenDataset(ShapesDataset):
    """Its pictures cannot be read once they are broken."""

    broken = True

    def load_image(self, image_id):
        if self.broken:
            raise DatasetError("the picture is broken", path="c.jpg")
        return super().load_image(image_id)


def resumed(tmp_path, validation):
    model = MaskRCNN("training", ShortConfig(), tmp_path)
    model.load_weights(model.find_last(), by_name=True)
    return model.train(ShapesDataset(4), validation, 0.001, 2, "heads")


def test_callbacks_find_the_checkpoint_of_their_epoch_and_do_not_cost_it(tmp_path):
    model = MaskRCNN("training", ShortConfig(), tmp_path)
    scores = Scores(model, fails_at=1)
    with pytest.raises(RuntimeError, match="no mAP today"):
        model.train(ShapesDataset(4), None, 0.001, 3, "heads", custom_callbacks=[scores])
    assert scores.found == ["0001.h5", "0002.h5"]
    progress = read_progress(model._log.folder)
    assert (progress.epoch, progress.step, len(progress.history)) == (2, 0, 2)
    history = model.keras_model.history.history
    assert len(history["loss"]) == len(history["mrcnn_mask_loss"])
    assert history["loss"] == [row["loss"] for row in progress.history][: len(history["loss"])]


class FailingBatch(keras.callbacks.Callback):
    """Raises before or after the third step of the training."""

    def __init__(self, when):
        super().__init__()
        setattr(self, f"on_train_batch_{when}", self._count)
        self.steps = 0

    def _count(self, batch, logs=None):
        self.steps += 1
        if self.steps == 3:
            raise RuntimeError("the server that shows the losses is away")


@pytest.mark.parametrize(("when", "steps"), [("begin", 2), ("end", 3)])
def test_a_callback_that_fails_within_an_epoch_does_not_cost_its_steps(tmp_path, when, steps):
    config = type("LongerConfig", (ShortConfig,), {"STEPS_PER_EPOCH": 4})()
    model = MaskRCNN("training", config, tmp_path)
    with pytest.raises(RuntimeError, match="server"):
        model.train(
            ShapesDataset(4), None, 0.001, 1, "heads", custom_callbacks=[FailingBatch(when)]
        )
    progress = read_progress(model._log.folder)
    assert (progress.epoch, progress.step) == (0, steps)
    assert config.STATE_SECONDS > 60  # so that it was not saved by the clock


def test_a_whole_model_is_saved_at_the_end_of_an_epoch(tmp_path):
    model = MaskRCNN("training", ShortConfig(), tmp_path)
    path = str(tmp_path / "best.keras")
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True)
    model.train(
        ShapesDataset(4), ShapesDataset(2), 0.001, 1, "heads", custom_callbacks=[checkpoint]
    )
    loaded = keras.models.load_model(path)
    for weight, value in zip(loaded.weights, model.keras_model.weights, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_history_of_a_training_is_where_scripts_look_for_it(tmp_path):
    model = MaskRCNN("training", ShortConfig(), tmp_path)
    rows = model.train(ShapesDataset(4), ShapesDataset(2), 0.001, 2, "heads")
    history = model.keras_model.history.history
    for name in ("loss", "val_loss", "rpn_bbox_loss", "val_mrcnn_class_loss"):
        assert history[name] == [row[name] for row in rows]


@pytest.mark.parametrize("mode", ["none", "pad64"])
def test_images_of_a_size_the_network_was_not_built_for(tmp_path, mode):
    class Large(ShapesDataset):
        def load_image(self, image_id):
            return np.tile(super().load_image(image_id)[:32], (4, 2, 1))

        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return np.tile(masks[:32], (4, 2, 1)), class_ids

    changes = {"IMAGE_RESIZE_MODE": mode, "IMAGE_MIN_SCALE": 0}
    model = MaskRCNN("training", type("C", (ShortConfig,), changes)(), tmp_path)
    with pytest.raises(DatasetError, match="expected 64 x 64, found 128 x 128; set IMAGE_RESIZE"):
        model.train(Large(4), None, 0.001, 1, "heads")


@pytest.mark.parametrize("measure", ["validation", "evaluation"])
def test_a_picture_that_cannot_be_measured_does_not_cost_the_epoch(tmp_path, measure, capsys):
    changes = {"VALIDATION_STEPS": 0, "EVALUATE_EVERY": 1} if measure == "evaluation" else {}
    config = type("C", (ShortConfig,), changes)()
    model = MaskRCNN("training", config, tmp_path)
    with pytest.raises(DatasetError, match="the picture is broken"):
        model.train(ShapesDataset(4), BrokenDataset(2), 0.001, 1, "heads")
    progress = read_progress(model._log.folder)
    assert (progress.epoch, progress.step) == (0, 2)
    capsys.readouterr()
    rows = resumed(tmp_path, ShapesDataset(2))
    assert [row["epoch"] for row in rows] == [1, 2]
    said = capsys.readouterr().out
    assert "at epoch 1, after its last step" in said and "0.0 img/s" not in said
    # No step was left to train, so that there is no speed.
    assert "images_per_second" not in rows[0] and rows[1]["images_per_second"] > 0
