"""Training a round's model on what people decided, and measuring it on the hold-out."""

import copy
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fashion.annotations import via
from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.locating import ANNOTATION_FILE
from fashion.dataset import FashionDataset
from fashion.json_files import write_json
from fashion.rounds.decided import Decided, read_decided
from fashion.rounds.folder import Round, RoundsFolder
from fashion.rounds.labelling import model_of
from fashion.stages.command import train_or_splash
from fashion.stages.models import ModelChoice, detection_model
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import average_precision, detect_all, ground_truth
from mrcnn.system.files import saving

VALIDATION = 6  # about one picture in so many, by the digest of its name, goes into val/
LEAST_SCORE = 0.05  # of the detections that are measured
FIGURES = ("AP", "AP50", "AP75")


def train_round(
    folder: RoundsFolder, one: Round, options: Sequence[str] = (), start: str | None = None
) -> None:
    """Train the model of a round and measure it, resuming; do nothing if that is done.

    options: further arguments of the training script, such as `--epochs=5`. start: the weights to
    begin with, as its `--model` accepts them; None: those of the previous round. Once the training
    has begun, later decisions wait for the next round.

    Raises:
        UserError: too few pictures are decided, or the training cannot be started.
    """
    began = time.monotonic()
    if one.result.exists():
        return
    if not one.dataset.exists():
        state = read_decided(folder)
        for note in state.notes:
            print(note)
        build_dataset(folder, one, state)
    if not one.weights.exists():
        _train(folder, one, options, start or str(folder.weights_before(one.number)))
    if one.weights.exists():  # not if Ctrl-C ended the training early
        figures = measure(folder, one)
        minutes = round((time.monotonic() - began) / 60, 2)
        write_json(one.result, {"figures": figures, "minutes": minutes}, indent=1)


def build_dataset(folder: RoundsFolder, one: Round, state: Decided) -> None:
    """Write the round's data set, whole or not at all: decided pictures and links to their files.

    Raises `DatasetError` if there are fewer than two decided pictures to train on.
    """
    settings = folder.settings
    apart = {*settings.holdout, *settings.aside}
    usable = [name for name in sorted(state.pictures) if name not in apart]
    usable = [name for name in usable if state.pictures[name].regions]
    if len(usable) < 2:
        raise DatasetError(
            f"{len(usable)} decided pictures with labels are not in the hold-out",
            path=folder.path,
            expected="at least 2 to train, and better a hundred",
            advice="review some more: every label of a picture needs a decision",
        )
    validation = [name for name in usable if _digest(name) % VALIDATION == 0]
    validation = validation[: len(usable) - 1] or usable[:1]
    parts = {
        "train": [name for name in usable if name not in set(validation)],
        "val": validation,
        "test": [name for name in settings.holdout if name in state.pictures],
    }
    building = one.folder / ".dataset.part"
    with saving(one.dataset):
        shutil.rmtree(building, ignore_errors=True)
        for part, names in parts.items():
            _write_part(building / part, (state.pictures[name] for name in names), folder.images)
        building.rename(one.dataset)


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest())


def _write_part(folder: Path, images: Iterable[AnnotatedImage], source: Path) -> None:
    folder.mkdir(parents=True)
    found = Annotations([copy.copy(image) for image in images])
    for image in found:
        place_file(source / image.filename, folder / image.filename)
    via.write(folder / ANNOTATION_FILE, found)


def place_file(source: Path, target: Path) -> None:
    """Put a file in a second place: a hard link, or a copy if that is on another disk."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _train(folder: RoundsFolder, one: Round, options: Sequence[str], start: str) -> None:
    # The first epoch ends with a checkpoint; without one, training starts afresh.
    begun = any(one.logs.glob("*/mask_rcnn_*.h5"))
    model = "last" if begun else start
    words = ["train", f"--dataset={one.dataset}", f"--model={model}", f"--logs={one.logs}"]
    words += [f"--weights-out={one.weights}", *options]
    train_or_splash(folder.stage, "", words)


def measure(folder: RoundsFolder, one: Round) -> dict[str, Any]:
    """COCO's mask figures on the reviewed part of the hold-out.

    Returns:
        `pictures`, the number measured, and, if any of them has a label, AP, AP50 and AP75.
    """
    names = via.read(one.dataset / "test" / ANNOTATION_FILE)
    figures: dict[str, Any] = {"pictures": len(names)}
    if any(image.regions for image in names):
        figures |= figures_of(model_of(folder, one.weights, LEAST_SCORE), one.dataset, "test")
    return figures


def figures_of(choice: ModelChoice, data: Path, subset: str) -> dict[str, float]:
    """AP, AP50 and AP75 of a model's masks on `data/subset`. Raises `DatasetError`."""
    dataset = FashionDataset()
    dataset.load(data, subset, choice.stage.table, keep_empty=True)
    dataset.prepare()
    model = detection_model(choice)
    rows = detect_all(dataset, lambda image: model.detect([image])[0])
    found = average_precision(ground_truth(dataset), rows, ("segm",))["segm"]
    return {name: round(found[name], 4) for name in FIGURES}
