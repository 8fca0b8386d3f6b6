"""What `train` makes of its command line, up to the calls of the model."""

import argparse
import json
from pathlib import Path

import keras
import pytest

import mrcnn.model
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.stages import models
from fashion.stages.models import describe_weights, weights_note
from fashion.stages.presets import find_preset
from fashion.stages.stage import Stage
from fashion.stages.train import (
    note_classes,
    parse_class_weights,
    train,
)
from fashion.stages.training_arguments import add_training_arguments
from mrcnn.config import Config
from mrcnn.data.pass_order import classes_of_images
from mrcnn.errors import ConfigError, DatasetError, UserError, WeightsError
from tests.stages.factory import head_weights, make_dataset

OTHER_WORKER = {
    "cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
    "task": {"type": "worker", "index": 1},
}
DEMO = find_preset("demo")
SIDE, RATE = DEMO.values["IMAGE_MAX_DIM"], DEMO.values["LEARNING_RATE"]


class RecordingModel:
    """Stands where MaskRCNN does, and writes down what it is asked for."""

    made = None

    def __init__(self, mode, config, model_dir):
        self.mode, self.config = mode, config
        self.log_dir = str(Path(model_dir) / "modanet20240101T0000")
        self.epoch, self.loaded, self.calls = 0, None, []
        RecordingModel.made = self

    def load_weights(self, path, by_name=False):
        assert by_name
        self.loaded = path
        if Path(path).name.startswith("mask_rcnn_modanet_"):
            self.epoch = int(Path(path).stem[-4:])

    def train(self, train_set, validation_set, learning_rate, epochs, layers, augmentation):
        assert (train_set.num_classes, validation_set.num_classes) == (14, 14)
        self.calls.append((layers, epochs, pytest.approx(learning_rate)))
        self.augmentation = augmentation
        self.epoch = epochs
        best = Path(self.log_dir) / "best_mask_rcnn_modanet.h5"
        head_weights(best, notes=self.weights_attributes)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    stage = Stage("modanet", tmp_path / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
    season = Stage("season", tmp_path / "model2", SEASON_TABLE, "mask_rcnn_Season.h5")
    monkeypatch.setattr(models, "MODANET_STAGE", stage)
    monkeypatch.setattr(models, "SEASON_STAGE", season)
    monkeypatch.setattr(mrcnn.model, "MaskRCNN", RecordingModel)
    monkeypatch.setattr(RecordingModel, "made", None)
    monkeypatch.chdir(tmp_path)
    make_dataset(stage.dataset, train=2, val=1)
    return stage


def run(stage, *arguments):
    parser = argparse.ArgumentParser()
    add_training_arguments(parser, stage)
    parser.set_defaults(stage=stage)
    assert train(parser.parse_args(arguments)) == 0
    return RecordingModel.made


def test_defaults_are_in_the_stages_folder(stage):
    model = run(stage, "--preset=demo")
    assert model.mode == "training"
    assert Path(model.log_dir).parent == stage.logs
    assert (stage.folder / stage.weights).is_file()


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        # The preset's own schedule.
        (["--epochs=10"], [("all", 7, RATE), ("all", 9, RATE / 10), ("all", 10, RATE / 100)]),
        # With one epoch the parts after the first have nothing left to do.
        (["--epochs=1"], [("all", 1, RATE)]),
        # Layers that are given stand for one part.
        (["--layers=heads", "--epochs=3"], [("heads", 3, RATE)]),
        (["--layers=4+", "--learning-rate=.1"], [("4+", DEMO.epochs, 0.1)]),
        # A schedule that is given wins.
        (
            ["--schedule=matterport", "--epochs=8", "--learning-rate=.01"],
            [("heads", 2, 0.01), ("4+", 6, 0.01), ("all", 8, 0.001)],
        ),
        (["--schedule=heads:2:.1,all:3:.01"], [("heads", 2, 0.1), ("all", 3, 0.01)]),
        # How the rate moves takes the place of the preset's parts, not of those that are given.
        (["--lr-schedule=cosine", "--epochs=9"], [("all", 9, RATE)]),
        (
            ["--lr-schedule=cosine", "--schedule=heads:2:.1,all:3:.01"],
            [("heads", 2, 0.1), ("all", 3, 0.01)],
        ),
    ],
)
def test_parts(stage, arguments, calls):
    assert run(stage, "--preset=demo", *arguments).calls == calls


def test_the_command_line_wins_over_the_preset(stage):
    model = run(stage, "--preset=demo", "--batch=3", "--steps=5", "--workers=0", "--seed=0")
    config = model.config
    assert (config.BATCH_SIZE, config.STEPS_PER_EPOCH) == (3, 5)
    assert (config.LOADER_WORKERS, config.SEED, config.PRECISION) == (0, 0, "auto")
    assert config.IMAGE_MAX_DIM == SIDE


