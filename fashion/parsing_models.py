"""The two detectors of clothing parsing: garments by a stage-1 model, persons by a COCO model."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion.autolabel import file_stamp
from fashion.labels import ClassTable
from fashion.stages import MODANET_STAGE, Stage, inference_model, inference_weights
from mrcnn.errors import UserError, WeightsError

Detect = Callable[[np.ndarray], dict[str, np.ndarray]]

# Of COCO's eighty classes only the first is looked at.
_COCO_TABLE = ClassTable(["person", *(f"coco class {n}" for n in range(2, 81))], name="coco")
BODY_STAGE = Stage("coco", MODANET_STAGE.folder, _COCO_TABLE, "mask_rcnn_coco.h5")


@dataclass(frozen=True)
class Detector:
    """A detector that is not loaded yet: its weights are found and checked, no more.

    Attributes:
        option: the option that names its weights: "--clothing" or "--body".
        stage: its classes and folders.
        options: what `fashion.stages.inference_model` takes.
        path: the weight file.
    """

    option: str
    stage: Stage
    options: argparse.Namespace
    path: Path

    def identity(self) -> dict[str, Any]:
        """What tells it from other weights, as JSON values."""
        return {"weights": self.path.name, "stamp": file_stamp(self.path)}

    def load(self) -> Detect:
        """Build the network; the result takes one image and gives masks, soft ones too."""
        try:
            model = inference_model(self.options, self.stage)
        except WeightsError as error:
            raise _named(error, self.option) from error
        return lambda image: model.detect([image], soft_masks=True)[0]


def find_clothing(options: argparse.Namespace) -> Detector:
    """The garments' detector of the command line. Raises `WeightsError`."""
    return _find("--clothing", MODANET_STAGE, options.clothing, options.clothing_preset, options)


def find_body(options: argparse.Namespace) -> Detector | None:
    """The persons' detector; None without --body. `coco` is fetched where it is not there yet."""
    if options.body is None:
        return None
    text = options.body
    if text == "coco":
        text = str(_coco_weights())
    return _find("--body", BODY_STAGE, text, options.body_preset, options)


def _coco_weights() -> Path:
    path = BODY_STAGE.folder / BODY_STAGE.weights
    if not path.exists():
        from mrcnn.downloads import download_trained_weights

        download_trained_weights(str(path))
    return path


def _find(option, stage, model, preset, options) -> Detector:
    own = argparse.Namespace(
        model=model,
        preset=preset,
        precision=options.precision,
        min_confidence=options.min_confidence,
        logs=stage.logs,
    )
    try:
        path = inference_weights(own, stage)
    except WeightsError as error:
        raise _named(error, option) from error
    return Detector(option, stage, own, path)


def _named(error: WeightsError, option: str) -> UserError:
    """The same error, which advises this tool's options."""
    text = str(error).replace("--model", option).replace("--preset", f"{option}-preset")
    return type(error)(text)
