"""The commands that train and test a stage, as scripts of the clone and as console commands.

A script has a fixed stage; a console command has --stage.
"""

import argparse
import sys

from fashion.stages.arguments import choose_classes
from fashion.stages.command import add_splash_arguments, train_or_splash
from fashion.stages.command import splash as splash_garments
from fashion.stages.draw import add_testing_arguments, draw_pictures
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, Stage
from fashion.stages.train import train as train_stage
from fashion.stages.training_arguments import add_training_arguments
from fashion.terminal import command_parser

STAGES = {"1": MODANET_STAGE, "2": SEASON_STAGE}

TRAIN_GARMENTS = """\
Stage 1: train on ModaNet's thirteen garment classes, or colour-splash a picture or a video.

    %(prog)s train --dataset=DIR --model=coco
    %(prog)s train --dataset=DIR --resume
    %(prog)s train --dataset=DIR --preset=demo
    %(prog)s splash --model=FILE.h5 --image=FILE
    %(prog)s splash --model=FILE.h5 --video=FILE

DIR holds train/ and val/, each with images and via_region_data.json (tools/coco_to_via.py makes it
from ModaNet's file). Training writes a checkpoint after every epoch; --resume continues from the
last at any time. The preset `default` needs a GPU; `demo` trains on two cores and finds large
garments roughly: it shows that everything works, not what the network can do.
"""

TRAIN_SEASONS = """\
Stage 2: train on season-labelled garments, or colour-splash a picture or a video.

    %(prog)s train --dataset=DIR --model=mask_rcnn_Modanet.h5
    %(prog)s train --dataset=DIR --resume
    %(prog)s splash --model=FILE.h5 --image=FILE

DIR holds train/ and val/, each with images and via_region_data.json; tools/split_dataset.py makes
it from what generateVggAnno.py labelled. From stage 1's weights (13 classes to 9) everything is
kept except the class-dependent heads, which start over. The numbers of samples are printed, with a
warning for labels that have few. The preset is that of the weights; `default` needs a GPU, `demo`
trains on two cores.
"""

TEST_GARMENTS = """\
Stage 1: draw what the ModaNet model finds in pictures, one PNG per picture.

    %(prog)s
    %(prog)s --images=DIR --model=last --output=DIR

Without options: model1/mask_rcnn_Modanet.h5 on model1/images into model1/outputs. ResNet-101 takes
a few seconds a picture on two cores, the `demo` preset a tenth of one.
"""

TEST_SEASONS = """\
Stage 2: draw the season labels that the model finds, one PNG per picture.

    %(prog)s
    %(prog)s --images=DIR --model=last --output=DIR

Without options: model2/mask_rcnn_Season.h5 on model2/images into model2/outputs. The labels are
those that the weights were trained with. ResNet-101 takes a few seconds a picture on two cores, the
`demo` preset a tenth of one.
"""

TRAIN = """\
Train a stage's model: garments (--stage=1) or season labels (--stage=2).

    %(prog)s --dataset=DIR --model=coco
    %(prog)s --dataset=DIR --resume
    %(prog)s --stage=2 --dataset=DIR --model=mask_rcnn_Modanet.h5

DIR holds train/ and val/, each with images and via_region_data.json or a COCO file. Training writes
a checkpoint after every epoch; --resume continues from the last at any time.
"""

TEST = """\
Draw what a stage's model finds in pictures, one PNG per picture.

    %(prog)s --images=DIR --model=FILE.h5 --output=DIR
    %(prog)s --stage=2 --images=DIR --model=FILE.h5 --output=DIR
"""

SPLASH = """\
Show the garments of a picture or a video in colour, the rest in grey.

    %(prog)s --model=FILE.h5 --image=FILE
    %(prog)s --model=FILE.h5 --video=FILE
"""

# Of the modules that users' scripts import, when they are run.
GARMENTS_MODULE = """\
Stage 1's configuration and data set: a module to import, not a command.

    from custom import CustomConfig, CustomDataset

To train:    python3 model1/samples/custom/trainModaNet.py train --help
To detect:   python3 model1/samples/custom/testModaNet.py --help
To evaluate: python3 tools/evaluate.py --help
"""

