"""Quantising an exported ONNX file to 8-bit integers, by ONNX Runtime's static quantisation.

The network's convolutions and matrix products have uint8 inputs and outputs, each with one scale,
and int8 kernels with one scale per output channel. Everything around them (resizing, anchors,
boxes, NMS, RoIAlign, pasting) stays in float, and so do the layers of `IN_FLOAT`.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.export.description import require_onnxruntime

if TYPE_CHECKING:
    import onnx

# The last layers of the heads, for which 256 steps are too coarse, and inverted bottlenecks, whose
# layers pass on each other's rounding errors (docs/export.md has the figures).
IN_FLOAT = (
    "rpn_class_raw",
    "rpn_bbox_pred",
    "mrcnn_class_logits",
    "mrcnn_bbox_fc",
    "mrcnn_mask",
    "bn[1-5][a-z]_(expand|project)_folded",
)
COLOURS = 3
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# These do not change the scale, so between quantised layers they stay in integers, too.
PASSING = ("Relu", "Clip", "MaxPool")


def quantised_nodes(graph: "onnx.GraphProto") -> list[str]:
    """Names of a graph's nodes to compute in integers.

    These are the nodes with weights, those that follow them without changing the scale, and sums of
    two of them, except `IN_FLOAT`, the convolution of the picture, and depthwise convolutions.
    """
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    names: list[str] = []
    integer: set[str] = set()  # tensors
    for node in graph.node:
        follows = node.op_type in PASSING and node.input[0] in integer
        sums = node.op_type == "Add" and integer.issuperset(node.input)
        if _is_quantised(node, shapes) or follows or sums:
            names.append(node.name)
            integer.update(node.output)
    return names


def _is_quantised(node: "onnx.NodeProto", shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a node has weights that are quantised."""
    if node.op_type not in WEIGHTED or node.input[1] not in shapes:
        return False
    is_depthwise = any(one.name == "group" and one.i > 1 for one in node.attribute)
    if is_depthwise or (node.op_type == "Conv" and shapes[node.input[1]][1] == COLOURS):
        return False
    # Keras numbers layers that are called again, and the RPN is a nested model.
    layers = "|".join(IN_FLOAT)
    return not any(re.fullmatch(f"({layers})(_[0-9]+)?", part) for part in node.name.split("/"))


def quantise_onnx(model: "onnx.ModelProto", pictures: Iterable[np.ndarray]) -> "onnx.ModelProto":
    """Quantise an exported network to 8-bit integers.

    Weights have seven bits: processors without VNNI add two products in 16 bits, which would
    overflow with eight.

    Args:
        model: as built by `mrcnn.export.formats.write_onnx`.
        pictures: photographs of the kind it will be used on, uint8 RGB `[height, width, 3]` of any
            size; the graph molds them. A tensor's minimum and maximum over all of them become its
            range.

    Raises:
        UserError: ONNX Runtime is not installed.
    """
    require_onnxruntime()
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Photographs(pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*WEIGHTED, *PASSING, "Add"],
            nodes_to_quantize=quantised_nodes(model.graph),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(target)


class _Photographs:
    """A `CalibrationDataReader` for ONNX Runtime: one input after another, None after the last."""

    def __init__(self, pictures: Iterable[np.ndarray]):
        self._rest = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input."""
        picture = next(self._rest, None)
        return None if picture is None else {"image": picture}
