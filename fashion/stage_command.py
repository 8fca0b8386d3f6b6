"""The command line of a stage's training script: `train` and `splash`."""

import argparse
import functools
import urllib.parse
from pathlib import Path

from fashion.class_tables import add_class_table_argument, choose_class_table
from fashion.stages import (
    Stage,
    add_model_arguments,
    inference_model,
    inference_weights,
    writable_folder,
)
from fashion.train_stage import add_training_arguments, train


def train_or_splash(
    stage: Stage,
    description: str,
    arguments: list[str] | None = None,
    *,
    class_table: bool = False,
) -> int:
    """Parse the command line and do what it says.

    Args:
        stage: whose script it is.
        description: the script's docstring, for `--help`.
        arguments: instead of the process's.
        class_table: whether the user may choose other labels than the stage's.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="train|splash")
    training = commands.add_parser("train", help="train the stage's model")
    add_training_arguments(training, stage)
    training.set_defaults(action=train)
    splashing = commands.add_parser("splash", help="garments in colour, all else in grey")
    _add_splash_arguments(splashing, stage)
    splashing.set_defaults(action=splash)
    if class_table:
        add_class_table_argument(training)
        add_class_table_argument(splashing)
    options = parser.parse_args(arguments)
    if class_table:
        choose_class_table(options)
    return options.action(options)


def _add_splash_arguments(parser: argparse.ArgumentParser, stage: Stage) -> None:
    add_model_arguments(parser, stage, "weight file, or last")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", metavar="FILE|URL", help="a picture")
    source.add_argument("--video", type=Path, metavar="FILE", help="a video")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="result: PNG, or .mp4 or .avi (default: splash_NAME in the current folder)",
    )
    parser.add_argument("--logs", type=Path, default=stage.logs, metavar="DIR", help="for last")


def splash(options: argparse.Namespace) -> int:
    """Grey everything but the garments of a picture or a video."""
    from fashion.video import splash_image, splash_video

    inference_weights(options, options.stage)

    @functools.cache
    def model():
        # Built when the first picture or frame is there: what is wrong with it comes out at once.
        return inference_model(options, options.stage)

    def detect(image):
        return model().detect([image])[0]

    ending = ".png" if options.image else ".mp4"
    output = options.output or Path(f"splash_{_source_name(options)}{ending}")
    writable_folder(output.absolute().parent, "--output")
    if options.image:
        written = splash_image(detect, options.image, output)
    else:
        written = splash_video(detect, options.video, output)
    print(f"Written: {written.absolute()}")
    return 0


def _source_name(options: argparse.Namespace) -> str:
    """The source's name without its ending; of an address without its query."""
    if options.video:
        return options.video.stem
    try:
        path = urllib.parse.urlsplit(options.image).path
    except ValueError:  # no address; who fetches it says so
        path = ""
    return Path(path).stem or "image"
