"""The command line of `rounds.py`."""

import argparse
import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

from fashion.annotations import via
from fashion.html.server import require_flask
from fashion.labels import MODANET_TABLE
from fashion.pictures.listing import list_images
from fashion.review.applying import read_logs, to_correct
from fashion.rounds.decided import read_decided
from fashion.rounds.folder import SETTINGS, STAGES, Round, RoundSettings, RoundsFolder, at_work
from fashion.rounds.labelling import label_round, proposed
from fashion.rounds.status import status_text
from fashion.rounds.training import train_round
from fashion.splitting.near_duplicates import near_duplicate_groups, read_fingerprints
from fashion.stages.models import ModelChoice, inference_weights
from fashion.stages.stage import fraction, part, whole
from fashion.stages.training_labels import ALL_LABELS, with_labels
from fashion.terminal import command_parser
from mrcnn.errors import UserError
from mrcnn.system.files import replacing, saving

HOLDOUT = 50  # pictures, but at most this share of all:
HOLDOUT_SHARE = 0.2
COMMANDS = ("start", "review", "train", "next", "status")


def parse_arguments(
    description: str, arguments: Sequence[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; with `train`, unknown words are left to the training script."""
    parser = command_parser(description, prog, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="folder of the rounds")
    add("command", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    start = parser.add_argument_group("start, and --model of train")
    add = start.add_argument
    add("--images", type=Path, metavar="DIR", help="folder of photographs")
    add(
        "--model",
        metavar="FILE.h5",
        help="weights to begin with (default: the stage's; train: those of the previous round)",
    )
    add("--stage", type=int, choices=list(STAGES), default=1, help="2: labels with seasons")
    add("--pictures", type=whole(1), default=100, metavar="N", help="pictures to review per round")
    add(
        "--holdout",
        type=whole(0),
        metavar="N",
        help=f"pictures to measure on (default: {HOLDOUT}, at most a fifth)",
    )
    add(
        "--min-confidence",
        type=fraction,
        default=0.5,
        metavar="0..1",
        help="score from which detections become labels to review",
    )
    review = parser.add_argument_group("review")
    review.add_argument(
        "--port", type=whole(0), default=8766, metavar="N", help="port of the page; 0: any"
    )
    review.add_argument(
        "--part", type=part, metavar="I/N", help="every N-th picture, starting with the I-th"
    )
    training = parser.add_argument_group("train", "and all other options of trainModaNet.py train")
    training.add_argument("--epochs", type=whole(1), metavar="N", help="total number of epochs")
    training.add_argument("--steps", type=whole(1), metavar="N", help="batches per epoch")
    options, rest = parser.parse_known_args(arguments)
    given = {"--epochs": options.epochs, "--steps": options.steps}
    rest += [f"{name}={value}" for name, value in given.items() if value is not None]
    options.rest = rest
    if rest and options.command != "train":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    is_new = options.command == "start" and not (options.folder / SETTINGS).exists()
    if is_new and not options.images:
        parser.error("start needs --images")
    return options


def run_rounds(options: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    path = options.folder.absolute()
    if options.command == "status":
        print(status_text(RoundsFolder(path)))
        return 0
    if options.command == "review":
        return _review(RoundsFolder(path), options)
    with at_work(path):
        if options.command == "start":
            return _start(path, options)
        folder = RoundsFolder(path)
        one = folder.current()
        if options.command == "train":
            write_project(folder, one)  # in case the review was killed
            write_seasons(folder)
            train_round(folder, one, options.rest, options.model)
            print(status_text(folder))
            return 0 if one.result.exists() else 130
        if not one.result.exists():
            raise UserError(
                f"the model of round {one.number} is not trained yet",
                path=path,
                advice="review, and then: rounds.py DIR train",
            )
        return _label(folder, one.number + 1)


def _label(folder: RoundsFolder, number: int) -> int:
    if not label_round(folder, number):
        return 130
    print(status_text(folder))
    return 0


def _start(path: Path, options: argparse.Namespace) -> int:
    if (path / SETTINGS).exists():
        folder = RoundsFolder(path)
        if options.images and options.images.absolute() != folder.images:
            raise UserError(
                "rounds over other photographs have been started here",
                path=path,
                expected=str(folder.images),
                found=options.images,
                advice="choose another folder",
            )
    else:
        folder = RoundsFolder.create(path, make_settings(options))
    return _label(folder, 1)


def make_settings(options: argparse.Namespace) -> RoundSettings:
    """The settings fixed at the start, from options and photographs. Raises `UserError`."""
    stage = STAGES[options.stage]
    choice = ModelChoice(stage, options.model)
    weights = inference_weights(with_labels(choice, None) if options.stage == 2 else choice)
    images = list_images(options.images)
    count = options.holdout
    if count is None:
        count = min(HOLDOUT, int(HOLDOUT_SHARE * len(images)))
    prints, problems = read_fingerprints(images)
    for problem in problems:
        print(problem)
    groups = [[images[i].name for i in group] for group in near_duplicate_groups(prints)]
    # By a digest of the name: random, but the same in every run.
    groups.sort(key=lambda names: hashlib.sha256(names[0].encode()).digest())
    held, rest = groups[:count], groups[count:]
    return RoundSettings(
        images=str(options.images.absolute()),
        stage=options.stage,
        weights=str(weights.path.absolute()),
        pictures=options.pictures,
        min_confidence=options.min_confidence,
        holdout=sorted(names[0] for names in held),
        aside=sorted(name for names in held for name in names[1:]),
        duplicates=sorted(names for names in rest if len(names) > 1),
    )


def _review(folder: RoundsFolder, options: argparse.Namespace) -> int:
    """Serve the pictures proposed by the last round, until Ctrl-C."""
    require_flask()
    from fashion.review.serving import ReviewSettings, serve_review

    one = folder.current()
    if one.dataset.exists():
        raise UserError(
            f"round {one.number} is in training, or trained",
            path=folder.path,
            advice="finish it with train, and label the rest with next",
        )
    annotations = via.read(one.labels)
    by_name = {image.filename: image for image in annotations}
    images = [by_name[name] for name in proposed(folder, one) if name in by_name]
    name = ""
    if options.part:
        number, count = options.part
        images, name = images[number - 1 :: count], f"{number}of{count}"
    names = MODANET_TABLE.names if folder.settings.stage == 1 else ALL_LABELS
    settings = ReviewSettings(one.labels, folder.images, one.log(name), names)
    code = serve_review(images, settings, options.port)
    write_project(folder, one)
    write_seasons(folder)
    print(status_text(folder))
    return code


def write_project(folder: RoundsFolder, one: Round) -> None:
    """Write the VIA project of the pictures to correct, if there are any."""
    rest = to_correct(via.read(one.labels), read_logs(one.logs_of_decisions))
    if rest.images:
        via.use_files(rest, folder.images)
        via.write_project(one.to_correct, rest, image_folder=folder.images)


def write_seasons(folder: RoundsFolder) -> None:
    """Write the table of the pictures that were given a season, if there are any."""
    seasons = read_decided(folder).seasons
    if seasons:
        with saving(folder.seasons), replacing(folder.seasons, "w") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerows(sorted(row for row in seasons.items() if row[1]))
