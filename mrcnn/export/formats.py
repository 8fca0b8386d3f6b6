"""Writing an exported model as a TensorFlow SavedModel, as ONNX, or as LiteRT."""

import contextlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from mrcnn.export.description import require_tf2onnx
from mrcnn.export.detector import ExportedDetector
from mrcnn.export.quantisation import quantise_onnx
from mrcnn.system.files import replacing, sync, sync_folder

# Has NonMaxSuppression and GatherND with batches, and current runtimes support it.
OPSET = 18


def write_onnx(
    detector: "ExportedDetector",
    path: Path,
    class_names: Sequence[str],
    masks: str = "full",
    calibration: Iterable[np.ndarray] | None = None,
) -> None:
    """Write an ONNX file: a uint8 RGB image `[height, width, 3]` in, `detect`'s outputs out.

    Its metadata contains the class names, as JSON under `class_names`.

    Args:
        detector: a portable `mrcnn.export.detector.ExportedDetector`.
        path: the file, replaced once everything is written.
        class_names: background first.
        masks: 'full' or 'mini'.
        calibration: photographs for 8-bit integers, see `mrcnn.export.quantisation`; None: float32.

    Raises:
        UserError: tf2onnx, or for integers ONNX Runtime, is not installed.
    """
    require_tf2onnx()
    with _quietly():
        import onnx
        import tf2onnx

        function = detector.image_function(masks)
        proto, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        # tf2onnx copies unknown operations unchanged; this finds them.
        onnx.checker.check_model(proto)
        if calibration is not None:
            proto = quantise_onnx(proto, calibration)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "class_names", json.dumps(list(class_names))
    with replacing(path) as stream:
        stream.write(proto.SerializeToString())


@contextlib.contextmanager
def _quietly():
    """Silence tf2onnx and ONNX Runtime's tools: progress, hints, other packages' deprecations."""
    before, root = os.environ.get("TF_CPP_MIN_LOG_LEVEL"), logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(level)
            if before is None:
                os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
            else:
                os.environ["TF_CPP_MIN_LOG_LEVEL"] = before


def write_lite(detector: "ExportedDetector", path: Path) -> None:
    """Write a `.tflite` file, whose inputs are an image of the network's size and its window.

    Args:
        detector: a portable `mrcnn.export.detector.ExportedDetector` with fixed rows.
        path: the file, replaced once everything is written.
    """
    import tensorflow as tf

    function = detector.molded_function().get_concrete_function()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], detector)
        # No SELECT_TF_OPS: files with those do not run in the small runtimes.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    with replacing(path) as stream:
        stream.write(content)


CLASS_NAMES_FILE = "class_names.txt"


def write_saved_model(detector: ExportedDetector, folder: Path, class_names: Sequence[str]) -> None:
    """Write a SavedModel that needs only TensorFlow, neither this package nor Keras.

    Its signatures: `serving_default` (an image), `encoded` (the bytes of a JPEG or PNG file),
    `mini` (an image; mini masks) and `class_names` (the names, by class id). The names are also
    in `assets/class_names.txt`, one per line.

    Args:
        detector: the graph.
        folder: replaced once everything is written.
        class_names: background first.
    """
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"
    ) as scratch:
        names = Path(scratch) / CLASS_NAMES_FILE
        names.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
        detector.class_names_file = tf.saved_model.Asset(str(names))
        signatures = {
            "serving_default": detector.image_function(),
            "encoded": detector.encoded_function(),
            "mini": detector.image_function("mini"),
            "class_names": tf.function(
                lambda: {"class_names": tf.constant(list(class_names))},
                input_signature=[],
                autograph=False,
            ),
        }
        written = Path(scratch) / folder.name
        tf.saved_model.save(detector, str(written), signatures=signatures)
        for path in written.rglob("*"):
            if path.is_file():
                sync(path)
        _replace_folder(written, folder)
    sync_folder(folder.parent)


def _replace_folder(written: Path, folder: Path) -> None:
    """Replace a folder by renaming both; if the second renaming fails, undo the first."""
    former = written.parent / "former"
    if folder.exists():
        folder.replace(former)
    try:
        written.replace(folder)
    except BaseException:
        if former.exists():
            former.replace(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)
