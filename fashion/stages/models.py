"""The model of a stage: which weight file and preset, what the file says, and the model itself.

TensorFlow is imported only when a model is built, so that `--help` answers at once and wrong input
is refused within a second.
"""

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion import PHOTO_WEIGHTS, REPOSITORY
from fashion.labels import MODANET_TABLE, PERSON, SEASON_TABLE, ClassTable
from fashion.stages.presets import PRESETS, find_preset, make_config
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, Stage
from mrcnn.config import Config
from mrcnn.errors import DatasetError, WeightsError, WeightsNotFoundError
from mrcnn.inference.closer_look import CloserLook, InferenceModel
from mrcnn.system.imports import modules_left_out
from mrcnn.weights.provenance import Provenance

if TYPE_CHECKING:
    from mrcnn.model import MaskRCNN


NOTE = "fashion_stage"
LONGEST_NOTE = 60_000  # bytes; HDF5 attributes hold 64 kB
COCO_WEIGHTS = "mask_rcnn_coco.h5"
PIPELINE_OUTPUTS = REPOSITORY / "outputs"  # where `make demo` trains


@dataclass(frozen=True)
class WeightFile:
    """What a weight file says about itself; see `describe_weights`.

    Attributes:
        path: the file.
        preset: the preset it was trained with; None if it names none of `PRESETS`.
        classes: the class names it was trained with, without the background and persons; None where
            it does not say.
        class_count: how many classes its class layer has, without the background and persons; None
            where it has no such layer.
        sha256: of its content, in hexadecimal digits; None unless it was asked for.
        table: `classes` with their colours and aliases; None if it does not name classes.
        persons: whether it detects persons besides these classes, as the class after them.
        provenance: what it was trained on.
    """

    path: Path
    preset: str | None
    classes: tuple[str, ...] | None
    class_count: int | None
    sha256: str | None = None
    table: ClassTable | None = field(default=None, compare=False)
    persons: bool = False
    provenance: Provenance = field(default_factory=Provenance)

    def line(self) -> str:
        """One line for a terminal: the file, and what it was trained on if it says so."""
        said = self.provenance.line()
        return f"{self.path}: {said}" if said else str(self.path)


@dataclass(frozen=True)
class ModelChoice:
    """Which model detects, and how.

    Attributes:
        stage: its classes and folders.
        weights: a path or bare name, see `find_weights`; "last", the last checkpoint of the last
            training; a file that was described before; None, the stage's own weights.
        preset: None for the one that the weights were trained with, else "default".
        precision: Config.PRECISION.
        min_confidence: Config.DETECTION_MIN_CONFIDENCE; None for the preset's.
        resize_mode: Config.IMAGE_RESIZE_MODE; None for the preset's.
        logs: where "last" is looked for; None for the stage's logs.
        settings: what errors call `weights` and `preset`, for `UserError.sentence` to translate.
        persons: whether weights that know persons detect them too, as the class after the stage's.
    """

    stage: Stage
    weights: str | os.PathLike[str] | WeightFile | None = None
    preset: str | None = None
    precision: str = "auto"
    min_confidence: float | None = None
    resize_mode: str | None = None
    logs: Path | None = None
    settings: tuple[str, str] = ("model", "preset")
    persons: bool = False


def find_weights(
    text: str | os.PathLike[str], stage: Stage, setting: str = ModelChoice.settings[0]
) -> Path:
    """The weight file a user means: the path as given, else a bare name in the stages' folders.

    Where no garment weights were trained, the package's weights for photographs take their place;
    `photo.h5` names those, too.

    Args:
        text: the path or name.
        stage: its folder is searched before the other stage's.
        setting: the argument that `text` was given for, for the error.

    Raises:
        WeightsNotFoundError: there is no such file.
    """
    given = Path(text).expanduser()
    places = [given]
    if given.name == str(text):
        other = SEASON_STAGE if stage.folder == MODANET_STAGE.folder else MODANET_STAGE
        places += [stage.folder / given, other.folder / given]
    own = MODANET_STAGE.folder / MODANET_STAGE.weights
    if own in places or str(text) == PHOTO_WEIGHTS.name:
        places.append(PHOTO_WEIGHTS)
    for place in places:
        if place.is_file():
            return place
    searched = ", ".join(str(place.absolute().parent) for place in places)
    others = sorted(PIPELINE_OUTPUTS.glob(f"*/stage[12]/{stage.weights}"))
    others += [PHOTO_WEIGHTS] if stage.table == MODANET_TABLE else []
    known = f": there is {' and '.join(map(str, others))}" if others else ""
    raise WeightsNotFoundError(
        f"there is no weight file of this name in {searched}",
        path=given.name,
        settings=(setting,),
        advice=f"train one, or choose another with {{{setting}}}{known}",
    )


