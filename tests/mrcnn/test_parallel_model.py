"""The class that old scripts put around a model."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.parallel_model import ParallelModel
from tests.support import REPOSITORY


def small_model():
    """Two outputs for each image, and one number for the batch."""
    image = keras.Input((4,), name="image")
    features = keras.layers.Dense(3, name="features")(image)
    doubled = keras.layers.Rescaling(2.0)(features)
    return keras.Model(image, [features, doubled, keras.ops.mean(features)], name="small")


def on_two_devices():
    """Runs in a process whose processor is divided into two devices."""
    from tests.mrcnn.distributed_script import divide_processor

    divide_processor(2)
    model = small_model()
    parallel = ParallelModel(model, 2)
    images = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    devices = []
    layer = model.get_layer("features")
    plain = layer.call

    def noting(x):
        output = plain(x)
        devices.append(output.device[-5:])
        return output

    layer.call = noting
    called = [np.asarray(x) for x in parallel(images)]
    assert devices == ["CPU:0", "CPU:1"], devices
    layer.call = plain
    for own, theirs in zip(called, model(images), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5, atol=1e-6)
    assert [x.shape for x in called] == [(6, 3), (6, 3), ()]
    print("done")


@pytest.mark.slow
def test_slices_are_computed_on_their_devices_and_put_together():
    code = "from tests.mrcnn.test_parallel_model import on_two_devices; on_two_devices()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=1800
    )
    assert done.stdout.strip() == "done", done.stderr


def test_one_device_runs_the_model_as_it_is(tmp_path):
    model = small_model()
    parallel = ParallelModel(model, gpu_count=1)
    images = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(parallel(images)[0], model(images)[0])
    assert parallel.get_layer("features") is model.get_layer("features")
    path = tmp_path / "inner.weights.h5"
    parallel.save_weights(path)
    before = model.get_layer("features").get_weights()
    model.get_layer("features").set_weights([np.zeros_like(w) for w in before])
    parallel.load_weights(path)
    np.testing.assert_array_equal(model.get_layer("features").get_weights()[0], before[0])


def test_fewer_devices():
    with pytest.raises(ConfigError, match=r"GPU_COUNT is 64, but TensorFlow finds \d+ GPUs"):
        ParallelModel(small_model(), 64)
