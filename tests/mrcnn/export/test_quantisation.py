"""An exported network in 8-bit integers finds what it finds in float, in a third of the file."""

import importlib.util

import numpy as np
import pytest

from fashion import DEMO_START
from fashion.demo.dataset import draw_picture
from fashion.stages.presets import make_config
from mrcnn.errors import ConfigError, UserError
from mrcnn.export import description
from mrcnn.export.exporting import check_exportable, export_model
from mrcnn.export.quantisation import quantise_onnx, quantised_nodes
from mrcnn.model import MaskRCNN
from tests.mrcnn.exported import of, run_elsewhere
from tests.mrcnn.models import tiny_config

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("tf2onnx") and importlib.util.find_spec("onnxruntime")),
    reason="needs tf2onnx and onnxruntime: the extra [export]",
)
NAMES = ["background", "coat", "shoe", "hat"]


def network():
    """A picture of any size through all kinds of convolutions; the last one ends the mask head."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kernels = {"a": (8, 3, 3, 3), "b": (8, 1, 3, 3), "c": (8, 8, 1, 1), "d": (8, 8, 1, 1)}
    kernels["e"] = (2, 8, 1, 1)
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        node("Transpose", ["cast"], ["chw"], perm=[2, 0, 1]),
        node("Unsqueeze", ["chw", "axis"], ["x"]),
        node("Conv", ["x", "a"], ["s"], name="model/bn_conv1_folded/BiasAdd"),
        node("Conv", ["s", "b"], ["t"], name="Conv__12", group=8),
        node("Conv", ["t", "c"], ["u"], name="model/bn2a_branch2a_folded_1/BiasAdd"),
        node("Relu", ["u"], ["v"], name="model/relu"),
        node("Conv", ["v", "d"], ["w"], name="model/fpn_p2_1/BiasAdd"),
        node("Add", ["w", "v"], ["sum"], name="model/fpn_p2add_1/Add"),
        node("Conv", ["sum", "e"], ["masks"], name="model/mrcnn_mask_1/BiasAdd"),
        node("Add", ["cast", "cast"], ["twice"], name="model/sum_of_pixels"),
    ]
    weights = [numpy_helper.from_array(np.array([0]), "axis")] + [
        numpy_helper.from_array((rng.normal(size=shape) / 10).astype(np.float32), name)
        for name, shape in kernels.items()
    ]
    value = helper.make_tensor_value_info
    image = value("image", TensorProto.UINT8, ["height", "width", 3])
    masks = value("masks", TensorProto.FLOAT, [1, 2, None, None])
    graph = helper.make_graph(nodes, "network", [image], [masks], weights)
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def photographs(count):
    rng = np.random.default_rng(1)
    sizes = rng.integers(20, 40, (count, 2))
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def run(model, picture):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"image": picture})[0]


def test_the_picture_depthwise_kernels_and_what_the_heads_end_with_stay_in_float():
    names = ["bn2a_branch2a_folded_1/BiasAdd", "relu", "fpn_p2_1/BiasAdd", "fpn_p2add_1/Add"]
    graph = network().graph
    assert quantised_nodes(graph) == [f"model/{name}" for name in names]
    for node in graph.node:
        node.name = node.name.replace("bn2a_branch2a", "bn2a_expand")
    assert quantised_nodes(graph) == ["model/fpn_p2_1/BiasAdd"]


def test_integers_give_nearly_the_same():
    model, (picture, *others) = network(), photographs(6)
    integers = quantise_onnx(model, [picture, *others])
    types = {tensor.name: tensor.data_type for tensor in integers.graph.initializer}
    kinds = [node.op_type for node in integers.graph.node]
    assert "QuantizeLinear" in kinds
    assert {"a", "b", "e"} < set(types) and {"c", "d"}.isdisjoint(types)
    expected, found = run(model, picture), run(integers, picture)
    assert found.shape == expected.shape
    # Seven bits of each kernel, eight of each tensor: one or two per cent.
    assert 0 < np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_only_onnx_is_quantised():
    with pytest.raises(ConfigError, match="only ONNX files are quantised"):
        check_exportable(tiny_config(), ["saved_model", "tflite"], NAMES, int8=True)
    check_exportable(tiny_config(), ["saved_model", "onnx"], NAMES, int8=True)


def test_a_missing_runtime_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install onnxruntime"):
        description.require_onnxruntime()


@pytest.mark.slow
def test_trained_weights_in_integers_find_the_same_garments(tmp_path):
    config = make_config("demo", "modanet", 14, inference=True, PRECISION="float32")
    model = MaskRCNN("inference", config, tmp_path)
    model.load_weights(DEMO_START, by_name=True)
    names = [f"class {number}" for number in range(14)]
    drawn = {f"drawn {number}": draw_picture(7, number).image for number in range(4)}
    (path,) = export_model(model, tmp_path, ["onnx"], names, calibration=drawn.values())
    assert path.stat().st_size < 0.4 * 4 * model.keras_model.count_params()
    assert '"precision": "int8"' in (tmp_path / "model.onnx.json").read_text()
    found, near, all_of_them = run_elsewhere(tmp_path, drawn, "onnx"), 0, 0
    for name, picture in drawn.items():
        expected, rows = model.detect([picture])[0], of(found, f"onnx/{name}")
        all_of_them += len(expected["rois"])
        for box, class_id in zip(expected["rois"], expected["class_ids"], strict=True):
            far = np.abs(rows["boxes"][rows["class_ids"] == class_id] - box).max(axis=1)
            near += bool((far <= 8).any())
    assert all_of_them > 5 and near >= 0.9 * all_of_them
