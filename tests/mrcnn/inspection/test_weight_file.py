"""What is known of a weight file without building a network."""

import json

import h5py
import numpy as np
import pytest

from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.inspection.weight_file import read_contents
from mrcnn.weights.h5_writing import write_layers


def kernel(name, *shape):
    return name, [(f"{name}/kernel:0", np.zeros(shape)), (f"{name}/bias:0", np.zeros(shape[-1]))]


def blocks(counts):
    """The first convolutions of a ResNet's blocks, by the number of blocks of stages 2 to 5."""
    return [
        kernel(f"res{stage}{chr(97 + block)}_branch2a", 1, 1, 2, 2)
        for stage, count in enumerate(counts, start=2)
        for block in range(count)
    ]


def head(classes=4):
    rpn = [kernel("rpn_conv_shared", 3, 3, 8, 16), kernel("rpn_class_raw", 1, 1, 16, 6)]
    return [
        ("input_image", []),
        kernel("fpn_p2", 3, 3, 8, 8),
        ("rpn_model", [weight for _, weights in rpn for weight in weights]),
        kernel("mrcnn_class_conv1", 7, 7, 8, 32),
        kernel("mrcnn_mask_conv1", 3, 3, 8, 12),
        kernel("mrcnn_class_logits", 32, classes),
    ]


@pytest.mark.parametrize(
    ("counts", "settings"),
    [
        ((2, 2, 6, 5), {"BACKBONE": "efficientnet-lite0"}),
        ((3, 3, 8, 6), {"BACKBONE": "efficientnet-lite2"}),
        ((1, 1, 1, 1), {}),
        ((), {}),
    ],
)
def test_the_small_backbones_by_their_depthwise_convolutions(tmp_path, counts, settings):
    layers = [
        kernel(f"res{stage}{chr(97 + block)}_depthwise", 3, 3, 8, 1)
        for stage, count in enumerate(counts, start=2)
        for block in range(count)
    ]
    write_layers(tmp_path / "x.h5", [kernel("res1a_depthwise", 3, 3, 8, 1), *layers])
    contents = read_contents(tmp_path / "x.h5")
    assert contents.layout == ("matterport" if counts else "other")
    assert contents.settings == settings


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        ((3, 4, 6, 3), "resnet50"),
        ((3, 4, 23, 3), "resnet101"),
        ((2, 2, 2, 2), "compact_resnet_graph (preset demo)"),
        ((1, 2, 0, 1), "a ResNet of 1-2-0-1 blocks"),
    ],
)
def test_the_shapes_show_the_network(tmp_path, counts, name):
    write_layers(tmp_path / "x.h5", [*blocks(counts), *head()])
    contents = read_contents(tmp_path / "x.h5")
    assert contents.layout == "matterport" and not contents.whole_model
    assert contents.settings == {
        "BACKBONE": name,
        "NUM_CLASSES": 4,
        "TOP_DOWN_PYRAMID_SIZE": 8,
        "RPN_CHANNELS": 16,
        "len(RPN_ANCHOR_RATIOS)": 3,
        "FPN_CLASSIF_FC_LAYERS_SIZE": 32,
        "MASK_HEAD_CHANNELS": 12,
    }
    write_layers(tmp_path / "x.h5", [*head(), kernel("mrcnn_mask_detail", 1, 1, 8, 4)])
    assert read_contents(tmp_path / "x.h5").settings["MASK_DETAIL"] is True


def test_totals_text_and_json(tmp_path):
    path = tmp_path / "x.h5"
    write_layers(path, [("input_image", []), kernel("conv1", 3, 3, 2, 5)])
    contents = read_contents(path)
    assert (contents.weight_count, contents.parameters) == (2, 3 * 3 * 2 * 5 + 5)
    text = contents.to_text()
    assert "2 layers, 1 of them with weights: 2 arrays, 95 numbers" in text
    assert "conv1/kernel:0  3x3x2x5" in text
    assert "kernel" not in contents.to_text(with_layers=False)
    stored = json.loads(json.dumps(contents.to_json()))
    assert stored["totals"] == {
        "layers": 2,
        "layers_with_weights": 1,
        "weights": 2,
        "parameters": 95,
    }
    assert stored["layers"][1]["weights"][0] == {"name": "conv1/kernel:0", "shape": [3, 3, 2, 5]}
    assert stored["bytes"] == path.stat().st_size


def test_what_the_file_notes_of_itself(tmp_path):
    note = {"preset": "demo", "classes": ["bag", "belt"]}
    notes = {"fashion_stage": json.dumps(note), "author": "somebody"}
    write_layers(tmp_path / "x.h5", head(), notes)
    contents = read_contents(tmp_path / "x.h5")
    assert contents.notes == {"fashion_stage": note, "author": "somebody"}
    assert "classes = 2: bag, belt" in contents.to_text()
    assert "note author: somebody" in contents.to_text()


def test_a_whole_model_and_the_other_naming(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([b"conv2_block1_1_conv"])
        layer = group.create_group("conv2_block1_1_conv")
        layer.attrs["weight_names"] = np.array([b"conv2_block1_1_conv/kernel:0"])
        layer.create_dataset("conv2_block1_1_conv/kernel:0", data=np.zeros((1, 1, 2, 2), "f4"))
    contents = read_contents(tmp_path / "model.h5")
    assert contents.whole_model and contents.layout == "keras.applications"
    assert contents.settings == {"BACKBONE": "a ResNet of 1-0-0-0 blocks"}
    assert "a whole model" in contents.to_text()


def test_a_file_of_some_other_network(tmp_path):
    write_layers(tmp_path / "x.h5", [kernel("dense", 2, 3)])
    contents = read_contents(tmp_path / "x.h5")
    assert (contents.layout, contents.settings) == ("other", {})


def test_names_that_leave_out_the_layer_or_have_a_number(tmp_path):
    layers = [
        ("mrcnn_class_logits", [("kernel:0", np.zeros((8, 5)))]),
        ("rpn_model", [("rpn_conv_shared_1/kernel:0", np.zeros((3, 3, 8, 16)))]),
    ]
    write_layers(tmp_path / "x.h5", layers)
    contents = read_contents(tmp_path / "x.h5")
    assert contents.settings == {"NUM_CLASSES": 5, "RPN_CHANNELS": 16}
    assert "mrcnn_class_logits/kernel:0  8x5" in contents.to_text()


def test_a_file_without_any_layer(tmp_path):
    write_layers(tmp_path / "x.h5", [])
    contents = read_contents(tmp_path / "x.h5")
    assert contents.parameters == 0 and contents.to_text().endswith("0 arrays, 0 numbers")


def test_files_that_are_none(tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"x\.h5: there is no such weight file"):
        read_contents(tmp_path / "x.h5")
    (tmp_path / "y.h5").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(WeightsError, match="zip archive"):
        read_contents(tmp_path / "y.h5")
