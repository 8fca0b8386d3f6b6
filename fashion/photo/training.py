"""The weights for photographs, stage by stage: train, label more photographs, train again, write.

Every stage resumes where it was interrupted. `tools/make_photo_weights.py` runs them in order.
"""

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion.dataset import FashionDataset
from fashion.json_files import read_json, write_json
from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.data import ANNOTATIONS
from fashion.photo.labels import LEAST_DETECTED, SURE, label_tagged
from fashion.stages.models import weights_note
from fashion.stages.presets import find_preset, make_config
from mrcnn.errors import WeightsNotFoundError

NAME = "photo"
# Detections for average precision: even unlikely ones count for recall.
LEAST_SCORE = 0.05
LOGITS = "mrcnn_class_logits"
TEMPERATURES = (1.0, 1.2, 1.4, 1.6, 1.8)
BACKGROUND_SHIFTS = (0.0, 0.4, 0.8, 1.2, 1.6, 2.0)
SCORE_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0001)


@dataclass(frozen=True)
class PhotoTraining:
    """One training of photo weights.

    Attributes:
        folders: training data folders, each with photographs and a COCO file.
        validation: the validation folder, likewise.
        logs: this training's log folder; a training found there is resumed.
        epochs: the total.
        start: the weights to begin with; None: ImageNet's.
        seed: for weights, order and augmentation.
        overrides: Config attributes that win over the preset's.
    """

    folders: Sequence[Path]
    validation: Path
    logs: Path
    epochs: int
    start: Path | None = None
    seed: int = 1
    overrides: tuple[tuple[str, Any], ...] = ()


def load_photographs(folders: Sequence[Path]) -> FashionDataset:
    """A prepared data set of the photo classes. Raises `DatasetError`, see `FashionDataset`."""
    from fashion.stages.train import note_classes

    dataset = FashionDataset()
    for folder in folders:
        dataset.load(folder, "", PHOTO_TABLE)
    dataset.prepare()
    note_classes(dataset)
    return dataset


def train_photo(training: PhotoTraining) -> Path:
    """Train, or resume, and return the last checkpoint.

    Raises:
        DatasetError: an annotation file or a picture cannot be used.
        WeightsError: the start weights cannot.
    """
    from keras.utils import set_random_seed

    from mrcnn.data.augmentation import augmentation_preset
    from mrcnn.model import MaskRCNN

    sets = load_photographs(training.folders), load_photographs([training.validation])
    config = make_config(
        "photo", NAME, 1 + len(PHOTO_TABLE), SEED=training.seed, **dict(training.overrides)
    )
    set_random_seed(training.seed)
    model = MaskRCNN("training", config, training.logs)
    model.weights_attributes = weights_note("photo", PHOTO_TABLE)
    start = _last(training.logs) or _copied(training) or model.get_imagenet_weights()
    model.load_weights(start, by_name=True)
    print(f"Starting from {start}", flush=True)
    model.train(
        *sets,
        learning_rate=config.LEARNING_RATE,
        epochs=training.epochs,
        layers=find_preset("photo").layers,
        augmentation=augmentation_preset("flip"),
    )
    return trained_weights(training.logs)


def _copied(training: PhotoTraining) -> Path | None:
    """The start weights under another name: a checkpoint would be resumed in its own folder."""
    if training.start is None:
        return None
    training.logs.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(training.start, training.logs / "start.h5"))


def _last(logs: Path) -> Path | None:
    """The last intact checkpoint of a training, or None; damaged ones are set aside."""
    from mrcnn.training.checkpoints import find_last_readable, set_aside

    try:
        path, damaged = find_last_readable(logs, NAME)
    except WeightsNotFoundError:
        return None
    for left in damaged:
        set_aside(left)
    return path


def trained_weights(logs: Path, epoch: int | None = None) -> Path:
    """The checkpoint of the training in `logs` after an epoch; None: the last.

    Not the best by average precision: on few photographs that is mostly chance, and the learning
    rate falls until the end.

    Raises:
        WeightsNotFoundError: there is none.
    """
    if epoch is None:
        path = _last(logs)
    else:
        path = next(logs.glob(f"*/mask_rcnn_{NAME}_{epoch:04d}.h5"), None)
    if path is None:
        raise WeightsNotFoundError(f"There is no checkpoint in {logs}: train first.")
    return path


def photo_model(weights: Path, confidence: float = LEAST_SCORE):
    """A `MaskRCNN` of the preset with these weights that detects from this score on."""
    from mrcnn.model import MaskRCNN

    config = make_config(
        "photo",
        NAME,
        1 + len(PHOTO_TABLE),
        inference=True,
        DETECTION_MIN_CONFIDENCE=confidence,
    )
    model = MaskRCNN("inference", config, weights.parent)
    model.load_weights(weights, by_name=True)
    return model


@dataclass(frozen=True)
class Calibration:
    """A change of the class logits after which scores say how often detections are right.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), vector scaling with the one value
    of the background: a temperature alone lowers all scores, but only low ones are overconfident.

    Attributes:
        temperature: divides all logits.
        background: is then added to the background's logit.
    """

    temperature: float = 1.0
    background: float = 0.0

    def applied(self, weight: np.ndarray) -> np.ndarray:
        """The logit layer's kernel [features, classes] or bias [classes], changed."""
        changed = weight / self.temperature
        if changed.ndim == 1:
            changed[0] += self.background
        return changed

    def __str__(self) -> str:
        return f"temperature {self.temperature:g}, background {self.background:+g}"


