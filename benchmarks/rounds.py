#!/usr/bin/env python3
"""What rounds of labelling, review and training are worth, with a reviewer that knows the truth.

    OMP_NUM_THREADS=1 python3 benchmarks/rounds.py CCP OUT
    OMP_NUM_THREADS=1 python3 benchmarks/rounds.py CCP OUT --test

CCP holds Clothing Co-Parsing: photos/, instances_train.json, instances_val.json and
instances_test.json (COCO). A first model learns from 100 photographs, which all later ones are
trained on, too. Then the code of rounds.py runs three rounds of 100 each, with pictures chosen by
the queue ("queue") and at random ("random"); and models are trained from ImageNet's weights on
photographs labelled from scratch ("nothing"): the first hundred and those chosen at random.
"queue_once" and "random_once" are also trained from ImageNet's weights, on the labels from those
rounds. For the same round, all models have the same number of steps: the first model's plus the
rounds'. They are measured on the 50 validation photographs and on 100 of the training photographs
that no model is trained on ("val").

The network is that of the preset photo at a smaller size (--size), so that this takes an hour on
one core; "nothing" takes as much again. OUT is resumed: nothing is done twice. --test also measures
the models on the test photographs, which had no influence before.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from perfect_reviewer import Work, drawn, review

from fashion.annotations import via
from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.locating import read_annotations
from fashion.json_files import read_json, write_json
from fashion.rounds.folder import RoundSettings, RoundsFolder
from fashion.rounds.labelling import label_round, model_of, proposed
from fashion.rounds.training import LEAST_SCORE, figures_of, place_file, train_round
from fashion.stages.presets import find_preset
from fashion.terminal import run, text_table
from mrcnn.weights.known_files import get_imagenet_weights_path

ROUNDS, PICTURES = 3, 100
MEASURED = 100  # training photographs only measured on, since 50 for validation are few
ARMS = ("queue", "random", "nothing", "queue_once", "random_once")
MIN_CONFIDENCE = 0.5
# Instead of the preset's, which are for 6,000 steps at 448 x 320.
SMALLER = {
    "BACKBONE": "efficientnet-lite0",
    "MASK_SHAPE": [28, 28],
    "MINI_MASK_SHAPE": (56, 56),
    "TRAIN_ROIS_PER_IMAGE": 32,
    "MASK_DETAIL": False,
    "VALIDATION_STEPS": 1,
}
HEAD = ("model", "round", "photographs", "keys", "outlines", "AP50", "AP", "a point")


class Experiment:
    """The photographs, their truth, and the folder in which everything is kept."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.out, self.source = options, options.out, options.ccp
        parts = {
            part: {image.filename: image for image in read_annotations(file)}
            for part in ("train", "val")
            if (file := options.ccp / f"instances_{part}.json")
        }
        self.truth: dict[str, AnnotatedImage] = parts["train"] | parts["val"]
        order = sorted(parts["train"])
        random.Random(options.seed).shuffle(order)
        self.first, self.pool = order[:PICTURES], order[PICTURES:-MEASURED]
        self.holdout = sorted([*parts["val"], *order[-MEASURED:]])

    def chosen(self, number: int) -> list[str]:
        """The photographs of the random arm in a round."""
        return self.pool[(number - 1) * PICTURES : number * PICTURES]

    def folder(self, name: str, weights: Path, pictures: list[str]) -> RoundsFolder:
        """Rounds over these photographs, with the validation photographs to measure on."""
        path = self.out / name
        images = path / "photographs"
        images.mkdir(parents=True, exist_ok=True)
        for picture in [*pictures, *self.holdout]:
            if not (images / picture).exists():
                place_file(self.source / "photos" / picture, images / picture)
        settings = RoundSettings(
            str(images), 1, str(weights), PICTURES, MIN_CONFIDENCE, self.holdout
        )
        folder = RoundsFolder.create(path, settings)
        self.correct(folder, "holdout", self.holdout)
        return folder

    def correct(self, folder: RoundsFolder, name: str, pictures: list[str]) -> None:
        """Put the truth of photographs where a person would put corrections."""
        found = Annotations([self.truth[picture] for picture in pictures])
        via.write(folder.corrections / f"{name}.json", found)

    def train(self, folder: RoundsFolder, number: int, steps: int) -> Path:
        """Train the model of a round for this many steps; its weights."""
        one = folder.round(number)
        one.folder.mkdir(exist_ok=True)
        options = self.options
        words = [
            "--preset=photo",
            "--epochs=1",
            f"--steps={steps}",
            f"--batch={options.batch}",
            f"--learning-rate={options.learning_rate}",
            "--warmup=20",
            f"--seed={options.seed}",
            "--workers=0",
        ]
        train_round(folder, one, words + ([f"--layers={options.layers}"] if options.layers else []))
        return one.weights

    def row(self, arm: str, number: int, photographs: int, work: Work, weights: Path) -> None:
        """Record a model's cost, and its figures on validation as its round measured them."""
        figures = read_json(weights.parent / "result.json")["figures"]
        row = {
            "model": arm,
            "round": number,
            "photographs": photographs,
            "keys": work.keys,
            "outlines": work.outlines,
            "weights": str(weights.relative_to(self.out)),
            "val": figures,
        }
        write_json(self.out / "rows" / f"{arm}_{number}.json", row, indent=1)
        print(f"{time.strftime('%H:%M')} {row}", flush=True)


