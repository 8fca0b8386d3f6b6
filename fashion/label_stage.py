"""Labelling a folder of photographs from the command line."""

import argparse
from pathlib import Path

from fashion.autolabel import LabelJob
from fashion.label_policy import ANY_GARMENT, FALLBACKS, LabelPolicy
from fashion.label_regions import LEAST_AREA
from fashion.label_report import file_digest, journal_path, report_path
from fashion.label_run import label_folder
from fashion.labels import SEASONS
from fashion.picture_stage import list_images
from fashion.presets import find_preset
from fashion.stages import (
    Stage,
    add_model_arguments,
    fraction,
    inference_model,
    inference_weights,
    preset_of,
    whole,
)
from mrcnn.config import Config

ANNOTATIONS = "custom_dataset_annotations.json"


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
        type=Path,
        default=stage.images,
        metavar="DIR",
        help="folder of photographs named <garment>_<season>_<anything> (default: %(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=folder / ANNOTATIONS,
        metavar="FILE",
        help="VIA annotation file; its report and its journal stand beside it "
        "(default: %(default)s)",
    )
    add_model_arguments(
        parser, stage, f"weight file, or last (default: {stage.folder.name}/{stage.weights})"
    )
    add("--logs", type=Path, default=stage.logs, metavar="DIR", help="for --model=last")
    add("--batch", type=whole(1), metavar="N", help="photographs a step (default: the preset's)")
    add("--limit", type=whole(1), metavar="N", help="at most this many photographs")
    _add_choice_arguments(parser.add_argument_group("what becomes a label"))
    _add_output_arguments(parser.add_argument_group("what is written"))


def _add_choice_arguments(group) -> None:
    add = group.add_argument
    add(
        "--all-garments",
        action="store_true",
        help="label every garment found with the season of the name, not the garment of the name "
        "alone",
    )
    add(
        "--fallback",
        choices=FALLBACKS,
        default="skip",
        help="where the garment of the name is not found surely enough: skip the photograph; take "
        "the best detection of it down to --low-confidence; or label all garments that were found "
        "(default: skip)",
    )
    add(
        "--low-confidence",
        type=fraction,
        default=0.5,
        metavar="0..1",
        help="detections from here to --min-confidence are reported as uncertain (0.5)",
    )
    add("--season", choices=list(SEASONS), help="for names that carry none (default: left out)")
    add(
        "--garment",
        metavar="NAME",
        help=f"for names that carry none: a garment, or {ANY_GARMENT} (default: left out)",
    )


def _add_output_arguments(group) -> None:
    add = group.add_argument
    add(
        "--tolerance",
        type=length,
        metavar="PIXELS",
        help="how far outlines may pass by the mask's corners; 0 follows every pixel (default: "
        "chosen by the shape, 0.4 to 0.85)",
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
        type=Path,
        metavar="DIR",
        help="write a cut-out of every labelled garment, <name>_segment_<k>.jpg, there",
    )
    add("--segments-alpha", action="store_true", help="cut-outs as transparent PNG too")
    add("--previews", type=Path, metavar="DIR", help="write PNGs with the labels drawn there")
    add("--keep-empty", action="store_true", help="list images in which nothing was found too")
    add("--restart", action="store_true", help="label all anew, not from where a run stopped")
    add(
        "--overwrite",
        action="store_true",
        help="replace annotations that this command did not write, or that were changed since",
    )


def label(options: argparse.Namespace) -> int:
    """Label as the command line says; 1 when nothing was labelled, 130 after Ctrl-C or SIGTERM."""
    stage: Stage = options.stage
    images = list_images(options.images, options.limit)
    weights = inference_weights(options, stage)
    job = make_job(options, images, weights)

    def load_detector():
        wanted = {"model": str(weights), "min_confidence": job.policy.least_score}
        model = inference_model(argparse.Namespace(**{**vars(options), **wanted}), stage)
        model.config.BATCH_SIZE = job.batch  # into such batches `detect` divides what it gets
        return model.detect

    summary = label_folder(
        job,
        options.output,
        load_detector,
        restart=options.restart,
        overwrite=options.overwrite,
        keep_empty=options.keep_empty,
    )
    output = options.output.absolute()
    print(summary.text())
    if summary.images:
        print(f"Annotations: {output}\nReport: {report_path(output)}")
    print(f"Journal: {journal_path(output)}")
    if summary.left:
        return 130
    return 0 if summary.labelled else 1


def make_job(options: argparse.Namespace, images: list[Path], weights: Path) -> LabelJob:
    """The command line as a job. Raises `UserError` for values that cannot be."""
    preset = preset_of(weights, options.preset)
    values = find_preset(preset).values
    confidence = options.min_confidence
    if confidence is None:
        confidence = values.get("DETECTION_MIN_CONFIDENCE", Config.DETECTION_MIN_CONFIDENCE)
    policy = LabelPolicy(
        min_confidence=confidence,
        low_confidence=options.low_confidence,
        all_garments=options.all_garments,
        fallback=options.fallback,
        season=options.season,
        garment=options.garment,
    )
    return LabelJob(
        images=images,
        class_names=["background", *options.stage.table.names],
        policy=policy,
        tolerance=options.tolerance,
        minimum_area=options.minimum_area,
        batch=options.batch or values.get("IMAGES_PER_GPU", 1),
        segments=options.segments,
        segments_alpha=options.segments_alpha,
        previews=options.previews,
        model={
            "model": file_digest(weights),
            "preset": preset,
            "preset_values": values,
            "precision": options.precision,
        },
    )
