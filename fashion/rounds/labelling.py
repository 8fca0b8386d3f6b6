"""Labelling a round: the model labels the remaining pictures, which are then put in order."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fashion.annotations import via
from fashion.annotations.annotated import Annotations
from fashion.autolabel.command import StageDetector
from fashion.autolabel.job import LabelJob
from fashion.autolabel.pictures import FolderPictures
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.run import LabelFiles, LoadDetector, label_folder
from fashion.json_files import file_digest, read_json, write_json
from fashion.pictures.listing import list_images
from fashion.review.decision_log import DecisionLog, read_log
from fashion.rounds.decided import CARRIED, Decided, read_decided
from fashion.rounds.folder import Round, RoundsFolder
from fashion.rounds.queue import Ranked, ranked
from fashion.stages.models import ModelChoice, inference_weights, preset_of
from fashion.stages.presets import find_preset
from fashion.stages.training_labels import with_labels


def label_round(folder: RoundsFolder, number: int) -> bool:
    """Label round `number` with the previous model, resuming; False if it was interrupted.

    Decided pictures are left out; begun ones keep their labels and decisions. Does nothing if the
    round is already labelled. Raises `UserError` for files that cannot be used.
    """
    one, began = folder.round(number), time.monotonic()
    if one.queue.exists():
        return True
    state = read_decided(folder)
    done = {*state.pictures, *state.begun, *folder.settings.aside}
    images = [path.name for path in list_images(folder.images) if path.name not in done]
    auto = Annotations()
    if images:
        if not _detect(folder, one, images):
            return False
        auto = via.read(one.auto)
    _take_over(one, auto, state)
    order = _order(folder, auto, state)
    minutes = round((time.monotonic() - began) / 60, 2)
    write_json(one.queue, {"minutes": minutes, "pictures": order}, indent=1)
    return True


def _detect(folder: RoundsFolder, one: Round, images: Sequence[str]) -> bool:
    job, load_detector = labelling_job(folder, folder.weights_before(one.number), images)
    one.folder.mkdir(parents=True, exist_ok=True)
    summary = label_folder(job, LabelFiles(one.auto, keep_empty=True), load_detector)
    print(summary.text())
    return not summary.left


def labelling_job(
    folder: RoundsFolder, weights: Path, images: Sequence[str]
) -> tuple[LabelJob, LoadDetector]:
    """The job and the detector that label these pictures with the classes themselves."""
    confidence = folder.settings.min_confidence
    choice = model_of(folder, weights, confidence)
    file = inference_weights(choice, digest=True)
    preset = preset_of(file, None)
    batch = find_preset(preset).values.get("IMAGES_PER_GPU", 1)
    job = LabelJob(
        FolderPictures(folder.images, images),
        choice.stage.class_names,
        LabelPolicy(min_confidence=confidence, low_confidence=confidence, labels="garments"),
        batch=batch,
        model={"model": file.sha256, "preset": preset},
    )
    return job, StageDetector(choice, batch)


def model_of(folder: RoundsFolder, weights: Path, min_confidence: float) -> ModelChoice:
    """The model of a weight file; in stage 2 with the classes that the file names."""
    choice = ModelChoice(folder.stage, weights, min_confidence=min_confidence)
    return with_labels(choice, None) if folder.settings.stage == 2 else choice


def _take_over(one: Round, auto: Annotations, state: Decided) -> None:
    """Write what is reviewed: begun pictures with their former labels, then the rest.

    Earlier decisions on the begun pictures go into a separate log.
    """
    begun = [image for image, _ in state.begun.values()]
    auto.images = [*begun, *auto.images]
    one.folder.mkdir(parents=True, exist_ok=True)
    via.write(one.labels, auto)
    carried = [decision for _, own in state.begun.values() for decision in own]
    log = one.log(CARRIED)
    log.unlink(missing_ok=True)  # from a run that was killed here; nobody has reviewed it yet
    if carried:
        with DecisionLog(log, one.labels.name, file_digest(one.labels)) as written:
            written.append(sorted(carried, key=lambda d: (d.time, d.image, d.key)))


def _order(folder: RoundsFolder, auto: Annotations, state: Decided) -> list[dict]:
    """The queue as JSON values: begun pictures, the hold-out, then the rest, surest first."""
    settings = folder.settings
    holdout = set(settings.holdout)
    first = state.begun.keys() | holdout
    known = [*state.pictures, *first]

    def ranks(is_first: bool) -> list[Ranked]:
        images = [image for image in auto if (image.filename in first) == is_first]
        return ranked(images, () if is_first else settings.duplicates, known)

    ahead = sorted(ranks(True), key=lambda row: row.picture not in state.begun)
    rows = [*ahead, *ranks(False)]
    return [{**asdict(row), "holdout": row.picture in holdout} for row in rows]


def proposed(folder: RoundsFolder, one: Round) -> list[str]:
    """The pictures that a round proposes: begun ones, the hold-out, then the number asked for.

    Raises `DatasetError`.
    """
    rows = read_json(one.queue)["pictures"]
    taken = set(carried_pictures(one))
    first = [row["picture"] for row in rows if row["holdout"] or row["picture"] in taken]
    rest = [row["picture"] for row in rows if row["picture"] not in set(first)]
    return first + rest[: folder.settings.pictures]


def carried_pictures(one: Round) -> list[str]:
    """The pictures with decisions carried over from the previous round."""
    log = one.log(CARRIED)
    decisions = read_log(log)[1] if log.exists() else []
    return list(dict.fromkeys(decision.image for decision in decisions))
