#!/usr/bin/env python3
"""Make the weights that the demo starts from, fashion/demo/demo_start.h5.

    python3 tools/make_demo_start.py
    python3 tools/make_demo_start.py --output=DIR --weights=FILE.h5 --start=FORMER.h5

Draws three thousand pictures from a different seed than the demo's, trains the preset `demo` on
them, from random weights or from --start, measures, and copies the best weights. After an
interruption the same command resumes. fashion/demo/README.md says how the weights in the repository
were made, what they reached, and how long that took.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion import DEMO_START, REPOSITORY
from fashion.json_files import writing
from fashion.labels import MODANET_TABLE
from fashion.pipeline.engine import Command, Pipeline, Step
from fashion.pipeline.plan import interpreter, shown
from fashion.pipeline.steps import SCRIPTS
from fashion.stages.models import NOTE
from fashion.stages.stage import whole
from fashion.terminal import run
from mrcnn.errors import UserError
from mrcnn.weights.h5_reading import open_weights, read_arrays
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.provenance import DRAWINGS, Provenance

# Not the demo's own seeds: these weights must not have seen its pictures.
TRAIN_SEED, VALIDATION_SEED = 2001, 2002
SCHEDULE = "all:44:0.001,all:52:0.0003,all:56:0.00006"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, default=REPOSITORY / "outputs" / "demo_start", metavar="DIR")
    add("--weights", type=Path, default=DEMO_START, metavar="FILE.h5", help="(%(default)s)")
    add("--train-images", type=whole(1), default=3000, metavar="N", help="(%(default)s)")
    add("--val-images", type=whole(1), default=80, metavar="N", help="(%(default)s)")
    add("--schedule", default=SCHEDULE, help="as trainModaNet.py takes it (%(default)s)")
    add("--start", default="none", metavar="FILE.h5", help="weights to begin with (%(default)s)")
    add("--seed", type=whole(0), default=1, metavar="N", help="of the training (%(default)s)")
    add("--steps", type=whole(1), default=120, metavar="N", help="batches per epoch (%(default)s)")
    return parser.parse_args(arguments)


def steps(options: argparse.Namespace) -> list[Step]:
    """Drawing, training, measuring and copying, each a step that can be resumed."""
    work = options.output.absolute()
    data, logs, best = work / "data", work / "logs", work / "best.h5"
    sets = (
        ("train", options.train_images, TRAIN_SEED),
        ("val", options.val_images, VALIDATION_SEED),
    )
    draw = tuple(
        Command(
            (
                "tools/draw_demo.py",
                "train",
                shown(data / subset),
                f"--count={count}",
                f"--seed={seed}",
            )
        )
        for subset, count, seed in sets
    )
    words = (SCRIPTS["train1"], "train", f"--dataset={shown(data)}", f"--logs={shown(logs)}")
    words += (f"--schedule={options.schedule}", f"--steps={options.steps}")
    words += (f"--seed={options.seed}", "--preset=demo", f"--weights-out={shown(best)}")
    words += ("--overwrite",)
    start = options.start if options.start == "none" else shown(Path(options.start))
    train = Command(
        (*words, f"--model={start}"),
        resumed=(*words, "--model=last"),
        started=lambda: any(logs.glob("modanet*/mask_rcnn_modanet_*.h5")),
    )
    figures = work / "figures.json"
    measure = Command(
        (
            "tools/evaluate.py",
            f"--dataset={shown(data)}",
            f"--model={shown(best)}",
            f"--json={shown(figures)}",
        )
    )
    return [
        Step("draw", "draw the pictures", draw, outputs=(data,)),
        Step("train", "train", (train,), needs=("draw",), outputs=(best,), keep=(logs,)),
        Step("measure", "measure", (measure,), needs=("draw", "train"), outputs=(figures,)),
        Step(
            "copy",
            "copy the weights",
            action=lambda: copy_weights(best, options.weights),
            needs=("train",),
            outputs=(options.weights.absolute(),),
        ),
    ]


def copy_weights(source: Path, target: Path) -> str:
    """Copy `source` to `target`, with a note on the drawings, whole or not at all; the sentence to
    print."""
    with open_weights(source) as file:
        stored, notes = file.layers(), file.attributes()
    layers = (
        (
            name,
            list(zip([own for own, _ in weights], read_arrays(w for _, w in weights), strict=True)),
        )
        for name, weights in stored.items()
    )
    provenance = Provenance(
        preset="demo",
        classes=MODANET_TABLE.names,
        trained_on="pictures that the demo draws",
        pictures=DRAWINGS,
        licence="MIT",
    )
    try:
        with writing(target):
            target.absolute().parent.mkdir(parents=True, exist_ok=True)
            write_layers(target, layers, {NOTE: notes[NOTE], **provenance.notes()})
    except UserError as error:
        raise error.replace(advice="name another file with --weights") from None
    return f"Weights: {target}"


def main(arguments: list[str] | None = None) -> int:
    """Run the steps."""
    options = parse_arguments(arguments)
    Pipeline(steps(options), options.output.absolute(), REPOSITORY, interpreter()).run()
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
