"""Clothing parsing from the command line: its options, and the run they ask for."""

import argparse
import sys
from pathlib import Path

from fashion.labels import MODANET_TABLE
from fashion.parsing_settings import PERSONS, SKIN_RULES, VOTES, ParsingSettings
from fashion.presets import PRESETS
from fashion.stages import fraction, positive, whole, writable_folder
from mrcnn.errors import UserError

STAGES = ("clothing", "body", "objects", "superpixels", "all")
DEFAULTS = ParsingSettings()


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is parsed, with which models, and where to."""
    add = parser.add_argument
    add("images", type=Path, nargs="?", metavar="IMAGE|DIR", help="a picture, or a folder of them")
    add("--output", type=Path, metavar="DIR", help="folder for all that is written")
    add("--clothing", metavar="FILE.h5", help="garments' weights (model1/mask_rcnn_Modanet.h5)")
    add(
        "--body",
        metavar="FILE.h5",
        help="weights of COCO's 81 classes, of which the persons are taken; coco fetches "
        "mask_rcnn_coco.h5 where it is not there (default: garments alone)",
    )
    add("--stage", choices=STAGES, default="all", help="what is written (%(default)s)")
    for option in ("clothing", "body"):
        add(f"--{option}-preset", choices=list(PRESETS), help="where the weights do not tell")
    add("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    add("--min-confidence", type=fraction, metavar="0..1", help="drop detections scored lower")
    add("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    add("--overwrite", action="store_true", help="do finished pictures again")


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of `fashion.parsing_settings`."""
    group = parser.add_argument_group("superpixels and completion")
    add = group.add_argument
    add("--person", choices=PERSONS, default=DEFAULTS.person, help="whose garments (%(default)s)")
    add("--segments", type=whole(1), default=DEFAULTS.segments, help="superpixels (%(default)s)")
    add("--compactness", type=positive, default=DEFAULTS.compactness, help="(%(default)s)")
    add("--sigma", type=float, default=DEFAULTS.sigma, help="blur before, pixels (%(default)s)")
    add("--iterations", type=whole(1), default=DEFAULTS.iterations, help="of SLIC (%(default)s)")
    add("--person-only", action="store_true", help="superpixels on the person alone")
    add("--vote", choices=VOTES, default=DEFAULTS.vote, help="which pixels vote (%(default)s)")
    add(
        "--agreement",
        type=float,
        default=DEFAULTS.agreement,
        help="share of the vote, .5 to 1, from which a superpixel gives a garment (%(default)s)",
    )
    add(
        "--removal",
        type=float,
        default=DEFAULTS.removal,
        help="share of the vote, .5 to 1, from which it takes one away; 1: never (%(default)s)",
    )
    add(
        "--pixel-classes",
        default=",".join(DEFAULTS.pixel_classes),
        metavar="NAMES",
        help="thin garments that stay at pixel level, between commas (%(default)s)",
    )
    add("--no-completion", action="store_true", help="no garment grows over what has no label")
    add(
        "--completion-distance",
        type=float,
        default=DEFAULTS.completion_distance,
        help="Lab distance up to which colours agree (%(default)s)",
    )
    add("--skin", choices=SKIN_RULES, default=DEFAULTS.skin, help="(%(default)s)")
    add("--no-hair", action="store_true", help="do not look for hair; completion may cover it")
    drawn = parser.add_argument_group("panels")
    drawn.add_argument("--boxes", action="store_true", help="boxes round garments and persons")
    drawn.add_argument("--boundaries", action="store_true", help="superpixels on the label panels")
    drawn.add_argument(
        "--added-only",
        action="store_true",
        help="what the superpixels added, no joint labels",
    )


