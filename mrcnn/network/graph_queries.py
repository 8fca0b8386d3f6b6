"""Queries on a Keras graph: which layers an expression selects, and the values of tensors."""

import re
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from mrcnn.errors import ConfigError

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
PRESETS = {
    "heads": HEADS,
    "5+": rf"(res5.*)|(bn5.*)|{HEADS}",
    "4+": rf"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "3+": rf"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "all": ".*",
}
# The operations that can produce a layer's output in TensorFlow 1.
_OUTPUT_NODE = re.compile(
    r"(add|Add|BiasAdd|concat|ExpandDims|Identity|MaxPool|packed|Relu|Reshape|ResizeNearestNeighbor"
    r"|Sigmoid|Softmax|Squeeze|stack|strided_slice)(_\d+)?"
)


def layer_regex(layers: str) -> str:
    """The regular expression of a preset ('heads', '5+', '4+', '3+', 'all'), or `layers` itself."""
    return PRESETS.get(layers, layers)


def find_trainable_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that holds the weights: the inner one of a per-RoI wrapper."""
    while isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    return layer


def layers_with_weights(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers with weights; nested models are opened, wrappers kept."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_with_weights(layer)
        elif layer.weights:
            yield layer


def set_trainable(model: keras.Model, regex: str) -> list[str]:
    """Make the layers whose full name matches trainable, and freeze all others.

    The nested `rpn_model` is opened, as in the original: its layers are matched by their own
    names. Frozen batch norms use their moving statistics.

    Returns:
        The names of the trainable layers.

    Raises:
        ConfigError: none matches.
    """
    selected = []
    for layer in layers_with_weights(model):
        trainable = bool(re.fullmatch(regex, layer.name))
        layer.trainable = trainable
        if trainable:
            selected.append(layer.name)
    if not selected:
        raise ConfigError(
            f"no layer's name matches {regex!r}",
            settings=("layers",),
            advice=f"set {{layers}} to one of {', '.join(PRESETS)}, or to a regular expression "
            "such as 'mrcnn_.*|fpn_.*'",
        )
    return selected


def ancestor(tensor: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
    """Go back from a symbolic tensor to the nearest one produced by the layer `name`.

    Args:
        tensor: a tensor of a functional model.
        name: a layer's name, with or without TensorFlow 1's suffixes (`ROI/packed:0`, `_1`).

    Returns:
        The tensor, or None if `tensor` does not depend on such a layer.

    Raises:
        ConfigError: in TensorFlow 1 that name was a tensor inside the layer, not its output.
    """
    wanted, _, node = name.split(":")[0].partition("/")
    if node and not _OUTPUT_NODE.fullmatch(node):
        advice = f"take the output of the layer, {wanted!r}"
        if wanted == "ROI":
            advice += (
                ", or all stages between anchors and proposals from "
                "mrcnn.inspection.stages.proposal_stages (docs/matterport_users.md)"
            )
        raise ConfigError(f"the layers of Keras 3 have no tensor {name!r} inside", advice=advice)
    queue, seen = [tensor], set()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        # Keras offers no public way from a tensor to the call that produced it.
        made_by = current._keras_history
        if _base_name(made_by.operation.name) == wanted or made_by.operation.name == wanted:
            return current
        queue += made_by.operation._inbound_nodes[made_by.node_index].input_tensors
    return None


def run_graph(
    model: keras.Model,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, keras.KerasTensor],
) -> dict[str, np.ndarray]:
    """The values of any tensors in a graph.

    Args:
        model: with the tensors in its graph.
        inputs: values of the model's inputs by name; names that it does not have are ignored.
        outputs: tensors under names of the caller's choice.

    Returns:
        Their values by the same names, in the same order.

    Raises:
        ConfigError: an output is not a tensor of a graph.
    """
    for name, output in outputs.items():
        if not isinstance(output, keras.KerasTensor):
            raise ConfigError(
                f"the output {name!r} is not a tensor of the graph",
                expected="the output of a layer, such as "
                'model.keras_model.get_layer("rpn_class").output',
                found=type(output).__name__,
            )
    used = [x for x in model.inputs if x.name in inputs]
    values = keras.Model(used, dict(outputs))(
        [tf.convert_to_tensor(inputs[x.name], tf.float32) for x in used]
    )
    return {name: values[name].numpy() for name in outputs}


def _base_name(name: str) -> str:
    base, _, number = name.rpartition("_")
    return base if number.isdigit() else name


def describe_array(array: np.ndarray) -> str:
    """Shape, minimum, maximum and dtype of an array, on one line."""
    array = np.asarray(array)
    low, high = (array.min(), array.max()) if array.size else ("", "")
    low, high = (f"{x:10.5f}" if array.size else f"{'':10}" for x in (low, high))
    return f"shape: {array.shape!s:20}  min: {low}  max: {high}  {array.dtype}"
