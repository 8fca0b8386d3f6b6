#!/usr/bin/env python3
"""All benchmarks, one after the other, as one table.

    python3 benchmarks/run.py --json benchmarks.json
    python3 benchmarks/run.py --quick                      # small sizes, a few minutes
    python3 benchmarks/run.py --parts inference loader

Each part is a script of this folder in a process of its own, which compares its ways in turn, in
one run; the column `ratio` is how many times faster a way is than the baseline of its part (marked
with 1.00). GFLOP/s are those of convolutions and matrix products, and `of peak` their share of what
a matrix product or convolution reached on the machine in the same process. Where torchvision is
installed its times stand below the parts that have a counterpart there. A part that fails is named,
and the others go on; the exit code is then 1.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
STANDARD_ERROR = 2  # the file descriptor
PARTS = ("inference", "training", "loader", "post-processing", "labelling", "torchvision")


class Row(NamedTuple):
    """One way of doing one thing: its values, in `unit`, and what it is compared with."""

    part: str
    way: str
    unit: str
    values: list[float]
    base: list[float]
    gflop: float = 0.0
    peak: float = 0.0


def parse_arguments(arguments=None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--quick", action="store_true", help="ResNet-50, small images, few rounds")
    add("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    add("--json", type=Path, metavar="FILE", help="write the rows and the raw figures there too")
    return parser.parse_args(arguments)


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """Script and arguments of each part that was asked for."""
    precision = ["--precision", options.precision]
    if options.quick:
        sizes = ["--backbone", "resnet50", "--size", "256", "--repeat", "3"]
        found = {
            "inference": ["inference_stages.py", *sizes, *precision],
            "training": ["training_step.py", *sizes, *precision],
            "loader": ["loader.py", "--samples", "3"],
            "post-processing": ["post_processing.py", "--instances", "1", "10", "--repeat", "3"],
            "labelling": ["labelling.py", "--counts", "1,10"],
            "torchvision": ["torchvision_times.py", "--size", "256", "--train-size", "256"],
        }
    else:
        found = {
            "inference": ["inference_stages.py", *precision],
            "training": ["training_step.py", *precision],
            "loader": ["loader.py"],
            "post-processing": ["post_processing.py"],
            "labelling": ["labelling.py", "--counts", "1,10,100"],
            "torchvision": ["torchvision_times.py"],
        }
    if importlib.util.find_spec("torchvision") is None:
        found.pop("torchvision")
    return {part: found[part] for part in options.parts if part in found}


def run_part(command: list[str], folder: Path) -> dict | None:
    """The figures that a script writes, None where it fails; what it prints goes to stderr."""
    target = folder / "figures.json"
    target.unlink(missing_ok=True)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    arguments = [sys.executable, str(HERE / command[0]), *command[1:], "--json", str(target)]
    subprocess.run(arguments, stdout=STANDARD_ERROR, env=environment, check=False)
    # Some scripts end with 1 to say that an aim was missed: what counts are the figures.
    return json.loads(target.read_text(encoding="utf-8")) if target.exists() else None


def inference_rows(figures: dict) -> list[Row]:
    """Stages of a detection, against the plain graph."""
    peak, plain = figures["peak_gflops"], figures["seconds"]["plain"]
    rows = []
    for name, values in figures["seconds"].items():
        base = plain if name in ("plain", "detect") else []
        gflop = figures["gflop"].get(name, 0.0)
        rows.append(Row("inference", name, "s", values, base, gflop, peak))
    return rows


def training_rows(figures: dict) -> list[Row]:
    """A step of each choice of layers, against the plain step."""
    rows = []
    for layers, ways in figures["layers"].items():
        base = next(iter(ways.values()))["clock"]
        for way, found in ways.items():
            name = f"{layers}, {way}"
            row = Row("training", name, "s", found["clock"], base, found["gflop"])
            rows.append(row._replace(peak=figures["peak_gflops"]))
    return rows


def loader_rows(figures: dict) -> list[Row]:
    """A sample of each way, against the classic one."""
    ways = figures["milliseconds"]
    return [Row("loader", way, "ms", values, ways["classic"]) for way, values in ways.items()]


def post_processing_rows(figures: dict) -> list[Row]:
    """Each kind of work, by size of the photograph and number of instances."""
    return [
        Row("post-processing", f"{way}, {size}, {count}", "ms", values, [])
        for way, sizes in figures.items()
        for size, counts in sizes.items()
        for count, values in counts.items()
    ]


def labelling_rows(figures: dict) -> list[Row]:
    """Seconds an image of runs of different lengths."""
    rows = []
    for run in figures["runs"]:
        workers = f", {run['workers']} workers" if run["workers"] > 1 else ""
        each = run["seconds"] / run["images"]
        rows.append(Row("labelling", f"{run['images']} images{workers}", "s/image", [each], []))
    return rows


def torchvision_rows(figures: dict) -> list[Row]:
    """Another network of the family."""
    return [
        Row("torchvision", f"ResNet-50, {name}", "s", values, [])
        for name, values in figures["seconds"].items()
    ]


READERS = {
    "inference": inference_rows,
    "training": training_rows,
    "loader": loader_rows,
    "post-processing": post_processing_rows,
    "labelling": labelling_rows,
    "torchvision": torchvision_rows,
}


def line(row: Row) -> str:
    """A row of the table."""
    middle = statistics.median(row.values)
    spread = f"{min(row.values):.3g} to {max(row.values):.3g}"
    ratio = f"{statistics.median(row.base) / middle:.2f}" if row.base else ""
    rate = row.gflop / middle if row.gflop else 0.0
    rates = f"{rate:9.0f}{rate / row.peak:9.0%}" if rate else ""
    return f"{row.part:16}{row.way:34}{middle:10.3g} {row.unit:8}{spread:>18}{ratio:>8}{rates}"


def main(arguments=None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    raw, rows, failed = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        for part, command in commands(options).items():
            print(f"-- {part}: {' '.join(command)}", file=sys.stderr, flush=True)
            figures = run_part(command, Path(folder))
            if figures is None:
                failed.append(part)
                continue
            raw[part] = figures
            rows += READERS[part](figures)
    head = f"{'part':16}{'way':34}{'median':>10} {'unit':8}{'least to most':>18}{'ratio':>8}"
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"{head}{'GFLOP/s':>9}{'of peak':>9}")
    print("\n".join(line(row) for row in rows))
    if options.json:
        table = [row._asdict() for row in rows]
        text = json.dumps({"rows": table, "figures": raw}, indent=1)
        options.json.write_text(text, encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
