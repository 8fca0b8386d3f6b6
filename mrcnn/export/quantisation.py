"""An exported ONNX file in 8-bit integers, by ONNX Runtime's own static quantisation.

Convolutions and matrix products of the network take and give uint8, each with one scale, and their
kernels are int8 with a scale for each output channel. What is around them (resizing, anchors,
boxes, suppression, RoIAlign, pasting) stays in float, and so do the layers of `IN_FLOAT`.
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

# What the heads end with, for which 256 steps are too coarse, and inverted bottlenecks: what one of
# their layers is off by, the next ones pass on (docs/export.md has the figures).
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
# These change no scale, and between quantised layers they stay in integers, too.
PASSING = ("Relu", "Clip", "MaxPool")


def quantised_nodes(graph: "onnx.GraphProto") -> list[str]:
    """Names of the nodes of a graph to compute in integers.

    Those with weights, what follows them without changing the scale, and sums of two of them. Left
    out are `IN_FLOAT`, the convolution of the picture, and depthwise ones.
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
    """Whether a node has weights that are brought to integers."""
    if node.op_type not in WEIGHTED or node.input[1] not in shapes:
        return False
    is_depthwise = any(one.name == "group" and one.i > 1 for one in node.attribute)
    if is_depthwise or (node.op_type == "Conv" and shapes[node.input[1]][1] == COLOURS):
        return False
    # Keras numbers layers that are called again, and the RPN is a model within the model.
    layers = "|".join(IN_FLOAT)
    return not any(re.fullmatch(f"({layers})(_[0-9]+)?", part) for part in node.name.split("/"))


def quantise_onnx(model: "onnx.ModelProto", pictures: Iterable[np.ndarray]) -> "onnx.ModelProto":
    """An exported network in 8-bit integers.

    Weights have seven bits: processors without VNNI add two products in 16 bits, which eight would
    exceed.

    Args:
        model: as `mrcnn.export.formats.write_onnx` makes it.
        pictures: photographs of the kind that will be shown to it, uint8 RGB `[height, width, 3]`
            of any size; the graph molds them. The least and the greatest value that a tensor has
            over all of them become its range.

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
    """A `CalibrationDataReader` of ONNX Runtime: one input after the other, None after the last."""

    def __init__(self, pictures: Iterable[np.ndarray]):
        self._rest = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input."""
        picture = next(self._rest, None)
        return None if picture is None else {"image": picture}
