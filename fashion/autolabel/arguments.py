"""The options of the labelling command."""

import argparse
from pathlib import Path
from typing import Any

from fashion.autolabel.policy import ANY_GARMENT, FALLBACKS, LABELS
from fashion.autolabel.regions import LEAST_AREA
from fashion.labels import SEASONS
from fashion.pictures.remote import place
from fashion.stages.arguments import add_model_arguments
from fashion.stages.stage import Stage, fraction, whole

ANNOTATIONS = "custom_dataset_annotations.json"
ENGINES = ("local", "ray")


def length(text: str) -> float:
    """An argparse type: a number of at least 0."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 on")
    return value


def add_labelling_arguments(parser: argparse.ArgumentParser, stage: Stage, folder: Path) -> None:
    """Add the options of the labelling script; `folder` is where its output goes by default."""
    add = parser.add_argument
    add(
        "--images",
        type=place,
        default=stage.images,
        metavar="DIR",
        help="folder of photographs named <garment>_<season>_<anything>, or its address, such as "
        "s3://bucket/folder (default: %(default)s)",
    )
    add(
        "--output",
        type=place,
        default=folder / ANNOTATIONS,
        metavar="FILE",
        help="VIA annotation file, or its address; its report and its journal are beside it, the "
        "journal of an address in the user's cache (default: %(default)s)",
    )
    path: dict[str, Any] = {"type": Path, "metavar": "FILE"}
    add("--journal", **path, help="the journal, elsewhere on this machine")
    add_model_arguments(
        parser, stage, f"weight file, or last (default: {stage.folder.name}/{stage.weights})"
    )
    add(
        "--from-results",
        **path,
        help="label with the detections in this COCO results file, from any program, without "
        "a network",
    )
    add(
        "--names",
        **path,
        help="with --from-results: our names for its categories (names or ids), as CSV of two "
        'columns or JSON such as {"handbag": "bag"}; those with our names need none',
    )
    add(
        "--listing",
        **path,
        help="with --from-results: a COCO file with the images and categories of its ids",
    )
    add("--logs", type=Path, default=stage.logs, metavar="DIR", help="for --model=last")
    add("--batch", type=whole(1), metavar="N", help="photographs per step (default: the preset's)")
    add("--limit", type=whole(1), metavar="N", help="at most this many photographs")
    _add_choice_arguments(parser.add_argument_group("what becomes a label"))
    _add_output_arguments(parser.add_argument_group("what is written"))
    _add_staff_arguments(parser.add_argument_group("who labels"))


def _add_choice_arguments(group) -> None:
    add = group.add_argument
    add(
        "--labels",
        choices=LABELS,
        default="seasons",
        help="seasons: <garment>_<season> by the photograph's name, for stage 2; garments: the "
        "class of everything that is found, whatever the names (default: seasons)",
    )
    add(
        "--all-garments",
        action="store_true",
        help="label every garment found with the season in the name, not only the garment in the "
        "name",
    )
    add(
        "--fallback",
        choices=FALLBACKS,
        default="skip",
        help="if every detection of the garment in the name scores too low: skip the photograph; "
        "take the best one, down to --low-confidence; or label all garments found (default: "
        "skip)",
    )
    add(
        "--low-confidence",
        type=fraction,
        default=0.5,
        metavar="0..1",
        help="detections between this and --min-confidence are reported as uncertain",
    )
    add("--season", choices=list(SEASONS), help="for names that carry none (default: left out)")
    add(
        "--garment",
        metavar="NAME",
        help=f"for names that carry none: a garment, or {ANY_GARMENT} (default: left out); with "
        "--labels=garments the only class to label",
    )


def _add_output_arguments(group) -> None:
    add = group.add_argument
    add(
        "--tolerance",
        type=length,
        metavar="PIXELS",
        help="how far outlines may deviate from the mask's corners; 0 follows every pixel "
        "(default: chosen by the shape, 0.4 to 0.85)",
    )
    add(
        "--minimum-area",
        type=length,
        default=LEAST_AREA,
        metavar="PIXELS",
        help="smaller parts and holes are dropped (default: %(default)g)",
    )
    add(
        "--segments",
        type=place,
        metavar="DIR",
        help="write a cut-out of every labelled garment, <name>_segment_<k>.jpg, there",
    )
    add("--segments-alpha", action="store_true", help="cut-outs as transparent PNG too")
    add("--previews", type=place, metavar="DIR", help="write PNGs with the labels drawn there")
    add(
        "--shard-size",
        type=whole(1),
        metavar="N",
        help="annotations in files of N photographs each, <name>-00000-of-00012.json and so on",
    )
    add("--keep-empty", action="store_true", help="list images in which nothing was found too")
    add("--restart", action="store_true", help="start over instead of resuming an earlier run")
    add(
        "--overwrite",
        action="store_true",
        help="replace annotations that this command did not write, or that were changed since",
    )


def _add_staff_arguments(group) -> None:
    add = group.add_argument
    add(
        "--workers",
        type=whole(1),
        metavar="N",
        help="processes that label, each with its own model and share of the cores; 1 is this "
        "process on all cores (default: 1; with --engine=ray one for each CPU)",
    )
    add(
        "--engine",
        choices=ENGINES,
        default="local",
        help='local: this machine; ray: a Ray cluster (pip install ".[ray]") (default: local)',
    )
    add(
        "--ray-address",
        metavar="ADDRESS",
        help="of the cluster, such as auto or ray://host:10001 (default: one on this machine, for "
        "this run)",
    )
