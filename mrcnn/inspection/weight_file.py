"""The contents of a `.h5` weight file, without building a network.

It supports every layout that `mrcnn.weights.h5_reading` reads: Matterport's files and ours, whole
Keras 2 models, the ImageNet files. Neither Keras nor TensorFlow is imported.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrcnn.errors import counted
from mrcnn.weights.h5_reading import read_attributes, read_layers

# The number of blocks in stages 2 to 5, which identifies this project's backbones.
_BACKBONES: dict[tuple[int, ...], str] = {
    (3, 4, 6, 3): "resnet50",
    (3, 4, 23, 3): "resnet101",
    (2, 2, 2, 2): "compact_resnet_graph (preset demo)",
}
_LITES: dict[tuple[int, ...], str] = {
    (2, 2, 6, 5): "efficientnet-lite0",
    (3, 3, 8, 6): "efficientnet-lite2",
}
_MATTERPORT_BLOCK = re.compile(r"res([2-5])([a-z])_branch2a")
_LITE_BLOCK = re.compile(r"res([2-5])([a-z])_depthwise")
_KERAS_BLOCK = re.compile(r"conv([2-5])_block(\d+)_1_conv")
# Attributes of every such file, which say nothing about this one.
_USUAL_ATTRIBUTES = re.compile(r"backend|keras_version|(layer|weight)_names\d*")


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a file: its name, and (weight name, shape) in the file's order."""

    name: str
    weights: list[tuple[str, tuple[int, ...]]]

    @property
    def parameters(self) -> int:
        """Number of values in all its weights."""
        return sum(_size(shape) for _, shape in self.weights)


