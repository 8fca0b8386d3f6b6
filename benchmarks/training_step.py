#!/usr/bin/env python3
"""Time a training step, all of it: losses, gradients, update of the weights.

    python3 benchmarks/training_step.py
    python3 benchmarks/training_step.py --size 256 --repeat 5 --layers heads --json steps.json

Random weights and boxes. How many rows the mask branch has depends on what the random RPN proposes:
few with most seeds, some 100 with --seed 7. The ways are timed in turn, in one run, so that ratios
hold on a machine that does other things too; the table is in seconds of the clock, and the JSON has
those of the processor as well, in which threads that spin while they wait count, too.

    plain     as such networks are written: the mask branch on all RoIs, the class head's 7 x 7
              convolution as such, batch norms by themselves, all trainable variables recorded
    step      what training runs

GFLOP are those of convolutions and matrix products on the batch at hand; the peak is measured in
the same run.
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

WAYS = ("plain", "step")
LAYERS = ("heads", "3+", "4+", "5+", "all")


def parse_arguments(arguments=None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backbone", choices=["resnet50", "resnet101"], default="resnet50")
    add("--size", type=int, default=512, help="side of the molded image (%(default)s)")
    add("--batch", type=int, default=2, help="images (%(default)s)")
    add("--layers", nargs="+", choices=LAYERS, default=["heads", "all"])
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    add("--threads", type=int, default=0, help="of TensorFlow; 0: one a core (%(default)s)")
    add("--seed", type=int, default=0, help="of the weights (%(default)s)")
    add("--repeat", type=int, default=5, help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    from benchmarks.flops import peak_gflops
    from benchmarks.step_times import measure

    figures = measure(options)
    peak = peak_gflops("bfloat16" if options.precision == "bfloat16" else "float32")
    print(
        f"{options.backbone}, {options.size} x {options.size}, batch {options.batch}, "
        f"{options.precision}; peak {peak:.0f} GFLOP/s; seconds a step:"
    )
    for layers, ways in figures.items():
        print(
            f"{layers:8}{'median':>9}{'least':>8}{'most':>8}{'times faster':>14}"
            f"{'GFLOP':>9}{'GFLOP/s':>9}{'mask rows':>11}"
        )
        base = statistics.median(ways[options.ways[0]]["clock"])
        for way, found in ways.items():
            values = found["clock"]
            middle = statistics.median(values)
            spread = f"{min(values):8.2f}{max(values):8.2f}"
            rate = f"{found['gflop']:9.0f}{found['gflop'] / middle:9.0f}"
            rows = f"{found['mask_rows']:11}"
            print(f"  {way:6}{middle:9.2f}{spread}{base / middle:14.2f}{rate}{rows}")
    if options.json:
        text = json.dumps({"layers": figures, "peak_gflops": peak}, indent=1)
        options.json.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
