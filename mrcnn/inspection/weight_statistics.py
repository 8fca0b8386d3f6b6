"""Statistics of the weights of a file or model: range, mean, spread, and what looks wrong.

The marks are meant for a person to look at: a network that was just built has constant biases and
batch norms, as it should; a trained one should have few.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mrcnn.inspection.weight_file import full_name
from mrcnn.weights.h5_reading import read_arrays, read_layers

# A detector's trained weights stay within a few units, moving variances within some thousands.
OVERFLOW = 1000.0
VARIANCE_OVERFLOW = 1e8
# A kernel column with no larger magnitude than this gives the same output for any input.
DEAD = 1e-12


@dataclass(frozen=True)
class WeightStatistics:
    """The statistics of one weight.

    Attributes:
        layer: name of its layer.
        name: as in weight files, `rpn_conv_shared/kernel:0`.
        shape: of the array.
        minimum, maximum, mean, std: of its finite values; 0 if there are none.
        alarm: what looks wrong: "not finite", "overflow?", "all zero", "dead?" (all values equal),
            "3 of 64 outputs dead"; empty if nothing does.
        remark: "as initialised" for constant biases and batch norms; else empty.
    """

    layer: str
    name: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float
    mean: float
    std: float
    alarm: str = ""
    remark: str = ""

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel, not a bias or part of a batch norm."""
        return _kind(self.name) == "kernel"

    def to_json(self) -> dict:
        """All attributes as plain values by name."""
        return {**asdict(self), "shape": list(self.shape)}


def file_statistics(path: str | os.PathLike) -> list[WeightStatistics]:
    """Statistics of every weight in a `.h5` file, in its order; no network is built.

    Raises WeightsNotFoundError or WeightsError, like `mrcnn.weights.h5_reading.read_layers`.
    """
    stored = [
        (layer, full_name(layer, name), place)
        for layer, weights in read_layers(path).items()
        for name, place in weights
    ]
    arrays = read_arrays(place for _, _, place in stored)
    return [
        weight_statistics(layer, name, array)
        for (layer, name, _), array in zip(stored, arrays, strict=True)
    ]


def model_statistics(keras_model) -> list[WeightStatistics]:
    """Statistics of every weight of a Keras model, under the names used in weight files."""
    from mrcnn.weights.matching import layer_weights

    return [
        weight_statistics(layer.name, name, np.asarray(weight))
        for layer in keras_model.layers
        for name, weight in layer_weights(layer)
    ]


def weight_statistics(layer: str, name: str, values: np.ndarray) -> WeightStatistics:
    """Statistics of one array of any shape; `name` says whether it is a kernel."""
    values = np.asarray(values, np.float32)
    finite = values[np.isfinite(values)]
    figures = (0.0, 0.0, 0.0, 0.0)
    if finite.size:
        # In float64: a sum of millions of float32 values would lose digits.
        mean, std = finite.mean(dtype=np.float64), finite.std(dtype=np.float64)
        figures = (float(finite.min()), float(finite.max()), float(mean), float(std))
    alarm = "not finite" if finite.size < values.size else _alarm(name, values)
    constant = bool(values.size) and not alarm and figures[0] == figures[1]
    remark = "as initialised" if constant and _kind(name) != "kernel" else ""
    return WeightStatistics(layer, name, values.shape, *figures, alarm=alarm, remark=remark)


def _alarm(name: str, values: np.ndarray) -> str:
    """What is wrong with finite values."""
    if not values.size:
        return ""
    kind, largest = _kind(name), float(np.abs(values).max())
    if largest > (VARIANCE_OVERFLOW if kind == "moving_variance" else OVERFLOW):
        return "overflow?"
    if kind != "kernel":
        return "all zero" if kind in ("gamma", "moving_variance") and largest == 0 else ""
    if largest == 0:
        return "all zero"
    if values.size > 1 and values.min() == values.max():
        return "dead?"
    dead, outputs = _dead_outputs(name, values)
    return f"{dead} of {outputs} outputs dead" if dead else ""


def _dead_outputs(name: str, kernel: np.ndarray) -> tuple[int, int]:
    # A transposed convolution's kernel is [height, width, out, in]; all others end in outputs.
    axis = -2 if "deconv" in name and kernel.ndim > 1 else -1
    by_output = np.abs(np.moveaxis(kernel, axis, -1)).reshape(-1, kernel.shape[axis])
    return int((by_output.max(axis=0) <= DEAD).sum()), kernel.shape[axis]


def _kind(name: str) -> str:
    return name.rsplit("/", 1)[-1].split(":")[0]


def alarming(statistics: Iterable[WeightStatistics]) -> list[WeightStatistics]:
    """The statistics with an alarm."""
    return [weight for weight in statistics if weight.alarm]


def verdict(statistics: Sequence[WeightStatistics]) -> str:
    """One sentence about all weights."""
    bad = alarming(statistics)
    untouched = sum(bool(weight.remark) for weight in statistics)
    text = f"{len(statistics)} weights: "
    if bad:
        named = ", ".join(f"{weight.name} ({weight.alarm})" for weight in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        text += f"{len(bad)} look wrong: {named}{more}."
    else:
        text += "none is dead, zero, not finite or beyond any usual size."
    if untouched:
        text += (
            f" Biases and batch norms as they were initialised: {untouched}, not trained, or "
            "moving statistics that TRAIN_BN = False leaves alone."
        )
    return text


def table_rows(statistics: Iterable[WeightStatistics]) -> list[list[str]]:
    """Rows for `mrcnn.drawing.weight_table.display_table`, header first."""
    rows = [["WEIGHT NAME", "SHAPE", "MIN", "MAX", "MEAN", "STD", ""]]
    for weight in statistics:
        figures = (weight.minimum, weight.maximum, weight.mean, weight.std)
        mark = f"*** {weight.alarm}" if weight.alarm else weight.remark
        shape = "x".join(map(str, weight.shape)) or "1"
        rows.append([weight.name, shape, *(f"{figure:+.4g}" for figure in figures), mark])
    return rows
