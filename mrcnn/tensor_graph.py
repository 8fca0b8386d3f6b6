"""Finding tensors in a Keras graph, computing and describing them."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf


def ancestor(tensor: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
    """Go back from a symbolic tensor to the nearest one that the layer `name` made.

    Args:
        tensor: a tensor of a functional model.
        name: a layer's name, with or without the endings of TensorFlow 1 (`ROI/..:0`, `_1`).

    Returns:
        The tensor, or None where `tensor` does not depend on such a layer.
    """
    wanted = name.split("/")[0].split(":")[0]
    queue, seen = [tensor], set()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        # Keras offers no public way from a tensor to the call that made it.
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
    """Values of any tensors of a graph.

    Args:
        model: with the tensors in its graph.
        inputs: values of the model's inputs by name; those that it has not are left out.
        outputs: tensors by any name.

    Returns:
        Their values by the same names, in the same order.
    """
    used = [x for x in model.inputs if x.name in inputs]
    values = keras.Model(used, dict(outputs))(
        [tf.convert_to_tensor(inputs[x.name], tf.float32) for x in used]
    )
    return {name: values[name].numpy() for name in outputs}


def _base_name(name: str) -> str:
    base, _, number = name.rpartition("_")
    return base if number.isdigit() else name


def describe_array(array: np.ndarray) -> str:
    """Shape, least and greatest value, and dtype of an array, on one line."""
    array = np.asarray(array)
    low, high = (array.min(), array.max()) if array.size else ("", "")
    low, high = (f"{x:10.5f}" if array.size else f"{'':10}" for x in (low, high))
    return f"shape: {array.shape!s:20}  min: {low}  max: {high}  {array.dtype}"
