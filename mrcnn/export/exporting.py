"""Exporting a trained model for deployment: SavedModel, ONNX, LiteRT, each with its metadata.

    model = MaskRCNN(mode="inference", config=config, model_dir="logs")
    model.load_weights("mask_rcnn_Modanet.h5", by_name=True)
    export_model(model, "exported", ["saved_model", "onnx"], class_names)

docs/export.md explains how to use the files.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mrcnn.config import Config
from mrcnn.errors import ConfigError, UserError
from mrcnn.export.description import metadata, require_onnxruntime, require_tf2onnx
from mrcnn.system.files import replacing

FILES = {"saved_model": "saved_model", "onnx": "model.onnx", "tflite": "model.tflite"}
MASKS = ("full", "mini")


class InferenceModel(Protocol):
    """The part of a `MaskRCNN` that is exported."""

    mode: str
    config: Config
    keras_model: Any


def export_model(
    model: InferenceModel,
    folder: str | os.PathLike,
    formats: Sequence[str],
    class_names: Sequence[str],
    *,
    masks: str = "full",
    calibration: Iterable[np.ndarray] | None = None,
    overwrite: bool = False,
    notes: dict[str, str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write an inference model to a folder in one or several formats.

    Each file, and the folder of a SavedModel, is written completely or not at all, with its
    description `<name>.json` beside it.

    Args:
        model: a `mrcnn.model.MaskRCNN` with mode 'inference' and its weights.
        folder: created if it does not exist.
        formats: of `FILES`.
        class_names: background first.
        masks: what the ONNX file returns, 'full' or 'mini'. A SavedModel has both, LiteRT 'mini'.
        calibration: photographs, uint8 RGB `[height, width, 3]`, for quantising the ONNX file to
            8-bit integers (`mrcnn.export.quantisation`); None for float32.
        overwrite: whether to replace existing files.
        notes: additional entries of the descriptions, such as the weight file's name.
        progress: called with a text before each file.

    Returns:
        The paths written, without the descriptions.

    Raises:
        ConfigError: the model, or a setting, cannot be exported.
        UserError: a package is missing, or a file already exists.
    """
    folder = Path(folder)
    if model.mode != "inference":
        raise ConfigError(
            "this model cannot be exported",
            settings=("mode",),
            expected="{mode} 'inference'",
            found=repr(model.mode),
        )
    check_exportable(model.config, formats, class_names, masks, int8=calibration is not None)
    check_free(folder, formats, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in dict.fromkeys(formats):
        path = folder / FILES[name]
        progress(f"Writing {path} ...")
        _write(name, model, path, class_names, masks, calibration)
        own = {"precision": "int8"} if calibration is not None and name == "onnx" else {}
        described = metadata(name, path.name, model.config, class_names, masks, own | (notes or {}))
        with replacing(description_path(path), "w") as stream:
            stream.write(described)
        written.append(path)
    return written


def description_path(path: Path) -> Path:
    """The path of the description of an exported file."""
    return path.with_name(f"{path.name}.json")


def check_exportable(
    config: Config,
    formats: Sequence[str],
    class_names: Sequence[str],
    masks: str = "full",
    int8: bool = False,
) -> None:
    """Raise what `export_model` would raise for these settings, before building a model."""
    unknown = [name for name in formats if name not in FILES]
    if unknown or not formats:
        raise ConfigError(
            "{formats} is not valid",
            settings=("formats",),
            expected=" or ".join(FILES),
            found=", ".join(map(repr, unknown)) or "none",
        )
    if masks not in MASKS:
        raise ConfigError(
            "{masks} is not valid",
            settings=("masks",),
            expected=" or ".join(map(repr, MASKS)),
            found=repr(masks),
        )
    if config.IMAGE_RESIZE_MODE == "crop":
        raise ConfigError(
            "{IMAGE_RESIZE_MODE} is 'crop', which is for training only",
            settings=("IMAGE_RESIZE_MODE",),
            advice="set it to 'square' to export",
        )
    if config.IMAGE_CHANNEL_COUNT != 3:
        raise ConfigError(
            "only RGB models can be exported",
            settings=("IMAGE_CHANNEL_COUNT",),
            expected="{IMAGE_CHANNEL_COUNT} 3",
            found=config.IMAGE_CHANNEL_COUNT,
        )
    if len(class_names) != config.NUM_CLASSES:
        raise ConfigError(
            "the class names do not fit {NUM_CLASSES}",
            settings=("NUM_CLASSES",),
            expected=f"{config.NUM_CLASSES} names, background first",
            found=len(class_names),
        )
    if int8 and "onnx" not in formats:
        raise ConfigError(
            "only ONNX files are quantised",
            settings=("formats",),
            expected="{formats} onnx",
            found=" ".join(formats),
        )
    if int8:
        require_onnxruntime()
    others = [name for name in formats if name != "saved_model"]
    if others:
        _check_portable(config, others)


def _check_portable(config: Config, formats: Sequence[str]) -> None:
    if "onnx" in formats:
        require_tf2onnx()
    precision = config.PRECISION
    if precision == "auto":
        from mrcnn.network.build import resolve_precision

        precision = resolve_precision(precision)
    for name, value, wanted in (
        ("IMAGE_RESIZE_MODE", config.IMAGE_RESIZE_MODE, ("square", "shape")),
        ("PRECISION", precision, ("float32",)),
    ):
        if value not in wanted:
            raise ConfigError(
                f"{' and '.join(formats)} cannot be written with this {{{name}}}",
                settings=(name,),
                expected=" or ".join(map(repr, wanted)),
                found=repr(value),
                advice="take that, or the format saved_model alone",
            )


def check_free(folder: Path, formats: Sequence[str], overwrite: bool) -> None:
    """Raise a UserError if an exported file already exists, unless it may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise UserError("this is a file", path=folder, advice="name a folder to write to")
    for name in formats:
        path = folder / FILES[name]
        if path.exists() and not overwrite:
            raise UserError(
                "there is an export already",
                path=path,
                settings=("overwrite",),
                advice="name another folder, or replace it with {overwrite}",
            )
        if path.exists() and path.is_dir() != (name == "saved_model"):
            raise UserError("this is not what an export writes", path=path, advice="move it away")
        if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").is_file():
            raise UserError(
                "this is a folder of something else", path=path, advice="name another folder"
            )


def _write(
    name: str,
    model: InferenceModel,
    path: Path,
    class_names: Sequence[str],
    masks: str,
    calibration: Iterable[np.ndarray] | None,
) -> None:
    from mrcnn.export.detector import ExportedDetector
    from mrcnn.export.formats import write_lite, write_onnx, write_saved_model

    detector = ExportedDetector(
        model.keras_model,
        model.config,
        portable=name != "saved_model",
        fixed_rows=name == "tflite",
    )
    if name == "saved_model":
        write_saved_model(detector, path, class_names)
    elif name == "onnx":
        write_onnx(detector, path, class_names, masks, calibration)
    else:
        write_lite(detector, path)
