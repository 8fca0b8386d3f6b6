"""Loads and saves a Keras 3 model's weights as Matterport's `.h5` files (Keras 2's HDF5 layout).

Loading checks everything before it assigns anything: after an error the model is unchanged.
ImageNet ResNet files are accepted with either naming scheme, Matterport's (`res2a_branch2a`) or
that of `keras.applications` (`conv2_block1_1_conv`).
"""

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from mrcnn.errors import WeightsError
from mrcnn.weights.h5_reading import StoredWeight, WeightReader, open_weights, read_layers
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.keras_names import keras_applications_name

__all__ = [
    "CLASS_DEPENDENT_LAYERS",
    "LoadReport",
    "layer_weights",
    "load_weights",
    "read_layers",
    "save_weights",
]

# The layers whose output size depends on the number of classes, with their outputs per class
# (`mrcnn_bbox` only reshapes, but is in everybody's exclude lists).
_OUTPUTS_PER_CLASS = {
    "mrcnn_class_logits": 1,
    "mrcnn_bbox_fc": 4,
    "mrcnn_mask": 1,
    "mrcnn_mask_logits": 1,
    "mrcnn_mask_detail": 1,
}
CLASS_DEPENDENT_LAYERS = (*_OUTPUTS_PER_CLASS, "mrcnn_bbox")

# One TensorFlow 2 port stores its anchors as a variable, hence in the file; they are not weights.
_NOT_WEIGHTS = frozenset({"anchors"})


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What `load_weights` did. Layer names are the model's, except in `unused_in_file`.

    Attributes:
        path: the file.
        layout: how its layers are named: "matterport" or "keras.applications"; "order" if names
            were not compared.
        loaded: layers whose weights were assigned, in the model's order.
        skipped: layers skipped on purpose -> why.
        missing_in_file: layers with weights that the file lacks.
        unused_in_file: layers in the file, with weights, that the model lacks.
        weight_count: number of arrays assigned.
        parameter_count: number of values in them.
        model_weight_count: number of arrays in the model.
    """

    path: Path
    layout: str
    loaded: list[str]
    skipped: dict[str, str]
    missing_in_file: list[str]
    unused_in_file: list[str]
    weight_count: int
    parameter_count: int
    model_weight_count: int

    @property
    def complete(self) -> bool:
        """Whether every weight of the model came from the file."""
        return self.weight_count == self.model_weight_count

    def summary(self) -> str:
        """One line for the log."""
        text = (
            f"{self.path.name}: {self.weight_count} of the model's {self.model_weight_count} "
            f"weights loaded ({self.parameter_count / 1e6:.1f} M numbers, "
            f"{len(self.loaded)} layers)"
        )
        for reason in dict.fromkeys(self.skipped.values()):
            names = [name for name, why in self.skipped.items() if why == reason]
            text += f"; left as they were: {_some(names)} ({reason})"
        if self.missing_in_file:
            text += f"; not in the file: {_some(self.missing_in_file)}"
        if self.unused_in_file:
            text += f"; not in the model: {_some(self.unused_in_file)}"
        return text


def layer_weights(layer: keras.layers.Layer) -> list[tuple[str, keras.Variable]]:
    """The (name in the file, variable) pairs of a top-level layer, in the file's order.

    A wrapper's weights carry the wrapper's name (`mrcnn_class_conv1/kernel:0`), those of a nested
    model the names of its inner layers (`rpn_conv_shared/kernel:0`). Batch normalisation has gamma,
    beta, moving_mean, moving_variance. For layers without weights the list is empty.
    """
    return list(_walk(layer, layer.name))


def load_weights(
    model: keras.Model,
    path: str | os.PathLike,
    by_name: bool = True,
    exclude: str | Iterable[str] | None = None,
    class_mismatch: str = "error",
    keep: str | None = None,
) -> LoadReport:
    """Assign the weights of a Matterport / Keras 2 `.h5` file to a model.

    By name, layers that exist on one side only are skipped and reported. Within a layer, arrays are
    assigned by position; their names are not compared (Keras adds suffixes such as `conv1_1`).

    Args:
        model: built functional model; its `layers` are matched with the file's groups.
        path: the file. Its layers are named as in Matterport's or, for a ResNet, Keras' files.
        by_name: False pairs layers by order instead: all must be there, in the file's order.
        exclude: names of top-level layers that are not loaded; turns `by_name` on.
        class_mismatch: what to do if the file was trained for another number of classes: "error",
            or "skip" to skip all of `CLASS_DEPENDENT_LAYERS`.
        keep: regular expression (full match) of the top-level layers to load; others are left
            unchanged; turns `by_name` on.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: the file is damaged, of another layout, does not fit the model, has no layer
            in common with it, or holds NaN or infinity. The model is then unchanged.
    """
    if class_mismatch not in ("error", "skip"):
        raise ValueError(f'class_mismatch is {class_mismatch!r}; it must be "error" or "skip".')
    with open_weights(path) as file:
        plan = _plan(model, file, by_name, exclude, class_mismatch, keep)
        return _assign(plan, file)


def save_weights(
    model: keras.Model,
    path: str | os.PathLike,
    notes: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write all weights of a model as float32 in Matterport's / Keras 2's layout.

    `layer_names` lists every layer, even those without weights, as in Keras 2. The file appears
    complete or not at all; equal weights give equal bytes.

    Args:
        model: a built model.
        path: the file.
        notes: texts to store beside the weights, for `mrcnn.weights.h5_reading.read_attributes`.
        half: write half floats, see `mrcnn.weights.h5_writing.write_layers`.

    Raises:
        WeightsError: it cannot be written; an existing file of that name is then untouched.
    """
    write_layers(
        path,
        (
            (layer.name, ((name, np.asarray(weight)) for name, weight in layer_weights(layer)))
            for layer in model.layers
        ),
        notes,
        half,
    )