def first_model(experiment: Experiment) -> Path:
    """The weights that all rounds start from: ImageNet's, trained on the first hundred."""
    imagenet = get_imagenet_weights_path(backbone=find_preset("photo").values["BACKBONE"])
    return from_nothing(experiment, "first", 0, imagenet)


def from_nothing(experiment: Experiment, arm: str, number: int, imagenet: Path) -> Path:
    """A model of the first hundred and the random arm's photographs, all drawn by hand."""
    names = experiment.first + [n for k in range(1, number + 1) for n in experiment.chosen(k)]
    options = experiment.options
    folder = experiment.folder(f"{arm}_{number}", Path(imagenet), names)
    experiment.correct(folder, "truth", names)
    weights = experiment.train(folder, 1, options.first_steps + number * options.steps)
    new = names[PICTURES:] or names
    work = Work(0, sum(drawn(experiment.truth[name]) for name in new))
    experiment.row(arm, number, len(names), work, weights)
    return weights


def trained_once(experiment: Experiment, arm: str, number: int, imagenet: Path) -> None:
    """A model of everything an arm's rounds labelled so far, in one training."""
    source, options = experiment.out / arm, experiment.options
    dataset = source / f"round_{number:02d}" / "dataset"
    found = [i for part in ("train", "val") for i in via.read(dataset / part / via.ANNOTATION_FILE)]
    names = [image.filename for image in found]
    folder = experiment.folder(f"{arm}_once_{number}", imagenet, names)
    via.write(folder.corrections / "rounds.json", Annotations(found))
    weights = experiment.train(folder, 1, options.first_steps + number * options.steps)
    row = read_json(experiment.out / "rows" / f"{arm}_{number}.json")
    work = Work(row["keys"], row["outlines"])
    experiment.row(f"{arm}_once", number, row["photographs"], work, weights)


def rounds(experiment: Experiment, arm: str, first: Path) -> None:
    """Three rounds from the first model, with pictures chosen by the queue or at random."""
    work = Work()
    pool = experiment.pool if arm == "queue" else []
    for number in range(1, ROUNDS + 1):
        if arm == "random":
            pool = pool + experiment.chosen(number)
        folder = experiment.folder(arm, first, experiment.first + pool)
        experiment.correct(folder, "first", experiment.first)
        if not label_round(folder, number):
            raise SystemExit(130)
        one = folder.round(number)
        names = [name for name in proposed(folder, one) if name not in experiment.holdout]
        if not one.dataset.exists():
            note = review(folder, one, names, experiment.truth)
            write_json(one.folder / "work.json", {"keys": note.keys, "outlines": note.outlines})
        work += Work(**read_json(one.folder / "work.json"))
        weights = experiment.train(folder, number, experiment.options.steps)
        experiment.row(arm, number, PICTURES * (number + 1), work, weights)


