"""An exported model finds the same in a process that has neither this project nor Keras."""

import importlib.util
import json

import numpy as np
import pytest

from mrcnn.errors import ConfigError, UserError
from mrcnn.export.description import require_tf2onnx
from mrcnn.export.exporting import check_exportable, check_free, export_model
from mrcnn.model import MaskRCNN
from tests.mrcnn.exported import (
    assert_near_detections,
    assert_same_detections,
    of,
    run_elsewhere,
)
from tests.mrcnn.models import assign_recipe, tiny_config

NAMES = ["background", "coat", "shoe", "hat, straw"]
needs_onnx = pytest.mark.skipif(
    not (importlib.util.find_spec("tf2onnx") and importlib.util.find_spec("onnxruntime")),
    reason="needs tf2onnx and onnxruntime: the extra [export]",
)


def pictures():
    rng = np.random.default_rng(5)
    coarse = {"wide": (5, 8), "tall": (12, 6)}
    return {
        name: np.kron(rng.integers(0, 255, (*size, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        for name, size in coarse.items()
    }


def tiny_model(folder, **changes):
    config = tiny_config(**{"IMAGES_PER_GPU": 1} | changes)
    model = MaskRCNN("inference", config, folder)
    assign_recipe(model.keras_model)
    return model


def check(model, folder, kinds):
    expected = {name: model.detect([image])[0] for name, image in pictures().items()}
    found = run_elsewhere(folder, pictures(), *kinds)
    ways = {"saved_model": ["", ", encoded", ", pasted"]}
    for kind in kinds:
        for name, result in expected.items():
            assert len(result["rois"])
            for way in ways.get(kind, [""]):
                assert_same_detections(of(found, f"{kind}/{name}{way}"), result)
        if kind != "tflite":
            assert [n.decode() for n in found[f"{kind}/names/names"]] == NAMES


@pytest.mark.slow
def test_a_saved_model_finds_what_detect_finds(tmp_path):
    model = tiny_model(tmp_path)
    (path,) = export_model(model, tmp_path / "out", ["saved_model"], NAMES)
    check(model, tmp_path / "out", ["saved_model"])
    assert (path / "assets" / "class_names.txt").read_text().splitlines() == NAMES
    assert {p.name for p in path.parent.glob("*saved_model*")} == {
        "saved_model",
        "saved_model.json",
    }


@pytest.mark.slow
def test_lite_finds_what_detect_finds(tmp_path):
    model, said = tiny_model(tmp_path), []
    (path,) = export_model(model, tmp_path / "out", ["tflite"], NAMES, progress=said.append)
    assert len(said) == 1 and str(path) in said[0]
    check(model, tmp_path / "out", ["tflite"])
    described = json.loads((tmp_path / "out" / "model.tflite.json").read_text())
    assert described["class_names"] == NAMES and described["config"]["NAME"] == "Tiny"
    assert described["outputs"]["boxes"]["shape"] == [6, 4]


@pytest.mark.slow
def test_a_second_export_replaces_the_first_if_asked(tmp_path):
    model = tiny_model(tmp_path)
    (path,) = export_model(model, tmp_path, ["saved_model"], NAMES)
    (path / "stale").touch()
    with pytest.raises(UserError, match="an export already"):
        export_model(model, tmp_path, ["saved_model"], NAMES)
    assert (path / "stale").exists()
    export_model(model, tmp_path, ["saved_model"], NAMES, overwrite=True)
    assert not (path / "stale").exists() and (path / "saved_model.pb").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fit64", "pad64", "none"])
def test_a_saved_model_of_other_sizes(tmp_path, mode):
    model = tiny_model(tmp_path, IMAGE_RESIZE_MODE=mode)
    export_model(model, tmp_path / "out", ["saved_model"], NAMES)
    if mode == "none":
        image = np.kron(np.arange(48).reshape(4, 4, 3) * 5, np.ones((32, 32, 1))).astype(np.uint8)
        found = run_elsewhere(tmp_path / "out", {"square": image}, "saved_model")
        assert_same_detections(of(found, "saved_model/square"), model.detect([image])[0])
    else:
        check(model, tmp_path / "out", ["saved_model"])


SHAPED = {"IMAGE_RESIZE_MODE": "shape", "IMAGE_HEIGHT": 128, "IMAGE_WIDTH": 64}
PHOTO = SHAPED | {"BACKBONE": "efficientnet-lite0"}


@pytest.mark.slow
def test_the_small_backbone_and_a_shape_of_its_own(tmp_path):
    model = tiny_model(tmp_path, **PHOTO)
    kinds = ["saved_model", "tflite"]
    export_model(model, tmp_path / "out", kinds, NAMES)
    check(model, tmp_path / "out", kinds)
    described = json.loads((tmp_path / "out" / "model.tflite.json").read_text())
    assert described["inputs"]["image"]["shape"] == [128, 64, 3]


@needs_onnx
@pytest.mark.slow
def test_the_small_backbone_in_onnx(tmp_path):
    model = tiny_model(tmp_path, **PHOTO)
    export_model(model, tmp_path / "out", ["onnx"], NAMES)
    check(model, tmp_path / "out", ["onnx"])


@pytest.mark.slow
def test_a_saved_model_in_bfloat16(tmp_path):
    model = tiny_model(tmp_path, PRECISION="bfloat16")
    export_model(model, tmp_path / "out", ["saved_model"], NAMES)
    found = run_elsewhere(tmp_path / "out", pictures(), "saved_model")
    for name, image in pictures().items():
        rows = of(found, f"saved_model/{name}")
        assert rows["scores"].dtype == np.float32
        assert rows["masks"].shape == (len(rows["boxes"]), *image.shape[:2])
        assert_near_detections(rows, model.detect([image])[0])


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("masks", ["full", "mini"])
def test_onnx_finds_what_detect_finds(tmp_path, masks):
    model = tiny_model(tmp_path)
    export_model(model, tmp_path / "out", ["onnx"], NAMES, masks=masks)
    check(model, tmp_path / "out", ["onnx"])


@pytest.mark.parametrize(
    ("formats", "changes", "expected"),
    [
        (["onyx"], {}, "'onyx'"),
        ([], {}, "none"),
        (["saved_model"], {"IMAGE_RESIZE_MODE": "crop"}, "crop"),
        (
            ["saved_model"],
            {"NUM_CLASSES": 5},
            "NUM_CLASSES: expected 5 names, .*found 4",
        ),
        (["tflite"], {"IMAGE_RESIZE_MODE": "pad64"}, "'square'"),
        (["tflite"], {"IMAGE_RESIZE_MODE": "fit64"}, "'square'"),
        (["tflite"], {"PRECISION": "bfloat16"}, "'float32'"),
    ],
)
def test_what_cannot_be_exported_is_said_before(formats, changes, expected):
    with pytest.raises(ConfigError, match=expected):
        check_exportable(tiny_config(**changes), formats, NAMES)
    if formats == ["tflite"]:
        check_exportable(tiny_config(**changes), ["saved_model"], NAMES)


def test_other_kinds_of_masks_are_refused():
    with pytest.raises(ConfigError, match="masks is not valid: expected 'full' or 'mini'"):
        check_exportable(tiny_config(), ["saved_model"], NAMES, masks="none")


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "saved_model").mkdir()
    check_free(tmp_path, ["saved_model"], overwrite=True)  # empty: nothing is lost
    (tmp_path / "saved_model" / "thesis.txt").touch()
    with pytest.raises(UserError, match="something else"):
        check_free(tmp_path, ["saved_model"], overwrite=True)
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(UserError, match="not what an export writes"):
        check_free(tmp_path, ["onnx"], overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="this is a file"):
        check_free(tmp_path / "file", ["onnx"], overwrite=False)


def test_a_missing_converter_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "tf2onnx>=1\.17"'):
        require_tf2onnx()
