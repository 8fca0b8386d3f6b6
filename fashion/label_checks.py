"""What is looked at before pictures are labelled.

What is wrong from the start shall not end a run after hours, and no file of others shall be lost.
"""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from fashion.autolabel import LabelJob
from fashion.label_journal import LabelJournal
from fashion.label_pictures import PictureList, stem_finder
from fashion.label_report import annotation_paths, file_digest, report_path
from fashion.remote_files import RemotePicture
from fashion.segments import is_segment
from mrcnn.errors import UserError
from mrcnn.files import unfinished

# What an image takes at least on the disk: bytes in journal, annotations and report, and multiples
# of its own size for cut-outs and previews.
RECORD_BYTES = 2500
SEGMENT_SHARE, ALPHA_SHARE, PREVIEW_SHARE = 0.1, 0.3, 2.0


def require_names(job: LabelJob) -> None:
    """Raise `UserError` for a picture whose name is no text, which no annotation file can hold."""
    for path in job.images:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"The name of the picture {path.name!a} is not UTF-8, and annotations cannot "
                f"name it: rename the file."
            ) from None


def prepare_folders(job: LabelJob, output: Path) -> None:
    """Make the output folders.

    Raises `UserError` when nothing can be written to one of them, and when cut-outs or previews
    would lie among the photographs, where they would replace some and be labelled as others.
    """
    if output.is_dir():
        raise UserError(f"{output} is a folder: name an annotation file with --output.")
    parents = {path.parent for path in job.images if not isinstance(path, RemotePicture)}
    sources = {parent.resolve() for parent in parents}
    for option, folder in (("--segments", job.segments), ("--previews", job.previews)):
        if folder and folder.resolve() in sources:
            raise UserError(
                f"{folder} is the folder of the photographs: name another with {option}."
            )
    for folder in filter(None, (output.parent, job.segments, job.previews)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"probe")
                probe.flush()
        except OSError as error:
            raise UserError(
                f"Nothing can be written to the folder {folder} ({error.strerror or error}): make "
                f"it writable, make room, or name another."
            ) from error


def require_own(output: Path, journal: LabelJournal) -> None:
    """Raise `UserError` for final files that this command did not write as they are now."""
    for path in (*annotation_paths(output), report_path(output)):
        if path.exists() and not journal.wrote(path.name, file_digest(path)):
            raise UserError(
                f"{path} was not written by this command, or was changed since: move it away, or "
                f"--overwrite replaces it."
            )


def require_room(job: LabelJob, output: Path, pictures: PictureList) -> None:
    """Raise `UserError` when the disks surely have too little room for labelling what is to do."""
    todo = len(pictures) - pictures.done
    source = sum(p.stamp[0] for p in pictures if p.stamp and not p.done)
    shares = [(job.segments, SEGMENT_SHARE + ALPHA_SHARE * job.segments_alpha)]
    shares += [(job.previews, PREVIEW_SHARE)]
    shares = [(folder, share * source) for folder, share in shares if folder is not None]
    needs: dict[int, float] = defaultdict(float)
    places: dict[int, Path] = {}
    for folder, need in [(output.parent, RECORD_BYTES * todo), *shares]:
        device = folder.stat().st_dev
        places.setdefault(device, folder)
        needs[device] += need
    for device, need in needs.items():
        free = shutil.disk_usage(places[device]).free
        if free < need:
            raise UserError(
                f"The disk of {places[device]} has {free / 1e6:.1f} MB left, but labelling "
                f"{todo} images takes at least {need / 1e6:.1f} MB there: make room, or name "
                f"another --output."
            )


def remove_unfinished(job: LabelJob, output: Path) -> None:
    """Remove the temporary files that a killed run of this job left.

    Those of other names stay: they may belong to a process that is at work in the same folder.
    """
    stems = set()
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