@dataclasses.dataclass
class _Plan:
    """Which stored weights go to which variables, before anything is assigned."""

    path: Path
    layout: str
    pairs: dict[str, tuple[list[tuple[str, keras.Variable]], list[StoredWeight]]]
    skipped: dict[str, str]
    missing: list[str]
    unused: list[str]
    model_weight_count: int


def _walk(layer, name):
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _walk(inner, inner.name)
    elif isinstance(layer, keras.layers.Wrapper):
        yield from _walk(layer.layer, name)
    else:
        for variable in layer.weights:
            yield f"{name}/{variable.name}:0", variable


def _selection(exclude, keep):
    """A function from a layer's name to the reason for skipping it, or None."""
    names = {exclude} if isinstance(exclude, str) else set(exclude or ())

    def reason(name):
        if name in names:
            return "excluded"
        if keep is not None and not re.fullmatch(keep, name):
            return f"not selected by {keep}"
        return None

    return reason


def _plan(
    model: keras.Model,
    file: WeightReader,
    by_name: bool,
    exclude: str | Iterable[str] | None,
    class_mismatch: str,
    keep: str | None,
) -> "_Plan":
    """Which weights of the file go where; the arguments are `load_weights`'s."""
    stored = {
        name: [weight for _, weight in weights]
        for name, weights in file.layers().items()
        if weights and name not in _NOT_WEIGHTS
    }
    targets = {layer.name: layer_weights(layer) for layer in model.layers}
    targets = {name: weights for name, weights in targets.items() if weights}
    if by_name or exclude or keep is not None:
        plan = _plan_by_name(file.path, targets, stored, _selection(exclude, keep))
    else:
        plan = _plan_by_order(file.path, targets, stored)
    if class_mismatch == "skip":
        _leave_out_other_classes(plan)
    for name in plan.pairs:
        _check_layer(file.path, name, *plan.pairs[name])
    if not plan.pairs:
        raise _nothing_to_load(file.path, targets, stored, plan)
    return plan


def _plan_by_name(path, targets, stored, reason_to_skip):
    layout, names = "matterport", {name: name for name in targets}
    if not names.keys() & stored.keys():
        other = {name: keras_applications_name(name) for name in targets}
        if stored.keys() & set(other.values()):
            layout, names = "keras.applications", other
    pairs, skipped, missing = {}, {}, []
    for name, weights in targets.items():
        reason = reason_to_skip(name)
        if reason:
            skipped[name] = reason
        elif names[name] in stored:
            pairs[name] = (weights, stored[names[name]])
        else:
            missing.append(name)
    unused = [name for name in stored if name not in set(names.values())]
    count = sum(map(len, targets.values()))
    return _Plan(path, layout, pairs, skipped, missing, unused, count)


