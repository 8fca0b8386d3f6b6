"""The two detectors of clothing parsing: garments by a stage-1 model, and persons.

Weights for photographs find both in one pass; otherwise a COCO model finds persons.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.detections import PERSON, dress_persons
from fashion.pictures.listing import file_stamp
from fashion.stages.models import (
    COCO_WEIGHTS,
    ModelChoice,
    WeightFile,
    coco_weights,
    described_weights,
    detection_model,
    inference_weights,
    preset_of,
)
from fashion.stages.presets import find_preset
from fashion.stages.stage import MODANET_STAGE, Stage
from fashion.stages.training_labels import with_labels

Detect = Callable[[np.ndarray], dict[str, np.ndarray]]

# Of COCO's eighty classes only the first, person, is used.
_COCO_TABLE = ClassTable(["person", *(f"coco class {n}" for n in range(2, 81))], name="coco")
# For persons where garments count from a lower score on: at .4 one figure may be found twice, at .7
# a half figure is missed.
PERSON_CONFIDENCE = 0.5
BODY_STAGE = Stage("coco", MODANET_STAGE.folder, _COCO_TABLE, COCO_WEIGHTS)


@dataclass(frozen=True)
class Detector:
    """A detector that is not loaded yet, with its weight file found and checked.

    Attributes:
        choice: the model.
        weights: its file.
        person_confidence: persons scored lower are dropped.
        parsing: what its preset does unlike the defaults of `ParsingSettings`.
    """

    choice: ModelChoice
    weights: WeightFile
    person_confidence: float = 0.0
    parsing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> ClassTable:
        """The classes that it finds."""
        return self.choice.stage.table

    @property
    def path(self) -> Path:
        """The weight file."""
        return self.weights.path

    def identity(self) -> dict[str, Any]:
        """What distinguishes its weights from others, as JSON values."""
        return {
            "weights": self.path.name,
            "stamp": file_stamp(self.path),
            "confidence": self.choice.min_confidence,
        }

    def load(self) -> Detect:
        """Build the network; the result maps an image, uint8 RGB [H, W, 3], to detections.

        They are those of `MaskRCNN.detect` with soft masks. Raises `WeightsError` if the file
        does not fit the network.
        """
        model = detection_model(self.choice)
        return lambda image: model.detect([image], soft_masks=True)[0]


def load_detectors(
    clothing: Detector | None, body: Detector | None
) -> tuple[Detect | None, Detect | None]:
    """Both detectors, see `Detector.load`; persons have COCO's class id.

    One network that knows garments and persons runs once per picture.
    """
    if body is None or not body.choice.persons:
        return clothing.load() if clothing else None, body.load() if body else None
    find_all = _LastResult(body.load())

    def find_persons(image: np.ndarray) -> dict[str, np.ndarray]:
        return _persons_of(find_all(image), body.person_confidence)

    if clothing is None:
        return None, find_persons
    return find_all if clothing.weights == body.weights else clothing.load(), find_persons


class _LastResult:
    """A detector that returns its last result again for the same image."""

    def __init__(self, detect: Detect) -> None:
        self.detect = detect
        self.image: np.ndarray | None = None
        self.result: dict[str, np.ndarray] = {}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        if image is not self.image:
            self.result = self.detect(image)
            self.image = image
        return self.result


def _persons_of(result: dict[str, np.ndarray], least: float) -> dict[str, np.ndarray]:
    """The persons among the detections of garments and persons, from this score on, dressed."""
    persons = (result["class_ids"] > len(MODANET_TABLE)) & (result["scores"] >= least)
    rows, result = np.flatnonzero(persons), dress_persons(result, len(MODANET_TABLE) + 1)
    chosen = {key: value[..., rows] if key == "masks" else value[rows]
              for key, value in result.items()}  # fmt: skip
    return chosen | {"class_ids": np.full(len(rows), PERSON, np.int32)}


def find_clothing(
    weights: str | None = None,
    preset: str | None = None,
    *,
    precision: str = "auto",
    min_confidence: float | None = None,
    classes: str | None = None,
) -> Detector:
    """The detector of garments; for the arguments see `ModelChoice`.

    classes: see `fashion.stages.training_labels.with_labels`.

    Raises:
        WeightsError: the file is missing, damaged, or for other classes or another network. It
            names the settings `clothing` and `clothing_preset`.
    """
    settings = ("clothing", "clothing_preset")
    choice = ModelChoice(
        MODANET_STAGE, weights, preset, precision, min_confidence, settings=settings
    )
    return _find(with_labels(choice, classes))


def find_body(
    weights: str,
    preset: str | None = None,
    *,
    precision: str = "auto",
    min_confidence: float | None = None,
) -> Detector:
    """The detector of persons; "coco" downloads its weights if they are missing.

    Weights of garments that also know persons serve as well as those of COCO's classes.

    Raises:
        WeightsError: as `find_clothing`; it names the settings `body` and `body_preset`.
        DownloadError: the COCO weights cannot be downloaded.
    """
    if weights == "coco":
        weights = str(coco_weights(BODY_STAGE))
    choice = ModelChoice(
        BODY_STAGE, weights, preset, precision, min_confidence, settings=("body", "body_preset")
    )
    described = described_weights(choice)
    if described.persons:
        choice = replace(choice, stage=MODANET_STAGE, persons=True)
    return _find(replace(choice, weights=described))


def find_body_in(clothing: Detector) -> Detector | None:
    """The detector of persons in the same weights as the garments; None if they know none."""
    if not clothing.weights.persons:
        return None
    return replace(clothing, choice=replace(clothing.choice, persons=True))


def _find(choice: ModelChoice) -> Detector:
    weights = inference_weights(choice)
    choice = replace(choice, weights=weights)
    preset = find_preset(preset_of(weights, choice.preset))
    least = preset.parsing.get("minimum_confidence")
    if choice.min_confidence is not None or least is None:
        return Detector(choice, weights, parsing=preset.parsing)
    choice = replace(choice, min_confidence=least)
    return Detector(choice, weights, PERSON_CONFIDENCE, preset.parsing)