@dataclass(frozen=True)
class FileContents:
    """The contents of a weight file.

    Attributes:
        path: the file.
        size: bytes on disk.
        layout: "matterport", "keras.applications" (other names for the same ResNets), or "other".
        whole_model: whether the file is a saved model, from which only the weights are read.
        layers: in the file's order; layers without weights have an empty list.
        settings: the backbone and Config attributes inferred from the shapes.
        notes: the file's own attributes, such as classes and preset; JSON texts are parsed.
    """

    path: Path
    size: int
    layout: str
    whole_model: bool
    layers: list[StoredLayer]
    settings: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def weight_count(self) -> int:
        """Number of arrays in the file."""
        return sum(len(layer.weights) for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Number of values in them."""
        return sum(layer.parameters for layer in self.layers)

    def to_json(self) -> dict:
        """Everything as plain values."""
        return {
            "file": str(self.path),
            "bytes": self.size,
            "layout": self.layout,
            "whole_model": self.whole_model,
            "settings": self.settings,
            "notes": self.notes,
            "totals": {
                "layers": len(self.layers),
                "layers_with_weights": sum(bool(layer.weights) for layer in self.layers),
                "weights": self.weight_count,
                "parameters": self.parameters,
            },
            "layers": [
                {
                    "name": layer.name,
                    "parameters": layer.parameters,
                    "weights": [{"name": n, "shape": list(s)} for n, s in layer.weights],
                }
                for layer in self.layers
            ],
        }

    def to_text(self, with_layers: bool = True) -> str:
        """Text for a terminal: what the file is, and a line per weight."""
        kind = "a whole model, of which the weights are read" if self.whole_model else "weights"
        with_weights = sum(bool(layer.weights) for layer in self.layers)
        lines = [
            f"{self.path}: {kind}, {self.size / 1e6:.1f} MB, layer names of {self.layout}",
            f"{counted(len(self.layers), 'layer')}, {with_weights} of them with weights: "
            f"{counted(self.weight_count, 'array')}, {counted(self.parameters, 'number')}",
        ]
        if self.settings:
            lines.append("from its shapes:")
            lines += [f"  {name} = {value}" for name, value in self.settings.items()]
        for title, note in self.notes.items():
            lines += _note_lines(title, note)
        return "\n".join(lines + (self._layer_lines() if with_layers else []))

    def _layer_lines(self) -> list[str]:
        rows = [(full_name(v.name, n), s) for v in self.layers for n, s in v.weights]
        width = max((len(name) for name, _ in rows), default=0)
        return [f"  {name:{width}}  {'x'.join(map(str, s)) or '1'}" for name, s in rows]


def read_contents(path: str | os.PathLike) -> FileContents:
    """Read the structure of a weight file, without its values.

    Raises WeightsNotFoundError or WeightsError, like `mrcnn.weights.h5_reading.read_layers`.
    """
    path = Path(path)
    stored = read_layers(path)
    layers = [
        StoredLayer(name, [(weight, place.shape) for weight, place in weights])
        for name, weights in stored.items()
    ]
    places = [place.dataset for weights in stored.values() for _, place in weights]
    return FileContents(
        path=path,
        size=path.stat().st_size,
        layout=_layout(stored),
        whole_model=bool(places) and places[0].startswith("/model_weights/"),
        layers=layers,
        settings=_settings(layers),
        notes={
            name: _parsed(text)
            for name, text in read_attributes(path).items()
            if not _USUAL_ATTRIBUTES.fullmatch(name)
        },
    )


def full_name(layer: str, weight: str) -> str:
    """A weight's name, prefixed with its layer's if the file leaves that out."""
    return weight if "/" in weight else f"{layer}/{weight}"


def _size(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _layout(names) -> str:
    if any(_KERAS_BLOCK.fullmatch(name) for name in names):
        return "keras.applications"
    if any(
        _MATTERPORT_BLOCK.fullmatch(n)
        or _LITE_BLOCK.fullmatch(n)
        or n in ("rpn_model", "mrcnn_class_logits")
        for n in names
    ):
        return "matterport"
    return "other"


def _settings(layers: list[StoredLayer]) -> dict[str, Any]:
    kernels = {
        full_name(layer.name, weight).rsplit("/", 2)[-2]: shape
        for layer in layers
        for weight, shape in layer.weights
        if weight.split("/")[-1].startswith("kernel") and shape
    }

    def width(layer: str, divisor: int = 1) -> int | None:
        """The size of a kernel's last axis, whatever suffix Keras has added to the layer's name."""
        found = re.compile(rf"{layer}(_\d+)?")
        shape = next((shape for name, shape in kernels.items() if found.fullmatch(name)), None)
        return shape[-1] // divisor if shape else None

    settings = {
        "BACKBONE": _backbone(layers),
        "NUM_CLASSES": width("mrcnn_class_logits"),
        "TOP_DOWN_PYRAMID_SIZE": width("fpn_p2"),
        "RPN_CHANNELS": width("rpn_conv_shared"),
        "len(RPN_ANCHOR_RATIOS)": width("rpn_class_raw", 2),
        "FPN_CLASSIF_FC_LAYERS_SIZE": width("mrcnn_class_conv1"),
        "MASK_HEAD_CHANNELS": width("mrcnn_mask_conv1"),
        "MASK_DETAIL": bool(width("mrcnn_mask_detail")) or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _backbone(layers: list[StoredLayer]) -> str | None:
    """The backbone's name by its number of blocks; None if there is none."""
    counts = _block_counts(layers, _MATTERPORT_BLOCK) or _block_counts(layers, _KERAS_BLOCK)
    if counts:
        return _BACKBONES.get(counts, f"a ResNet of {'-'.join(map(str, counts))} blocks")
    return _LITES.get(_block_counts(layers, _LITE_BLOCK) or ())


def _block_counts(layers: list[StoredLayer], block: re.Pattern) -> tuple[int, ...] | None:
    """Number of blocks in each of stages 2 to 5; None if there are none at all."""
    found = [match for layer in layers if (match := block.fullmatch(layer.name))]
    blocks = {(int(match[1]), match[2]) for match in found}
    counts = tuple(sum(stage == of for of, _ in blocks) for stage in (2, 3, 4, 5))
    return counts if any(counts) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _note_lines(title: str, note: Any) -> list[str]:
    if not isinstance(note, dict):
        text = str(note)
        return [f"note {title}: {text if len(text) <= 200 else text[:200] + '...'}"]
    rows = []
    for name, value in note.items():
        many = isinstance(value, list)
        text = f"{len(value)}: {', '.join(map(str, value))}" if many else str(value)
        rows.append(f"  {name} = {text if len(text) <= 500 else text[:500] + '...'}")
    return [f"note {title}:", *rows]
