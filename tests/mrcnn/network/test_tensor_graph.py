"""Looking for layers in a graph, and describing arrays."""

import keras
import numpy as np
import pytest

from mrcnn.errors import ConfigError
from mrcnn.network.graph_queries import ancestor, describe_array, run_graph


@pytest.fixture(scope="module")
def graph():
    """input -> conv1 -> ROI -> (a, b) -> sum; `other` hangs on the input beside them."""
    image = keras.Input((4,), name="image")
    conv = keras.layers.Dense(4, name="conv1")(image)
    roi = keras.layers.Dense(4, name="ROI")(conv)
    a = keras.layers.ReLU(name="a")(roi)
    b = keras.layers.Dense(4, name="b_1")(roi)
    total = keras.layers.Add(name="sum")([a, b])
    other = keras.layers.ReLU(name="other")(image)
    return keras.Model(image, [total, other])


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("sum", "sum"),  # the tensor itself
        ("ROI", "ROI"),
        ("ROI/packed:0", "ROI"),  # what TensorFlow 1 called its output
        ("conv1:0", "conv1"),
        ("b", "b_1"),  # with the number that a second building appends
        ("b_1", "b_1"),
        ("image", "image"),
    ],
)
def test_an_ancestor_is_the_output_of_the_layer(graph, name, layer):
    assert ancestor(graph.outputs[0], name) is graph.get_layer(layer).output


@pytest.mark.parametrize("name", ["other", "nothing", ""])
def test_a_layer_that_the_tensor_does_not_depend_on(graph, name):
    assert ancestor(graph.outputs[0], name) is None


@pytest.mark.parametrize(
    "name",
    [
        "ROI/pre_nms_anchors:0",
        "ROI/refined_anchors:0",
        "ROI/refined_anchors_clipped:0",
        "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0",
        "conv1/kernel",
    ],
)
def test_a_tensor_within_a_layer_is_not_taken_for_its_output(graph, name):
    with pytest.raises(ConfigError, match="have no tensor") as refused:
        ancestor(graph.outputs[0], name)
    assert ("mrcnn.inspection.stages" in str(refused.value)) == name.startswith("ROI")


def test_what_is_no_tensor_has_no_value(graph):
    with pytest.raises(ConfigError, match=r"the output 'nms' is not a tensor.* found NoneType"):
        run_graph(graph, {}, {"nms": None})


def test_a_long_chain_is_walked():
    x = first = keras.Input((2,), name="first")
    for _ in range(2000):
        x = keras.layers.Identity()(x)
    assert ancestor(x, "first") is first


def test_a_number_that_belongs_to_a_name_is_kept(graph):
    assert ancestor(graph.outputs[0], "conv") is None


@pytest.mark.parametrize(
    ("array", "parts"),
    [
        (np.array([[1, 2], [3, 4]]), ["(2, 2)", "min:    1.00000", "max:    4.00000", "int64"]),
        (np.float32(2.5), ["()", "min:    2.50000", "max:    2.50000", "float32"]),
        ([True, False], ["(2,)", "bool"]),
        (np.zeros((0, 4), np.int32), ["(0, 4)", "min:", "max:", "int32"]),  # nothing in it
    ],
)
def test_description_of_an_array(array, parts):
    text = describe_array(array)
    assert "\n" not in text
    for part in parts:
        assert part in text
