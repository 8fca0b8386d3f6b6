"""The command-line options that choose a model and its labels, and the `ModelChoice` they mean."""

import argparse

from fashion.stages.models import ModelChoice
from fashion.stages.presets import PRESETS
from fashion.stages.stage import Stage, fraction
from fashion.stages.training_labels import with_labels


def add_model_arguments(parser: argparse.ArgumentParser, stage: Stage, weights_help: str) -> None:
    """Add --model (--weights), --preset, --precision, --resize-mode and --min-confidence."""
    parser.add_argument(
        "--model",
        "--weights",
        "--weigths",
        dest="model",
        metavar="FILE.h5",
        help=f"{weights_help}; photo.h5 is the model for photographs, which is taken where stage 1 "
        "has none of its own",
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
        "pixels only, a third less work for portraits, with slightly different results (default: "
        "that of the preset, square)",
    )
    parser.add_argument(
        "--min-confidence", type=fraction, metavar="0..1", help="drop detections scored lower"
    )
    parser.set_defaults(stage=stage)


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


def add_class_table_argument(parser: argparse.ArgumentParser) -> None:
    """Add --class-table."""
    parser.add_argument(
        "--class-table",
        metavar="FILE",
        help='labels other than the nine: a JSON list such as ["bag_yaz", "dress_kis"], or all for '
        "the fifty that have a code (default: those that the weights were trained with, else the "
        "nine)",
    )


def choose_class_table(options: argparse.Namespace) -> None:
    """Give `options.stage` the labels of --class-table, or those the weights were trained with.

    `options.model` becomes the description of the weight file where that was read. Training keeps
    the labels of a checkpoint only where it resumes from it (--model=last). Raises `DatasetError`
    for a file that is not a class table.
    """
    training = getattr(options, "command", None) == "train"
    if training and options.model != "last" and not options.class_table:
        return
    choice = with_labels(model_choice(options), options.class_table)
    options.stage = choice.stage
    if not training:
        options.model = choice.weights
