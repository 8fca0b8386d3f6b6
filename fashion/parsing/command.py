"""Clothing parsing from the command line: its options, and the run they ask for."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion.command_table import with_commands
from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.settings import (
    PERSONS,
    SKIN_RULES,
    STAGES,
    TOLERANCE,
    VOTES,
    ParsingSettings,
)
from fashion.stages.arguments import CLASSES_DEFAULT, with_missing_weights
from fashion.stages.presets import PRESETS
from fashion.stages.stage import fraction, positive, whole, writable_folder
from fashion.stages.training_labels import find_table
from fashion.terminal import add_classes_argument
from mrcnn.errors import DatasetError, UserError, counted

if TYPE_CHECKING:
    from fashion.parsing.files import OutputJob
    from fashion.parsing.measuring.truth import Truth
    from fashion.parsing.models import Detect, Detector
    from fashion.parsing.run import ParsingRun, ParsingSummary


DEFAULTS = ParsingSettings()
PORT = 8765


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for what to parse, with which models, and where to."""
    add = parser.add_argument
    add("pictures", type=Path, nargs="?", metavar="IMAGES", help="a picture, or a folder of them")
    add("--images", type=Path, metavar="IMAGES", help="the same, as other commands take it")
    add("--output", type=Path, metavar="DIR", help="folder for all that is written")
    add(
        "--clothing",
        "--model",
        metavar="FILE.h5",
        help="garments' weights (default: model1/mask_rcnn_Modanet.h5 if it exists, else those for "
        "photographs)",
    )
    add(
        "--body",
        metavar="FILE.h5",
        help="weights that know persons: those for photographs, or of COCO's 81 classes; coco "
        "fetches mask_rcnn_coco.h5 if it is missing (default: the garments' weights, if they know "
        "persons)",
    )
    add_classes_argument(parser, CLASSES_DEFAULT)
    add("--stage", choices=STAGES, default="all", help="what is written")
    for option in ("clothing", "body"):
        add(f"--{option}-preset", choices=list(PRESETS), help="if the weights do not name it")
    add("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    add(
        "--min-confidence",
        type=fraction,
        metavar="0..1",
        help="drop detections scored lower (default: the preset's; photo: garments .4, persons .5)",
    )
    add("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    add("--overwrite", action="store_true", help="parse finished pictures again")
    add(
        "--full-size",
        action="store_true",
        help="panels at the pictures' own size (default: at most 2,048 pixels on the longer side)",
    )


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of `fashion.parsing.settings`."""
    group = parser.add_argument_group("superpixels and completion")
    add = group.add_argument
    add("--person", choices=PERSONS, default=DEFAULTS.person, help="whose garments")
    add("--segments", type=whole(1), default=DEFAULTS.segments, help="superpixels")
    add("--compactness", type=positive, default=DEFAULTS.compactness, help="(default: %(default)s)")
    add("--sigma", type=float, default=DEFAULTS.sigma, help="blur before it, in pixels")
    add("--iterations", type=whole(1), default=DEFAULTS.iterations, help="of SLIC")
    add("--person-only", action="store_true", help="superpixels on the person alone")
    add("--vote", choices=VOTES, default=DEFAULTS.vote, help="which pixels vote")
    add(
        "--agreement",
        type=float,
        help="share of the vote, .5 to 1, from which a superpixel adds a garment (default: .5; "
        "photo: .8)",
    )
    add(
        "--removal",
        type=float,
        default=DEFAULTS.removal,
        help="share of the vote, .5 to 1, from which it removes one; 1: never",
    )
    add(
        "--pixel-classes",
        metavar="NAMES",
        help="garments that stay at pixel level, separated by commas (default: belt,sunglasses; "
        "photo: also boots,footwear)",
    )
    add(
        "--no-completion",
        action="store_true",
        help="do not let garments grow over unlabelled superpixels",
    )
    add(
        "--completion-distance",
        type=float,
        help="Lab distance up to which colours agree (default: 10; photo: 6)",
    )
    add("--skin", choices=SKIN_RULES, default=DEFAULTS.skin, help="(default: %(default)s)")
    add("--no-hair", action="store_true", help="do not look for hair; completion may cover it")
    drawn = parser.add_argument_group("panels")
    drawn.add_argument("--boxes", action="store_true", help="boxes around garments and persons")
    drawn.add_argument("--boundaries", action="store_true", help="superpixels on the label panels")
    drawn.add_argument(
        "--added-only",
        action="store_true",
        help="what the superpixels added, instead of the joint labels",
    )


def add_truth_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --truth and --tolerance."""
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="VIA or COCO annotations of the pictures, or their folder: measure the result by "
        "them and write tables",
    )
    parser.add_argument(
        "--tolerance",
        type=_share,
        default=TOLERANCE,
        metavar="SHARE",
        help="how far an outline may be off to count as right, as a share of the picture's "
        "diagonal",
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to below 1")
    return value


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --serve and --port."""
    parser.add_argument(
        "--serve", action="store_true", help="open a page on this machine instead (needs flask)"
    )
    parser.add_argument("--port", type=_port, default=PORT, help="of the page; 0 takes any")


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return value


def settings_of(
    options: argparse.Namespace,
    table: ClassTable = MODANET_TABLE,
    own: Mapping[str, Any] | None = None,
) -> ParsingSettings:
    """The settings of the command line. Raises `ConfigError`, and `DatasetError` for a class.

    table: the garments' classes; those of the default --pixel-classes that it lacks are dropped.
    own: what the weights' preset does unlike `ParsingSettings` by default.
    """
    defaults = replace(DEFAULTS, **own or {})
    agreement, distance = options.agreement, options.completion_distance
    if options.pixel_classes is None:
        names = [name for name in defaults.pixel_classes if table.find(name)]
    else:
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
        agreement=defaults.agreement if agreement is None else agreement,
        removal=options.removal,
        pixel_classes=tuple(table[table.id_of(name)].name for name in names),
        completion=not options.no_completion,
        completion_distance=defaults.completion_distance if distance is None else distance,
        skin=options.skin,
        hair=not options.no_hair,
    )


def serve(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C.

    Raises `UserError`: flask is missing, the port is taken, weights are missing or do not fit.
    """
    from fashion.parsing.page.server import listen, require_flask, run_server

    require_flask()
    from fashion.parsing.models import load_detectors
    from fashion.parsing.page.workshop import LEAST_CONFIDENCE, Workshop

    listener = listen(options.port)
    settings_of(options, _named_table(options))
    confidence = 0.7 if options.min_confidence is None else options.min_confidence
    # The page's slider reaches below its initial value.
    least = min(LEAST_CONFIDENCE, confidence)
    clothing = _find_clothing(options, least)
    settings = settings_of(options, clothing.table, clothing.parsing)
    settings = replace(settings, minimum_confidence=confidence)
    find_garments, find_persons = load_detectors(clothing, _find_body(options, least, clothing))
    assert find_garments is not None
    workshop = Workshop(find_garments, find_persons, settings, table=clothing.table)
    return run_server(workshop, listener)


def parse_pictures(options: argparse.Namespace) -> int:
    """Parse all pictures of the command line; exit code 1 if nothing came out."""
    if options.images is None or options.output is None:
        raise UserError(
            "there is nothing to parse, or no place to write to",
            settings=("output",),
            advice=with_commands("type: tools/parse_clothing.py IMAGES {output}=DIR"),
        )
    from tqdm import tqdm

    from fashion.parsing.found import found_files
    from fashion.parsing.models import load_detectors
    from fashion.parsing.run import ParsingRun
    from fashion.pictures.listing import list_images
    from fashion.stages.draw import report_skipped

    settings = settings_of(options, _named_table(options))
    try:
        images = list_images(options.images, options.limit)
    except DatasetError as error:
        raise with_missing_weights(error, lambda: _detectors(options)) from None
    _check_truth(options)
    clothing, body = _detectors(options)
    table = clothing.table if clothing else MODANET_TABLE
    settings = settings_of(options, table, clothing.parsing if clothing else None)
    truth = _truth(options, images, table)
    job = _job(options, settings, clothing, body)
    writable_folder(options.output, "output")
    with tqdm(total=len(images), unit="image", desc="parsing") as bar:

        def load() -> "tuple[Detect | None, Detect | None]":
            bar.clear()  # what is printed while the network is built gets its own lines
            return load_detectors(clothing, body)

        run = ParsingRun(
            images,
            job,
            settings,
            load,
            overwrite=options.overwrite,
            progress=bar.update,
        )
        measures = _work_through(run, truth, options)
    report_skipped(run.summary.unreadable)
    if measures:
        print(measures)
    _summarise(run.summary, options.output, looked_for_persons=body is not None)
    if not run.summary.parsed + run.summary.kept:
        return 1
    models = dict.fromkeys(detector.path.name for detector in (clothing, body) if detector)
    subject = f"Pictures: {options.images}. Model: {' and '.join(models)}."
    found = found_files(images, job, subject)
    if options.images.is_dir():
        for path in found.write():
            print(f"Written: {path}")
    if found.objects:
        return 0
    print("Nothing was found; a lower --min-confidence may show why.", file=sys.stderr)
    return 1


def _detectors(options: argparse.Namespace) -> "tuple[Detector | None, Detector | None]":
    """The detectors of garments and persons, each None if the stage has no use for it."""
    least, stage = options.min_confidence, options.stage
    if stage == "body" and options.body:
        return None, _find_body(options, least)
    clothing = _find_clothing(options, least)
    body = _find_body(options, least, clothing) if stage != "clothing" else None
    if stage != "body":
        return clothing, body
    if body is None:
        raise UserError(
            "finding the body needs a model that detects persons",
            settings=("body",),
            advice="name COCO weights with {body}=FILE.h5, or download them with {body}=coco",
        )
    return None, body


def _find_clothing(options: argparse.Namespace, least: float | None) -> "Detector":
    from fashion.parsing.models import find_clothing

    return find_clothing(
        options.clothing,
        options.clothing_preset,
        precision=options.precision,
        min_confidence=least,
        classes=options.classes,
    )


def _find_body(
    options: argparse.Namespace, least: float | None, clothing: "Detector | None" = None
) -> "Detector | None":
    """The detector of persons that was asked for, else that in the garments' weights."""
    from fashion.parsing.models import find_body, find_body_in

    if options.body is None:
        return find_body_in(clothing) if clothing else None
    return find_body(
        options.body, options.body_preset, precision=options.precision, min_confidence=least
    )


def _job(
    options: argparse.Namespace,
    settings: ParsingSettings,
    clothing: "Detector | None",
    body: "Detector | None",
) -> "OutputJob":
    from fashion.parsing.files import OutputJob
    from fashion.parsing.sheet import SheetOptions

    sheet = SheetOptions(options.boxes, options.boundaries, options.added_only, options.full_size)
    made_with = {
        "clothing": clothing and clothing.identity(),
        "body": body and body.identity(),
        "settings": settings.to_json(),
    }
    table = clothing.table if clothing else MODANET_TABLE
    return OutputJob(options.output, options.stage, table, sheet, made_with)


def _named_table(options: argparse.Namespace) -> ClassTable:
    """The classes of --classes, else ModaNet's, before a weight file is opened."""
    return find_table(options.classes) if options.classes else MODANET_TABLE


def _check_truth(options: argparse.Namespace) -> None:
    """Raise `UserError` if --truth cannot measure what is written."""
    if options.truth and options.stage not in ("superpixels", "all"):
        raise UserError(
            "{truth} measures the superpixels' result",
            settings=("truth",),
            advice="give it with --stage=all or --stage=superpixels",
        )


def _truth(
    options: argparse.Namespace, images: Iterable[Path], table: ClassTable
) -> "Truth | None":
    if options.truth is None:
        return None
    from fashion.parsing.measuring.truth import Truth

    truth = Truth(options.truth, images, table)
    print(truth.summary())
    return truth


def _work_through(run: "ParsingRun", truth: "Truth | None", options: argparse.Namespace) -> str:
    """Parse all pictures; with a truth, return the table of measures as text."""
    if truth is None:
        for _ in run.each():
            pass
        return ""
    from fashion.parsing.measuring.truth import measure_pictures, write_measures

    return write_measures(measure_pictures(truth, run.each(), options.tolerance), options.output)


def _summarise(summary: "ParsingSummary", output: Path, looked_for_persons: bool) -> None:
    kept = f"; {summary.kept} were finished before" if summary.kept else ""
    print(f"{counted(summary.parsed, 'picture')} parsed into {output.absolute()}{kept}")
    if not summary.parsed:
        return
    counts = ", ".join(f"{name} {count}" for name, count in summary.garments.most_common())
    print(f"garments: {counts or 'none'}")
    if looked_for_persons:
        nobody = f"; nobody on {counted(summary.nobody, 'picture')}" if summary.nobody else ""
        print(f"persons: {summary.persons}{nobody}")