def weights_path(
    text: str | os.PathLike[str],
    stage: Stage,
    logs: Path | None = None,
    setting: str = ModelChoice.settings[0],
) -> Path:
    """Like `find_weights`; "last" is the last checkpoint of the last training.

    Damaged checkpoints after it are skipped, with a printed line for each.

    Raises:
        WeightsNotFoundError: there is no such file, or no training yet.
        WeightsError: all checkpoints of the last training are damaged.
    """
    if text != "last":
        return find_weights(text, stage, setting)
    from mrcnn.training.checkpoints import find_last_readable

    path, damaged = find_last_readable(logs or stage.logs, stage.name)
    for skipped in damaged:
        print(f"{skipped} is damaged: using {path.name}, the one before it.")
    return path


def coco_weights(stage: Stage) -> Path:
    """The COCO weights in the stage's folder, downloaded if they are not there yet.

    Raises:
        DownloadError: they cannot be downloaded.
    """
    path = stage.folder / COCO_WEIGHTS
    if not path.exists():
        from mrcnn.weights.known_files import download_trained_weights

        download_trained_weights(str(path))
    return path


def weights_note(preset: str, table: ClassTable) -> dict[str, str]:
    """The root attributes by which a checkpoint remembers its preset and classes.

    Colours and aliases are stored where they are not the default, and fit into an attribute.
    """
    note: dict[str, Any] = {"preset": preset, "classes": list(table.names)}
    if table not in (MODANET_TABLE, SEASON_TABLE, ClassTable(table.names)):
        rows = json.dumps({**note, "table": table.to_json()["classes"]})
        if len(rows.encode()) <= LONGEST_NOTE:
            return {NOTE: rows}
    return {NOTE: json.dumps(note)}


def describe_weights(path: Path, *, digest: bool = False) -> WeightFile:
    """What a weight file says about itself; the file is opened once, its arrays are not loaded.

    digest: also compute its sha256.

    Raises:
        WeightsError: it is missing, damaged, or not a weight file.
    """
    from mrcnn.weights.h5_reading import open_weights

    with open_weights(path, digest=digest) as file:
        layers, attributes = file.layers(), file.attributes()
    note = _parsed_note(attributes.get(NOTE, "{}"))
    preset, names = note.get("preset"), _texts(note.get("classes"))
    persons = names is not None and len(names) > 1 and names[-1] == PERSON
    head = layers.get("mrcnn_class_logits")
    shape = head[-1][1].shape if head else ()
    classes = names[:-1] if names and persons else names
    return WeightFile(
        path,
        preset if isinstance(preset, str) and preset in PRESETS else None,
        classes,
        shape[-1] - 1 - persons if shape else None,
        file.sha256,
        _noted_table(classes, note.get("table")),
        persons,
        Provenance.of_texts(attributes),
    )


def _noted_table(classes: tuple[str, ...] | None, rows: object) -> ClassTable | None:
    """The table of a note's classes; plain names if it has no rows that fit them."""
    for data in (rows, list(classes or ())):
        try:
            table = ClassTable.from_json(data)
        except DatasetError:
            continue
        if table.names == classes:
            return table
    return None


