"""The command-line options that choose a model and its labels, and the `ModelChoice` they mean."""

import argparse
from collections.abc import Callable

from fashion.stages.models import ModelChoice
from fashion.stages.presets import PRESETS
from fashion.stages.stage import Stage, fraction
from fashion.stages.training_labels import with_labels
from fashion.terminal import add_classes_argument
from mrcnn.config import Config
from mrcnn.errors import UserError

CLASSES_DEFAULT = "those that the weights were trained with, else the stage's"


def add_model_arguments(
    parser: argparse.ArgumentParser,
    stage: Stage,
    weights_help: str,
    *,
    confidence: float | None = None,
) -> None:
    """Add --model, --preset, --precision, --resize-mode, --min-confidence and --classes.

    confidence: what the command uses without --min-confidence, for its help; None for the
        preset's value.
    """
    parser.add_argument(
        "--model",
        "--weights",
        dest="model",
        metavar="FILE.h5",
        help=f"{weights_help}; photo.h5 is the model for photographs, which is used if stage 1 has "
        "no weights of its own",
    )
    # The spelling of the original scripts.
    parser.add_argument("--weigths", dest="model", help=argparse.SUPPRESS)
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
        help="number format; auto is bfloat16 if the machine computes in it natively",
    )
    parser.add_argument(
        "--resize-mode",
        choices=["square", "fit64"],
        help="square: pictures are padded to a square, as in training; fit64: to multiples of 64 "
        "pixels only, a third less work for portraits, with slightly different results (default: "
        "that of the preset, square)",
    )
    parser.add_argument(
        "--min-confidence",
        type=fraction,
        metavar="0..1",
        help="drop detections scored lower "
        + (
            of_presets("DETECTION_MIN_CONFIDENCE")
            if confidence is None
            else f"(default: {confidence:g})"
        ),
    )
    add_classes_argument(parser, CLASSES_DEFAULT)
    parser.set_defaults(stage=stage)


def of_presets(attribute: str) -> str:
    """The default of an option that the preset decides, in brackets, for its help.

    attribute: a field of `Preset`, or a Config attribute.
    """
    values = {
        name: getattr(preset, attribute)
        if attribute.islower()
        else preset.values.get(attribute, getattr(Config, attribute))
        for name, preset in PRESETS.items()
    }
    if attribute == "layers":
        values |= {name: p.layers_help for name, p in PRESETS.items() if p.layers_help}
    first = values["default"]
    others = [f"{name}: {_text(value)}" for name, value in values.items() if value != first]
    return f"(default: {'; '.join([_text(first), *others])})"


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def model_choice(options: argparse.Namespace) -> ModelChoice:
    """The model that the options of `add_model_arguments` (and --logs) choose."""
    return ModelChoice(
        options.stage,
        weights=options.model,
        preset=options.preset,
        precision=options.precision,
        min_confidence=options.min_confidence,
        # tools/export_model.py has its own option in place of --resize-mode.
        resize_mode=getattr(options, "resize_mode", None),
        logs=options.logs,
    )


def with_missing_weights(error: UserError, find_weights: Callable[[], object]) -> UserError:
    """The error about missing pictures; if the weights cannot be found either, it says both."""
    try:
        find_weights()
    except UserError as other:
        names = {name: f"{{{name}}}" for name in other.settings}
        advice = f"{error.advice}. Also, {other.sentence(names)}"
        return error.replace(advice=advice, settings=(*error.settings, *other.settings))
    return error


def add_drop_unknown_argument(parser: argparse.ArgumentParser) -> None:
    """Add --drop-unknown."""
    parser.add_argument(
        "--drop-unknown",
        action="store_true",
        help="leave out regions whose labels are not among the classes, however many they are "
        "(default: an error if they are more than a tenth)",
    )


def choose_classes(options: argparse.Namespace, *, digest: bool = False) -> None:
    """Give `options.stage` the classes of --classes, or those the weights were trained with.

    `options.model` becomes the description of the weight file where that was read. Training keeps
    the labels of a checkpoint only where it resumes from it (--model=last). Raises `DatasetError`
    for a file that is not a class table.

    digest: see `describe_weights`.
    """
    training = getattr(options, "command", None) == "train"
    if training and options.model != "last" and not options.classes:
        return
    choice = with_labels(model_choice(options), options.classes, digest=digest)
    options.stage = choice.stage
    if not training:
        options.model = choice.weights
