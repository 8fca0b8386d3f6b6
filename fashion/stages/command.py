"""The command line of a stage's training script: `train` and `splash`."""

import argparse
import functools
import urllib.parse
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion.stages.arguments import (
    add_model_arguments,
    choose_classes,
    model_choice,
)
from fashion.stages.models import detection_model, inference_weights
from fashion.stages.stage import Stage, writable_folder
from fashion.stages.train import train
from fashion.stages.training_arguments import add_training_arguments
from fashion.terminal import HelpFormatter, command_parser
from mrcnn.errors import UserError
from mrcnn.images.reading import is_video
from mrcnn.inference.closer_look import InferenceModel


def train_or_splash(
    stage: Stage,
    description: str,
    arguments: list[str] | None = None,
    *,
    prog: str | None = None,
) -> int:
    """Parse the command line and run `train` or `splash`.

    Args:
        stage: whose script it is.
        description: the script's docstring, for `--help`.
        arguments: in place of the process's.
        prog: the script as it is typed.
    """
    parser = command_parser(description, prog)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{train,splash}")
    training = commands.add_parser(
        "train", help="train the stage's model", formatter_class=HelpFormatter
    )
    add_training_arguments(training, stage)
    training.set_defaults(action=train)
    splashing = commands.add_parser(
        "splash", help="garments in colour, the rest in grey", formatter_class=HelpFormatter
    )
    add_splash_arguments(splashing, stage)
    splashing.set_defaults(action=splash)
    options = parser.parse_args(arguments)
    choose_classes(options)
    return options.action(options)


def add_splash_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    """Add the options of `splash`."""
    add_model_arguments(parser, stage, "weight file, or last")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", metavar="FILE", help="a picture, or its address")
    source.add_argument("--video", type=Path, metavar="FILE", help="a video")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="result: PNG, or .mp4 or .avi (default: splash_NAME in the current folder)",
    )
    parser.add_argument(
        "--logs", type=Path, default=stage.logs, metavar="DIR", help="for --model=last"
    )


def splash(options: argparse.Namespace) -> int:
    """Grey everything but the garments of a picture or a video."""
    from fashion.pictures.splash import splash_image, splash_video

    if options.image and is_video(options.image):
        raise UserError(
            "this is a video, not a picture",
            path=options.image,
            settings=("video",),
            advice="give it with {video}",
        )
    choice = model_choice(options)
    choice = replace(choice, weights=inference_weights(choice))

    @functools.cache
    def model() -> InferenceModel:
        # Built once the first picture or frame is read, so that errors in reading come out at once.
        return detection_model(choice)

    def detect(image: np.ndarray) -> dict[str, np.ndarray]:
        return model().detect([image])[0]

    ending = ".png" if options.image else ".mp4"
    output = options.output or Path(f"splash_{source_name(options)}{ending}")
    writable_folder(output.absolute().parent, "output")
    if options.image:
        written = splash_image(detect, options.image, output)
    else:
        written = splash_video(detect, options.video, output)
    print(f"Written: {written.absolute()}")
    return 0


def source_name(options: argparse.Namespace) -> str:
    """The name of the image or video without its suffix; that of an address without its query."""
    if options.video:
        return options.video.stem
    try:
        path = urllib.parse.urlsplit(options.image).path
    except ValueError:  # not an address, which fetching it reports
        path = ""
    return Path(path).stem or "image"
