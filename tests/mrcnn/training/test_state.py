"""The state of a training goes into one file and comes back bit by bit."""

import json

import keras
import numpy as np
import pytest

from mrcnn.errors import WeightsError
from mrcnn.training.state import (
    FILE_NAME,
    Continuation,
    Progress,
    read_progress,
    restore_optimizer,
    restore_weights,
    save_state,
)

PROGRESS = Progress(
    epoch=3,
    step=7,
    seed=11,
    totals=[0.1 + 0.2, 1e-300, 1.0, 2.0, 3.0, 4.0],
    history=[{"epoch": 1, "loss": 0.1}],
    best=2.5,
)


def build(outputs=2):
    keras.utils.set_random_seed(outputs)
    inputs = keras.Input([3])
    x = keras.layers.Dense(4, name="body")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="head")(x))


def optimizer_for(variables, rate=0.1):
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    optimizer.build(variables)
    return optimizer


def train(model, optimizer, steps, variables=None):
    for step in range(steps):
        values = variables or model.trainable_variables
        gradients = [np.full(v.shape, 0.1 * (step + 1), np.float32) for v in values]
        optimizer.apply(gradients, values)


def memory(optimizer):
    """What the optimizer remembers, by name."""
    return {v.name: v.numpy() for v in optimizer.variables if "momentum" in v.name}


@pytest.fixture
def trained(tmp_path):
    """A model and its optimizer after two steps, saved in `tmp_path`."""
    model = build()
    optimizer = optimizer_for(model.trainable_variables)
    train(model, optimizer, 2)
    model.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    save_state(tmp_path, model, optimizer, PROGRESS)
    return model, optimizer


def test_counters_come_back(trained, tmp_path):
    assert read_progress(tmp_path) == PROGRESS


def test_an_empty_progress_comes_back(tmp_path):
    model = build()
    save_state(tmp_path, model, optimizer_for(model.trainable_variables), Progress())
    assert read_progress(tmp_path) == Progress()


