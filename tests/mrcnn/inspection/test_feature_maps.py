"""Which layers are shown, and their feature maps in numbers."""

import keras
import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.inspection.feature_maps import chosen_layers, feature_maps, require_maps
from mrcnn.network.build import build_model
from tests.mrcnn.models import tiny_config
from tests.mrcnn.tiny import TinyConfig

PYRAMID = [f"fpn_p{level}" for level in range(2, 7)]


def test_of_a_resnet_the_end_of_each_stage():
    model = build_model("inference", tiny_config())
    stages = ["res2b_out", "res3b_out", "res4b_out", "res5b_out"]
    assert chosen_layers(model) == ["input_image", *stages, *PYRAMID]


def test_of_the_small_backbone_what_the_pyramid_sees():
    model = build_model("inference", tiny_config(BACKBONE="efficientnet-lite0"))
    stages = [f"fpn_c{level}_bn" for level in (2, 3, 4, 5)]
    assert chosen_layers(model) == ["input_image", *stages, *PYRAMID]


def test_of_another_backbone_some_convolutions():
    model = build_model("inference", TinyConfig())
    names = chosen_layers(model)
    assert names[0] == "input_image" and names[-5:] == PYRAMID
    assert names[1] == "conv1" and len(names) == 11
    require_maps(model, names)


def test_of_a_network_without_either_the_image_alone():
    image = keras.layers.Input((4, 4, 3), name="input_image")
    model = keras.Model(image, keras.layers.Flatten()(image))
    assert chosen_layers(model) == ["input_image"]


def test_layers_without_maps_are_refused():
    model = build_model("inference", TinyConfig())
    require_maps(model, ["mrcnn_mask"])  # of every RoI
    with pytest.raises(ConfigError, match="rpn_class gives no feature maps; choose one whose"):
        require_maps(model, ["conv1", "rpn_class"])
    with pytest.raises(ConfigError, match="no layer 'con'"):
        require_maps(model, ["con"])


def test_figures():
    values = np.zeros((2, 3, 4), np.float32)
    values[0, 0, 0] = 6
    values[..., 1] = 1  # everywhere the same
    maps = feature_maps("x", values)
    assert maps.flat_channels() == 3
    figures = maps.figures()
    assert figures["shape"] == [2, 3, 4]
    assert (figures["minimum"], figures["maximum"]) == (0, 6)
    assert figures["mean"] == pytest.approx(12 / 24)
    assert figures["zeros"] == pytest.approx(17 / 24)


def test_a_map_of_one_cell_is_not_called_flat():
    assert feature_maps("fpn_p6", np.ones((1, 1, 8), np.float32)).flat_channels() == 0


def test_of_rois_the_first_is_taken():
    values = np.arange(2 * 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(feature_maps("mrcnn_mask", values).values, values[0])
