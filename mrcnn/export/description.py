"""The description beside an exported file: its inputs, its outputs, and how to load it."""

import importlib.util
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from mrcnn.config import Config
from mrcnn.errors import UserError
from mrcnn.images.resizing import fixed_size

_IMAGE = {"dtype": "uint8", "shape": ["height", "width", 3], "meaning": "RGB, of any size"}
_FOUND = {
    "boxes": {
        "dtype": "int32",
        "shape": ["N", 4],
        "meaning": "y1, x1, y2, x2 in pixels of the image; y2 and x2 are the first outside",
    },
    "class_ids": {"dtype": "int32", "shape": ["N"], "meaning": "index into class_names"},
    "scores": {"dtype": "float32", "shape": ["N"], "meaning": "0 to 1, falling"},
}
_FULL = {"dtype": "bool", "shape": ["N", "height", "width"], "meaning": "pixels of the instance"}

LOADING = {
    "saved_model": [
        "import tensorflow as tf",
        "model = tf.saved_model.load('saved_model')",
        "found = model.signatures['encoded'](encoded=tf.io.read_file('photo.jpg'))",
        "names = model.signatures['class_names']()['class_names'].numpy()",
        "boxes, ids, scores, masks = (found[k].numpy() for k in "
        "('boxes', 'class_ids', 'scores', 'masks'))",
    ],
    "onnx": [
        "import numpy as np, onnxruntime, PIL.Image",
        "session = onnxruntime.InferenceSession('model.onnx')",
        "image = np.asarray(PIL.Image.open('photo.jpg').convert('RGB'))",
        "keys = [output.name for output in session.get_outputs()]",
        "found = dict(zip(keys, session.run(None, {'image': image})))",
    ],
    "tflite": [
        "import tensorflow as tf",
        "runner = tf.lite.Interpreter('model.tflite').get_signature_runner()",
        "found = runner(image=molded, window=window)  # see docs/export.md for the two",
        "count = int(found['count'])",
        "boxes, ids = found['boxes'][:count], found['class_ids'][:count]",
    ],
}


def metadata(
    name: str,
    file: str,
    config: Config,
    class_names: Sequence[str],
    masks: str,
    notes: dict[str, str],
) -> str:
    """The description of an exported file, as JSON text.

    Args:
        name: 'saved_model', 'onnx' or 'tflite'.
        file: its name.
        config: the model's Config.
        class_names: background first.
        masks: 'full' or 'mini': what an ONNX file returns.
        notes: additional entries.
    """
    described = {
        "format": name,
        "file": file,
        **notes,
        "class_names": list(class_names),
        **_interface(name, config, masks),
        "load": LOADING[name],
        "versions": _versions(name),
        "config": config.to_dict() | {"MASK_RESAMPLE": _resample(config)},
    }
    return json.dumps(described, indent=1, ensure_ascii=False, default=str) + "\n"


def _resample(config):
    """How exported models enlarge masks: not along the photograph's edges."""
    return "aligned" if config.MASK_RESAMPLE == "guided" else config.MASK_RESAMPLE


def _interface(name, config, masks):
    mini = {
        "dtype": "float32",
        "shape": ["N", *config.MASK_SHAPE],
        "meaning": "probabilities within the box; an instance's pixels are those from .5 on, "
        f"enlarged as MASK_RESAMPLE = {_resample(config)!r} says",
    }
    full, small = _FOUND | {"masks": _FULL}, _FOUND | {"mini_masks": mini}
    if name == "onnx":
        return {"inputs": {"image": _IMAGE}, "outputs": full if masks == "full" else small}
    if name == "tflite":
        return _fixed_interface(config, mini)
    names = {"dtype": "string", "shape": [config.NUM_CLASSES], "meaning": "background first"}
    encoded = {"dtype": "string", "shape": [], "meaning": "the bytes of a JPEG or PNG file"}
    return {
        "signatures": {
            "serving_default": {"inputs": {"image": _IMAGE}, "outputs": full},
            "encoded": {"inputs": {"encoded": encoded}, "outputs": full},
            "mini": {"inputs": {"image": _IMAGE}, "outputs": small},
            "class_names": {"inputs": {}, "outputs": {"class_names": names}},
        }
    }


def _fixed_interface(config, mini):
    count = config.DETECTION_MAX_INSTANCES
    inputs = {
        "image": {
            "dtype": "float32",
            "shape": [*fixed_size(config), 3],
            "meaning": "RGB, grey levels 0 to 255, the photograph with zeros around it",
        },
        "window": {
            "dtype": "int32",
            "shape": [4],
            "meaning": "where the photograph lies in it: y1, x1, y2, x2 in pixels",
        },
    }
    outputs = {
        key: value | {"shape": [count, *value["shape"][1:]]}
        for key, value in (_FOUND | {"mini_masks": mini}).items()
    }
    outputs["boxes"] |= {"dtype": "float32"}
    outputs["count"] = {"dtype": "int32", "shape": [], "meaning": "rows that are detections"}
    return {"inputs": inputs, "outputs": outputs}


def _versions(name):
    packages = ["fashion-mask-rcnn", "tensorflow", "keras"]
    packages += ["tf2onnx", "onnx"] if name == "onnx" else []
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the project may run from its source folder
            continue
    return found


def require_tf2onnx() -> None:
    """Raise a UserError that says what to install if tf2onnx is missing."""
    if importlib.util.find_spec("tf2onnx") is None:
        raise UserError(
            "writing ONNX needs tf2onnx, which is not installed",
            advice='run pip install "tf2onnx>=1.17" "onnx>=1.23", or install this project with '
            "its extra [export]",
        )


def require_onnxruntime() -> None:
    """Raise a UserError that says what to install if ONNX Runtime is missing."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(
            "quantising needs ONNX Runtime, which is not installed",
            advice="run pip install onnxruntime, or install this project with its extra [export]",
        )
