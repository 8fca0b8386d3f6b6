#!/usr/bin/env python3
"""Time whole commands as a user runs them: start, each further photograph, bytes written.

    python3 benchmarks/commands.py PHOTOGRAPHS
    python3 benchmarks/commands.py PHOTOGRAPHS --count 8 --repeat 3 --commands parse,test
    python3 benchmarks/commands.py PHOTOGRAPHS --large --json commands.json
    python3 benchmarks/commands.py PHOTOGRAPHS --code OTHER_CLONE

Each command runs on the first photograph of the folder and on `--count` of them; the difference,
divided by the number of additional photographs, is the time for one once everything is loaded.
Between runs, `python -c "import tensorflow"` is timed: starts are given as a multiple of it, which
holds on other machines and beside other work. Wall seconds and processor seconds (all threads,
children included) are the least of `--repeat` runs. `network` is the share of a photograph's time
spent in `MaskRCNN.detect`, from one run with a clock around it. `evaluate` compares with a made-up
outline for each photograph: only its time is meaningful. `--large` adds a photograph of 12
megapixels, the first one enlarged. `--code` runs the commands of another clone, for comparison.
Takes some ten minutes on two cores.
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
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.terminal import run, text_table
from mrcnn.errors import UserError

REPOSITORY = Path(__file__).resolve().parent.parent
COMMANDS = {
    "parse": "tools/parse_clothing.py {images} --output={output}",
    "test": "model1/samples/custom/testModaNet.py --images={images} --output={output}",
    "label": "model1/samples/custom/generateVggAnno.py --images={images} "
    "--output={output}/labels.json",
    "evaluate": "tools/evaluate.py --model=photo.h5 --dataset={data} --subset=val "
    "--json={output}/figures.json",
}
LARGE = (4000, 3000)  # height and width of a photograph of 12 megapixels
OUTLINE = {
    "shape_attributes": {"name": "rect", "x": 9, "y": 9, "width": 99, "height": 99},
    "region_attributes": {"label": "top"},
}
# Runs a command with a clock around the network.
CLOCK = """
import runpy, sys, time
sys.argv = sys.argv[1:]
sys.path.insert(0, {code!r})
import mrcnn.inference.predictor as predictor
inner, spent = predictor.Predictor.run_detection, []
def timed(*arguments):
    start = time.perf_counter()
    try:
        return inner(*arguments)
    finally:
        spent.append((start, time.perf_counter()))
