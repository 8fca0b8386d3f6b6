"""The layers whose activations are worth a look, and statistics of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.errors import ConfigError
from mrcnn.inspection.stages import layer_output

# The last block of a ResNet's stage represents the stage, unless the stage's output is normalised
# after it (EfficientNet-Lite0); then the pyramid.
_STAGE = re.compile(r"res(?P<block>[2-5])[a-z]_out|fpn_c(?P<normalised>[2-5])_bn")
_PYRAMID = re.compile(r"fpn_p[2-6]")
# Number of layers shown for a backbone with other layer names.
_OTHERS = 5
# A map whose values all lie within this range says nothing about locations in the image.
FLAT = 1e-6


@dataclass(frozen=True)
class FeatureMaps:
    """The activations of a layer for one image.

    Attributes:
        layer: its name.
        values: float32 [height, width, channels].
    """

    layer: str
    values: np.ndarray

    def flat_channels(self) -> int:
        """Number of channels that are constant: after a ReLU, mostly those that are always 0."""
        cells = self.values.reshape(-1, self.values.shape[-1])
        # A map with a single cell cannot vary.
        return int((np.ptp(cells, axis=0) <= FLAT).sum()) if len(cells) > 1 else 0

    def figures(self) -> dict:
        """Shape, range, mean, standard deviation, share of zeros, and number of flat channels."""
        values = self.values.astype(np.float64)
        return {
            "shape": list(self.values.shape),
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "mean": float(values.mean()),
            "std": float(values.std()),
            "zeros": float((self.values == 0).mean()),
            "flat_channels": self.flat_channels(),
        }


def chosen_layers(keras_model: Any) -> list[str]:
    """The layers to look at: the image, the end of each backbone stage, the pyramid.

    For a backbone with other layer names, five of its convolutions, evenly spaced.
    """
    names = [layer.name for layer in keras_model.layers]
    last: dict[str, str] = {}
    for name in names:
        if found := _STAGE.fullmatch(name):
            last[found["block"] or found["normalised"]] = name
    stages = list(last.values()) or _convolutions(keras_model, names)
    pyramid = [name for name in names if _PYRAMID.fullmatch(name)]
    return ["input_image", *stages, *sorted(pyramid)]


def _convolutions(keras_model, names: list[str]) -> list[str]:
    """A few convolutions of the backbone, which is everything before the pyramid."""
    end = min((i for i, name in enumerate(names) if name.startswith("fpn_")), default=len(names))
    found = [
        layer.name
        for layer in keras_model.layers[:end]
        if layer.weights and _dimensions(layer) == 4 and "Conv" in type(layer).__name__
    ]
    places = np.unique(np.linspace(0, len(found) - 1, min(_OTHERS, len(found))).astype(int))
    return [found[i] for i in places]


def _dimensions(layer) -> int:
    """Number of axes of a layer's output, 0 if it has several outputs."""
    output = layer.output
    return 0 if isinstance(output, list | tuple | dict) else len(output.shape)


def require_maps(keras_model: Any, names: Sequence[str]) -> None:
    """Raise ConfigError if a layer does not exist or does not output feature maps."""
    for name in names:
        output = layer_output(keras_model, name)
        if isinstance(output, list | tuple | dict) or len(output.shape) not in (4, 5):
            raise ConfigError(
                f"the layer {name} gives no feature maps",
                advice="choose one whose output is [batch, height, width, channels], such as "
                + ", ".join(chosen_layers(keras_model)),
            )


def feature_maps(layer: str, values: np.ndarray) -> FeatureMaps:
    """Feature maps from a value of `mrcnn.inspection.stages.run`, [height, width, channels].

    For layers that work on RoIs, [RoIs, height, width, channels], the first RoI is used.
    """
    return FeatureMaps(layer, values[0] if values.ndim == 4 else values)