def test_all_weights_come_back(trained, tmp_path):
    model = build()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert restore_weights(tmp_path, model)
    # Those that do not train too: the statistics of a normalisation.
    assert len(model.weights) == 8
    for mine, theirs in zip(model.weights, trained[0].weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_training_resumes_as_if_it_had_never_stopped(trained, tmp_path):
    model = build()
    optimizer = optimizer_for(model.trainable_variables)
    restore_weights(tmp_path, model)
    restore_optimizer(tmp_path, optimizer)
    for one in ((model, optimizer), trained):
        train(*one, 3)
    for mine, theirs in zip(model.weights, trained[0].weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_the_learning_rate_is_the_callers(trained, tmp_path):
    optimizer = optimizer_for(build().trainable_variables, rate=0.025)
    restore_optimizer(tmp_path, optimizer)
    assert float(optimizer.learning_rate) == pytest.approx(0.025)
    assert int(optimizer.iterations) == 2


def test_other_layers_than_before_start_without_memory(tmp_path):
    model = build()
    head = model.get_layer("head").trainable_variables
    optimizer = optimizer_for(head)
    train(model, optimizer, 2, head)
    save_state(tmp_path, model, optimizer, Progress())
    later = optimizer_for(model.trainable_variables)
    restore_optimizer(tmp_path, later)
    before, after = memory(optimizer), memory(later)
    assert len(before) == 2 and len(after) == 6
    for name, value in after.items():
        expected = before.get(name, np.zeros_like(value))
        np.testing.assert_array_equal(value, expected, err_msg=name)
    assert all(np.any(value) for value in before.values())


@pytest.mark.parametrize("named", [True, False], ids=["named", "of before"])
def test_another_optimizer_starts_without_memory(tmp_path, capsys, named):
    model = build()
    adam = keras.optimizers.Adam(0.1)
    train(model, adam, 3)
    save_state(tmp_path, model, adam, PROGRESS)
    if not named:
        rewrite_progress(tmp_path, "optimizer")
    sgd = optimizer_for(model.trainable_variables)
    restore_optimizer(tmp_path, sgd)
    assert all(not value.any() for value in memory(sgd).values()) and sgd.iterations.numpy() == 0
    assert "SGD starts without memory: the training before used Adam." in capsys.readouterr().out
    assert read_progress(tmp_path) == PROGRESS
    again = keras.optimizers.Adam(0.1)
    again.build(model.trainable_variables)
    restore_optimizer(tmp_path, again)
    assert again.iterations.numpy() == 3 and any(v.any() for v in memory(again).values())


def test_another_optimizer_of_the_next_call_starts_without_memory(trained, capsys):
    model, sgd = trained
    adam = keras.optimizers.Adam(0.1)
    adam.build(model.trainable_variables)
    Continuation(PROGRESS, sgd).restore_optimizer(adam)
    assert all(not value.any() for value in memory(adam).values())
    assert "Adam starts without memory: the training before used SGD." in capsys.readouterr().out


def rewrite_progress(folder, *left_out):
    """Take some keys out of a state's counters, as in a file of an earlier version."""
    with np.load(folder / FILE_NAME) as stored:
        arrays = dict(stored)
    counters = json.loads(str(arrays["progress"]))
    for name in left_out:
        del counters[name]
    np.savez(folder / FILE_NAME, **{**arrays, "progress": np.array(json.dumps(counters))})


def test_a_model_of_another_shape_is_left_as_it_is(trained, tmp_path):
    model = build(outputs=5)
    before = model.get_weights()
    assert not restore_weights(tmp_path, model)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_state_is_written_whole_or_not_at_all(trained, tmp_path, monkeypatch):
    def full(*args, **arrays):
        raise OSError(28, "No space left on device")

    before = (tmp_path / FILE_NAME).read_bytes()
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(WeightsError, match=r"No space left on device\); make room"):
        save_state(tmp_path, *trained, Progress(epoch=9))
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_folder_that_is_not_there(trained, tmp_path):
    with pytest.raises(WeightsError, match="cannot be written"):
        save_state(tmp_path / "nowhere", *trained, Progress())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_left_aside(trained, tmp_path, share, capsys):
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole[: int(share * len(whole))])
    assert read_progress(tmp_path) is None
    assert "resuming from the checkpoint" in capsys.readouterr().out


def test_a_byte_that_has_changed_is_noticed(trained, tmp_path, capsys):
    """Before any weight of it is taken: the counters come last in the file, and are whole."""
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    place = content.index(np.float32([1, 2, 3, 4]).tobytes())  # the moving mean
    content[place] ^= 1
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_progress(tmp_path) is None
    assert "damaged" in capsys.readouterr().out


def test_no_file_is_no_state(tmp_path, capsys):
    assert read_progress(tmp_path) is None
    assert capsys.readouterr().out == ""


def test_the_state_of_another_version_is_left_aside(trained, tmp_path):
    with np.load(tmp_path / FILE_NAME) as data:
        arrays = dict(data)
    arrays["progress"] = np.array('{"format": 999, "epoch": 1}')
    np.savez(tmp_path / FILE_NAME, **arrays)
    assert read_progress(tmp_path) is None


def test_the_next_call_in_one_process_continues_from_memory(trained):
    model, optimizer = trained
    continuation = Continuation(PROGRESS, optimizer)
    before = memory(optimizer)
    train(model, optimizer, 1)  # what comes later does not change what is held
    later = optimizer_for(model.trainable_variables)
    continuation.restore_optimizer(later)
    assert continuation.progress is PROGRESS
    assert memory(later).keys() == before.keys()
    for name, value in memory(later).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_a_call_begins_where_the_last_is_over_and_resumes_where_it_was_interrupted():
    progress = Progress()
    progress.begin_call(10)
    assert (progress.call_begin, progress.call_end) == (0, 10)
    progress.epoch = 4  # interrupted and resumed; perhaps further than planned at first
    progress.begin_call(12)
    assert (progress.call_begin, progress.call_end) == (0, 12)
    progress.epoch = 12  # complete: the next part of a schedule
    progress.begin_call(20)
    assert (progress.call_begin, progress.call_end) == (12, 20)


def test_a_call_that_was_stopped_early_is_over():
    progress = Progress(epoch=4, call_end=10, stopped=[10])
    progress.begin_call(20)
    assert (progress.call_begin, progress.call_end, progress.stopped) == (4, 20, [10])
    progress = Progress(epoch=4, call_end=10, stopped=[10])
    progress.begin_call(10)  # the user wants more epochs
    assert (progress.call_begin, progress.stopped) == (4, [])
    progress.epoch = 6
    progress.begin_call(10)  # interrupted meanwhile
    assert progress.call_begin == 4


def test_a_state_from_before_these_counters_is_read(trained, tmp_path):
    model, optimizer = trained[:2]
    save_state(tmp_path, model, optimizer, Progress(epoch=3, best=0.5))
    with np.load(tmp_path / FILE_NAME) as data:
        arrays = dict(data)
    stored = json.loads(str(arrays["progress"]))
    for name in ("best_of", "best_epoch", "call_begin", "call_end", "stopped"):
        del stored[name]
    np.savez(tmp_path / FILE_NAME, **{**arrays, "progress": np.array(json.dumps(stored))})
    progress = read_progress(tmp_path)
    assert (progress.epoch, progress.best, progress.best_of) == (3, 0.5, "val_loss")
