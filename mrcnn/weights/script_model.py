"""The Keras model as scripts of Keras 2 use it: weights in plain `.h5` files."""

import os
from pathlib import Path
from typing import Any

import keras

from mrcnn.errors import ConfigError
from mrcnn.weights import matching


def is_plain_h5(path: str | os.PathLike) -> bool:
    """Whether a name asks for Matterport's layout: `.h5`, but not Keras 3's `.weights.h5`."""
    name = Path(path).name
    return name.endswith(".h5") and not name.endswith(".weights.h5")


class ScriptModel(keras.Model):
    """A functional model that reads and writes Matterport's layout under a plain `.h5` name."""

    def save_weights(self, filepath: str | os.PathLike, *args: Any, **options: Any) -> None:
        """As Keras', but that a plain `.h5` file gets Matterport's layout.

        Raises:
            WeightsError: it cannot be written.
        """
        if is_plain_h5(filepath):
            matching.save_weights(self, filepath)
        else:
            super().save_weights(filepath, *args, **options)

    def load_weights(
        self, filepath: str | os.PathLike, *args: Any, by_name: bool = False, **options: Any
    ) -> Any:
        """As Keras', but that a plain `.h5` file is read as `mrcnn.weights.matching` reads it.

        Raises:
            WeightsError: the file is absent, damaged, or does not fit.
        """
        if is_plain_h5(filepath):
            return matching.load_weights(self, filepath, by_name=by_name)
        return super().load_weights(filepath, *args, **options)

    def save(self, filepath: str | os.PathLike, *args: Any, **options: Any) -> None:
        """Refused: the graph is made of a Config, which a file of Keras' does not hold.

        Raises:
            ConfigError: always; it says what to use.
        """
        raise ConfigError(
            f"a whole model cannot be saved as {filepath}",
            advice="save its weights, save_weights('NAME.h5') (ModelCheckpoint: "
            "save_weights_only=True and a name that ends with .weights.h5), build the model from "
            "its Config and load them; for other programs export it (SavedModel, ONNX, LiteRT)",
        )

    def to_json(self, **options: Any) -> str:
        """Refused, as `save` is.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "the graph cannot be written as JSON",
            advice="keep its settings, Config.to_json(), and build the model from them",
        )
