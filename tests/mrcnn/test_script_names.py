"""What scripts for Matterport's code take from its modules and its Keras model."""

import json
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from mrcnn import model as modellib
from mrcnn.errors import WeightsError
from mrcnn.model import MaskRCNN
from tests.mrcnn.models import inference_inputs
from tests.mrcnn.tiny import TinyConfig
from tests.support import REPOSITORY


@pytest.mark.parametrize(
    ("module", "used"),
    [
        ("visualize", "plt.figure, np.zeros, random.shuffle, find_contours, Polygon"),
        ("visualize", "patches.Patch, lines.Line2D, colorsys, utils.resize, os, sys, itertools"),
        ("utils", "np.zeros, os.path, download_trained_weights, math.pi, random.random"),
        ("utils", "tf.shape, scipy, skimage, urllib.request, shutil, logging"),
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


LOAD = """
import sys
import keras
import numpy as np
from mrcnn import model as modellib  # registers the layers

path, given, out = sys.argv[1:]
network = keras.models.load_model(path)
np.savez(out, *network.predict(list(np.load(given).values()), verbose=0))
"""


@pytest.mark.parametrize("name", ["x.h5", "x.keras"])
def test_a_whole_model_is_saved_and_loads_in_a_fresh_process(model, tmp_path, name):
    inputs = inference_inputs(model.config)
    model.keras_model.save(tmp_path / name)
    np.savez(tmp_path / "given.npz", *inputs)
    subprocess.run(
        [sys.executable, "-c", LOAD, *(tmp_path / n for n in (name, "given.npz", "out.npz"))],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    found = np.load(tmp_path / "out.npz").values()
    for there, here in zip(found, model.keras_model.predict(inputs, verbose=0), strict=True):
        np.testing.assert_allclose(there, here, atol=1e-5)
    if name == "x.h5":
        model.load_weights(tmp_path / name, by_name=True)


def described(network):
    """What the layers say of themselves, with lists for tuples as JSON has them."""
    return json.loads(json.dumps([layer.get_config() for layer in network.layers], default=str))


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("inference", {"BACKBONE": "efficientnet-lite0"}),
        ("training", {}),
        ("training", {"USE_RPN_ROIS": False, "ADD_GT_TO_PROPOSALS": True}),
    ],
)
def test_every_layer_can_be_described_and_cloned(tmp_path, mode, changes):
    network = MaskRCNN(mode, type("C", (TinyConfig,), changes)(), tmp_path).keras_model
    for copied in (
        keras.models.clone_model(network),
        keras.models.model_from_json(network.to_json()),
    ):
        assert described(copied) == described(network)
        assert [w.shape for w in copied.weights] == [w.shape for w in network.weights]


def test_names_of_2018_are_answered_with_todays(model):
    with pytest.raises(AttributeError, match=r"take data_generator\(dataset, config"):
        modellib.DataGenerator  # noqa: B018 - the look-up is the test
    with pytest.raises(WeightsError, match=r"find_last\(\) as it is"):
        model.load_weights("/logs/mask_rcnn_shapes_0001.h5"[1], by_name=True)


def test_anchors_are_there_after_detecting_and_after_building_for_training(model, tmp_path):
    assert not hasattr(model, "anchors")
    model.detect([np.zeros((30, 40, 3), np.uint8)])
    training = MaskRCNN("training", TinyConfig(), tmp_path)
    assert model.anchors.shape == training.anchors.shape == ((256 + 64 + 16 + 4 + 1) * 3, 4)
    assert model.anchors.max() > 2  # pixels
