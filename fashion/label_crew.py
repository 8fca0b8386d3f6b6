"""Labelling by several workers: whole batches are given out, records come back into one journal.

    batches -> workers (a model each) -> records -> the journal of this process

Who the workers are, processes of this machine (`label_workers`) or of a Ray cluster (`label_ray`),
makes no difference here. Batches are those of a run without workers, so that the final files are
the same, byte for byte. A worker has the batch it is at and the next one, whose pictures it reads
meanwhile; nothing else of the work is in memory. The batches of a worker that died are given to
others, each alone, so that it is known which pictures a worker cannot survive.
"""

import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from fashion.autolabel import (
    Detector,
    LabelJob,
    Picture,
    Recorder,
    detected,
    drawn_stems,
    read_picture,
    unfinished_batches,
)
from fashion.label_journal import LabelJournal
from fashion.label_policy import Subject
from mrcnn.errors import UserError

TRIES = 3  # of a batch, and of a worker that does not come up
AT_ONCE = 2  # batches that a worker has: one at hand, one that it reads
WAIT_SECONDS = 0.2
SHOWN = 8


class WorkerError(UserError):
    """Workers do not come up, or do not survive some pictures."""


class Task(NamedTuple):
    """A batch to label: its number, and each picture with what its drawn files begin with."""

    number: int
    pictures: list[tuple[Picture, str]]


class Event(NamedTuple):
    """What became of a worker, or of a task that it had.

    kind: "ready" (its model is loaded), "done" (value: the records), "failed" (value: the
    exception) or "lost" (value: how it died; its tasks are lost with it).
    """

    worker: int
    kind: str
    task: int | None = None
    value: Any = None


class Crew(Protocol):
    """Workers of one kind; none of the methods blocks for long."""

    def hire(self) -> int:
        """Start a worker; its number. A "ready" follows."""

    def give(self, worker: int, task: Task) -> None:
        """Hand a task to a worker that is ready."""

    def wait(self, seconds: float) -> list[Event]:
        """What has happened, in order; after `seconds` an empty list."""

    def end(self) -> None:
        """End all workers at once, whatever they do."""


class BatchLabeller:
    """What a worker does: pictures are read in threads, the network has a thread of its own.

    Args:
        job: its images are not looked at.
        load_detector: called once, in that thread.
    """

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector]):
        self._recorder = Recorder(job)
        self._readers = ThreadPoolExecutor(job.readers)
        self._network = ThreadPoolExecutor(1)
        self.loaded: Future = self._network.submit(load_detector)

    def submit(self, task: Task) -> Future:
        """Begin with a task; the records of its pictures that are not done."""
        images = [self._readers.submit(read_picture, picture) for picture, _ in task.pictures]
        return self._network.submit(self._label, task, images)

    def _label(self, task: Task, images: list[Future]) -> list[dict[str, Any]]:
        detect = self.loaded.result()
        stems = {picture.path: stem for picture, stem in task.pictures}
        batch = [
            (picture, image.result())
            for (picture, _), image in zip(task.pictures, images, strict=True)
        ]
        return [
            self._recorder.record(picture, stems[picture.path], image, result)
            for picture, image, result in detected(detect, batch)
            if not picture.done
        ]


def job_for_workers(job: LabelJob) -> LabelJob:
    """The job without its list of pictures, which may be long: tasks bring them."""
    return replace(job, images=())


def portable_error(error: BaseException) -> Exception:
    """An exception that another process can be sent: not every one survives that, its text does."""
    if isinstance(error, UserError):
        return UserError(str(error))
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return RuntimeError(f"in a labelling worker:\n{''.join(lines)}")


def label_with_crew(
    job: LabelJob,
    pictures: Sequence[Picture],
    crew: Crew,
    workers: int,
    journal: LabelJournal,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[], object] = lambda: None,
) -> bool:
    """Do what `autolabel.label_pictures` does, with at most so many `workers` of `crew`.

    After `stop` the batches that workers have are finished; a worker that has no model yet is not
    waited for. The crew is ended in any case.

    Raises:
        WorkerError: a batch ended three workers (its pictures are named), or three workers in
            succession ended before they had a model. What was finished stays in the journal.
    """
    desk = _Desk(job, pictures, crew, workers, journal, progress)
    try:
        return desk.work(stop or threading.Event())
    finally:
        crew.end()


