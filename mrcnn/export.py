"""Writing a trained model for those who deploy: SavedModel, ONNX, LiteRT, each with its metadata.

    model = MaskRCNN(mode="inference", config=config, model_dir="logs")
    model.load_weights("mask_rcnn_Modanet.h5", by_name=True)
    export_model(model, "exported", ["saved_model", "onnx"], class_names)

docs/export.md tells how the files are used.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mrcnn.config import Config
from mrcnn.errors import ConfigError, UserError
from mrcnn.export_metadata import metadata
from mrcnn.files import replacing

FILES = {"saved_model": "saved_model", "onnx": "model.onnx", "tflite": "model.tflite"}
MASKS = ("full", "mini")


def export_model(
    model,
    folder: str | os.PathLike,
    formats: Sequence[str],
    class_names: Sequence[str],
    *,
    masks: str = "full",
    overwrite: bool = False,
    notes: dict[str, str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write an inference model to a folder, once or in several formats.

    Each file, and the folder of a SavedModel, appears whole or not at all; beside each lies its
    description, `<name>.json`.

    Args:
        model: a `mrcnn.model.MaskRCNN` with mode 'inference' and its weights.
        folder: made where it is absent.
        formats: of `FILES`.
        class_names: background first.
        masks: what the ONNX file gives, 'full' or 'mini'. A SavedModel has both, LiteRT mini ones.
        overwrite: whether files that are there may be replaced.
        notes: further entries of the descriptions, such as the weight file's name.
        progress: told what begins.

    Returns:
        What was written, without the descriptions.

    Raises:
        ConfigError: the model, or a setting, cannot be exported so.
        UserError: a package is absent, or a file is there already.
    """
    folder = Path(folder)
    if model.mode != "inference":
        raise ConfigError("This model was made with mode='training': make one for inference.")
    check_exportable(model.config, formats, class_names, masks)
    check_free(folder, formats, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in dict.fromkeys(formats):
        path = folder / FILES[name]
        progress(f"Writing {path} ...")
        _write(name, model, path, class_names, masks)
        described = metadata(name, path.name, model.config, class_names, masks, notes or {})
        with replacing(description_path(path), "w") as stream:
            stream.write(described)
        written.append(path)
    return written


def description_path(path: Path) -> Path:
    """Where the description of an exported file lies."""
    return path.with_name(f"{path.name}.json")


def check_exportable(
    config: Config, formats: Sequence[str], class_names: Sequence[str], masks: str = "full"
) -> None:
    """Find out before a model is built whether it can be exported; see `export_model`."""
    unknown = [name for name in formats if name not in FILES]
    if unknown or not formats:
        raise ConfigError(
            f"The formats are {', '.join(map(repr, unknown)) or 'none'}, but must be of "
            f"{', '.join(FILES)}."
        )
    if masks not in MASKS:
        raise ConfigError(f"masks is {masks!r}, but must be one of {', '.join(MASKS)}.")
    if config.IMAGE_RESIZE_MODE == "crop":
        raise ConfigError(
            "IMAGE_RESIZE_MODE is 'crop', which is for training only: take 'square' to export."
        )
    if config.IMAGE_CHANNEL_COUNT != 3:
        raise ConfigError(
            f"IMAGE_CHANNEL_COUNT is {config.IMAGE_CHANNEL_COUNT}, but only RGB models, with 3, "
            f"can be exported."
        )
    if len(class_names) != config.NUM_CLASSES:
        raise ConfigError(
            f"There are {len(class_names)} class names, but NUM_CLASSES is {config.NUM_CLASSES}: "
            f"give one for each, background first."
        )
    others = [name for name in formats if name != "saved_model"]
    if others:
        _check_portable(config, others)


def _check_portable(config, formats):
    from mrcnn.export_onnx import require_tf2onnx

    if "onnx" in formats:
        require_tf2onnx()
    precision = config.PRECISION
    if precision == "auto":
        from mrcnn.precision import resolve_precision

        precision = resolve_precision(precision)
    for name, value, wanted in (
        ("IMAGE_RESIZE_MODE", config.IMAGE_RESIZE_MODE, "square"),
        ("PRECISION", precision, "float32"),
    ):
        if value != wanted:
            raise ConfigError(
                f"{name} is {value!r}, but {' and '.join(formats)} can be written with {wanted!r} "
                f"only: take that, or the format saved_model alone."
            )


def check_free(folder: Path, formats: Sequence[str], overwrite: bool) -> None:
    """Raise a UserError where an exported file is there already, unless it may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: name a folder to write to.")
    for name in formats:
        path = folder / FILES[name]
        if path.exists() and not overwrite:
            raise UserError(f"{path} is there already: name another folder, or overwrite it.")
        if path.exists() and path.is_dir() != (name == "saved_model"):
            raise UserError(f"{path} is not what an export writes there: move it away.")
        if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").is_file():
            raise UserError(f"{path} is a folder of something else: name another folder.")


def _write(name, model, path, class_names, masks):
    from mrcnn.export_detector import ExportedDetector
    from mrcnn.export_lite import write_lite
    from mrcnn.export_onnx import write_onnx
    from mrcnn.export_saved_model import write_saved_model

    detector = ExportedDetector(
        model.keras_model,
        model.config,
        portable=name != "saved_model",
        fixed_rows=name == "tflite",
    )
    if name == "saved_model":
        write_saved_model(detector, path, class_names)
    elif name == "onnx":
        write_onnx(detector, path, class_names, masks)
    else:
        write_lite(detector, path)
