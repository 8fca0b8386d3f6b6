"""Label photographs named <garment>_<season>_<anything> with what the stage-1 model finds in them.

    %(prog)s
    %(prog)s --images=DIR --model=FILE.h5 --output=FILE.json
    %(prog)s --min-confidence=0.7 --segments=DIR
    %(prog)s --workers=8
    %(prog)s --images=s3://bucket/photos --engine=ray

Writes VIA annotations with season labels (bag_4mev, skirt_yaz, ...) for stage 2: every instance of
the garment that the name states, with all its parts and holes. Without options:
model1/mask_rcnn_Modanet.h5 on model1/images into custom_dataset_annotations.json in
model1/samples/custom. Stopped at any moment, even killed, the same command resumes. What was left
out and why is in the report beside the annotations. ResNet-101 takes a few seconds a photograph on
two cores, the `demo` preset a fifth of one.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fashion import IN_CLONE
from fashion.autolabel.arguments import add_labelling_arguments
from fashion.autolabel.job import Detector, LabelJob
from fashion.autolabel.pictures import FolderPictures, slim
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.report import journal_path, report_path
from fashion.autolabel.results_file import ResultsFile
from fashion.autolabel.run import LabelFiles, Staff, label_folder
from fashion.autolabel.workers.crew import Crew, ResultsCrew
from fashion.labels import MODANET
from fashion.pictures.listing import list_images
from fashion.pictures.remote import RemoteFolder, RemoteOutput, RemotePicture
from fashion.stages.arguments import choose_classes, model_choice, with_missing_weights
from fashion.stages.models import (
    ModelChoice,
    WeightFile,
    detection_model,
    inference_weights,
    preset_of,
)
from fashion.stages.presets import find_preset
from fashion.stages.stage import MODANET_STAGE
from fashion.terminal import command_parser
from mrcnn.config import Config
from mrcnn.errors import DatasetError, UserError


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Parse the arguments and label."""
    parser = command_parser(__doc__, prog)
    # An installed package has no folder model1/samples/custom.
    folder = MODANET_STAGE.dataset.parent if IN_CLONE else Path()
    add_labelling_arguments(parser, MODANET_STAGE, folder)
    return label(parser.parse_args(arguments))


@dataclass(frozen=True)
class StageDetector:
    """Loads a stage's model for labelling, in this process or in another one.

    Attributes:
        choice: the model; its minimum confidence is the lowest score wanted.
        batch: the size of the batches into which `detect` divides its input.
    """

    choice: ModelChoice
    batch: int

    def __call__(self) -> Detector:
        """The model's `detect`."""
        model = detection_model(self.choice)
        model.config.BATCH_SIZE = self.batch
        return model.detect


def label(options: argparse.Namespace) -> int:
    """Label as the command line says; return 1 if nothing was labelled, 130 if it was stopped."""
    _check_engine(options)
    choose_classes(options, digest=True)
    files = _files(options)
    choice = model_choice(options)
    try:
        images = slim(list_images(options.images, options.limit))
    except DatasetError as error:
        if options.from_results:
            raise
        raise with_missing_weights(error, lambda: inference_weights(choice)) from None
    if options.from_results:
        job, results = results_job(options, images)
        staff = Staff(make_crew=lambda job, *_: ResultsCrew(job, results))
        return _run(options, job, files, lambda: lambda images: (), staff)
    weights = inference_weights(choice, digest=True)
    job = make_job(options, images, weights)
    staff = _staff(options)
    if options.engine == "ray":
        job = _with_absolute_paths(job)
        weights = replace(weights, path=weights.path.absolute())
    choice = replace(choice, weights=weights, min_confidence=job.policy.least_score)
    if staff.workers > 1 or staff.make_crew:  # else this process says so when it builds the model
        print(f"Weights: {weights.line()}")
    return _run(options, job, files, StageDetector(choice, job.batch), staff)


def _run(
    options: argparse.Namespace,
    job: LabelJob,
    files: LabelFiles,
    load_detector: Callable[[], Detector],
    staff: Staff,
) -> int:
    """Label and print what was written; return the exit code."""
    summary = label_folder(job, files, load_detector, restart=options.restart, staff=staff)
    print(summary.text())
    if summary.images:
        _print_files(files, summary.files)
    print(f"Journal: {files.journal or journal_path(files.output.absolute())}")
    if summary.left:
        return 130
    return 0 if summary.labelled else 1


def _print_files(files: LabelFiles, written: list[Path]) -> None:
    output = files.output.absolute()
    paths = [output, report_path(output)]
    if files.shard_size:
        paths[0] = written[0].with_name(written[0].name.replace("-00000-of-", "-*-of-", 1))
    remote = files.remote
    names = [remote.url_of(path.name) for path in paths] if remote else list(map(str, paths))
    print(f"Annotations: {names[0]}\nReport: {names[1]}")


