"""What the scripts of both stages share: folders, arguments, weights, the model.

Nothing here imports TensorFlow before a model is needed, so that `--help` answers at once.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fashion import REPOSITORY
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from fashion.presets import PRESETS, find_preset, make_config
from mrcnn.errors import UserError, WeightsError, WeightsNotFoundError

NOTE = "fashion_stage"


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: Config.NAME: part of the log folder and of the checkpoints' names.
        folder: `model1` or `model2`.
        table: its classes.
        weights: the file that testing and labelling take unless told otherwise.
    """

    name: str
    folder: Path
    table: ClassTable
    weights: str

    @property
    def images(self) -> Path:
        """Pictures to test on."""
        return self.folder / "images"

    @property
    def outputs(self) -> Path:
        """Where pictures with detections go."""
        return self.folder / "outputs"

    @property
    def logs(self) -> Path:
        """Where trainings write."""
        return self.folder / "logs"

    @property
    def dataset(self) -> Path:
        """Training data, unless told otherwise."""
        return self.folder / "samples" / "custom" / "dataset"


MODANET_STAGE = Stage("modanet", REPOSITORY / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
SEASON_STAGE = Stage("season", REPOSITORY / "model2", SEASON_TABLE, "mask_rcnn_Season.h5")


def whole(least: int):
    """An argparse type: a whole number of at least `least`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    parse.__name__ = "whole number"
    return parse


def fraction(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def positive(text: str) -> float:
    """An argparse type: a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def add_model_arguments(parser: argparse.ArgumentParser, stage: Stage, weights_help: str) -> None:
    """Add --model (--weights), --preset, --precision, --resize-mode and --min-confidence."""
    parser.add_argument(
        "--model", "--weights", "--weigths", dest="model", metavar="FILE.h5", help=weights_help
    )
    purposes = "; ".join(f"{name}: {preset.purpose}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset",
        choices=list(PRESETS),
        help=f"network and training values. {purposes} (default: the one that the weights were "
        "trained with, else 'default')",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="number format; auto is bfloat16 where the machine computes in it natively",
    )
    parser.add_argument(
        "--resize-mode",
        choices=["square", "fit64"],
        help="square: pictures are padded to a square, as in training; fit64: to multiples of 64 "
        "pixels only, a third less work for portraits, and results differ a little (default: that "
        "of the preset, square)",
    )
    parser.add_argument(
        "--min-confidence", type=fraction, metavar="0..1", help="drop detections scored lower"
    )
    parser.set_defaults(stage=stage)


def find_weights(text: str | os.PathLike[str], stage: Stage) -> Path:
    """The file a user means: as given, else by its bare name in the stages' folders.

    Raises:
        WeightsNotFoundError: it is in none of them.
    """
    given = Path(text).expanduser()
    places = [given]
    if given.name == str(text):
        other = SEASON_STAGE if stage.folder == MODANET_STAGE.folder else MODANET_STAGE
        places += [stage.folder / given, other.folder / given]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place.absolute().parent) for place in places)
    raise WeightsNotFoundError(
        f"There is no weight file {given.name} in {looked}: train one, or name another with "
        f"--model=FILE.h5."
    )


def weights_path(text: str | os.PathLike[str], stage: Stage, logs: Path | None = None) -> Path:
    """The file a user means: `last` is the last training's last checkpoint, see `find_weights`.

    A checkpoint that is damaged is left out, and said so.

    Raises:
        WeightsNotFoundError: there is no such file, or no training yet.
        WeightsError: all checkpoints of the last training are damaged.
    """
    if text != "last":
        return find_weights(text, stage)
    from mrcnn.checkpoints import find_last_readable

    path, damaged = find_last_readable(logs or stage.logs, stage.name)
    for left in damaged:
        print(f"{left} is damaged: taking {path.name}, the one before.")
    return path


