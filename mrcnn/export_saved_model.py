"""The exported model as a TensorFlow SavedModel."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from mrcnn.export_detector import ExportedDetector
from mrcnn.system.files import sync, sync_folder

CLASS_NAMES_FILE = "class_names.txt"


def write_saved_model(detector: ExportedDetector, folder: Path, class_names: Sequence[str]) -> None:
    """Write a SavedModel that needs only TensorFlow, neither this package nor Keras.

    Its signatures: `serving_default` (an image), `encoded` (the bytes of a JPEG or PNG file),
    `mini` (an image; mini masks) and `class_names` (the names, by class id). The names also lie
    in `assets/class_names.txt`, one a line.

    Args:
        detector: the graph.
        folder: replaced when everything is written.
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
