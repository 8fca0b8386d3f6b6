"""The command-line options of training a stage."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fashion.command_table import with_commands
from fashion.stages.arguments import add_drop_unknown_argument, add_model_arguments, of_presets
from fashion.stages.stage import Stage, fraction, positive, whole
from fashion.terminal import OPTIONS
from mrcnn.config_rules import parse_rate_schedule
from mrcnn.data.augmentation import PRESETS as AUGMENTATIONS
from mrcnn.errors import ConfigError

# Share of the pictures below which --repeat-rare considers a class rare: a dozen classes, of which
# a picture shows three or four, are in a quarter of them on average.
RARE = 0.1


class _EvaluateInstead(argparse.Action):
    """Points to where detectron2's --eval-only is."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(with_commands("to evaluate without training, run tools/evaluate.py"))


def add_training_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of `train`."""
    add = _adder(parser)
    at_least_1: dict[str, Any] = {"type": whole(1), "metavar": "N"}
    add(
        "--dataset",
        "folder with train/ and val/, each with images and via_region_data.json or a COCO JSON "
        "(default: %(default)s)",
        type=Path,
        default=stage.dataset,
        metavar="DIR",
    )
    add_model_arguments(
        parser,
        stage,
        "what to start from: coco, imagenet, last (resume the last training), none "
        "(random weights), or a weight file",
    )
    add("--resume", "the same as --model=last", dest="model", action="store_const", const="last")
    add(
        "--eval-only",
        "of other projects; here, use tools/evaluate.py",
        action=_EvaluateInstead,
        nargs=0,
    )
    add("--logs", "log folder", type=Path, default=stage.logs, metavar="DIR")
    add(
        "--weights-out",
        "where the best weights are copied at the end, unless the file already exists "
        "(default: %(default)s)",
        type=Path,
        default=stage.folder / stage.weights,
        metavar="FILE.h5",
    )
    add("--overwrite", "replace the file that --weights-out names", action="store_true")
    add("--epochs", "total number of epochs", "epochs", **at_least_1)
    add("--steps", "batches per epoch", "STEPS_PER_EPOCH", **at_least_1)
    add("--layers", "heads, 5+, 4+, 3+, all, or a regular expression of layer names", "layers")
    add("--learning-rate", "of the first part", "LEARNING_RATE", type=positive, metavar="RATE")
    add(
        "--schedule",
        "several parts: matterport, scratch, or layers:epochs:rate,... such as "
        "heads:40:0.001,all:160:0.0001, which overrides --layers, --epochs and --learning-rate",
        "schedule",
    )
    add(
        "--lr-schedule",
        "how the rate changes: constant, cosine or cosine:0.01 (to that share of it), "
        "step:60,80 (a tenth after 60 and 80 epochs) or step:60,80:0.5; it replaces a preset's "
        "parts, and acts within each part of --schedule (default: constant within a part)",
        type=rate_schedule,
        metavar="SCHEDULE",
    )
    add("--batch", "images per step, for each device", "IMAGES_PER_GPU", **at_least_1)
    add(
        "--gpus",
        "devices on this machine to train on, see docs/distributed_training.md",
        "GPU_COUNT",
        **at_least_1,
    )
    add(
        "--workers",
        "image loaders (default: one for each core, at most 8)",
        type=whole(0),
        metavar="N",
    )
    add(
        "--loader-resize",
        "how training pictures are resized: as Matterport does, or by OpenCV in a tenth of the "
        "time",
        "LOADER_RESIZE",
        choices=["exact", "fast"],
    )
    add(
        "--loader-cache",
        "megabytes of resized pictures to keep in memory from pass to pass",
        "LOADER_CACHE_MB",
        type=whole(0),
        metavar="MB",
    )
    add("--seed", "for repeatable training", type=whole(0), metavar="N")
    add("--augmentation", "of the images", choices=list(AUGMENTATIONS), default="flip")
    _add_helps(parser)
    add("--strict", "stop at the first region that cannot be read", action="store_true")
    add_drop_unknown_argument(parser)


def _add_helps(parser: argparse.ArgumentParser) -> None:
    """Add options that are off unless given or set by the preset; see docs/training.md."""
    add = _adder(parser.add_argument_group("training helps", "see docs/training.md"))
    at_least_0, at_least_1 = ({"type": whole(least), "metavar": "N"} for least in (0, 1))
    add("--optimizer", "", "OPTIMIZER", choices=["sgd", "adam"])
    add("--warmup", "steps over which the learning rate rises", "WARMUP_STEPS", **at_least_0)
    add(
        "--scale-learning-rate",
        "multiply the learning rate by the number of devices, with a warm-up",
        action="store_true",
        default=None,
    )
    add("--accumulate", "batches for one update of the weights", "ACCUMULATE_STEPS", **at_least_1)
    add(
        "--evaluate-every",
        "measure COCO's AP on val/ every K epochs; the best weights are then those of the best "
        "mask AP, not of the lowest val_loss",
        type=whole(0),
        metavar="K",
    )
    add("--evaluate-images", "measure it on at most N pictures of val/", **at_least_1)
    add(
        "--early-stopping",
        "end (each part of) the training after N epochs without a better mask AP or val_loss",
        **at_least_0,
    )
    add(
        "--repeat-rare",
        "show pictures of a class found in less than this share of all pictures more often "
        f"({RARE:g} unless given)",
        type=fraction,
        nargs="?",
        const=RARE,
        metavar="SHARE",
    )
    add(
        "--class-weights",
        "of the class loss: balanced, or class=weight,... such as belt=3,headwear=2",
        metavar="WEIGHTS",
    )


def _adder(group: argparse._ActionsContainer) -> Callable[..., None]:
    """Adds an option with its help, to which the default is added if the preset decides it."""

    def add(option: str, text: str, preset: str = "", **how: Any) -> None:
        default = of_presets(preset) if preset else ""
        group.add_argument(option, help=f"{text} {default}".strip(), **how)

    return add


def rate_schedule(text: str) -> str:
    """An argparse type: a text that `mrcnn.config_rules.parse_rate_schedule` accepts."""
    try:
        parse_rate_schedule(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.sentence(OPTIONS)) from None
    return text
