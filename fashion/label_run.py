"""One labelling run from its checks to its files: what `generateVggAnno.py` calls."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from fashion.autolabel import Detector, LabelJob, Picture, label_pictures, survey
from fashion.label_checks import (
    prepare_folders,
    remove_unfinished,
    require_names,
    require_own,
    require_room,
)
from fashion.label_journal import JournalError, LabelJournal
from fashion.label_report import LabelSummary, journal_path, write_files
from mrcnn.errors import UserError

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


def label_folder(
    job: LabelJob,
    output: Path,
    load_detector: Callable[[], Detector],
    *,
    restart: bool = False,
    overwrite: bool = False,
    keep_empty: bool = False,
    quiet: bool = False,
) -> LabelSummary:
    """Label all pictures of `job`, go on where an earlier run stopped, and write the files.

    output: the VIA annotation file; report and journal stand beside it. load_detector: called only
    if something is left to label. restart: label all anew. overwrite: replace an annotation file
    that this command did not write, or that was changed since. keep_empty: see `write_files`.
    quiet: no progress bar.

    Ctrl-C and SIGTERM end the run when the images at hand are finished: annotations and report of
    what is finished are written (none if nothing is), and the summary's `left` tells how many
    images are not. A second Ctrl-C ends it at once by `KeyboardInterrupt`; then the former files
    stay, and what was finished is in the journal.

    Raises `UserError` before any work when a folder cannot be written, the disk has too little
    room, the journal is of other settings, or the output would destroy another's work; and in the
    middle when the disk is full: what was finished is kept.
    """
    output = output.absolute()
    require_names(job)
    prepare_folders(job, output)
    settings = job.settings(output.parent)
    with LabelJournal(journal_path(output), settings, restart=restart) as journal:
        if not overwrite:
            require_own(output, journal)
        remove_unfinished(job, output)
        pictures = survey(job, journal)
        _tell_what_is_there(pictures, journal)
        with stopping_at_signals() as stop:
            todo = [picture for picture in pictures if not picture.done]
            if todo:
                require_room(job, output, todo)
                _label(job, pictures, load_detector, journal, stop, quiet)
            return _write(output, journal, pictures, stop, overwrite, keep_empty)


def _tell_what_is_there(pictures: Sequence[Picture], journal: LabelJournal) -> None:
    done = sum(picture.done for picture in pictures)
    if 0 < done < len(pictures):
        print(f"{done} of {len(pictures)} images are labelled already: going on.")
    others = len(journal) - sum(picture.path.name in journal for picture in pictures)
    if others:
        print(
            f"{others} images that were labelled earlier are not among these {len(pictures)}: "
            f"their labels stay in the journal, but leave the annotations."
        )


def _label(
    job: LabelJob,
    pictures: Sequence[Picture],
    load_detector: Callable[[], Detector],
    journal: LabelJournal,
    stop: "StopRequest",
    quiet: bool,
) -> None:
    try:
        detect = load_detector()
        stop.is_awaited = True
    except KeyboardInterrupt:
        if not stop.is_set():
            raise
        return
    bar = tqdm(
        total=len(pictures),
        initial=sum(picture.done for picture in pictures),
        unit="image",
        desc="labelling",
        disable=quiet,
        # A log file is to stay readable: a line every ten seconds is enough there.
        mininterval=0.3 if sys.stderr.isatty() else 10,
    )
    with bar:
        try:
            label_pictures(job, pictures, detect, journal, stop=stop, progress=bar.update)
        except JournalError:
            raise
        except UserError as error:
            raise UserError(
                f"{error} The {len(journal)} images that are finished are kept in {journal.path}; "
                f"the same command goes on from there."
            ) from error


def _write(
    output: Path,
    journal: LabelJournal,
    pictures: Sequence[Picture],
    stop: "StopRequest",
    overwrite: bool,
    keep_empty: bool,
) -> LabelSummary:
    """The final files of the pictures that are finished."""
    stop.is_awaited = True
    names = [p.path.name for p in pictures if journal.holds(p.path.name, p.stamp)]
    left = len(pictures) - len(names)
    if left and not names:
        return LabelSummary(left=left, stopped_by=stop.cause)
    if not overwrite:
        try:
            require_own(output, journal)  # it may have been changed while this run worked
        except UserError as error:
            raise UserError(
                f"{error} No label is lost: the {len(names)} images that are finished are in "
                f"{journal.path}."
            ) from error
    return write_files(
        output, journal, names, keep_empty=keep_empty, left=left, stopped_by=stop.cause
    )


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
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread gets signals
        return

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

    former = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
