"""Draw the demo data set: people in ModaNet's garments, with exact masks, for both stages.

    %(prog)s train OUT --count 600 --seed 1
    %(prog)s custom OUT --count 90 --seed 2 --truth truth.json

`train` writes OUT/0000001.jpg and so on, and OUT/instances.json (COCO, 13 classes). `custom`
writes pictures named <garment>_<season>_<number>.jpg without labels, and the true garments to the
truth file (OUT_truth.json beside OUT unless --truth names another). The same seed gives the same
pictures, however many are drawn; hold back pictures of another seed or another --first. One core
draws five to eight pictures a second: 600 take about two minutes.
"""

import argparse
import os
from pathlib import Path

from fashion.stages.stage import whole
from fashion.terminal import command_parser
from mrcnn.errors import counted


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("kind", choices=("train", "custom"))
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures")
    parser.add_argument("--count", type=int, default=90, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="(default: %(default)s)")
    parser.add_argument(
        "--first", type=int, default=0, metavar="N", help="number of the first picture, from 0"
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="custom: the truth, as COCO")
    parser.add_argument(
        "--labels", nargs="+", metavar="LABEL", help="custom: such as skirt_yaz (default: the nine)"
    )
    parser.add_argument(
        "--workers", type=whole(1), metavar="N", help="drawing processes (default: one per core)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Draw one set and print where it is."""
    options = parse_arguments(arguments, prog)
    from fashion.demo import dataset

    count, seed, first = options.count, options.seed, options.first
    how = {"quiet": options.quiet, "workers": options.workers or os.cpu_count() or 1}
    if options.kind == "train":
        path = dataset.write_training_set(options.out, count, seed, first, **how)
        print(f"{counted(count, 'picture')} in {options.out}, their annotations: {path}")
        return 0
    out = options.out.absolute()
    truth = options.truth or out.with_name(f"{out.name}_truth.json")
    dataset.write_custom_set(out, truth, count, seed, options.labels, first, **how)
    print(f"{counted(count, 'picture')} without labels in {options.out}, the truth: {truth}")
    return 0
