"""The command-line options of training a stage."""

import argparse
from pathlib import Path

from fashion.command_table import with_commands
from fashion.stages.arguments import add_drop_unknown_argument, add_model_arguments, of_presets
from fashion.stages.stage import Stage, fraction, positive, whole
from fashion.terminal import OPTIONS
from mrcnn.config_rules import parse_rate_schedule
from mrcnn.data.augmentation import PRESETS as AUGMENTATIONS
from mrcnn.errors import ConfigError

# Share of the pictures below which --repeat-rare takes a class for rare: a dozen classes, of which
# a picture shows three or four, are in a quarter of them on average.
RARE = 0.1


class _EvaluateInstead(argparse.Action):
    """Points to where detectron2's --eval-only is."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(with_commands("to evaluate without training, run tools/evaluate.py"))


def add_training_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of `train`."""
    parser.add_argument(
        "--dataset",
        type=Path,
        default=stage.dataset,
        metavar="DIR",
        help="folder with train/ and val/, each with images and via_region_data.json or a COCO "
        "JSON (default: %(default)s)",
    )
    add_model_arguments(
        parser,
        stage,
        "what to start from: coco, imagenet, last (resume the last training), none "
        "(random weights), or a weight file",
    )
    parser.add_argument(
        "--resume",
        dest="model",
        action="store_const",
        const="last",
        help="the same as --model=last",
    )
    parser.add_argument(
        "--eval-only",
        action=_EvaluateInstead,
        nargs=0,
        help="of other projects; here it is a command of its own, tools/evaluate.py",
    )
    parser.add_argument("--logs", type=Path, default=stage.logs, metavar="DIR", help="log folder")
    parser.add_argument(
        "--weights-out",
        type=Path,
        default=stage.folder / stage.weights,
        metavar="FILE.h5",
        help="where the best weights are copied at the end, unless the file already exists "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the file that --weights-out names"
    )
    parser.add_argument(
        "--epochs",
        type=whole(1),
        metavar="N",
        help=f"total number of epochs {of_presets('epochs')}",
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        metavar="N",
        help=f"batches an epoch {of_presets('STEPS_PER_EPOCH')}",
    )
    parser.add_argument(
        "--layers",
        help="heads, 5+, 4+, 3+, all, or a regular expression of layer names "
        + of_presets("layers"),
    )
    parser.add_argument(
        "--learning-rate",
        type=positive,
        metavar="RATE",
        help=f"of the first part {of_presets('LEARNING_RATE')}",
    )
    parser.add_argument(
        "--schedule",
        help="several parts: matterport, scratch, or layers:epochs:rate,... such as "
        "heads:40:0.001,all:160:0.0001, which overrides --layers, --epochs and --learning-rate "
        + of_presets("schedule"),
    )
    parser.add_argument(
        "--lr-schedule",
        type=rate_schedule,
        metavar="SCHEDULE",
        help="how the rate moves: constant, cosine or cosine:0.01 (to that share of it), "
        "step:60,80 (a tenth after 60 and 80 epochs) or step:60,80:0.5; it replaces a preset's "
        "parts, and acts within each part of --schedule (default: constant within a part)",
    )
    parser.add_argument(
        "--batch",
        type=whole(1),
        metavar="N",
        help=f"images a step, for each device {of_presets('IMAGES_PER_GPU')}",
    )
    parser.add_argument(
        "--gpus",
        type=whole(1),
        metavar="N",
        help="devices of this machine to train on, see docs/distributed_training.md "
        + of_presets("GPU_COUNT"),
    )
    parser.add_argument(
        "--workers",
        type=whole(0),
        metavar="N",
        help="image loaders (default: one for each core, at most 8)",
    )
    parser.add_argument(
        "--loader-resize",
        choices=["exact", "fast"],
        help="how training pictures are resized: as Matterport does, or by OpenCV in a tenth of "
        f"the time {of_presets('LOADER_RESIZE')}",
    )
    parser.add_argument(
        "--loader-cache",
        type=whole(0),
        metavar="MB",
        help="megabytes of resized pictures to keep in memory from pass to pass "
        + of_presets("LOADER_CACHE_MB"),
    )
    parser.add_argument("--seed", type=whole(0), metavar="N", help="for a repeatable training")
    parser.add_argument(
        "--augmentation", choices=list(AUGMENTATIONS), default="flip", help="of the images"
    )
    _add_helps(parser)
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first region that cannot be read"
    )
    add_drop_unknown_argument(parser)


def _add_helps(parser: argparse.ArgumentParser) -> None:
    """Add options that are off unless given or set by the preset; see docs/training.md."""
    helps = parser.add_argument_group("training helps", "see docs/training.md")
    helps.add_argument("--optimizer", choices=["sgd", "adam"], help=of_presets("OPTIMIZER"))
    helps.add_argument(
        "--warmup",
        type=whole(0),
        metavar="N",
        help=f"steps over which the learning rate rises {of_presets('WARMUP_STEPS')}",
    )
    helps.add_argument(
        "--scale-learning-rate",
        action="store_true",
        default=None,
        help="multiply the learning rate by the number of devices, with a warm-up",
    )
    helps.add_argument(
        "--accumulate",
        type=whole(1),
        metavar="N",
        help=f"batches for one update of the weights {of_presets('ACCUMULATE_STEPS')}",
    )
    helps.add_argument(
        "--evaluate-every",
        type=whole(0),
        metavar="K",
        help="measure COCO's AP on val/ every K epochs; the best weights are then those of the "
        "best mask AP, not of the lowest val_loss",
    )
    helps.add_argument(
        "--evaluate-images",
        type=whole(1),
        metavar="N",
        help="measure it on at most N pictures of val/",
    )
    helps.add_argument(
        "--early-stopping",
        type=whole(0),
        metavar="N",
        help="end (each part of) the training after N epochs without a better mask AP or val_loss",
    )
    helps.add_argument(
        "--repeat-rare",
        type=fraction,
        nargs="?",
        const=RARE,
        metavar="SHARE",
        help="show pictures more often that have a class found in less than this share of all "
        f"pictures ({RARE:g} unless given)",
    )
    helps.add_argument(
        "--class-weights",
        metavar="WEIGHTS",
        help="of the class loss: balanced, or class=weight,... such as belt=3,headwear=2",
    )


def rate_schedule(text: str) -> str:
    """An argparse type: a text that `mrcnn.config_rules.parse_rate_schedule` takes."""
    try:
        parse_rate_schedule(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.sentence(OPTIONS)) from None
    return text
