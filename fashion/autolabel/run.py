"""One labelling run from its checks to its files: what `generateVggAnno.py` calls."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from fashion.autolabel.checks import (
    not_own,
    prepare_folders,
    remove_unfinished,
    require_names,
    require_own,
    require_room,
)
from fashion.autolabel.job import Detector, LabelJob, survey, unfinished_batches
from fashion.autolabel.journal import JournalError, LabelJournal
from fashion.autolabel.labelling import label_pictures
from fashion.autolabel.pictures import PictureList
from fashion.autolabel.report import (
    LabelSummary,
    annotation_paths,
    journal_path,
    report_path,
    write_files,
)
from fashion.autolabel.workers.crew import Crew, LocalCrew
from fashion.autolabel.workers.processes import ProcessCrew, core_count
from fashion.pictures.remote import RemoteOutput
from mrcnn.errors import UserError, counted
from mrcnn.system.signals import handling_signals

LoadDetector = Callable[[], Detector]
MakeCrew = Callable[[LabelJob, LoadDetector, int], Crew]
SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@dataclass(frozen=True)
class Staff:
    """The workers of a run.

    Attributes:
        workers: the most models to load; a single one is in this process, unless `make_crew` is
            given.
        make_crew: called with the job, what loads a detector, and the number of workers; None
            starts processes on this machine, which share its cores.
    """

    workers: int = 1
    make_crew: MakeCrew | None = None

    def crew(self, job: LabelJob, load_detector: LoadDetector, workers: int) -> Crew:
        """The crew with this many workers."""
        if self.make_crew is not None:
            return self.make_crew(job, load_detector, workers)
        if self.workers == 1:
            return LocalCrew(job, load_detector())
        threads = max(1, core_count() // workers)
        each = counted(threads, "thread")
        who = "1 process labels," if workers == 1 else f"{workers} processes label, each"
        print(f"{who} with a model and {each}.")
        return ProcessCrew(job, load_detector, threads)


@dataclass(frozen=True)
class LabelFiles:
    """Which files a run leaves.

    Attributes:
        output: the VIA annotation file; the report is beside it.
        journal: None also puts it beside the annotation file.
        keep_empty, shard_size: see `fashion.autolabel.report.write_files`.
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
        """Raise `UserError` if a file would be replaced that is not as this command wrote it."""
        if self.overwrite:
            return
        require_own(self.output, journal)
        if self.remote:
            paths = [*annotation_paths(self.output), self.output, report_path(self.output)]
            for name in sorted({path.name for path in paths}):
                digest = self.remote.digest(name)
                if digest is not None and not journal.wrote(name, digest):
                    raise not_own(self.remote.url_of(name))


def label_folder(
    job: LabelJob,
    output: Path | LabelFiles,
    load_detector: LoadDetector,
    *,
    restart: bool = False,
    overwrite: bool = False,
    keep_empty: bool = False,
    quiet: bool = False,
    staff: Staff | None = None,
) -> LabelSummary:
    """Label all pictures of `job`, resuming an earlier run, and write the files.

    output: the VIA annotation file, with report and journal beside it; or `LabelFiles`, which then
    replace `overwrite` and `keep_empty`. load_detector: called only if something is left to detect,
    in each worker. restart: start over, whatever the journal holds. overwrite: replace an
    annotation file that this command did not write, or that was changed since. keep_empty: see
    `write_files`. quiet: no progress bar. staff: who labels; by default this process.

    Ctrl-C and SIGTERM end the run when the images at hand are finished: annotations and report of
    the finished images are written (none if there are none), and the summary's `left` is the number
    of the others. A second Ctrl-C ends it at once with `KeyboardInterrupt`; the former files are
    then kept, and what was finished is in the journal.

    Raises `UserError` before any work when no picture's name says enough, a folder cannot be
    written, the disk has too little room, the journal has other settings, or the output would
    destroy somebody's work; and during the work when the disk is full, keeping what was finished.
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
        _print_what_is_there(pictures, journal)
        with stopping_at_signals() as stop:
            if pictures.done < len(pictures):
                require_room(job, files.output, pictures)
                try:
                    _label(job, pictures, load_detector, journal, stop, quiet, staff or Staff())
                finally:
                    remove_unfinished(job, files.output)  # of workers that were killed
            return _write(files, journal, pictures, stop)


def _print_what_is_there(pictures: PictureList, journal: LabelJournal) -> None:
    if 0 < pictures.done < len(pictures):
        print(f"{pictures.done} of {len(pictures)} images are labelled already: resuming.")
    others = len(journal) - sum(picture.path.name in journal for picture in pictures)
    if others:
        print(
            f"Labelled earlier, but not among these photographs: {counted(others, 'image')}. "
            f"The labels stay in the journal, but leave the annotations."
        )


def _label(
    job: LabelJob,
    pictures: PictureList,
    load_detector: LoadDetector,
    journal: LabelJournal,
    stop: "StopRequest",
    quiet: bool,
    staff: Staff,
) -> None:
    """Label what is not done with the staff's crew; return early after a request to stop."""
    batches = sum(1 for _ in unfinished_batches(job, pictures))
    workers = min(staff.workers, max(1, batches))
    try:
        crew = staff.crew(job, load_detector, workers)
        stop.is_awaited = True
    except KeyboardInterrupt:
        if not stop.is_set():
            raise
        return
    with _progress_bar(pictures, quiet) as bar:
        try:
            label_pictures(job, pictures, journal, crew, workers, stop=stop, progress=bar.update)
        except JournalError:
            raise
        except UserError as error:
            kept = (
                f"the labels of {counted(len(journal), 'image')} are kept in {journal.path}, and "
                f"the same command resumes from there"
            )
            raise _with_advice(error, kept) from error


def _with_advice(error: UserError, advice: str) -> UserError:
    """The same error with something to add to its advice."""
    return error.replace(advice=f"{error.advice}; {advice}" if error.advice else advice)


def _progress_bar(pictures: PictureList, quiet: bool) -> tqdm:
    return tqdm(
        total=len(pictures),
        initial=pictures.done,
        unit="image",
        desc="labelling",
        disable=quiet,
        # In a log file one line every ten seconds is enough.
        mininterval=0.3 if sys.stderr.isatty() else 10,
    )


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
        kept = f"no label is lost: those of {counted(len(names), 'image')} are in {journal.path}"
        raise _with_advice(error, kept) from error
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
        is_awaited: whether the run checks it; if not, the first signal interrupts.
    """

    cause = ""
    is_awaited = False


@contextlib.contextmanager
def stopping_at_signals() -> Iterator[StopRequest]:
    """A request that the first Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts.

    A second SIGTERM does not: `timeout` and service managers send it to a process and its group.
    """
    stop = StopRequest()

    def note(number: int, _: FrameType | None) -> None:
        at_once = not stop.is_awaited or (stop.is_set() and number == signal.SIGINT)
        stop.cause = stop.cause or SIGNALS[signal.Signals(number)]
        stop.is_awaited = True  # a second SIGTERM must not disturb what catches this
        stop.set()
        if at_once:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            # Unlike print, this is safe in the middle of another output.
            os.write(2, b"\nFinishing the image at hand; Ctrl-C again stops at once.\n")

    with handling_signals(SIGNALS, note):
        yield stop
