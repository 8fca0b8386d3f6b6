"""GPU_COUNT is refused where the devices are not there."""

import pytest

from mrcnn import devices
from mrcnn.devices import make_training_repeatable, require_devices
from mrcnn.errors import ConfigError


def pretend(monkeypatch, gpus):
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda kind: list(range(gpus)))


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_one_device_always_works(monkeypatch, gpus):
    pretend(monkeypatch, gpus)
    require_devices(1)


@pytest.mark.parametrize(
    ("wanted", "found", "sentence"),
    [
        (2, 0, "GPU_COUNT is 2, but TensorFlow finds 0 GPUs.*set GPU_COUNT = 1"),
        (4, 1, "GPU_COUNT is 4, but TensorFlow finds 1 GPUs"),
        (2, 2, "GPU_COUNT is 2, but training on several GPUs is not supported"),
    ],
)
def test_more_are_refused_with_a_sentence(monkeypatch, wanted, found, sentence):
    pretend(monkeypatch, found)
    with pytest.raises(ConfigError, match=sentence):
        require_devices(wanted)


@pytest.mark.parametrize(("gpus", "switched"), [(0, True), (1, False)])
def test_training_is_made_repeatable_on_processors_only(monkeypatch, gpus, switched):
    calls = []
    pretend(monkeypatch, gpus)
    monkeypatch.setattr(
        devices.tf.config.experimental, "enable_op_determinism", lambda: calls.append("mode")
    )
    monkeypatch.setattr(devices.tf.random, "set_seed", calls.append)
    make_training_repeatable(7)
    assert calls == (["mode", 7] if switched else [])
