"""The number format the network computes in."""

import threading

import keras
import numpy as np
import pytest

from mrcnn.network import build
from mrcnn.network.build import build_model, building_in, resolve_precision
from mrcnn.network.rpn import build_rpn_model
from tests.mrcnn.models import inference_inputs, tiny_batch, tiny_config


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_precision_is_taken(name):
    assert resolve_precision(name) == name


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("avx2 avx512_bf16", "bfloat16"),
        ("avx2 amx_bf16 amx_tile", "bfloat16"),
        ("avx2 avx512f", "float32"),
        ("", "float32"),
        (None, "float32"),  # a system that does not say
    ],
)
def test_auto_asks_the_processor(flags, chosen, monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"processor: 0\nflags: {flags}\n", encoding="utf-8")
    monkeypatch.setattr(build.pathlib, "Path", lambda _: cpuinfo)
    monkeypatch.setattr(build.tf.config, "list_physical_devices", lambda _: [])
    assert resolve_precision("auto") == chosen


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [
        ([(8, 0)], "bfloat16"),
        ([(7, 5)], "float32"),
        ([(9, 0), (7, 0)], "float32"),
        ([None], "float32"),
    ],
)
def test_auto_asks_every_gpu(capabilities, chosen, monkeypatch):
    details = [{"compute_capability": c} if c else {} for c in capabilities]
    monkeypatch.setattr(
        build.tf.config, "list_physical_devices", lambda _: list(range(len(details)))
    )
    monkeypatch.setattr(
        build.tf.config.experimental, "get_device_details", lambda gpu: details[gpu]
    )
    assert resolve_precision("auto") == chosen


def test_layers_compute_in_it_and_keep_float32_weights():
    with building_in("bfloat16"):
        layer = keras.layers.Dense(3)
    layer.build((None, 2))
    assert (layer.compute_dtype, layer.kernel.dtype) == ("bfloat16", "float32")


def test_another_thread_builds_in_its_own_precision():
    names = []
    with building_in("bfloat16"):
        thread = threading.Thread(target=lambda: names.append(keras.config.dtype_policy().name))
        thread.start()
        thread.join()
        names.append(keras.config.dtype_policy().name)
    assert names == ["float32", "mixed_bfloat16"]


def test_the_policy_is_restored():
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError), building_in("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == before


@pytest.fixture(scope="module")
def inference_models():
    """The same weights in both formats."""
    models = {
        p: build_model("inference", tiny_config(PRECISION=p)) for p in ("float32", "bfloat16")
    }
    # By name: two builds may list their weights in another order (Keras 3.8).
    values = {weight.path: weight.numpy() for weight in models["float32"].weights}
    for weight in models["bfloat16"].weights:
        weight.assign(values[weight.path])
    return models


def test_bfloat16_inference_gives_float32_close_to_float32s(inference_models):
    inputs = inference_inputs(tiny_config())
    outputs = {
        name: [np.asarray(o) for o in model(inputs, training=False)]
        for name, model in inference_models.items()
    }
    assert {o.dtype for o in outputs["bfloat16"]} == {np.dtype(np.float32)}
    assert all(np.isfinite(o).all() for o in outputs["bfloat16"])
    rough, exact = outputs["bfloat16"][6], outputs["float32"][6]
    # Each of some 30 layers rounds to 8 significant bits, .2 % on average.
    assert 0 < np.linalg.norm(rough - exact) / np.linalg.norm(exact) < 0.03


def test_no_feature_map_is_converted_on_its_way_into_the_rpn():
    with building_in("bfloat16"):
        model = build_rpn_model(1, 3, depth=16)
    assert model.inputs[0].dtype == "bfloat16"
    assert {output.dtype for output in model.outputs} == {"float32"}
    assert build_rpn_model(1, 3, depth=16).inputs[0].dtype == "float32"


def test_bfloat16_weights_are_float32(inference_models):
    assert {w.dtype for w in inference_models["bfloat16"].weights} == {"float32"}


def test_bfloat16_training_gives_float32():
    config = tiny_config(PRECISION="bfloat16")
    outputs = build_model("training", config)(tiny_batch(config), training=True)
    assert {o.dtype.name for o in outputs} == {"float32"}
    assert np.isfinite([float(loss) for loss in outputs[-5:]]).all()
