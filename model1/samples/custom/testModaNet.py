#!/usr/bin/env python3
"""Stage 1: draw what the ModaNet model finds, one PNG a picture, at the picture's own size.

    python3 model1/samples/custom/testModaNet.py
    python3 model1/samples/custom/testModaNet.py --images=DIR --model=last --output=DIR

Without options: model1/mask_rcnn_Modanet.h5 on model1/images into model1/outputs. ResNet-101 takes
a few seconds a picture on two cores, the `demo` preset a tenth of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.stages.draw import add_testing_arguments, draw_pictures
from fashion.stages.stage import MODANET_STAGE
from fashion.terminal import run


def main() -> int:
    """Parse the arguments and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_testing_arguments(parser, MODANET_STAGE)
    return draw_pictures(parser.parse_args())


if __name__ == "__main__":
    sys.exit(run(main))
