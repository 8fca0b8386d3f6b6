#!/usr/bin/env python3
"""Label photographs named <garment>_<season>_<anything> with what the stage-1 model finds on them.

    python3 model1/samples/custom/generateVggAnno.py
    python3 model1/samples/custom/generateVggAnno.py --images=DIR --model=FILE.h5 --output=FILE.json
    python3 model1/samples/custom/generateVggAnno.py --min-confidence=0.7 --segments=DIR
    python3 model1/samples/custom/generateVggAnno.py --workers=8
    python3 model1/samples/custom/generateVggAnno.py --images=s3://bucket/photos --engine=ray

Writes VIA annotations with season labels (bag_4mev, skirt_yaz, ...) for stage 2: every instance of
the garment that the name tells, with all its parts and holes. Without options:
model1/mask_rcnn_Modanet.h5 on model1/images into custom_dataset_annotations.json beside this
script. Stopped at any moment, even killed, the same command goes on where it was. What was left out
and why is in the report beside the annotations. ResNet-101 takes a few seconds a photograph on two
cores, the `demo` preset a fifth of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.autolabel.command import add_labelling_arguments, label
from fashion.stages.stage import MODANET_STAGE
from fashion.terminal import run


def main() -> int:
    """Parse the arguments and label."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_labelling_arguments(parser, MODANET_STAGE, Path(__file__).resolve().parent)
    return label(parser.parse_args())


if __name__ == "__main__":
    sys.exit(run(main))
