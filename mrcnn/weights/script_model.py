"""The Keras model as Keras 2 scripts use it: weights in plain `.h5` files."""

import os
from pathlib import Path
from typing import Any

import keras

from mrcnn.weights import matching


def is_plain_h5(path: str | os.PathLike) -> bool:
    """Whether a name asks for Matterport's layout: `.h5`, but not Keras 3's `.weights.h5`."""
    name = Path(path).name
    return name.endswith(".h5") and not name.endswith(".weights.h5")


@keras.saving.register_keras_serializable("mrcnn")
class ScriptModel(keras.Model):
    """A functional model that reads and writes Matterport's layout under a plain `.h5` name."""

    def _make_predict_function(self) -> None:
        """Does nothing: Keras 2 scripts call it before detecting in other threads."""

    def save_weights(self, filepath: str | os.PathLike, *args: Any, **options: Any) -> None:
        """Like Keras', except that a plain `.h5` file gets Matterport's layout.

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
        """Like Keras', except that a plain `.h5` file is read by `mrcnn.weights.matching`.

        Raises:
            WeightsError: the file is absent, damaged, or does not fit.
        """
        if is_plain_h5(filepath):
            return matching.load_weights(self, filepath, by_name=by_name)
        return super().load_weights(filepath, *args, **options)


# Keras' legacy format, a whole model in a `.h5` file, looks up the class by its plain name.
keras.saving.get_custom_objects()["ScriptModel"] = ScriptModel