def _plan_by_order(path, targets, stored):
    if len(targets) != len(stored):
        raise WeightsError(
            f"Layer count mismatch: the model has {len(targets)} layers with weights, the file "
            f"has {len(stored)}",
            path=path,
            settings=("by_name",),
            advice="load it by name instead ({by_name}=True)",
        )
    mine, theirs = list(targets), list(stored)
    if mine != theirs and set(mine) == set(theirs):
        place = next(i for i, name in enumerate(mine) if name != theirs[i])
        raise WeightsError(
            f"holds the model's layers in another order (layer {place + 1} is {theirs[place]}, "
            f"the model's is {mine[place]})",
            path=path,
            settings=("by_name",),
            advice="load it by name ({by_name}=True)",
        )
    pairs = {
        name: (weights, saved)
        for (name, weights), saved in zip(targets.items(), stored.values(), strict=True)
    }
    return _Plan(path, "order", pairs, {}, [], [], sum(map(len, targets.values())))


def _leave_out_other_classes(plan):
    counts = [_class_counts(name, *pair) for name, pair in plan.pairs.items()]
    counts = next((pair for pair in counts if pair), None)
    if counts is None:
        return
    for name in CLASS_DEPENDENT_LAYERS:
        if plan.pairs.pop(name, None):
            plan.skipped[name] = f"{counts[0]} classes in the file, {counts[1]} in the model"


def _class_counts(name, weights, saved) -> tuple[int, int] | None:
    """(classes in the file, classes in the model) if a layer differs only in these, else None."""
    theirs = [stored.shape for stored in saved]
    mine = [tuple(variable.shape) for _, variable in weights]
    counts = _classes(name, theirs), _classes(name, mine)
    others_agree = [shape[:-1] for shape in theirs] == [shape[:-1] for shape in mine]
    if not others_agree or counts[0] is None or counts[1] is None or counts[0] == counts[1]:
        return None
    return counts[0], counts[1]


def _classes(name: str, shapes: Iterable[tuple[int, ...]]) -> int | None:
    """The number of classes that a class-dependent layer's arrays imply; None if none fits."""
    outputs = {shape[-1] for shape in shapes if shape}
    if name not in _OUTPUTS_PER_CLASS or len(outputs) != 1:
        return None
    count, rest = divmod(outputs.pop(), _OUTPUTS_PER_CLASS[name])
    return None if rest else count


def _check_layer(path, layer, weights, saved):
    if len(weights) != len(saved):
        raise WeightsError(
            f"layer {layer} has {len(saved)} weights in the file but {len(weights)} in the model",
            path=path,
            advice="give a file of the same network",
        )
    for (name, variable), stored in zip(weights, saved, strict=True):
        if stored.shape == tuple(variable.shape):
            continue
        problem = (
            f"layer {layer}: {name} has shape {stored.shape} in the file but "
            f"{tuple(variable.shape)} in the model"
        )
        classes = _class_counts(layer, weights, saved)
        if classes:
            raise WeightsError(
                f"{problem}: the file is for {classes[0]} classes, the model for {classes[1]} "
                "(background included)",
                path=path,
                settings=("NUM_CLASSES", "exclude"),
                advice="set {NUM_CLASSES} to the file's, or leave these layers out: "
                f"{{exclude}}={list(CLASS_DEPENDENT_LAYERS)}",
            )
        raise WeightsError(
            problem,
            path=path,
            advice="build the model with the file's configuration or exclude the layer",
        )


def _nothing_to_load(path, targets, stored, plan) -> WeightsError:
    if plan.skipped and not plan.missing:
        return WeightsError(
            "nothing would be loaded: every layer is left out", path=path, advice="exclude fewer"
        )
    return WeightsError(
        f"no layer of the file ({_some(list(stored)) or 'it has none with weights'}) is named like "
        f"one of the model's ({_some(list(targets)) or 'it has no weights'})",
        path=path,
        advice="give the weight file of a Mask R-CNN or of a ResNet backbone",
    )


def _assign(plan, file):
    variables = [
        (layer, name, variable)
        for layer, (weights, _) in plan.pairs.items()
        for name, variable in weights
    ]
    arrays = file.arrays(stored for _, saved in plan.pairs.values() for stored in saved)
    values = []
    for (layer, name, _), array in zip(variables, arrays, strict=True):
        if not np.isfinite(array).all():
            raise WeightsError(
                f"layer {layer} holds NaN or infinity ({name}): its training diverged",
                path=plan.path,
                advice="use an earlier file",
            )
        values.append(array)
    parameter_count = sum(array.size for array in values)
    for _, _, variable in reversed(variables):
        variable.assign(values.pop())
    return LoadReport(
        path=plan.path,
        layout=plan.layout,
        loaded=list(plan.pairs),
        skipped=plan.skipped,
        missing_in_file=plan.missing,
        unused_in_file=plan.unused,
        weight_count=len(variables),
        parameter_count=parameter_count,
        model_weight_count=plan.model_weight_count,
    )


def _some(names, limit=5):
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