def settings_of(options: argparse.Namespace) -> ParsingSettings:
    """The settings of the command line. Raises `ConfigError`, and `DatasetError` for a class."""
    names = [name.strip() for name in options.pixel_classes.split(",") if name.strip()]
    return ParsingSettings(
        minimum_confidence=options.min_confidence or 0.0,
        person=options.person,
        segments=options.segments,
        compactness=options.compactness,
        sigma=options.sigma,
        iterations=options.iterations,
        person_only=options.person_only,
        vote=options.vote,
        agreement=options.agreement,
        removal=options.removal,
        pixel_classes=tuple(MODANET_TABLE[MODANET_TABLE.id_of(name)].name for name in names),
        completion=not options.no_completion,
        completion_distance=options.completion_distance,
        skin=options.skin,
        hair=not options.no_hair,
    )


def parse_pictures(options: argparse.Namespace) -> int:
    """Parse all pictures of the command line; 1 where nothing came out."""
    if options.images is None or options.output is None:
        raise UserError(
            "Name a picture or a folder to parse, and where to write: parse_clothing.py "
            "IMAGE|DIR --output=DIR."
        )
    from tqdm import tqdm

    from fashion.parsing_run import ParsingRun
    from fashion.picture_stage import list_images

    settings = settings_of(options)
    images = list_images(options.images, options.limit)
    truth = _truth(options, images)
    detectors = _detectors(options)
    job = _job(options, settings, detectors)
    writable_folder(options.output, "--output")
    with tqdm(total=len(images), unit="image", desc="parsing") as bar:
        run = ParsingRun(
            images,
            job,
            settings,
            lambda: tuple(detector and detector.load() for detector in detectors),
            overwrite=options.overwrite,
            progress=bar.update,
        )
        table = _go_through(run, truth, options)
    for sentence in run.summary.unreadable:
        print(f"left out: {sentence}", file=sys.stderr)
    if table:
        print(table)
    _summarise(run.summary, options, looked_for_persons=detectors[1] is not None)
    return 0 if run.summary.parsed + run.summary.kept else 1


def _detectors(options: argparse.Namespace):
    """The detectors of garments and persons, each None where the stage has no use for it."""
    from fashion.parsing_models import find_body, find_clothing

    if options.stage == "body" and options.body is None:
        raise UserError(
            "--stage=body needs a model that finds persons: name COCO weights with --body=FILE.h5, "
            "or fetch them with --body=coco."
        )
    clothing = find_clothing(options) if options.stage != "body" else None
    body = find_body(options) if options.stage != "clothing" else None
    return clothing, body


def _job(options: argparse.Namespace, settings: ParsingSettings, detectors):
    from fashion.parsing_files import OutputJob
    from fashion.parsing_sheet import SheetOptions

    clothing, body = (detector and detector.identity() for detector in detectors)
    sheet = SheetOptions(options.boxes, options.boundaries, options.added_only)
    made_with = {"clothing": clothing, "body": body, "settings": settings.to_json()}
    return OutputJob(options.output, options.stage, MODANET_TABLE, sheet, made_with)


def _truth(options: argparse.Namespace, images: list[Path]):
    if getattr(options, "truth", None) is None:
        return None
    from fashion.parsing_truth import Truth

    if options.stage not in ("superpixels", "all"):
        raise UserError("--truth measures the superpixels' result: it needs --stage=all.")
    truth = Truth(options.truth, images, MODANET_TABLE)
    print(truth.summary())
    return truth


def _go_through(run, truth, options: argparse.Namespace) -> str:
    """Do the work; with a truth, the table of measures as text."""
    if truth is None:
        for _ in run.each():
            pass
        return ""
    from fashion.parsing_truth import measure, write_measures

    return write_measures(measure(truth, run.each(), options.tolerance), options.output)


def _summarise(summary, options: argparse.Namespace, looked_for_persons: bool) -> None:
    kept = f"; {summary.kept} were done already" if summary.kept else ""
    print(f"{summary.parsed} pictures parsed into {options.output.absolute()}{kept}")
    if not summary.parsed:
        return
    counts = ", ".join(f"{name} {count}" for name, count in summary.garments.most_common())
    print(f"garments: {counts or 'none'}")
    if looked_for_persons:
        nobody = f"; nobody on {summary.nobody} pictures" if summary.nobody else ""
        print(f"persons: {summary.persons}{nobody}")
