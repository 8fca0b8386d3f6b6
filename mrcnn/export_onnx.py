"""The exported model as ONNX, by tf2onnx."""

import contextlib
import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mrcnn.errors import UserError
from mrcnn.system.files import replacing

if TYPE_CHECKING:
    from mrcnn.export_detector import ExportedDetector

# Has NonMaxSuppression and GatherND with batches, and current runtimes support it.
OPSET = 18


def require_tf2onnx() -> None:
    """Raise a UserError that says what to install if tf2onnx is missing."""
    if importlib.util.find_spec("tf2onnx") is None:
        raise UserError(
            "writing ONNX needs tf2onnx, which is not installed",
            advice='run pip install "tf2onnx>=1.17" "onnx>=1.23", or install this project with '
            "its extra [export]",
        )


def write_onnx(
    detector: "ExportedDetector", path: Path, class_names: Sequence[str], masks: str = "full"
) -> None:
    """Write an ONNX file: a uint8 RGB image `[height, width, 3]` in, `detect`'s outputs out.

    Its metadata hold the class names, as JSON under `class_names`.

    Args:
        detector: a portable `mrcnn.export_detector.ExportedDetector`.
        path: the file, replaced when everything is written.
        class_names: background first.
        masks: 'full' or 'mini'.

    Raises:
        UserError: tf2onnx is not installed.
    """
    require_tf2onnx()
    with _quietly():
        import onnx
        import tf2onnx

        function = detector.image_function(masks)
        proto, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        # tf2onnx copies operations that it does not know; this finds them.
        onnx.checker.check_model(proto)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "class_names", json.dumps(list(class_names))
    with replacing(path) as stream:
        stream.write(proto.SerializeToString())


@contextlib.contextmanager
def _quietly():
    """Silence tf2onnx, which logs its progress and other packages' deprecations."""
    before, root = os.environ.get("TF_CPP_MIN_LOG_LEVEL"), logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(level)
            if before is None:
                os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
            else:
                os.environ["TF_CPP_MIN_LOG_LEVEL"] = before