def test_a_seed_makes_the_random_weights_repeatable(stage, monkeypatch):
    drawn = []

    class Drawing(RecordingModel):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            drawn.append(float(keras.initializers.RandomUniform()(())))

    monkeypatch.setattr(mrcnn.model, "MaskRCNN", Drawing)
    for seed in (["--seed=3"], ["--seed=3"], ["--seed=4"], []):
        run(stage, "--preset=demo", "--epochs=1", *seed)
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_training_helps(stage):
    arguments = (
        "--optimizer=adam --warmup=50 --lr-schedule=cosine:0.01 --accumulate=4 --evaluate-every=5 "
        "--evaluate-images=100 --early-stopping=10 --repeat-rare --class-weights=balanced"
    )
    config = run(stage, "--preset=demo", "--epochs=1", *arguments.split()).config
    assert (config.OPTIMIZER, config.WARMUP_STEPS, config.ACCUMULATE_STEPS) == ("adam", 50, 4)
    assert config.LEARNING_RATE_SCHEDULE == "cosine:0.01"
    assert (config.EVALUATE_EVERY, config.EVALUATE_IMAGES) == (5, 100)
    assert (config.EARLY_STOPPING, config.REPEAT_FACTOR_THRESHOLD) == (10, 0.1)
    assert config.CLASS_WEIGHTS == "balanced"


def test_devices_and_rate(stage):
    options = ["--batch=3", "--gpus=2", "--scale-learning-rate"]
    config = run(stage, "--preset=demo", "--epochs=1", *options).config
    assert (config.GPU_COUNT, config.IMAGES_PER_GPU, config.BATCH_SIZE) == (2, 3, 6)
    assert config.SCALE_LEARNING_RATE is True


def test_one_device_and_the_rate_as_it_is_by_default(stage):
    config = run(stage, "--preset=demo", "--epochs=1").config
    assert (config.GPU_COUNT, config.SCALE_LEARNING_RATE) == (1, False)
    assert (stage.folder / stage.weights).is_file()


def test_another_worker_than_the_chief_copies_nothing(stage, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(OTHER_WORKER))
    run(stage, "--preset=demo", "--epochs=1")
    assert not (stage.folder / stage.weights).exists()


def test_how_pictures_are_loaded(stage):
    options = ["--workers=3", "--loader-resize=fast", "--loader-cache=500"]
    config = run(stage, "--preset=demo", "--epochs=1", *options).config
    assert config.LOADER_WORKERS == 3
    assert (config.LOADER_RESIZE, config.LOADER_CACHE_MB) == ("fast", 500)


def test_helps_that_are_not_asked_for_are_the_presets(stage):
    config = run(stage, "--preset=default", "--model=none", "--epochs=1").config
    for name in ("OPTIMIZER", "WARMUP_STEPS", "ACCUMULATE_STEPS", "LEARNING_RATE_SCHEDULE",
                 "EVALUATE_EVERY", "EVALUATE_IMAGES", "EARLY_STOPPING", "CLASS_WEIGHTS",
                 "REPEAT_FACTOR_THRESHOLD", "LOADER_RESIZE", "LOADER_CACHE_MB"):  # fmt: skip
        assert getattr(config, name) == getattr(Config, name)


def test_class_weights_by_name(stage):
    model = run(stage, "--preset=demo", "--epochs=1", "--class-weights=Belt=3,scarf & tie=0.5")
    assert model.config.CLASS_WEIGHTS == {"belt": 3, "scarf/tie": 0.5}


@pytest.mark.parametrize("text", ["belt", "belt=", "belt=x", "=3", "belt=3,", ""])
def test_what_is_no_class_weight(text):
    with pytest.raises(
        ConfigError, match="not class=weight: expected balanced, or weights such as bag=3"
    ):
        parse_class_weights(text, MODANET_TABLE)


def test_a_weight_for_no_class():
    with pytest.raises(DatasetError, match='"hat" is not a class of this table'):
        parse_class_weights("hat=3", MODANET_TABLE)


def test_classes_of_pictures_are_known_without_their_masks(stage, monkeypatch):
    dataset = FashionDataset()
    dataset.load(stage.dataset, "train", MODANET_TABLE)
    dataset.prepare()
    expected = [ids.tolist() for ids in classes_of_images(dataset)]
    note_classes(dataset)
    monkeypatch.setattr(dataset, "load_mask", None)
    assert [ids.tolist() for ids in classes_of_images(dataset)] == expected


@pytest.mark.parametrize(
    ("name", "augments"), [("none", False), ("flip", True), ("light", True), ("strong", True)]
)
def test_augmentation(stage, name, augments):
    model = run(stage, "--preset=demo", "--epochs=1", f"--augmentation={name}")
    assert (model.augmentation is not None) == augments


def test_random_weights(stage, capsys):
    assert run(stage, "--preset=demo", "--model=none", "--epochs=1").loaded is None
    assert "Starting from random weights" in capsys.readouterr().out


def test_coco_weights_are_taken_from_the_stages_folder(stage):
    path = head_weights(stage.folder / "mask_rcnn_coco.h5", classes=81)
    assert run(stage, "--model=coco", "--epochs=1").loaded == path
    assert run(stage, "--epochs=1").loaded == path  # so does the default preset


