"""Trainings are repeatable on processors."""

import pytest

from mrcnn import devices
from mrcnn.devices import make_training_repeatable


def pretend(monkeypatch, gpus):
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda kind: list(range(gpus)))


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
