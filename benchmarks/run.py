#!/usr/bin/env python3
"""All benchmarks, one after the other, as one table.

    python3 benchmarks/run.py
    python3 benchmarks/run.py --photographs DIR --json benchmarks.json    # whole commands, too
    python3 benchmarks/run.py --quick --parts detection loader            # few rounds

Each part is a script of this folder in its own process, which compares its ways in turn, in one
run; the column `ratio` is how many times faster a way is than the baseline of its part (marked
1.00). GFLOP/s are those of convolutions and matrix products, and `of peak` their share of what
a matrix product or convolution reached on the machine in the same process. Where torchvision is
installed, its times are beside ours. A part that fails is named, and the others go on; the exit
code is then 1.
"""

import argparse
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
    add("--photographs", type=Path, metavar="DIR", help="time whole commands on some of them")
    add("--quick", action="store_true", help="the small networks alone, few rounds")
    add("--json", type=Path, metavar="FILE", help="write the rows and the raw figures there too")
    return parser.parse_args(arguments)


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """Script and arguments of each part that was asked for."""
    if options.quick:
        repeat = ["--repeat", "2"]
        found = {
            "detection": ["detection.py", *repeat],
            "exports": ["exports.py", *repeat, "--engines", "onnx", "int8"],
            "training": ["training.py", *repeat],
            "loader": ["loader.py", "--samples", "3"],
            "masks": ["masks.py", "--instances", "1", "10", "--repeat", "3"],
            "labelling": ["labelling.py", "--counts", "1,10"],
        }
    else:
        found = {
            "detection": ["detection.py"],
            "exports": ["exports.py"],
            "training": ["training.py"],
            "loader": ["loader.py"],
            "masks": ["masks.py"],
            "labelling": ["labelling.py", "--counts", "1,10,100"],
            "resnet101": ["detection.py", "--network", "resnet101"],
        }
    if options.photographs:
        once = ["--repeat", "1"] if options.quick else []
        found["commands"] = ["commands.py", str(options.photographs), *once]
    return {part: found[part] for part in options.parts if part in found}


def run_part(command: list[str], folder: Path) -> dict | None:
    """The figures that a script writes, None if it fails; what it prints goes to stderr."""
    target = folder / "figures.json"
    target.unlink(missing_ok=True)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    arguments = [sys.executable, str(HERE / command[0]), *command[1:], "--json", str(target)]
    subprocess.run(arguments, stdout=STANDARD_ERROR, env=environment, check=False)
    # Some scripts exit with 1 to say that a target was missed: only the figures count.
    return json.loads(target.read_text(encoding="utf-8")) if target.exists() else None


def detection_rows(figures: dict) -> list[Row]:
    """Stages of a detection in each number format, the whole against the plain graph."""
    rows = []
    for precision, stages in figures["seconds"].items():
        peak = figures["peak_gflops"][precision]
        for name, values in stages.items():
            base = stages["plain"] if name in ("plain", "detect") else []
            gflop = figures["gflop"][precision].get(name, 0.0)
            way = f"{precision}, {name}"
            rows.append(Row(figures["network"], way, "s", values, base, gflop, peak))
    return rows


def exports_rows(figures: dict) -> list[Row]:
    """A picture in each engine, against detect."""
    seconds = figures["seconds"]
    return [Row("exports", way, "s", values, seconds["detect"]) for way, values in seconds.items()]


def training_rows(figures: dict) -> list[Row]:
    """A step of each choice of layers, against the plain step."""
    rows = []
    for layers, ways in figures["layers"].items():
        base = next(iter(ways.values()))["clock"]
        for way, found in ways.items():
            row = Row("training", f"{layers}, {way}", "s", found["clock"], base)
            gflop = found.get("gflop", 0.0)
            rows.append(row._replace(gflop=gflop, peak=figures["peak_gflops"]))
    return rows


def loader_rows(figures: dict) -> list[Row]:
    """A sample of each way, against the classic one."""
    ways = figures["milliseconds"]
    return [Row("loader", way, "ms", values, ways["classic"]) for way, values in ways.items()]


def masks_rows(figures: dict) -> list[Row]:
    """Each kind of work, by size of the photograph and number of instances."""
    return [
        Row("masks", f"{way}, {size}, {count}", "ms", values, [])
        for way, sizes in figures.items()
        for size, counts in sizes.items()
        for count, values in counts.items()
    ]


def labelling_rows(figures: dict) -> list[Row]:
    """Seconds per picture of runs of different lengths."""
    rows = []
    for run in figures["runs"]:
        workers = f", {run['workers']} workers" if run["workers"] > 1 else ""
        each = run["seconds"] / run["images"]
        rows.append(Row("labelling", f"{run['images']} images{workers}", "s/image", [each], []))
    return rows


def commands_rows(figures: list[dict]) -> list[Row]:
    """Each command to its first result, and each further photograph."""
    ways = {"first_wall": "to the first result", "each_wall": "each further photograph"}
    return [
        Row("commands", f"{row['command']}, {way}", "s", [row[key]], [])
        for row in figures
        for key, way in ways.items()
    ]


READERS = {
    "commands": commands_rows,
    "detection": detection_rows,
    "exports": exports_rows,
    "training": training_rows,
    "loader": loader_rows,
    "masks": masks_rows,
    "labelling": labelling_rows,
    "resnet101": detection_rows,
}
PARTS = tuple(READERS)


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
