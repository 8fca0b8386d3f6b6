"""What a training leaves behind for people: a progress bar, events, checkpoints."""

import os

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.errors import WeightsError
from mrcnn.training import log as training_log
from mrcnn.training.checkpoints import LogFolder, find_last
from mrcnn.training.history import read_epochs, resumed_epochs
from mrcnn.training.log import Checkpoints, ProgressBar, TensorBoardScalars
from mrcnn.training.state import Progress
from mrcnn.weights.h5_reading import read_attributes


@pytest.fixture
def model():
    return keras.Sequential([keras.Input([3]), keras.layers.Dense(2, name="conv1")])


@pytest.fixture
def log(tmp_path):
    log = LogFolder(tmp_path / "modanet20240101T0000", "modanet", 0)
    log.folder.mkdir()
    return log


def test_the_progress_bar_shows_losses_and_speed(capsys):
    bar = ProgressBar(epoch=2, epochs=9, steps=3, done=1, batch_size=4)
    for _ in range(2):
        bar.update([3.14159, 0.1, 0.2, 0.3, 0.4, 0.5])
    bar.close()
    text = capsys.readouterr().err
    assert "Epoch 2/9" in text and "3/3" in text
    assert "loss 3.142, rpn_cls 0.100, rpn_box 0.200, cls 0.300, box 0.400, mask 0.500" in text
    assert "img/s" in text


def test_a_log_file_gets_few_lines(capsys):
    bar = ProgressBar(epoch=1, epochs=1, steps=500, done=0, batch_size=1)
    for _ in range(500):
        bar.update([0.0] * 6)
    bar.close()
    assert capsys.readouterr().err.count("Epoch 1/1") <= 3