class _Desk:
    """Who has which batch."""

    def __init__(self, job, pictures, crew: Crew, workers: int, journal, progress):
        self.job, self.crew, self.workers = job, crew, workers
        self.journal, self.progress = journal, progress
        self.pictures, self.stem_of = pictures, drawn_stems(job)
        self.held: dict[int, list[Task]] = {}  # by worker that is ready, in their order
        self.loading: set[int] = set()
        self.failed_starts = 0
        self.again: deque[Task] = deque()
        self.tries: Counter[int] = Counter()
        self.tasks = self._new_tasks()
        self.next: Task | None = None

    def work(self, stop: threading.Event) -> bool:
        """Label all, or until `stop` is set; whether nothing is left."""
        recorder = Recorder(self.job)
        for picture in self.pictures:
            if not picture.done and not isinstance(picture.subject, Subject):
                self._keep([recorder.record(picture, self.stem_of(picture.path), None, None)])
        self._look_ahead()
        while True:
            if not stop.is_set():
                self._hand_out()
            if not any(self.held.values()) and (stop.is_set() or not self._is_work_left()):
                return not self._is_work_left()
            for event in self.crew.wait(WAIT_SECONDS):
                getattr(self, f"_{event.kind}")(event)

    def _new_tasks(self) -> Iterator[Task]:
        for number, batch in enumerate(unfinished_batches(self.job, self.pictures)):
            yield Task(number, [(picture, self.stem_of(picture.path)) for picture in batch])

    def _look_ahead(self) -> None:
        self.next = next(self.tasks, None)

    def _is_work_left(self) -> bool:
        return self.next is not None or bool(self.again)

    def _hand_out(self) -> None:
        """Give workers what they have room for, and hire as many as there is work for."""
        for level in range(AT_ONCE):
            for worker, tasks in self.held.items():
                alone = any(self.tries[task.number] for task in tasks)
                if len(tasks) != level or alone:
                    continue
                if self.again:
                    if level == 0:
                        self._give(worker, self.again.popleft())
                elif self.next is not None:
                    self._give(worker, self.next)
                    self._look_ahead()
        missing = self.workers - len(self.held) - len(self.loading)
        waiting = len(self.again) + (self.next is not None) * self.workers
        for _ in range(min(missing, waiting - len(self.loading))):
            self.loading.add(self.crew.hire())

    def _give(self, worker: int, task: Task) -> None:
        self.held[worker].append(task)
        self.crew.give(worker, task)

    def _keep(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            self.journal.append(record)
            self.progress()

    def _ready(self, event: Event) -> None:
        self.loading.discard(event.worker)
        self.held[event.worker] = []
        self.failed_starts = 0

    def _done(self, event: Event) -> None:
        tasks = self.held[event.worker]
        self.held[event.worker] = [task for task in tasks if task.number != event.task]
        self.tries.pop(event.task, None)
        self._keep(event.value)

    def _failed(self, event: Event) -> None:
        raise event.value

    def _lost(self, event: Event) -> None:
        if event.worker in self.loading:
            self.loading.discard(event.worker)
            self.failed_starts += 1
            if self.failed_starts >= TRIES:
                raise WorkerError(
                    f"{TRIES} labelling workers in succession ended before their model was loaded "
                    f"(the last one {event.value}): there may be too little memory, so take fewer "
                    f"--workers."
                )
            return
        for task in self.held.pop(event.worker):
            self.tries[task.number] += 1
            if self.tries[task.number] >= TRIES:
                raise WorkerError(
                    f"{TRIES} labelling workers ended while they had the pictures "
                    f"{_names(task)} (the last one {event.value}): take these out of the folder, "
                    f"or take fewer --workers or a smaller --batch if memory is short."
                )
            self.again.append(task)


def _names(task: Task) -> str:
    names = [picture.path.name for picture, _ in task.pictures]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))
