"""GPU_COUNT is refused where the devices are not there."""

import pytest

from mrcnn import devices
from mrcnn.devices import require_devices
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