def test_last_resumes_with_the_preset_and_the_part_it_was_in(stage):
    notes = weights_note("demo", MODANET_TABLE)
    folder = stage.logs / "modanet20240101T0000"
    head_weights(folder / "mask_rcnn_modanet_0008.h5", notes=notes)
    model = run(stage, "--model=last", "--epochs=10")
    assert model.loaded == folder / "mask_rcnn_modanet_0008.h5"
    assert model.config.IMAGE_MAX_DIM == SIDE
    assert model.calls == [("all", 9, RATE / 10), ("all", 10, RATE / 100)]


def test_a_training_that_is_complete_has_nothing_to_do(stage):
    notes = weights_note("demo", MODANET_TABLE)
    head_weights(stage.logs / "modanet20240101T0000" / "mask_rcnn_modanet_0010.h5", notes=notes)
    assert run(stage, "--model=last", "--epochs=10").calls == []


def test_checkpoints_remember_preset_and_classes(stage):
    run(stage, "--preset=demo", "--epochs=1")
    weights = describe_weights(stage.folder / stage.weights)
    assert (weights.preset, weights.classes) == ("demo", tuple(MODANET_TABLE.names))


def test_best_weights_are_copied_where_they_are_asked_for(stage, tmp_path, capsys):
    run(stage, "--preset=demo", "--epochs=1", "--weights-out=out/best.h5")
    best = stage.logs / "modanet20240101T0000" / "best_mask_rcnn_modanet.h5"
    assert (tmp_path / "out" / "best.h5").read_bytes() == best.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["best.h5"]
    assert not (stage.folder / stage.weights).exists()
    assert f"Best weights: {Path('out/best.h5')}" in capsys.readouterr().out


def test_weights_that_are_there_are_left_unless_overwrite_is_given(stage, capsys):
    target = stage.folder / stage.weights
    target.write_text("precious")
    run(stage, "--preset=demo", "--epochs=1")
    assert target.read_text() == "precious"
    assert "was kept; --overwrite" in capsys.readouterr().out
    run(stage, "--preset=demo", "--epochs=1", "--overwrite")
    assert target.read_bytes().startswith(b"\x89HDF")


def without_validation(stage):
    (stage.dataset / "val" / "via_region_data.json").unlink()


def broken_weights(stage):
    (stage.folder / "x.h5").write_bytes(b"PK\x03\x04")


def weights_of_the_default_preset(stage):
    head_weights(stage.folder / "x.h5", notes=weights_note("default", MODANET_TABLE))


def a_file_for_logs(stage):
    (stage.folder / "file").touch()


@pytest.mark.parametrize(
    ("prepare", "arguments", "error", "sentence"),
    [
        (without_validation, [], DatasetError, "has no via_region_data.json"),
        (None, ["--model=x.h5"], WeightsError, r"x\.h5: there is no weight file"),
        (None, ["--model=last"], WeightsError, "no folder there begins with 'modanet'"),
        (broken_weights, ["--model=x.h5"], WeightsError, "a zip archive"),
        (
            weights_of_the_default_preset,
            ["--model=x.h5"],
            WeightsError,
            "expected demo, found default",
        ),
        (None, ["--schedule=heads"], ConfigError, "is not a part"),
        (
            a_file_for_logs,
            ["--logs=model1/file"],
            UserError,
            "file: nothing can be written .*with logs",
        ),
        (
            a_file_for_logs,
            ["--weights-out=model1/file/x.h5"],
            UserError,
            "file: nothing can be written .*with weights_out",
        ),
        (None, ["--weights-out=model1"], UserError, "is a folder"),
        (None, ["--seed=4294967296"], ConfigError, "SEED is 4294967296"),
        (None, ["--class-weights=hat=2"], DatasetError, '"hat" is not a class'),
        (None, ["--class-weights=belt=-2"], ConfigError, "CLASS_WEIGHTS is {'belt': -2.0}"),
    ],
)
def test_errors_come_before_the_network_is_built(stage, prepare, arguments, error, sentence):
    if prepare:
        prepare(stage)
    with pytest.raises(error, match=sentence):
        run(stage, "--preset=demo", *arguments)
    assert RecordingModel.made is None


@pytest.mark.parametrize(
    "argument",
    [
        "--epochs=0",
        "--steps=0",
        "--batch=-1",
        "--learning-rate=0",
        "--preset=huge",
        "--seed=-1",
        "--lr-schedule=linear",
        "--accumulate=0",
        "--loader-resize=slow",
        "--loader-cache=-1",
        "--evaluate-images=0",
        "--repeat-rare=2",
        "--augmentation=heavy",
    ],
)
def test_values_that_the_command_line_refuses(stage, argument, capsys):
    with pytest.raises(SystemExit) as ended:
        run(stage, argument)
    assert ended.value.code == 2
    assert argument.split("=")[0] in capsys.readouterr().err
