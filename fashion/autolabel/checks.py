"""Checks before pictures are labelled.

A mistake that shows at the start must not end a run after hours, and nobody else's file may be
lost.
"""

import shutil
from collections import defaultdict
from pathlib import Path

from fashion.autolabel.job import LabelJob
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.pictures import PictureList, stem_finder
from fashion.autolabel.policy import LeftOut, subject_of
from fashion.autolabel.report import annotation_paths, report_path
from fashion.autolabel.segments import is_segment
from fashion.json_files import file_digest
from fashion.pictures.remote import RemotePicture
from fashion.stages.stage import writable_folder
from mrcnn.errors import UserError, counted
from mrcnn.system.files import unfinished

# The least disk space that an image needs: bytes in journal, annotations and report, and multiples
# of its own size for cut-outs and previews.
RECORD_BYTES = 2500
SEGMENT_SHARE, ALPHA_SHARE, PREVIEW_SHARE = 0.1, 0.3, 2.0


def require_names(job: LabelJob) -> None:
    """Check the names of the pictures, which needs no model and reads no file.

    Raises `UserError` if a name is not UTF-8, so that no annotation file can hold it, and if no
    name says enough for a label.
    """
    for path in job.images:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"the picture's name {path.name!a} is not UTF-8, and annotations cannot hold it",
                advice="rename the file",
            ) from None
    reasons = (subject_of(path.name, job.policy) for path in job.images)
    first = next(reasons, None)
    if isinstance(first, LeftOut) and all(isinstance(reason, LeftOut) for reason in reasons):
        raise UserError(
            f"no picture has a name from which it can be labelled "
            f"({counted(len(job.images), 'picture')}; the first: {first.detail})",
            settings=("garment", "season", "labels"),
            advice="rename them, say with {garment} and {season} what they show, or label garments "
            "without a season with {labels}=garments",
        )


def prepare_folders(job: LabelJob, output: Path) -> None:
    """Make the output folders.

    Raises `UserError` when nothing can be written to one of them, and when cut-outs or previews
    would be among the photographs, where they would replace some or be labelled themselves.
    """
    if output.is_dir():
        raise UserError(
            "is a folder",
            path=output,
            settings=("output",),
            advice="choose an annotation file with {output}",
        )
    parents = {path.parent for path in job.images if not isinstance(path, RemotePicture)}
    sources = {parent.resolve() for parent in parents}
    drawings = (("segments", job.segments), ("previews", job.previews))
    for setting, folder in drawings:
        if folder and folder.resolve() in sources:
            raise UserError(
                "is the folder of the photographs",
                path=folder,
                settings=(setting,),
                advice=f"choose another with {{{setting}}}",
            )
    for setting, folder in (("output", output.parent), *drawings):
        if folder:
            writable_folder(folder, setting)


def require_own(output: Path, journal: LabelJournal) -> None:
    """Raise `UserError` if a final file is not as this command wrote it."""
    for path in (*annotation_paths(output), report_path(output)):
        if path.exists() and not journal.wrote(path.name, file_digest(path)):
            raise not_own(path)


def not_own(path: object) -> UserError:
    """The error about an existing file where a final file is to be written."""
    return UserError(
        "was not written by this command, or was changed since",
        path=path,
        settings=("overwrite",),
        advice="move it away, or replace it with {overwrite}",
    )


def require_room(job: LabelJob, output: Path, pictures: PictureList) -> None:
    """Raise `UserError` when a disk certainly has too little room for what is left to label."""
    todo = len(pictures) - pictures.done
    source = sum(p.stamp[0] for p in pictures if p.stamp and not p.done)
    needs: dict[int, float] = defaultdict(float)
    places: dict[int, Path] = {}
    for folder, need in (
        (output.parent, RECORD_BYTES * todo),
        (job.segments, (SEGMENT_SHARE + ALPHA_SHARE * job.segments_alpha) * source),
        (job.previews, PREVIEW_SHARE * source),
    ):
        if folder is None:
            continue
        device = folder.stat().st_dev
        places.setdefault(device, folder)
        needs[device] += need
    for device, need in needs.items():
        free = shutil.disk_usage(places[device]).free
        if free < need:
            raise UserError(
                f"the disk has too little room for labelling {counted(todo, 'image')}",
                path=places[device],
                settings=("output",),
                expected=f"at least {need / 1e6:.1f} MB",
                found=f"{free / 1e6:.1f} MB",
                advice="make room, or choose another {output}",
            )


def remove_unfinished(job: LabelJob, output: Path) -> None:
    """Remove the temporary files that a killed run of this job left.

    Others are kept: they may belong to a running process that uses the same folder.
    """
    stems: set[str] = set()
    if job.segments or job.previews:
        stems.update(map(stem_finder(job.images), job.images))
    final = {output.name, report_path(output).name}
    for folder, is_ours in (
        (output.parent, final.__contains__),
        (job.segments, lambda name: is_segment(name, stems)),
        (job.previews, lambda name: name.endswith(".png") and name[:-4] in stems),
    ):
        for path, name in unfinished(folder) if folder else ():
            if is_ours(name):
                path.unlink(missing_ok=True)