def _parsed_note(text: str) -> dict:
    """The note as JSON; empty if others wrote something else under its name."""
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _texts(value: object) -> tuple[str, ...] | None:
    """A JSON value that is a list of strings; None for any other, and for an empty list."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def preset_of(weights: WeightFile | None, asked: str | None) -> str:
    """The preset that was asked for, else that of the weights, else "default"."""
    return asked or (weights and weights.preset) or "default"


def inference_weights(choice: ModelChoice, *, digest: bool = False) -> WeightFile:
    """The weight file to detect with, checked as far as possible without building a model.

    digest: see `describe_weights`.

    Raises:
        WeightsError: it is missing, damaged, or for other classes or another preset's network.
    """
    weights = described_weights(choice, digest=digest)
    check_preset(weights, choice.preset, choice.settings)
    _check_classes(weights, choice)
    return weights


def described_weights(choice: ModelChoice, *, digest: bool = False) -> WeightFile:
    """The chosen weight file, whatever its classes.

    digest: see `describe_weights`.

    Raises:
        WeightsError: it is missing or damaged.
    """
    if isinstance(choice.weights, WeightFile):
        return choice.weights
    stage = choice.stage
    # By default it is the stage's own file, not one of that name in the current folder.
    wanted = choice.weights or stage.folder / stage.weights
    path = weights_path(wanted, stage, choice.logs, choice.settings[0])
    return describe_weights(path, digest=digest)


def check_preset(
    weights: WeightFile, preset: str | None, settings: tuple[str, str] = ModelChoice.settings
) -> None:
    """Raise `WeightsError` if `preset` has another network than the weights were trained in.

    settings: what the error calls weights and preset, as in `ModelChoice`.
    """
    if not preset or not weights.preset:
        return
    if PRESETS[weights.preset].network != PRESETS[preset].network:
        raise WeightsError(
            "the weights were trained with a preset for a different network",
            path=weights.path,
            settings=settings,
            expected=preset,
            found=weights.preset,
            advice=f"leave {{{settings[1]}}} out, or choose other weights with {{{settings[0]}}}",
        )


def _check_classes(weights: WeightFile, choice: ModelChoice) -> None:
    mine = tuple(choice.stage.table.names)
    names = weights.classes or mine
    if weights.class_count in (None, len(mine)) and names == mine:
        return
    theirs = "" if names == mine else f" ({', '.join(names)})"
    raise WeightsError(
        "the weights are for other classes",
        path=weights.path,
        settings=choice.settings[:1],
        expected=f"the {len(mine)} of {choice.stage.folder.name} ({', '.join(mine)})",
        found=f"{weights.class_count}{theirs}",
        advice=f"choose weights of these classes with {{{choice.settings[0]}}}",
    )


def names_with_person(stage: Stage, weights: WeightFile | None) -> list[str]:
    """Class names by class id, the background first, of a model with `ModelChoice.persons`."""
    return [*stage.class_names, *([PERSON] if weights and weights.persons else [])]


def inference_model(choice: ModelChoice) -> "MaskRCNN":
    """A model that is ready to detect; the weight file is printed.

    Raises:
        WeightsError: see `inference_weights`; or the layers are not those of the preset's network.
    """
    weights = inference_weights(choice)
    # A fifth of the time that importing Keras takes goes to optional packages that no detection
    # needs, for plots and sparse training data. Keras then lacks them for the rest of the process,
    # so this is for commands, not for `fashion.load`.
    with modules_left_out("matplotlib", "scipy"):
        importlib.import_module("mrcnn.model")
    model = loaded_model(choice, weights)
    print(f"Weights: {weights.line()}")
    return model


def detection_model(choice: ModelChoice) -> InferenceModel:
    """`inference_model` for detecting on whatever photographs come.

    Weights that know persons look closer at those who are small in a photograph.

    Raises:
        WeightsError: see `inference_model`.
    """
    weights = inference_weights(choice)
    return looking_closer(replace(choice, weights=weights), weights, inference_model)


def looking_closer(
    choice: ModelChoice, weights: WeightFile, load: "Callable[[ModelChoice], MaskRCNN]"
) -> InferenceModel:
    """The model that `load` gives for a choice, in a `CloserLook` if its weights know persons."""
    if not weights.persons:
        return load(choice)
    confidence = choice.min_confidence
    if confidence is None:
        preset = find_preset(preset_of(weights, choice.preset))
        confidence = preset.values.get("DETECTION_MIN_CONFIDENCE", Config.DETECTION_MIN_CONFIDENCE)
    least = CloserLook.least_score(confidence)
    model = load(replace(choice, persons=True, min_confidence=least))
    return CloserLook(model, 1 + len(choice.stage.table), confidence, choice.persons)


def loaded_model(choice: ModelChoice, weights: WeightFile) -> "MaskRCNN":
    """The model of `choice` with the weights that `inference_weights` has checked.

    Raises:
        WeightsError: the layers are not those of the preset's network.
    """
    stage, preset = choice.stage, preset_of(weights, choice.preset)
    config = make_config(
        preset,
        stage.name,
        1 + len(stage.table) + weights.persons,
        inference=True,
        PRECISION=choice.precision,
        DETECTION_MIN_CONFIDENCE=choice.min_confidence,
        IMAGE_RESIZE_MODE=choice.resize_mode,
        DETECTION_LAST_CLASS=len(stage.table) if weights.persons and not choice.persons else None,
    )
    from mrcnn.model import MaskRCNN

    model = MaskRCNN(mode="inference", config=config, model_dir=stage.logs)
    other_preset = f"choose a preset other than {preset} with {{{choice.settings[1]}}}"
    try:
        report = model.load_weights(weights.path, by_name=True)
    except WeightsError as error:
        advice = f"{error.advice}, or {other_preset}" if error.advice else other_preset
        settings = (*error.settings, choice.settings[1])
        raise error.replace(settings=settings, advice=advice) from error
    if report.missing_in_file:
        raise WeightsError(
            f"the file lacks {len(report.missing_in_file)} of the network's layers (the first is "
            f"{report.missing_in_file[0]}): it was trained with another backbone or preset",
            path=weights.path,
            settings=choice.settings[1:],
            advice=other_preset,
        )
    return model
