#!/usr/bin/env python3
"""Stage 2: draw the season labels that the model finds, one PNG a picture, at its own size.

    python3 model2/samples/custom/testSeason.py
    python3 model2/samples/custom/testSeason.py --images=DIR --model=last --output=DIR

Without options: model2/mask_rcnn_Season.h5 on model2/images into model2/outputs. The labels are
those that the weights were trained with. ResNet-101 takes a few seconds a picture on two cores, the
`demo` preset a fifth of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.stages.draw import add_testing_arguments, draw_pictures
from fashion.stages.stage import SEASON_STAGE
from fashion.terminal import run


def main() -> int:
    """Parse the arguments and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_testing_arguments(parser, SEASON_STAGE)
    return draw_pictures(parser.parse_args())


if __name__ == "__main__":
    sys.exit(run(main))
