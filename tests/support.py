"""What tests share: the golden numbers, and the material beside the project where it is present."""

import contextlib
import gzip
import json
import os
import pathlib
import re
import zlib

import numpy as np
import pytest

GOLDEN = pathlib.Path(__file__).parent / "golden"
REPOSITORY = pathlib.Path(__file__).parent.parent


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of `tests/golden/<name>.npz`."""
    with np.load(GOLDEN / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


def golden_json(name: str) -> dict:
    """A golden JSON file, gzipped or not."""
    packed = GOLDEN / f"{name}.json.gz"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads((GOLDEN / f"{name}.json").read_text())


def info(data: dict[str, np.ndarray], key: str = "info_json") -> dict:
    """The JSON text stored in an array of a golden file."""
    return json.loads(str(data[key]))


def unpack(packed: np.ndarray, shape) -> np.ndarray:
    """Bool array of `shape` from `np.packbits` of its C-order elements."""
    count = int(np.prod(shape))
    return np.unpackbits(packed)[:count].reshape(tuple(int(n) for n in shape)).astype(bool)


def shared(*parts: str) -> pathlib.Path:
    """A path in the `shared` folder beside the project; skips the test where it is absent."""
    root = pathlib.Path(os.environ.get("FASHION_SHARED", REPOSITORY.parent / "shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} of the shared folder beside the project")
    return path


# The deterministic weights that every golden model run used: see tests/golden/README.md.
KERNEL_GAIN = {
    "conv1": 1.0 / 64.0,
    "rpn_class_raw": 0.3,
    "rpn_bbox_pred": 0.3,
    "mrcnn_class_logits": 0.5,
    "mrcnn_bbox_fc": 0.3,
    "mrcnn_mask": 1.5,
}


def recipe_weight(layer: str, short: str, shape) -> np.ndarray:
    """The golden runs' float32 weight `short` ('kernel', 'gamma', ...) of a layer."""
    rng = np.random.RandomState(zlib.crc32(f"{layer}/{short}".encode()) & 0x7FFFFFFF)
    shape = tuple(int(n) for n in shape)
    if short == "kernel":
        weight = _recipe_kernel(rng, layer, shape)
    elif short == "bias":
        weight = rng.standard_normal(shape) * 0.01
    elif short == "gamma":
        weight = rng.uniform(0.5, 1.5, shape) * _gamma_gain(layer)
    elif short in ("beta", "moving_mean"):
        weight = rng.standard_normal(shape) * 0.1
    elif short == "moving_variance":
        weight = rng.uniform(0.5, 1.5, shape)
    else:
        raise ValueError(short)
    return weight.astype(np.float32)


def _recipe_kernel(rng, layer, shape):
    deconvolution = layer == "mrcnn_mask_deconv"
    axes = (3,) if deconvolution else tuple(range(len(shape) - 1))
    fan_in = shape[3] if deconvolution else int(np.prod(shape[:-1]))
    weight = rng.standard_normal(shape)
    if layer != "conv1":
        weight = weight - weight.mean(axis=axes, keepdims=True)
    return weight * (np.sqrt(2.0 / fan_in) * KERNEL_GAIN.get(layer, 1.0))


def _gamma_gain(layer):
    if re.fullmatch(r"bn\d\w_branch2c", layer):
        return 0.3
    if re.fullmatch(r"bn\d\w_branch1", layer):
        return 0.9
    return 1.0


def child_processes() -> set[int]:
    """The numbers of this process's children (Linux)."""
    found: set[int] = set()
    for task in pathlib.Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found |= set(map(int, (task / "children").read_text().split()))
    return found
