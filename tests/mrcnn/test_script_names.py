"""What scripts for Matterport's code take from its modules and its Keras model."""

import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.model import MaskRCNN
from tests.mrcnn.tiny import TinyConfig
from tests.support import REPOSITORY


@pytest.mark.parametrize(
    ("module", "used"),
    [
        ("visualize", "plt.figure, np.zeros, random.shuffle, find_contours, Polygon"),
        ("visualize", "patches.Patch, lines.Line2D, colorsys, utils.resize"),
        ("utils", "np.zeros, os.path, download_trained_weights, math.pi, random.random"),
        ("model", "tf.shape, keras.layers, K, KL.Conv2D, KM.Model, utils.Dataset, np.zeros, re"),
    ],
)
def test_a_star_import_brings_what_it_brought(module, used):
    code = f"from mrcnn.{module} import *; print(len([{used}]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(used.count(",") + 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return MaskRCNN("inference", TinyConfig(), tmp_path_factory.mktemp("logs"))


def test_the_keras_model_writes_and_reads_matterports_layout(model, tmp_path):
    network = model.keras_model
    network.save_weights(str(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5") as file:
        assert b"mrcnn_class_logits" in list(file.attrs["layer_names"])
    before = [np.array(weight) for weight in network.weights]
    for weight in network.weights:
        weight.assign(np.zeros(weight.shape))
    network.load_weights(str(tmp_path / "x.h5"), by_name=True)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    network.save_weights(tmp_path / "own.weights.h5")  # Keras' own
    network.load_weights(tmp_path / "own.weights.h5")


@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
def test_a_whole_model_is_refused_with_a_way_out(model, tmp_path, name):
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / name))
    checkpoint.set_model(model.keras_model)
    with pytest.raises(ConfigError, match=r"cannot be saved.*save_weights\(.*export_model"):
        checkpoint.on_epoch_end(0, {})
    with pytest.raises(ConfigError, match=r"Config\.to_json"):
        model.keras_model.to_json()


def test_anchors_are_there_after_detecting_and_after_building_for_training(model, tmp_path):
    assert not hasattr(model, "anchors")
    model.detect([np.zeros((30, 40, 3), np.uint8)])
    training = MaskRCNN("training", TinyConfig(), tmp_path)
    assert model.anchors.shape == training.anchors.shape == ((256 + 64 + 16 + 4 + 1) * 3, 4)
    assert model.anchors.max() > 2  # pixels
