"""The script that makes the demo's start weights again."""

import pytest

from fashion import DEMO_START
from fashion.stages.models import describe_weights, preset_of, weights_note
from fashion.stages.presets import find_preset
from fashion.stages.stage import MODANET_STAGE
from mrcnn.errors import UserError
from mrcnn.weights.h5_reading import read_layers
from tests.stages.factory import head_weights
from tests.support import REPOSITORY
from tools import make_demo_start


def test_the_steps_are_commands_of_the_project(tmp_path):
    options = make_demo_start.parse_arguments([f"--output={tmp_path}"])
    steps = make_demo_start.steps(options)
    assert [step.name for step in steps] == ["draw", "train", "measure", "copy"]
    for step in steps:
        for command in step.commands:
            assert (REPOSITORY / command.words[0]).is_file()
    (train,) = steps[1].commands
    assert "--model=none" in train.words
    assert "--model=last" in train.resumed
    assert not train.started()


def test_a_training_can_begin_with_former_weights(tmp_path):
    arguments = [f"--output={tmp_path}", f"--start={tmp_path / 'former.h5'}", "--seed=2"]
    (train,) = make_demo_start.steps(make_demo_start.parse_arguments(arguments))[1].commands
    assert f"--model={(tmp_path / 'former.h5').as_posix()}" in train.words
    assert "--seed=2" in train.words and "--seed=2" in train.resumed


def test_copying_is_whole_or_not_at_all(tmp_path):
    notes = weights_note("demo", MODANET_STAGE.table)
    source = head_weights(tmp_path / "best.h5", notes=notes)
    target = tmp_path / "new" / "start.h5"
    assert str(target) in make_demo_start.copy_weights(source, target)
    copied = describe_weights(target)
    assert (copied.preset, copied.classes) == ("demo", MODANET_STAGE.table.names)
    assert copied.line().endswith("; trained on drawings, not on photographs")
    ((name, weights),) = read_layers(target).items()
    assert (name, len(weights)) == ("mrcnn_class_logits", 2)
    with pytest.raises(UserError, match="name another file with --weights"):
        make_demo_start.copy_weights(source, tmp_path)


def test_the_weights_are_small_and_fit_the_demo():
    assert DEMO_START.stat().st_size <= 20_000_000
    assert find_preset(preset_of(describe_weights(DEMO_START), None)).compact
    assert describe_weights(DEMO_START).classes == tuple(MODANET_STAGE.table.names)
    assert describe_weights(DEMO_START).line().endswith("; trained on drawings, not on photographs")


@pytest.mark.slow
def test_from_nothing_to_weights(tmp_path):
    weights = tmp_path / "start.h5"
    arguments = [f"--output={tmp_path / 'work'}", f"--weights={weights}"]
    arguments += ["--train-images=8", "--val-images=4", "--schedule=all:1:0.001", "--steps=2"]
    assert make_demo_start.main(arguments) == 0
    assert describe_weights(weights).preset == "demo"
