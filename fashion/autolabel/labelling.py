"""The loop of labelling: batches go to workers, their records into the journal.

    batches -> workers (a model each) -> records -> journal -> final files

It makes no difference here who the workers are: this process alone is a crew of one
(`workers.crew.LocalCrew`). The final files are the same for all crews, byte for byte, since the
batches are (see `fashion.autolabel.job`). A worker has the batch at hand and those it reads ahead;
nothing else is in memory, so that it does not grow with the number of pictures. The batches of a
worker that died are given to others, each alone, which shows which pictures a worker cannot
survive.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from fashion.autolabel.job import LabelJob, drawn_stems, unfinished_batches
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.pictures import Picture
from fashion.autolabel.policy import LeftOut
from fashion.autolabel.recording import Recorder
from fashion.autolabel.workers.crew import (
    Crew,
    Done,
    Event,
    Failed,
    Lost,
    Ready,
    Record,
    Task,
)
from mrcnn.errors import UserError

TRIES = 3  # for a batch, and for a worker that does not start
WAIT_SECONDS = 0.2
SHOWN = 8


class WorkerError(UserError):
    """Workers do not start, or do not survive some pictures."""


def label_pictures(
    job: LabelJob,
    pictures: Sequence[Picture],
    journal: LabelJournal,
    crew: Crew,
    workers: int = 1,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[], object] = lambda: None,
) -> bool:
    """Label all `pictures` that are not done, into `journal`; False when `stop` was set meanwhile.

    workers: the most to hire from `crew`, which is ended in any case. `progress` is called once per
    finished picture. After `stop` the batches that workers have begun are finished; a worker that
    has no model yet is not waited for. What a detector raises is passed on.

    Raises:
        WorkerError: a batch killed three workers (its pictures are named), or three workers in
            succession ended before they had a model. What was finished stays in the journal.
    """
    loop = _Loop(job, pictures, journal, crew, workers, progress)
    try:
        return loop.run(stop or threading.Event())
    finally:
        crew.end()


class _Loop:
    """Keeps track of which worker has which batch."""

    def __init__(
        self,
        job: LabelJob,
        pictures: Sequence[Picture],
        journal: LabelJournal,
        crew: Crew,
        workers: int,
        progress: Callable[[], object],
    ):
        self.job, self.pictures, self.journal = job, pictures, journal
        self.crew, self.workers, self.progress = crew, workers, progress
        self.stem_of = drawn_stems(job)
        self.held: dict[int, list[Task]] = {}  # by worker that is ready, in order
        self.loading: set[int] = set()
        self.failed_starts = 0
        self.again: deque[Task] = deque()
        self.tries: Counter[int] = Counter()
        self.new = self._new_tasks()
        self.next: Task | None = None

    def run(self, stop: threading.Event) -> bool:
        """Label all, or until `stop` is set; return whether nothing is left."""
        self._record_the_unnamed()
        self.next = next(self.new, None)
        while True:
            if stop.is_set():
                self._take_back()
            else:
                self._hand_out()
                self._hire()
            if not any(self.held.values()) and (stop.is_set() or not self._is_work_left()):
                return not self._is_work_left()
            for event in self.crew.wait(WAIT_SECONDS):
                self._note(event)

    def _record_the_unnamed(self) -> None:
        recorder = Recorder(self.job)
        for picture in self.pictures:
            if not picture.done and isinstance(picture.subject, LeftOut):
                stem = self.stem_of(picture.path)
                self._keep([recorder.record(picture, stem, picture.subject)])

    def _new_tasks(self) -> Iterator[Task]:
        for number, batch in enumerate(unfinished_batches(self.job, self.pictures)):
            yield Task(number, [(picture, self.stem_of(picture.path)) for picture in batch])

    def _is_work_left(self) -> bool:
        return self.next is not None or bool(self.again)

    def _hand_out(self) -> None:
        """Give workers what they have room for: a first batch to each, then a second, ..."""
        for level in range(self.crew.at_once):
            for worker, tasks in self.held.items():
                if len(tasks) == level and (task := self._task_beside(tasks)):
                    tasks.append(task)
                    self.crew.give(worker, task)

    def _task_beside(self, held: list[Task]) -> Task | None:
        """What to give a worker that holds these tasks; what has cost a worker goes alone."""
        if any(self.tries[task.number] for task in held):
            return None
        if self.again:
            return None if held else self.again.popleft()
        task, self.next = self.next, next(self.new, None)
        return task

    def _hire(self) -> None:
        """Hire workers as long as there are fewer than wanted, and work for another."""
        work = len(self.again) + (self.workers if self.next else 0)
        while len(self.loading) < min(self.workers - len(self.held), work):
            self.loading.add(self.crew.hire())

    def _take_back(self) -> None:
        numbers = set(self.crew.take_back())
        for tasks in self.held.values():
            self.again += [task for task in tasks if task.number in numbers]
            tasks[:] = [task for task in tasks if task.number not in numbers]

    def _keep(self, records: list[Record]) -> None:
        for record in records:
            self.journal.append(record)
            self.progress()

    def _note(self, event: Event) -> None:
        match event:
            case Ready(worker):
                self.loading.discard(worker)
                self.held[worker] = []
                self.failed_starts = 0
            case Done(worker, number, records):
                self.held[worker] = [t for t in self.held[worker] if t.number != number]
                self.tries.pop(number, None)
                self._keep(records)
            case Failed(_, error):
                raise error
            case Lost(worker, how) if worker in self.loading:
                self._note_failed_start(worker, how)
            case Lost(worker, how):
                for task in self.held.pop(worker):
                    self._note_lost_task(task, how)

    def _note_failed_start(self, worker: int, how: str) -> None:
        self.loading.discard(worker)
        self.failed_starts += 1
        if self.failed_starts >= TRIES:
            raise WorkerError(
                f"{TRIES} labelling workers in succession ended before their model was loaded "
                f"(the last one {how})",
                settings=("workers",),
                advice="there may be too little memory, so take fewer {workers}",
            )

    def _note_lost_task(self, task: Task, how: str) -> None:
        self.tries[task.number] += 1
        if self.tries[task.number] >= TRIES:
            raise WorkerError(
                f"{TRIES} labelling workers ended while they had the pictures {_names(task)} (the "
                f"last one {how})",
                settings=("workers", "batch"),
                advice="take these out of the folder, or take fewer {workers} or a smaller "
                "{batch} if memory is short",
            )
        self.again.append(task)


def _names(task: Task) -> str:
    names = [picture.path.name for picture, _ in task.pictures]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))