def writable_folder(folder: Path, option: str) -> Path:
    """The folder, made if need be, once it is sure that files can be written there.

    Args:
        folder: where output goes.
        option: the option that names another.

    Raises:
        UserError: it cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UserError(
            f"Nothing can be written to the folder {folder} ({error.strerror or error}): name "
            f"another with {option}."
        ) from error


def weights_note(preset: str, table: ClassTable) -> dict[str, str]:
    """What a checkpoint remembers, so that later commands need not be told."""
    return {NOTE: json.dumps({"preset": preset, "classes": list(table.names)})}


def read_note(path: Path) -> dict:
    """The note in a weight file; empty for files of others."""
    from mrcnn.h5_layout import read_attributes

    text = read_attributes(path).get(NOTE, "{}")
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def preset_of(path: Path | None, asked: str | None) -> str:
    """The preset the user asked for, else that of the weights, else 'default'."""
    if asked:
        return asked
    return _stored_preset(path) or "default" if path else "default"


def _stored_preset(path: Path) -> str | None:
    stored = read_note(path).get("preset")
    return stored if isinstance(stored, str) and stored in PRESETS else None


def inference_model(options: argparse.Namespace, stage: Stage):
    """A model ready to detect, with the weights and settings of the command line.

    Raises:
        WeightsError: no such file, or it does not fit the stage's classes.
    """
    path = inference_weights(options, stage)
    preset = preset_of(path, options.preset)
    config = make_config(
        preset,
        stage.name,
        1 + len(stage.table),
        inference=True,
        PRECISION=options.precision,
        DETECTION_MIN_CONFIDENCE=options.min_confidence,
        IMAGE_RESIZE_MODE=getattr(options, "resize_mode", None),
    )
    from mrcnn.model import MaskRCNN

    model = MaskRCNN(mode="inference", config=config, model_dir=stage.logs)
    try:
        report = model.load_weights(path, by_name=True)
    except WeightsError as error:
        raise WeightsError(
            f"{error} (The network is that of the preset {preset}; --preset takes another.)"
        ) from error
    if report.missing_in_file:
        raise WeightsError(
            f"{path} lacks {len(report.missing_in_file)} of the model's layers (the first is "
            f"{report.missing_in_file[0]}): it was trained with another backbone or preset; give "
            f"the right one with --preset."
        )
    print(f"Weights: {path}")
    return model


def inference_weights(options: argparse.Namespace, stage: Stage) -> Path:
    """The weight file to detect with, checked as far as that goes without building a model.

    Raises:
        WeightsError: no such file, it is damaged, or of other classes or another preset.
    """
    # Without --model it is the stage's own, not a file of that name where the user stands.
    wanted = options.model or stage.folder / stage.weights
    path = weights_path(wanted, stage, getattr(options, "logs", None))
    check_weights(path, options.preset)
    _require_classes(path, stage)
    return path


def check_weights(path: Path, preset: str | None) -> None:
    """Look at a weight file without building a model.

    Args:
        path: the file.
        preset: the preset that the user asked for, if any.

    Raises:
        WeightsError: it is damaged, no weight file, or says that it has another network.
    """
    from mrcnn.h5_layout import read_layers

    read_layers(path)
    stored = _stored_preset(path)
    if preset and stored and PRESETS[stored].compact != PRESETS[preset].compact:
        raise WeightsError(
            f"{path} was trained with the preset {stored}, whose network is another than that of "
            f"{preset}: leave --preset out, or name other weights with --model."
        )


def _require_classes(path: Path, stage: Stage) -> None:
    mine = list(stage.table.names)
    names = read_note(path).get("classes")
    names = names if isinstance(names, list) else mine
    count = _class_count(path)
    if count in (None, len(mine)) and names == mine:
        return
    theirs = "" if names == mine else f" ({', '.join(map(str, names))})"
    raise WeightsError(
        f"{path} is for {count} classes{theirs}, but {stage.folder.name} has {len(mine)} "
        f"({', '.join(mine)}): name weights of these classes with --model."
    )


def _class_count(path: Path) -> int | None:
    """How many classes a weight file knows, background apart; None where it has no such layer."""
    from mrcnn.h5_layout import read_layers

    weights = read_layers(path).get("mrcnn_class_logits")
    shape = weights[-1][1].shape if weights else ()
    return shape[-1] - 1 if shape else None


def training_defaults(options: argparse.Namespace):
    """The preset that training follows."""
    return find_preset(options.preset or "default")