def scalars(folder):
    """(step, name) -> value of all event files of a folder."""
    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found[event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    return found


def test_tensorboard_gets_each_epochs_numbers(tmp_path):
    callback = TensorBoardScalars(tmp_path)
    callback.on_train_begin()
    callback.on_epoch_end(0, {"loss": 2.5, "val_loss": 3.0})
    assert scalars(tmp_path) == {(1, "loss"): 2.5, (1, "val_loss"): 3.0}  # readable at once
    callback.on_epoch_end(1, {"loss": 1.5})
    callback.on_epoch_end(2)
    callback.on_train_end()
    assert scalars(tmp_path)[2, "loss"] == 1.5


def test_tensorboard_gets_pictures(tmp_path):
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    callback = TensorBoardScalars(tmp_path)
    callback.on_train_begin()
    callback.write_pictures(3, {"validation/1": picture})
    callback.on_train_end()
    found = []
    for path in tmp_path.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            found += [(event.step, v.tag, tf.make_ndarray(v.tensor)) for v in event.summary.value]
    ((step, tag, (width, height, png)),) = found
    assert (step, tag, width, height) == (3, "validation/1", b"6", b"4")
    assert np.array_equal(tf.io.decode_png(png), picture)


def test_a_second_training_continues_in_a_file_of_its_own(tmp_path):
    for epoch in (0, 1):
        callback = TensorBoardScalars(tmp_path)
        callback.on_train_begin()
        callback.on_epoch_end(epoch, {"loss": 2.0 - epoch})
        callback.on_train_end()
    assert scalars(tmp_path) == {(1, "loss"): 2.0, (2, "loss"): 1.0}


def test_events_that_cannot_be_written_do_not_end_a_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    callback = TensorBoardScalars(tmp_path / "file" / "deeper")
    callback.on_train_begin()
    callback.on_epoch_end(0, {"loss": 2.5})
    callback.write_pictures(1, {"a": np.zeros((4, 6, 3), np.uint8)})
    callback.on_train_end()
    assert capsys.readouterr().out.count("TensorBoard's events are no longer written") == 1


def kernel(path):
    with h5py.File(path) as file:
        return file["conv1/conv1/kernel:0"][()]


def test_a_checkpoint_for_each_epoch_and_the_best(log, model):
    checkpoints = Checkpoints(log, {"note": "of ours"})
    first = checkpoints.save(model, 1, is_best=True)
    assert first == log.folder / "mask_rcnn_modanet_0001.h5"
    best = kernel(first)
    model.set_weights([w + 1 for w in model.get_weights()])
    second = checkpoints.save(model, 2, is_best=False)
    assert np.array_equal(kernel(checkpoints.best), best)
    assert not np.array_equal(kernel(second), best)
    model.set_weights([w + 1 for w in model.get_weights()])
    third = checkpoints.save(model, 3, is_best=True)
    assert np.array_equal(kernel(checkpoints.best), kernel(third))
    assert np.array_equal(kernel(first), best)  # the file of that epoch is left
    assert read_attributes(checkpoints.best)["note"] == "of ours"
    assert {path.name for path in log.folder.iterdir()} == {
        "best_mask_rcnn_modanet.h5",
        *(f"mask_rcnn_modanet_000{epoch}.h5" for epoch in (1, 2, 3)),
    }


def test_the_best_is_not_taken_for_the_last(log, model):
    checkpoints = Checkpoints(log)
    checkpoints.save(model, 1, is_best=True)
    last = checkpoints.save(model, 2, is_best=False)
    assert find_last(log.folder.parent, "modanet") == last


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_writing_an_epoch_again_leaves_the_best(log, model, links, monkeypatch):
    if not links:

        def refuse(*paths):
            raise OSError("not supported")

        monkeypatch.setattr(os, "link", refuse)
    checkpoints = Checkpoints(log)
    path = checkpoints.save(model, 1, is_best=True)
    best = kernel(path)
    model.set_weights([w + 1 for w in model.get_weights()])
    checkpoints.save(model, 1, is_best=False)
    assert np.array_equal(kernel(checkpoints.best), best)
    assert not list(log.folder.glob("*.part"))


@pytest.mark.parametrize("written", ["nothing", "the checkpoint", "all"])
def test_an_epoch_whose_state_alone_was_written_is_completed(log, model, written):
    progress = Progress(epoch=2, history=[{"epoch": 1}, {"epoch": 2, "loss": 0.5}], best_epoch=2)
    checkpoints = Checkpoints(log)
    if written != "nothing":
        checkpoints.save(model, 2, is_best=written == "all")
    checkpoints.complete(model, progress)
    assert np.array_equal(kernel(log.checkpoint(2)), model.get_weights()[0])
    assert log.checkpoint(2).read_bytes() == checkpoints.best.read_bytes()
    assert read_epochs(log.folder)[1] == {"epoch": 2, "loss": 0.5}
    assert not list(log.folder.glob("*.part"))


@pytest.mark.parametrize("progress", [Progress(), Progress(epoch=2, step=3, best_epoch=2)])
def test_there_is_nothing_to_complete_within_an_epoch(log, model, progress):
    Checkpoints(log).complete(model, progress)
    assert not any(log.folder.iterdir())


def test_completing_an_epoch_leaves_an_earlier_best(log, model):
    checkpoints = Checkpoints(log)
    best = kernel(checkpoints.save(model, 1, is_best=True))
    model.set_weights([w + 1 for w in model.get_weights()])
    checkpoints.complete(model, Progress(epoch=2, best_epoch=1))
    assert np.array_equal(kernel(checkpoints.best), best)
    assert log.checkpoint(2).exists()


@pytest.mark.parametrize("damaged", [b"", b"epoch,loss\n1,\xff", b"epoch,loss\n1,.5\n"])
def test_a_damaged_history_is_kept_when_a_training_is_resumed(tmp_path, damaged, capsys):
    path = tmp_path / "history.csv"
    path.write_bytes(damaged)
    for number in (1, 2):
        assert len(resumed_epochs(tmp_path, 2)) == damaged.count(b".5")
        assert (tmp_path / f"history.damaged{number}.csv").read_bytes() == damaged
        assert f"kept as history.damaged{number}.csv" in capsys.readouterr().out


def test_a_whole_history_is_read_as_it_is(tmp_path):
    assert resumed_epochs(tmp_path, 2) == []
    (tmp_path / "history.csv").write_text("epoch,loss\n1,.5\n2,.4\n3,.3\n")
    assert [row["loss"] for row in resumed_epochs(tmp_path, 2)] == [0.5, 0.4]
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_a_checkpoint_that_cannot_be_written(tmp_path, model):
    log = LogFolder(tmp_path / "nowhere", "modanet", 0)
    with pytest.raises(WeightsError, match="cannot be written"):
        Checkpoints(log).save(model, 1, is_best=True)


def test_the_best_that_cannot_be_written(log, model, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(training_log.shutil, "copyfileobj", full)
    with pytest.raises(
        WeightsError,
        match=r"No space left on device\); make room .*resume from the last checkpoint",
    ):
        Checkpoints(log).save(model, 1, is_best=True)
    assert log.checkpoint(1).is_file()
