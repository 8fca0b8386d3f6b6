"""One labelling run from its checks to its files: what `generateVggAnno.py` calls."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fashion.autolabel import (
    Detector,
    LabelJob,
    label_pictures,
    survey,
    unfinished_batches,
)
from fashion.label_checks import (
    prepare_folders,
    remove_unfinished,
    require_names,
    require_own,
    require_room,
)
from fashion.label_crew import Crew, label_with_crew
from fashion.label_journal import JournalError, LabelJournal
from fashion.label_pictures import PictureList
from fashion.label_report import (
    LabelSummary,
    annotation_paths,
    journal_path,
    report_path,
    write_files,
)
from fashion.label_workers import ProcessCrew, core_count
from fashion.remote_files import RemoteOutput
from mrcnn.errors import UserError
from mrcnn.signals import handling_signals

MakeCrew = Callable[[LabelJob, Callable[[], Detector], int], Crew]
SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@dataclass(frozen=True)
class Staff:
    """Who labels.

    Attributes:
        workers: how many models there are; 1 is in this process, unless `make_crew` is given.
        make_crew: called with the job, what loads a detector, and the number of workers; None
            makes processes of this machine, which share its cores.
    """

    workers: int = 1
    make_crew: MakeCrew | None = None

    @property
    def is_this_process(self) -> bool:
        """Whether no other process is needed."""
        return self.workers == 1 and self.make_crew is None


@dataclass(frozen=True)
class LabelFiles:
    """Which files a run leaves.

    Attributes:
        output: the VIA annotation file; the report stands beside it.
        journal: None puts it beside the annotation file, too.
        keep_empty, shard_size: see `fashion.label_report.write_files`.
        overwrite: replace an annotation file that this command did not write, or that was changed
            since.
        remote: where annotations and report go when they are written; `output` is its local file.
    """

    output: Path
    journal: Path | None = None
    keep_empty: bool = False
    shard_size: int | None = None
    overwrite: bool = False
    remote: RemoteOutput | None = None

    def require_own(self, journal: LabelJournal) -> None:
        """Raise `UserError` where files would be replaced that this command did not write so."""
        if self.overwrite:
            return
        require_own(self.output, journal)
        if self.remote:
            names = [path.name for path in annotation_paths(self.output)]
            names += [self.output.name, report_path(self.output).name]
            self.remote.require_own(sorted(set(names)), journal)


def label_folder(
    job: LabelJob,
    output: Path | LabelFiles,
    load_detector: Callable[[], Detector],
    *,
    restart: bool = False,
    overwrite: bool = False,
    keep_empty: bool = False,
    quiet: bool = False,
    staff: Staff | None = None,
) -> LabelSummary:
    """Label all pictures of `job`, go on where an earlier run stopped, and write the files.

    output: the VIA annotation file; report and journal stand beside it. Or all that is to be said
    of the files; `overwrite` and `keep_empty` are part of that then. load_detector: called only if
    something is left to label, in each worker. restart: label all anew. overwrite: replace an
    annotation file that this command did not write, or that was changed since. keep_empty: see
    `write_files`. quiet: no progress bar. staff: who labels; this process, unless given.

    Ctrl-C and SIGTERM end the run when the images at hand are finished: annotations and report of
    what is finished are written (none if nothing is), and the summary's `left` tells how many
    images are not. A second Ctrl-C ends it at once by `KeyboardInterrupt`; then the former files
    stay, and what was finished is in the journal.

    Raises `UserError` before any work when a folder cannot be written, the disk has too little
    room, the journal is of other settings, or the output would destroy another's work; and in the
    middle when the disk is full: what was finished is kept.
    """
    if not isinstance(output, LabelFiles):
        output = LabelFiles(output, keep_empty=keep_empty, overwrite=overwrite)
    files = replace(output, output=output.output.absolute())
    require_names(job)
    prepare_folders(job, files.output)
    settings = job.settings(files.output.parent)
    with LabelJournal(
        files.journal or journal_path(files.output), settings, restart=restart
    ) as journal:
        files.require_own(journal)
        remove_unfinished(job, files.output)
        pictures = survey(job, journal)
        _tell_what_is_there(pictures, journal)
        with stopping_at_signals() as stop:
            if pictures.done < len(pictures):
                require_room(job, files.output, pictures)
                staff = staff or Staff()
                try:
                    _label(job, pictures, load_detector, journal, stop, quiet, staff)
                finally:
                    if not staff.is_this_process:
                        remove_unfinished(job, files.output)  # of workers that were killed
            return _write(files, journal, pictures, stop)


def _tell_what_is_there(pictures: PictureList, journal: LabelJournal) -> None:
    if 0 < pictures.done < len(pictures):
        print(f"{pictures.done} of {len(pictures)} images are labelled already: going on.")
    others = len(journal) - sum(picture.path.name in journal for picture in pictures)
    if others:
        print(
            f"{others} images that were labelled earlier are not among these {len(pictures)}: "
            f"their labels stay in the journal, but leave the annotations."
        )


def _label(
    job: LabelJob,
    pictures: PictureList,
    load_detector: Callable[[], Detector],
    journal: LabelJournal,
    stop: "StopRequest",
    quiet: bool,
    staff: Staff,
) -> None:
    try:
        if staff.is_this_process:
            detect = load_detector()
            stop.is_awaited = True
            work = partial(label_pictures, job, pictures, detect, journal)
        else:
            workers = min(staff.workers, max(1, sum(1 for _ in unfinished_batches(job, pictures))))
            crew = (staff.make_crew or _process_crew)(job, load_detector, workers)
            stop.is_awaited = True
            work = partial(label_with_crew, job, pictures, crew, workers, journal)
    except KeyboardInterrupt:
        if not stop.is_set():
            raise
        return
    with _progress_bar(pictures, quiet) as bar:
        try:
            work(stop=stop, progress=bar.update)
        except JournalError:
            raise
        except UserError as error:
            raise UserError(
                f"{error} The {len(journal)} images that are finished are kept in {journal.path}; "
                f"the same command goes on from there."
            ) from error


def _progress_bar(pictures: PictureList, quiet: bool) -> tqdm:
    return tqdm(
        total=len(pictures),
        initial=pictures.done,
        unit="image",
        desc="labelling",
        disable=quiet,
        # A log file is to stay readable: a line every ten seconds is enough there.
        mininterval=0.3 if sys.stderr.isatty() else 10,
    )


def _process_crew(job: LabelJob, load_detector: Callable[[], Detector], workers: int) -> Crew:
    threads = max(1, core_count() // workers)
    each = "1 thread" if threads == 1 else f"{threads} threads"
    print(f"{workers} processes label, each with a model and {each}.")
    return ProcessCrew(job, load_detector, threads)


def _write(
    files: LabelFiles, journal: LabelJournal, pictures: PictureList, stop: "StopRequest"
) -> LabelSummary:
    """The final files of the pictures that are finished."""
    stop.is_awaited = True
    names = [p.path.name for p in pictures if journal.holds(p.path.name, p.stamp)]
    left = len(pictures) - len(names)
    if left and not names:
        return LabelSummary(left=left, stopped_by=stop.cause)
    try:
        files.require_own(journal)  # they may have been changed while this run worked
    except UserError as error:
        raise UserError(
            f"{error} No label is lost: the {len(names)} images that are finished are in "
            f"{journal.path}."
        ) from error
    summary = write_files(
        files.output,
        journal,
        names,
        keep_empty=files.keep_empty,
        left=left,
        stopped_by=stop.cause,
        shard_size=files.shard_size,
    )
    if files.remote:
        files.remote.publish(summary.files)
    return summary


class StopRequest(threading.Event):
    """Set when the user, or the system, wants the run to end.

    Attributes:
        cause: what set it, a value of `SIGNALS`.
        is_awaited: whether somebody looks at it; otherwise the first signal interrupts.
    """

    cause = ""
    is_awaited = False


@contextlib.contextmanager
def stopping_at_signals() -> Iterator[StopRequest]:
    """A request that the first Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts.

    A second SIGTERM does not: `timeout` and service managers send it to a process and its group.
    """
    stop = StopRequest()

    def note(number: int, _) -> None:
        at_once = not stop.is_awaited or (stop.is_set() and number == signal.SIGINT)
        stop.cause = stop.cause or SIGNALS[signal.Signals(number)]
        stop.is_awaited = True  # a second SIGTERM shall not disturb whoever catches this
        stop.set()
        if at_once:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            # Unlike print, this may happen in the middle of another output.
            os.write(2, b"\nFinishing the image at hand; Ctrl-C again stops at once.\n")

    with handling_signals(SIGNALS, note):
        yield stop
