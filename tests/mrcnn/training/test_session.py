"""Where a call of `train` begins, and what it leaves for the next."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.model import MaskRCNN
from mrcnn.system.locks import holding
from mrcnn.training.checkpoints import LogFolder
from mrcnn.training.history import write_history
from mrcnn.training.processes import SingleDevice
from mrcnn.training.session import Session, begin_together, require_fitting_classes
from mrcnn.training.state import Continuation, Progress, save_state
from tests.mrcnn.tiny import ShapesDataset, TinyConfig


@pytest.fixture(scope="module")
def shared_model(tmp_path_factory):
    return MaskRCNN("training", TinyConfig(), tmp_path_factory.mktemp("logs"))


@pytest.fixture
def model(shared_model):
    shared_model.set_trainable("mrcnn_class_logits", verbose=0)
    return shared_model


@pytest.fixture
def log(tmp_path):
    log = LogFolder(tmp_path / "shapes20240101T0000", "shapes", 2)
    log.folder.mkdir()
    return log


def session_of(model, log):
    step = model.compile(0.01, 0.9)
    return Session(model.config, SingleDevice(), step, log, {})


def test_a_new_training_begins_with_the_configurations_seed(model, log):
    session = session_of(model, log)
    session.begin(ShapesDataset(2), None, None)
    assert session.progress == Progress(epoch=2, seed=TinyConfig.SEED)
    assert session.step.seed == TinyConfig.SEED


def test_without_a_seed_each_training_draws_one(model, log, monkeypatch):
    monkeypatch.setattr(model.config, "SEED", None)
    seeds = set()
    for _ in range(3):
        session = session_of(model, log)
        session.begin(ShapesDataset(2), None, None)
        seeds.add(session.progress.seed)
    assert len(seeds) == 3


def test_weights_without_a_state_begin_at_their_epoch(model, log):
    write_history(log.folder, [{"epoch": n, "loss": 4 - n} for n in (1, 2, 3)])
    session = session_of(model, log)
    session.begin(ShapesDataset(2), log.checkpoint(2), None)
    assert session.progress.epoch == 2
    assert [row["epoch"] for row in session.progress.history] == [1, 2]


@pytest.mark.parametrize(
    ("epoch", "resumed"),
    [
        (2, True),
        (1, False),  # the state is older than the weights
    ],
)
def test_a_state_that_goes_with_the_weights_is_resumed(model, log, capsys, epoch, resumed):
    bias = model.keras_model.get_layer("mrcnn_class_logits").layer.bias
    bias.assign([1, 2, 3])
    stored = Progress(epoch=epoch, step=4, seed=5, totals=[1.0] * 6)
    save_state(log.folder, model.keras_model, model.compile(0.01, 0.9).optimizer, stored)
    bias.assign([0, 0, 0])
    session = session_of(model, log)
    session.begin(ShapesDataset(2), log.checkpoint(2), None)
    assert (session.progress == stored) == resumed
    assert (f"Resuming from {log.folder}" in capsys.readouterr().out) == resumed
    assert np.array_equal(bias, [1, 2, 3]) == resumed


def test_seeds_that_differ_in_the_highest_bit_choose_other_rois(model):
    step = model.compile(0.01, 0.9)
    states = {}
    for seed in (1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1):
        step.seed = seed
        step._seed_sampling(5)
        state = model.keras_model.get_layer("proposal_targets").seed_generator.state
        # What Keras makes of it.
        states[seed] = tuple(np.asarray(state.value) % (2**31 - 2))
    assert len(set(states.values())) == 5
    assert states[1] == (1, 5)


def test_the_last_call_in_this_process_counts_more_than_the_state(model, log):
    step = model.compile(0.01, 0.9)
    save_state(log.folder, model.keras_model, step.optimizer, Progress(epoch=2, seed=5))
    progress = Progress(epoch=3, seed=9)
    session = session_of(model, log)
    session.begin(ShapesDataset(2), log.checkpoint(2), Continuation(progress, step.optimizer))
    assert session.progress is progress


def test_nothing_is_left_to_train(model, log, capsys):
    session = session_of(model, log)
    session.begin(ShapesDataset(2), None, None)
    assert session.is_over(2) and not session.is_over(3)
    assert capsys.readouterr().out == "2 of 2 epochs done already: nothing to train.\n"


def test_one_process_begins_where_it_is(model, log):
    progress = Progress(epoch=1)
    step = model.compile(0.01, 0.9)
    found = begin_together(SingleDevice(), model.config, ShapesDataset(2), progress, log, step)
    assert found == (progress, log)


def test_classes_must_fit():
    require_fitting_classes(TinyConfig(), ShapesDataset(1))
    data = ShapesDataset(1)
    data.add_class("shapes", 3, "star")
    data.prepare()
    with pytest.raises(ConfigError) as caught:
        require_fitting_classes(TinyConfig(), data)
    assert caught.value.settings == ("NUM_CLASSES",)
    assert caught.value.sentence({"NUM_CLASSES": "--classes"}) == (
        "--classes is 3, but the data set has 4 classes, background included (square, disc, "
        "star); set --classes to 4, or give a data set with these classes."
    )


def test_a_training_leaves_the_process_as_it_was(tmp_path):
    """OpenCV's threads although there are two loaders, and the log folder's lock."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        model = MaskRCNN("training", TinyConfig(), tmp_path)
        model.train(ShapesDataset(4), ShapesDataset(2, seed=1), 0.001, 1, "heads")
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
    with holding(Path(model.log_dir)):
        pass