def choose_calibration(weights: Path, validation: Path) -> tuple[Calibration, dict]:
    """The best of `TEMPERATURES` and `BACKGROUND_SHIFTS` for garments found by these weights.

    Returns:
        The calibration, and the `calibration_error` of each one tried, for scores from .5 on.
    """
    from fashion.photo.figures import calibration, calibration_error, detect_for_figures

    dataset = load_photographs([validation])
    model = photo_model(weights, SCORE_EDGES[0])
    logits = model.keras_model.get_layer(LOGITS).weights
    stored = [np.asarray(weight) for weight in logits]
    errors = {}
    for each in itertools.starmap(Calibration, itertools.product(TEMPERATURES, BACKGROUND_SHIFTS)):
        for weight, value in zip(logits, stored, strict=True):
            weight.assign(each.applied(value))
        found = detect_for_figures(dataset, lambda picture: model.detect([picture])[0])
        errors[each] = calibration_error(calibration(*found, SCORE_EDGES))
    return min(errors, key=lambda each: errors[each]), errors


def label_more(weights: Path, source: Path, target: Path, sure: float = SURE) -> str:
    """Label the tagged photographs of `source` into the data set folder `target`; a summary.

    The model sees each photograph as it is and mirrored.

    Args:
        weights: the weights to label with.
        source: the folder with photos/ and tags.json.
        target: receives the photographs that were kept and their COCO file.
        sure: the minimum score of a label, given its photograph's tags.
    """
    from mrcnn.images.reading import read_image
    from mrcnn.inference.test_time_augmentation import Augmentation, AugmentedDetector

    tags = read_json(source / "tags.json")
    detector = AugmentedDetector.of_model(
        photo_model(weights, LEAST_DETECTED), Augmentation(flip=True)
    )
    labels = label_tagged(
        tags,
        lambda name: read_image(source / "photos" / name),
        lambda picture: detector.detect([picture])[0],
        sure,
    )
    target.mkdir(parents=True, exist_ok=True)
    for image in labels.data["images"]:
        shutil.copyfile(source / "photos" / image["file_name"], target / image["file_name"])
    write_json(target / ANNOTATIONS, labels.data)
    return labels.summary(len(tags))


def average_weights(files: Sequence[Path], target: Path) -> str:
    """Write the mean of trained weights of one network; a sentence about it.

    The mean of trainings from one start can be better than each (Wortsman et al., "Model soups",
    2022).

    Args:
        files: checkpoints, trained further from the same one.
        target: the file to write.
    """
    from mrcnn.weights.h5_reading import read_arrays, read_layers
    from mrcnn.weights.h5_writing import write_layers

    stored = [read_layers(file) for file in files]

    def mean_layer(name: str) -> list[tuple[str, np.ndarray]]:
        arrays = [read_arrays(weight for _, weight in layers[name]) for layers in stored]
        names = [own for own, _ in stored[0][name]]
        return [
            (own, np.asarray(np.mean(values, axis=0, dtype=np.float64), np.float32))
            for own, *values in zip(names, *arrays, strict=True)
        ]

    # Keras numbers the layers without weights, and differently for each model of a process.
    layers = ((name, mean_layer(name)) for name, weights in stored[0].items() if weights)
    write_layers(target, layers, weights_note("photo", PHOTO_TABLE))
    return f"{target}: the mean of {len(files)} files"


def measure_photo(weights: Path, validation: Path, confidence: float, target: Path) -> str:
    """Write the weights' figures on validation as JSON; a one-line summary."""
    from fashion.parsing.detections import dress_persons
    from fashion.photo.figures import detect_for_figures, summary

    model, person = photo_model(weights), PHOTO_TABLE.id_of(PERSON)
    found = detect_for_figures(
        load_photographs([validation]),
        lambda picture: dress_persons(model.detect([picture])[0], person),
    )
    figures = summary(*found, confidence)
    write_json(target, figures, indent=1)
    return ", ".join(f"{k} {v:.3f}" for k, v in figures.items() if isinstance(v, float))


def write_photo_weights(
    weights: Path, target: Path, trained_on: str, calibration: Calibration = Calibration()
) -> str:
    """Write trained weights as half floats, with their metadata; a sentence about the file.

    Args:
        weights: a checkpoint.
        target: the file to write.
        trained_on: a description of the training pictures.
        calibration: of the class logits.
    """
    from mrcnn.weights.h5_reading import read_arrays, read_layers
    from mrcnn.weights.h5_writing import write_layers
    from mrcnn.weights.provenance import Provenance

    notes = weights_note("photo", PHOTO_TABLE)
    notes |= Provenance(
        preset="photo",
        classes=PHOTO_TABLE.names,
        trained_on=trained_on,
        pictures="photographs",
        licence="Apache-2.0",
    ).notes()
    layers = (
        (
            name,
            [
                (own, calibration.applied(array) if name == LOGITS else array)
                for (own, _), array in zip(stored, read_arrays(w for _, w in stored), strict=True)
            ],
        )
        for name, stored in read_layers(weights).items()
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_layers(target, layers, notes, half=True)
    return f"{target}: {target.stat().st_size / 1e6:.1f} MB"