def _files(options: argparse.Namespace) -> LabelFiles:
    """The files that the command line asks for. Raises `UserError` if they cannot be used."""
    output, remote = options.output, None
    if isinstance(output, RemoteFolder):
        remote = RemoteOutput(output)
        output = remote.local
    for option, folder in (("--segments", options.segments), ("--previews", options.previews)):
        if isinstance(folder, RemoteFolder):
            raise UserError(
                f"{option} cannot be an address",
                path=folder,
                advice="choose a folder on this machine",
            )
    return LabelFiles(
        output,
        journal=options.journal and options.journal.absolute(),
        keep_empty=options.keep_empty,
        shard_size=options.shard_size,
        overwrite=options.overwrite,
        remote=remote,
    )


def _check_engine(options: argparse.Namespace) -> None:
    """Raise `UserError` for options that exclude each other, and where Ray is not installed."""
    if options.from_results:
        workers = "--workers" if (options.workers or 1) > 1 else ""
        engine = "--engine" if options.engine != "local" else ""
        if given := "--model" if options.model else workers or engine:
            raise UserError(
                f"{given} is for a network, and --from-results needs none",
                advice="leave one of them out",
            )
    elif options.names or options.listing:
        raise UserError("--names and --listing are for --from-results", advice="give that too")
    if options.engine == "local" and options.ray_address:
        raise UserError("--ray-address is for --engine=ray", advice="give that too")
    if options.engine == "ray":
        from fashion.autolabel.workers.ray_cluster import require_ray

        require_ray()


def _staff(options: argparse.Namespace) -> Staff:
    """The staff for labelling. Raises `UserError` if no Ray cluster answers."""
    if options.engine == "local":
        return Staff(options.workers or 1)
    from fashion.autolabel.workers.ray_cluster import RayCrew, connect

    cluster = connect(options.ray_address)
    workers = options.workers or cluster.cpus

    def make_crew(job: LabelJob, load_detector: Callable[[], Detector], count: int) -> Crew:
        threads = cluster.share(count)
        each = "1 CPU" if threads == 1 else f"{threads} CPUs"
        print(f"Workers of the Ray cluster: {count}, each with a model and {each}.")
        return RayCrew(job, load_detector, threads)

    return Staff(workers, make_crew)


def _with_absolute_paths(job: LabelJob) -> LabelJob:
    """The job for processes with other working folders."""
    return replace(
        job,
        images=job.images.absolute() if isinstance(job.images, FolderPictures) else job.images,
        segments=job.segments and job.segments.absolute(),
        previews=job.previews and job.previews.absolute(),
    )


def make_job(
    options: argparse.Namespace, images: Sequence[Path | RemotePicture], weights: WeightFile
) -> LabelJob:
    """The command line as a job. Raises `ConfigError` for values that cannot be used."""
    preset = preset_of(weights, options.preset)
    values = find_preset(preset).values
    confidence = options.min_confidence
    if confidence is None:
        confidence = values.get("DETECTION_MIN_CONFIDENCE", Config.DETECTION_MIN_CONFIDENCE)
    return _job(
        options,
        images,
        options.stage.table.names,
        confidence,
        options.batch or values.get("IMAGES_PER_GPU", 1),
        {
            "model": weights.sha256,
            "preset": preset,
            "preset_values": values,
            "precision": options.precision,
            # Only if it is given, so that journals begun without it can be resumed.
            **({"resize_mode": options.resize_mode} if options.resize_mode else {}),
        },
    )


def results_job(
    options: argparse.Namespace, images: Sequence[Path | RemotePicture]
) -> tuple[LabelJob, ResultsFile]:
    """The command line with --from-results as a job, and the detections.

    Raises `UserError` for files and values that cannot be used.
    """
    confidence = options.min_confidence
    if confidence is None:
        confidence = LabelPolicy.min_confidence
    results = ResultsFile(
        options.from_results,
        (picture.name for picture in images),
        options.names,
        options.listing,
        least_score=min(confidence, options.low_confidence),
    )
    print(results.notes(), end="")
    model = {"results": results.digest}
    return _job(options, images, MODANET, confidence, options.batch or 1, model), results


def _job(
    options: argparse.Namespace,
    images: Sequence[Path | RemotePicture],
    class_names: Sequence[str],
    confidence: float,
    batch: int,
    model: dict[str, Any],
) -> LabelJob:
    policy = LabelPolicy(
        min_confidence=confidence,
        low_confidence=options.low_confidence,
        all_garments=options.all_garments,
        fallback=options.fallback,
        season=options.season,
        garment=options.garment,
        labels=options.labels,
    )
    policy.require_class(options.stage.class_names)
    return LabelJob(
        images=images,
        class_names=["background", *class_names],
        policy=policy,
        tolerance=options.tolerance,
        minimum_area=options.minimum_area,
        batch=batch,
        segments=options.segments,
        segments_alpha=options.segments_alpha,
        previews=options.previews,
        model=model,
    )