predictor.Predictor.run_detection = timed
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
end = time.perf_counter()
# The first run compiles, and is part of the start. Of few batches the last may compile again.
print("SHARE", sum(b - a for a, b in spent[1:]), end - spent[0][1] if len(spent) > 3 else 0)
"""


class Spent(NamedTuple):
    """Seconds of wall time and of processor time."""

    wall: float
    processor: float


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("photographs", type=Path, help="a folder")
    add("--count", type=int, default=8, help="photographs in the longer run (%(default)s)")
    add("--repeat", type=int, default=3, help="runs of each kind (%(default)s)")
    add("--commands", default=",".join(COMMANDS), help="(%(default)s)")
    add("--large", action="store_true", help="also one photograph of 12 megapixels")
    add("--code", type=Path, default=REPOSITORY, metavar="CLONE", help="whose commands (these)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def spent(words: Sequence[str | Path], code: Path) -> tuple[Spent, str]:
    """Run a process to its end; return the time it took and its output."""
    before, start = os.times(), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment
    )
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode not in (0, 1):
        raise UserError(f"{words[0]} failed: {done.stderr.strip()}")
    processor = after.children_user - before.children_user
    processor += after.children_system - before.children_system
    return Spent(wall, processor), done.stdout


def least(runs: Sequence[Spent]) -> Spent:
    """The least of each kind of seconds."""
    return Spent(min(run.wall for run in runs), min(run.processor for run in runs))


class Bench:
    """Runs commands on folders of photographs in a temporary folder."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        from fashion.pictures.listing import list_images

        self.code, self.folder, self.repeat = options.code.resolve(), folder, options.repeat
        paths = list_images(options.photographs, options.count)
        if len(paths) < 2:
            raise UserError("a comparison needs two photographs", path=options.photographs)
        self.more = len(paths) - 1
        self.sets = {"one": self._copied("one", paths[:1]), "all": self._copied("all", paths)}
        if options.large:
            self.sets["large"] = self._enlarged(paths[0])

    def _copied(self, name: str, paths: Sequence[Path]) -> Path:
        target = self.folder / name / "val"
        target.mkdir(parents=True)
        for number, path in enumerate(paths):
            # The name that labelling requires.
            shutil.copyfile(path, target / f"top_yaz_{number:04d}{path.suffix}")
        return _annotated(target)

    def _enlarged(self, path: Path) -> Path:
        import cv2

        from mrcnn.images.reading import read_image

        target = self.folder / "large" / "val"
        target.mkdir(parents=True)
        pixels = cv2.resize(read_image(path), LARGE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(target / "top_yaz_large.jpg"), pixels[..., ::-1])
        return _annotated(target)

    def words(self, command: str, images: str) -> list[str | Path]:
        """The command on one of the sets, with a new output folder."""
        output = Path(tempfile.mkdtemp(dir=self.folder))
        folder = self.sets[images]
        line = COMMANDS[command].format(images=folder, data=folder.parent, output=output)
        script, *options = line.split()
        return [self.code / script, *options]

    def imported(self) -> Spent:
        """The time to import TensorFlow."""
        return spent(["-c", "import tensorflow"], self.code)[0]

    def figures(self, command: str) -> dict[str, float | str]:
        """A row of the table."""
        runs: dict[str, list[Spent]] = {name: [] for name in self.sets}
        imports, size = [], 0
        for _ in range(self.repeat):
            imports.append(self.imported())
            for name, taken in runs.items():
                words = self.words(command, name)
                taken.append(spent(words, self.code)[0])
                output = Path(str(words[-1]).partition("=")[2])
                output = output if output.is_dir() else output.parent
                if name == "all":
                    size = sum(f.stat().st_size for f in output.rglob("*") if f.is_file())
                shutil.rmtree(output)
        whole = {name: least(taken) for name, taken in runs.items()}
        start, longer, tensorflow = whole["one"], whole["all"], least(imports)
        row: dict[str, float | str] = {
            "command": command,
            "first_wall": start.wall,
            "first_processor": start.processor,
            "tensorflow_wall": tensorflow.wall,
            "tensorflow_processor": tensorflow.processor,
            "each_wall": (longer.wall - start.wall) / self.more,
            "each_processor": (longer.processor - start.processor) / self.more,
            "each_megabytes": size / 1e6 / (self.more + 1),
            "network_share": self.network_share(command),
        }
        if "large" in whole:
            row["large_wall"] = whole["large"].wall - start.wall
            row["large_processor"] = whole["large"].processor - start.processor
        return row

    def network_share(self, command: str) -> float:
        """The network's share of the time after the first batch; 0 if there are too few."""
        clock = CLOCK.format(code=str(self.code))
        _, told = spent(["-c", clock, *self.words(command, "all")], self.code)
        network, whole = map(float, told.rpartition("SHARE")[2].split())
        return network / whole if whole else 0.0


def _annotated(folder: Path) -> Path:
    """The folder, with a VIA file that gives each of its pictures `OUTLINE`."""
    names = [path.name for path in folder.iterdir()]
    annotations = {name: {"filename": name, "regions": [OUTLINE]} for name in names}
    (folder / "via_region_data.json").write_text(json.dumps(annotations), encoding="utf-8")
    return folder


def table(rows: Sequence[dict]) -> str:
    """The figures as text."""
    heads = ["command", "to first result", "of import", "each", "processor", "MB", "network"]
    heads += ["12 megapixels", "processor"] if "large_wall" in rows[0] else []
    lines = []
    for row in rows:
        line = [
            row["command"],
            f"{row['first_wall']:.1f} s",
            f"{row['first_processor'] / row['tensorflow_processor']:.2f} x",
            f"{row['each_wall']:.2f} s",
            f"{row['each_processor']:.2f} s",
            f"{row['each_megabytes']:.1f}",
            f"{100 * row['network_share']:.0f} %" if row["network_share"] else "-",
        ]
        if "large_wall" in row:
            line += [f"{row['large_wall']:.1f} s", f"{row['large_processor']:.1f} s"]
        lines.append(line)
    return text_table(heads, lines)


def main() -> int:
    """Measure each command and print the table."""
    options = parse_arguments()
    chosen = options.commands.split(",")
    if unknown := set(chosen) - set(COMMANDS):
        raise UserError(f"there is no command {', '.join(unknown)}", expected=", ".join(COMMANDS))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        rows = [bench.figures(command) for command in chosen]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
