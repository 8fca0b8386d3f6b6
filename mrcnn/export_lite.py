"""The exported model as LiteRT (TensorFlow Lite), of built-in operations only."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mrcnn.system.files import replacing

if TYPE_CHECKING:
    from mrcnn.export_detector import ExportedDetector


def write_lite(detector: "ExportedDetector", path: Path) -> None:
    """Write a `.tflite` file, whose inputs are an image of the network's size and its window.

    Args:
        detector: a portable `mrcnn.export_detector.ExportedDetector` with fixed rows.
        path: the file, replaced when everything is written.
    """
    import tensorflow as tf

    function = detector.molded_function().get_concrete_function()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], detector)
        # No SELECT_TF_OPS: a file with those does not run in the small runtimes.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    with replacing(path) as stream:
        stream.write(content)
