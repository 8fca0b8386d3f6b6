"""One labelling run from its checks to its files: what `generateVggAnno.py` calls."""

import contextlib
import shutil
import signal
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fashion.autolabel import Detector, LabelJob, Picture, label_pictures, survey
from fashion.label_journal import JournalError, LabelJournal
from fashion.label_report import (
    LabelSummary,
    file_digest,
    journal_path,
    report_path,
    write_files,
)
from fashion.segments import remove_unfinished
from mrcnn.errors import UserError

# What an image takes at least on the disk: bytes in journal, annotations and report, and multiples
# of its own size for cut-outs and previews.
RECORD_BYTES = 2500
SEGMENT_SHARE, ALPHA_SHARE, PREVIEW_SHARE = 0.1, 0.3, 2.0


def label_folder(
    job: LabelJob,
    output: Path,
    load_detector: Callable[[], Detector],
    *,
    restart: bool = False,
    overwrite: bool = False,
    keep_empty: bool = False,
    quiet: bool = False,
) -> LabelSummary | None:
    """Label all pictures of `job`, go on where an earlier run stopped, and write the files.

    output: the VIA annotation file; report and journal stand beside it. load_detector: called only
    if something is left to label. restart: label all anew. overwrite: replace an annotation file
    that this command did not write, or that was changed since. keep_empty: see `write_files`.
    quiet: no progress bar. Returns None when Ctrl-C ended the run: the image at hand is finished,
    the final files are as they were. A second Ctrl-C ends it at once.

    Raises `UserError` before any work when a folder cannot be written, the disk has too little
    room, the journal is of other settings, or the output would destroy another's work; and in the
    middle when the disk is full: what was finished is kept.
    """
    output = output.absolute()
    _prepare_folders(job, output)
    settings = job.settings(output.parent)
    with LabelJournal(journal_path(output), settings, restart=restart) as journal:
        if not overwrite:
            _require_own(output, journal)
        for folder in _folders(job, output):
            remove_unfinished(folder)
        pictures = survey(job, journal)
        done = sum(picture.done for picture in pictures)
        if done < len(pictures):
            _require_room(job, output, pictures)
            if done:
                print(f"{done} of {len(pictures)} images are labelled already: going on.")
            if not _label(job, pictures, load_detector, journal, done, quiet):
                left = len(pictures) - len([p for p in pictures if journal.holds(*_key(p))])
                print(f"Stopped with {left} images to go; the same command goes on from here.")
                return None
        names = [path.name for path in job.images]
        return write_files(output, journal, names, keep_empty=keep_empty)


def _key(picture: Picture) -> tuple[str, list[int]]:
    return picture.path.name, picture.stamp


def _label(job, pictures, load_detector, journal, done, quiet) -> bool:
    bar = tqdm(
        total=len(pictures),
        initial=done,
        unit="image",
        desc="labelling",
        disable=quiet,
        # A log file is to stay readable: a line every ten seconds is enough there.
        mininterval=0.3 if sys.stderr.isatty() else 10,
    )
    detect = load_detector()
    with bar, stopping_at_interrupt() as stop:
        try:
            return label_pictures(job, pictures, detect, journal, stop=stop, progress=bar.update)
        except JournalError:
            raise
        except UserError as error:
            raise UserError(
                f"{error} The {len(journal)} images that are finished are kept in {journal.path}; "
                f"the same command goes on from there."
            ) from error


@contextlib.contextmanager
def stopping_at_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or a polite `kill`) sets; a second Ctrl-C interrupts."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread gets signals
        return

    def note(*_) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tqdm.write("Finishing the image at hand; Ctrl-C again stops at once.")

    former = {kind: signal.signal(kind, note) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for kind, handler in former.items():
            signal.signal(kind, handler)


def _folders(job: LabelJob, output: Path) -> list[Path]:
    return [folder for folder in (output.parent, job.segments, job.previews) if folder]


def _prepare_folders(job: LabelJob, output: Path) -> None:
    """Make the output folders. Raises `UserError` when nothing can be written to one of them."""
    if output.is_dir():
        raise UserError(f"{output} is a folder: name an annotation file with --output.")
    for folder in _folders(job, output):
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


def _require_own(output: Path, journal: LabelJournal) -> None:
    """Raise `UserError` for final files that this command did not write as they are now."""
    for path in (output, report_path(output)):
        if path.exists() and not journal.wrote(path.name, file_digest(path)):
            raise UserError(
                f"{path} was not written by this run, or was changed since: --overwrite replaces "
                f"it, or name another --output."
            )


def _require_room(job: LabelJob, output: Path, pictures: Sequence[Picture]) -> None:
    """Raise `UserError` when the disks surely have too little room for what is to come."""
    todo = [picture for picture in pictures if not picture.done]
    source = sum(picture.stamp[0] for picture in todo if picture.stamp)
    needs: dict[int, float] = defaultdict(float)
    shares = [(job.segments, SEGMENT_SHARE + ALPHA_SHARE * job.segments_alpha)]
    shares += [(job.previews, PREVIEW_SHARE)]
    shares = [(folder, share * source) for folder, share in shares if folder is not None]
    places: dict[int, Path] = {}
    for folder, need in [(output.parent, RECORD_BYTES * len(todo)), *shares]:
        device = folder.stat().st_dev
        places.setdefault(device, folder)
        needs[device] += need
    for device, need in needs.items():
        free = shutil.disk_usage(places[device]).free
        if free < need:
            raise UserError(
                f"The disk of {places[device]} has {free / 1e6:.1f} MB left, but labelling "
                f"{len(todo)} images takes at least {need / 1e6:.1f} MB there: make room, or name "
                f"another --output."
            )