SEASONS_MODULE = """\
Stage 2's configuration and data set: a module to import, not a command.

    from customSeason import CustomConfig, CustomDataset

To train:    python3 model2/samples/custom/trainSeasonData.py train --help
To detect:   python3 model2/samples/custom/testSeason.py --help
To evaluate: python3 tools/evaluate.py --stage=2 --help
"""

COCO_MODULE = """\
COCO's classes and configuration: a module to import. Matterport's coco.py also trained and
evaluated; here other scripts do that, for the classes of garments:

    from coco import CLASS_NAMES, CocoConfig

instead of coco.py train:    python3 model1/samples/custom/trainModaNet.py train --help
instead of coco.py evaluate: python3 tools/evaluate.py --help
"""


def train_garments(arguments: list[str], prog: str | None = None) -> int:
    """model1/samples/custom/trainModaNet.py."""
    return train_or_splash(MODANET_STAGE, TRAIN_GARMENTS, arguments, prog=prog)


def train_seasons(arguments: list[str], prog: str | None = None) -> int:
    """model2/samples/custom/trainSeasonData.py."""
    return train_or_splash(SEASON_STAGE, TRAIN_SEASONS, arguments, prog=prog)


def test_garments(arguments: list[str], prog: str | None = None) -> int:
    """model1/samples/custom/testModaNet.py."""
    return _test(MODANET_STAGE, command_parser(TEST_GARMENTS, prog), arguments)


def test_seasons(arguments: list[str], prog: str | None = None) -> int:
    """model2/samples/custom/testSeason.py."""
    return _test(SEASON_STAGE, command_parser(TEST_SEASONS, prog), arguments)


def train(arguments: list[str], prog: str | None = None) -> int:
    """`fashion-mrcnn train`."""
    stage, parser, rest = _with_stage(arguments, TRAIN, prog)
    add_training_arguments(parser, stage)
    return train_stage(_chosen(stage, parser, rest, "train"))


def test(arguments: list[str], prog: str | None = None) -> int:
    """`fashion-mrcnn test`."""
    stage, parser, rest = _with_stage(arguments, TEST, prog)
    return _test(stage, parser, rest)


def splash(arguments: list[str], prog: str | None = None) -> int:
    """`fashion-mrcnn splash`."""
    stage, parser, rest = _with_stage(arguments, SPLASH, prog)
    add_splash_arguments(parser, stage)
    return splash_garments(_chosen(stage, parser, rest, "splash"))


def garments_module(arguments: list[str], prog: str | None = None) -> int:
    """model1/samples/custom/custom.py, when it is run."""
    return _explain(GARMENTS_MODULE, arguments)


def seasons_module(arguments: list[str], prog: str | None = None) -> int:
    """model2/samples/custom/customSeason.py, when it is run."""
    return _explain(SEASONS_MODULE, arguments)


def coco_module(arguments: list[str], prog: str | None = None) -> int:
    """model1/samples/custom/coco.py, when it is run."""
    return _explain(COCO_MODULE, arguments)


def _explain(text: str, arguments: list[str]) -> int:
    """Print the text: 0 where help was asked for, else 2 on stderr."""
    helped = arguments in (["-h"], ["--help"])
    print(text, end="", file=sys.stdout if helped else sys.stderr)
    return 0 if helped else 2


def _with_stage(
    arguments: list[str], description: str, prog: str | None
) -> tuple[Stage, argparse.ArgumentParser, list[str]]:
    """The stage that --stage chooses, a parser that explains it, and the other arguments."""
    # The other options' defaults depend on it. An abbreviation such as --st could be --steps.
    first = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False)
    first.add_argument(
        "--stage", dest="number", choices=list(STAGES), default="1", help="whose classes"
    )
    known, rest = first.parse_known_args(arguments)
    return STAGES[known.number], command_parser(description, prog, parents=[first]), rest


def _test(stage: Stage, parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    add_testing_arguments(parser, stage)
    return draw_pictures(parser.parse_args(arguments))


def _chosen(
    stage: Stage, parser: argparse.ArgumentParser, arguments: list[str], command: str
) -> argparse.Namespace:
    """The options, with the classes chosen."""
    options = parser.parse_args(arguments)
    options.command = command
    choose_classes(options)
    return options
