#!/usr/bin/env python3
"""Time the stages of a detection, and how many of the machine's operations they use.

    python3 benchmarks/inference_stages.py
    python3 benchmarks/inference_stages.py --backbone resnet50 --size 512 --json stages.json

Random weights, whose confidence is set so that the image has --instances detections. The graph
that `MaskRCNN.detect` runs is cut into its stages, each of which takes what the one before it gave,
and `detect` is the whole. `plain` is the whole graph with batch norms by themselves and 100 mask
rows, as such networks are usually run. All are timed in turn. GFLOP are those of convolutions and
matrix products; the peak is measured in the same run.
"""

import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.inference import parse_arguments


def main(arguments=None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments, __doc__)
    from benchmarks.stage_times import measure

    figures = measure(options)
    peak = figures["peak_gflops"]
    print(
        f"{options.backbone}, {options.size} x {options.size}, {options.precision}; "
        f"peak {peak:.0f} GFLOP/s, {figures['peak_megabytes']:.0f} MB"
    )
    print(f"{'':24}{'ms':>9}{'least':>9}{'most':>9}{'GFLOP':>9}{'GFLOP/s':>9}{'of peak':>9}")
    for name, values in figures["seconds"].items():
        middle, count = statistics.median(values), figures["gflop"].get(name, 0)
        spread = f"{1000 * min(values):9.1f}{1000 * max(values):9.1f}"
        line = f"{name:24}{1000 * middle:9.1f}{spread}"
        if count:
            rate = count / middle
            line += f"{count:9.1f}{rate:9.0f}{rate / peak:9.0%}"
        print(line)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
