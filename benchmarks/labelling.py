#!/usr/bin/env python3
"""Time labelling as a user runs it, for folders of several sizes and numbers of workers.

    python3 benchmarks/labelling.py
    python3 benchmarks/labelling.py --counts 1,10,100,1000 --workers 1,2 --json labelling.json

Draws pictures (tools/draw_demo.py custom; at most 60, which are repeated under other names), labels
them with generateVggAnno.py and the included weights of the preset demo (256 x 256 pixels), and
prints one line per run: images, workers, seconds in all (start, loading, compiling and files
included), seconds per image after the first batch, processor seconds of the whole run (which also
hold on a busy machine), and the peak memory of all its processes together, shared pages counted
once (Linux; else 0). Runs of one count must write the same bytes with any number of workers, which
is checked.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion import DEMO_START
from fashion.terminal import run, text_table
from mrcnn.errors import UserError

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / "model1" / "samples" / "custom" / "generateVggAnno.py"
WEIGHTS = DEMO_START
POLL_SECONDS = 0.1
DRAWN = 60  # pictures; further ones repeat them, to save drawing time


def numbers(text: str) -> list[int]:
    """An argparse type: whole numbers from 1 on, with commas between."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not like 1,10,100") from None
    if min(values) < 1:
        raise argparse.ArgumentTypeError(f"{text} holds a number below 1")
    return values


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--counts", type=numbers, default=[1, 10, 100], metavar="N,N", help="(1,10,100)")
    add("--workers", type=numbers, default=[1], metavar="N,N", help="(1)")
    add("--batch", type=int, default=4, help="(%(default)s)")
    add("--model", type=Path, default=WEIGHTS, metavar="FILE.h5", help="(%(default)s)")
    add("--images", type=Path, metavar="DIR", help="pictures to use instead of drawn ones")
    add("--engine", choices=("local", "ray"), default="local", help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def draw(folder: Path, count: int) -> list[Path]:
    """Draw this many pictures; return their files, in the order of their numbers."""
    from fashion.demo import dataset

    dataset.write_custom_set(folder / "drawn", folder / "truth.json", count, 5, quiet=True)
    return sorted((folder / "drawn").iterdir(), key=lambda path: path.stem.rsplit("_", 1)[-1])


def given(folder: Path) -> list[Path]:
    """The picture files of a folder. Raises `DatasetError` if there are none."""
    from fashion.pictures.listing import list_images

    return list_images(folder)


def repeated(pictures: Sequence[Path], folder: Path, count: int) -> Path:
    """Make `folder` with this many pictures: the first ones, or all of them again and again."""
    folder.mkdir(parents=True)
    for number in range(count):
        again, index = divmod(number, len(pictures))
        source = pictures[index]
        name = f"{source.stem}_{again + 1}{source.suffix}" if again else source.name
        shutil.copyfile(source, folder / name)
    return folder


def measure(
    options: argparse.Namespace, images: Path, count: int, workers: int, output: Path
) -> dict:
    """One run's figures; `images` is a folder of `count` pictures."""
    command = [sys.executable, SCRIPT, f"--images={images}", f"--output={output}"]
    command += [f"--model={options.model}", f"--batch={options.batch}"]
    command += [f"--workers={workers}", f"--engine={options.engine}"]
    output.parent.mkdir(parents=True)
    with (output.parent / "told.txt").open("w") as told:
        started, before = time.perf_counter(), _children_seconds()
        process = subprocess.Popen(list(map(str, command)), stdout=told, stderr=told)
        marks, peak = [], 0.0
        while process.poll() is None:
            done = _lines(output)
            if done and (not marks or done > marks[-1][1]):
                marks.append((time.perf_counter(), done))
            peak = max(peak, memory(process.pid))
            time.sleep(POLL_SECONDS)
        seconds, computed = time.perf_counter() - started, _children_seconds() - before
    if process.returncode not in (0, 1):
        raise UserError(f"Labelling failed: {(output.parent / 'told.txt').read_text().strip()}")
    each = seconds_an_image(marks)
    return {
        "images": count,
        "workers": workers,
        "seconds": round(seconds, 2),
        "seconds_an_image": each and round(each, 4),
        "processor_seconds": round(computed, 1),
        "peak_mb": round(peak),
    }


def seconds_an_image(marks: Sequence[tuple[float, int]]) -> float | None:
    """From (time in seconds, images finished by then), rising; None if all were there at once."""
    if len(marks) < 2:
        return None
    (first, few), (last, all_of_them) = marks[0], marks[-1]
    return (last - first) / (all_of_them - few)


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _lines(output: Path) -> int:
    journal = output.with_name(f"{output.stem}.journal.jsonl")
    return journal.read_bytes().count(b'{"file": ') if journal.exists() else 0


def memory(process: int) -> float:
    """Megabytes of a process and its descendants; 0 if the system does not say."""
    below = [process]
    total = 0.0
    while below:
        folder = Path(f"/proc/{below.pop()}")
        try:
            for children in folder.glob("task/*/children"):
                below += map(int, children.read_text().split())
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:  # it has ended, or it is another system
            continue
        lines = (line.split() for line in rollup.splitlines())
        total += sum(int(line[1]) for line in lines if line[0] == "Pss:") / 1024
    return total


def table(rows: list[dict]) -> str:
    """The figures for a terminal."""
    heads = ["images", "workers", "seconds", "s/image after the first batch", "s of processors"]
    heads.append("peak MB")
    texts = [["-" if value is None else str(value) for value in row.values()] for row in rows]
    return text_table(heads, texts)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as root:
        most = max(options.counts)
        pictures = given(options.images) if options.images else draw(Path(root), min(most, DRAWN))
        for count in options.counts:
            images, made = repeated(pictures, Path(root) / f"images_{count}", count), set()
            for workers in options.workers:
                output = Path(root) / f"{count}_{workers}" / "a.json"
                rows.append(measure(options, images, count, workers, output))
                print(json.dumps(rows[-1]), file=sys.stderr)
                made.add(output.read_bytes())
            if len(made) > 1:
                raise UserError(f"The labels of {count} images differ with the number of workers.")
    print(table(rows))
    if options.json:
        text = json.dumps({"batch": options.batch, "runs": rows}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
