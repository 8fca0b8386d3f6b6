"""Which layers' activations are worth a look, and what can be said of them in numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.errors import ConfigError

# The last block of a ResNet's stage stands for the stage; then the pyramid.
_BLOCK = re.compile(r"res([2-5])([a-z])_out")
_PYRAMID = re.compile(r"fpn_p[2-6]")
# Of a backbone that is no ResNet, so many layers are taken.
_OTHERS = 5
# A map whose values all lie within this says nothing of where in the image something is.
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
        """Channels with the same value everywhere: after a ReLU mostly those that are always 0."""
        cells = self.values.reshape(-1, self.values.shape[-1])
        # A map of a single cell cannot vary.
        return int((np.ptp(cells, axis=0) <= FLAT).sum()) if len(cells) > 1 else 0

    def figures(self) -> dict:
        """Size, range, mean, spread, and how many channels are flat or of zeros."""
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


def chosen_layers(keras_model) -> list[str]:
    """The layers to look at: the image, the end of each stage of the backbone, the pyramid.

    A backbone that is no ResNet gives five of its convolutions, evenly spread.
    """
    names = [layer.name for layer in keras_model.layers]
    last: dict[str, str] = {}
    for name in names:
        if found := _BLOCK.fullmatch(name):
            last[found[1]] = name
    stages = list(last.values()) or _convolutions(keras_model, names)
    pyramid = [name for name in names if _PYRAMID.fullmatch(name)]
    return ["input_image", *stages, *sorted(pyramid)]


def _convolutions(keras_model, names: list[str]) -> list[str]:
    """A few convolutions of a backbone: what stands before the pyramid."""
    end = min((i for i, name in enumerate(names) if name.startswith("fpn_")), default=len(names))
    found = [
        layer.name
        for layer in keras_model.layers[:end]
        if layer.weights and _dimensions(layer) == 4 and "Conv" in type(layer).__name__
    ]
    places = np.unique(np.linspace(0, len(found) - 1, min(_OTHERS, len(found))).astype(int))
    return [found[i] for i in places]


def _dimensions(layer) -> int:
    """Axes of a layer's output, 0 where it has several outputs."""
    output = layer.output
    return 0 if isinstance(output, list | tuple | dict) else len(output.shape)


def require_maps(keras_model, names: Sequence[str]) -> None:
    """Raise ConfigError where a layer is not there or gives no feature maps."""
    from mrcnn.inspection import layer_output

    for name in names:
        output = layer_output(keras_model, name)
        if isinstance(output, list | tuple | dict) or len(output.shape) not in (4, 5):
            raise ConfigError(
                f"The layer {name} gives no feature maps: take one whose output is "
                "[batch, height, width, channels], such as " + ", ".join(chosen_layers(keras_model))
            )


def feature_maps(layer: str, values: np.ndarray) -> FeatureMaps:
    """Of what `mrcnn.inspection.run` gives: [height, width, channels].

    Of the layers that work on RoIs, [RoIs, height, width, channels], the first RoI is taken.
    """
    return FeatureMaps(layer, values[0] if values.ndim == 4 else values)
