"""Which layers train: presets, regular expressions, and freezing all others."""

import re
from collections.abc import Iterator

import keras

from mrcnn.errors import ConfigError

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
PRESETS = {
    "heads": HEADS,
    "5+": rf"(res5.*)|(bn5.*)|{HEADS}",
    "4+": rf"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "3+": rf"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|{HEADS}",
    "all": ".*",
}


def layer_regex(layers: str) -> str:
    """The regular expression of a preset ('heads', '5+', '4+', '3+', 'all'), or `layers` itself."""
    return PRESETS.get(layers, layers)


def find_trainable_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer that holds the weights: the inner one of a per-RoI wrapper."""
    while isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    return layer


def layers_with_weights(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers that have weights, nested models opened, wrappers kept."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_with_weights(layer)
        elif layer.weights:
            yield layer


def set_trainable(model: keras.Model, regex: str) -> list[str]:
    """Train the layers whose whole name matches, freeze all others.

    The nested `rpn_model` is opened, as in the original: its layers are matched by their own
    names. Frozen batch norms use their moving statistics.

    Returns:
        The names of the layers that train.

    Raises:
        ConfigError: none matches.
    """
    selected = []
    for layer in layers_with_weights(model):
        trainable = bool(re.fullmatch(regex, layer.name))
        layer.trainable = trainable
        if trainable:
            selected.append(layer.name)
    if not selected:
        raise ConfigError(
            f"no layer's name matches {regex!r}",
            settings=("layers",),
            advice=f"set {{layers}} to one of {', '.join(PRESETS)}, or to a regular expression "
            "such as 'mrcnn_.*|fpn_.*'",
        )
    return selected