def measure_test(experiment: Experiment) -> None:
    """Add AP50 on the test photographs to every row that lacks it."""
    source = experiment.source / "instances_test.json"
    data = experiment.out / "test"
    (data / "test").mkdir(parents=True, exist_ok=True)
    images = read_annotations(source)
    for image in images:
        if not (data / "test" / image.filename).exists():
            place_file(
                experiment.source / "photos" / image.filename, data / "test" / image.filename
            )
    via.write(data / "test" / via.ANNOTATION_FILE, images)
    for path in sorted((experiment.out / "rows").glob("*.json")):
        row = read_json(path)
        if "test" not in row:
            folder = RoundsFolder(experiment.out / Path(row["weights"]).parts[0])
            choice = model_of(folder, experiment.out / row["weights"], LEAST_SCORE)
            write_json(path, {**row, "test": figures_of(choice, data, "test")}, indent=1)


def table(experiment: Experiment, part: str) -> str:
    """All models that were measured on a part.

    "a point" is the number of keys and outlines per point of AP50 above the first model's.
    """
    rows = [read_json(path) for path in sorted((experiment.out / "rows").glob("*.json"))]
    (first,) = (row for row in rows if row["model"] == "first")
    lines = []
    for row in rows:
        if part in row:
            points = 100 * (row[part]["AP50"] - first[part]["AP50"])
            price = (row["keys"] + row["outlines"]) / points if points > 0 else 0
            cells = [row[name] for name in HEAD[:5]]
            cells += [f"{row[part][name]:.3f}" for name in ("AP50", "AP")]
            lines.append([*map(str, cells), f"{price:.0f}" if price else "-"])
    return f"On {part}:\n{text_table(HEAD, lines)}"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("ccp", type=Path, metavar="CCP", help="folder of the photographs and their truth")
    add("out", type=Path, metavar="OUT", help="folder for all results")
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(all)")
    add("--rounds", type=int, nargs="+", default=list(range(1, ROUNDS + 1)), metavar="N",
        help="of the models trained in one go (all)")  # fmt: skip
    add("--size", default="256x192", metavar="HEIGHTxWIDTH", help="of the network (%(default)s)")
    add("--first-steps", type=int, default=600, metavar="N", help="of the first model (600)")
    add("--steps", type=int, default=200, metavar="N", help="of each round (200)")
    add("--batch", type=int, default=2, metavar="N", help="pictures per step (2)")
    add("--learning-rate", type=float, default=0.001, help="(%(default)s)")
    add("--layers", help="layers to train (the preset's)")
    add("--seed", type=int, default=1, help="for the order of photographs and training (1)")
    add("--test", action="store_true", help="measure on the test photographs too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run what is not done yet and print the table."""
    options = parse_arguments(arguments)
    height, width = (int(side) for side in options.size.split("x"))
    preset = find_preset("photo")
    preset.values.update(SMALLER, IMAGE_HEIGHT=height, IMAGE_WIDTH=width)
    experiment = Experiment(options)
    first = first_model(experiment)
    for arm in options.arms:
        if arm in ("queue", "random"):
            rounds(experiment, arm, first)
            continue
        imagenet = Path(read_json(experiment.out / "first_0" / "rounds.json")["weights"])
        for number in options.rounds:
            if arm == "nothing":
                from_nothing(experiment, arm, number, imagenet)
            else:
                trained_once(experiment, arm.removesuffix("_once"), number, imagenet)
    print(table(experiment, "val"))
    if options.test:
        measure_test(experiment)
        print(table(experiment, "test"))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
