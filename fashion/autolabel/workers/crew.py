"""Who labels: workers that get whole batches, and return records for the journal.

This module has what all workers share, and the crew of one that this process is. Processes on this
machine are in `fashion.autolabel.workers.processes`, those of a Ray cluster in
`fashion.autolabel.workers.ray_cluster`; `fashion.autolabel.labelling` gives out the batches.
"""

import math
import traceback
from collections import deque
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from fashion.autolabel.job import Detector, LabelJob, Seen, detected, read_picture
from fashion.autolabel.pictures import Picture
from fashion.autolabel.policy import LeftOut
from fashion.autolabel.recording import Recorder
from fashion.autolabel.results_file import ResultsFile
from mrcnn.errors import UserError

Record = dict[str, Any]  # a line of the journal


class Task(NamedTuple):
    """A batch to label: its number, and each picture with the stem of its drawings' names."""

    number: int
    pictures: list[tuple[Picture, str]]


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model."""

    worker: int


@dataclass(frozen=True)
class Done:
    """A worker has finished the task of this number; records of its pictures that were not done."""

    worker: int
    task: int
    records: list[Record]


@dataclass(frozen=True)
class Failed:
    """A worker raised `error`; it would raise it again."""

    worker: int
    error: BaseException


@dataclass(frozen=True)
class Lost:
    """A worker has died, and its tasks are lost with it; `how`: "by SIGKILL"."""

    worker: int
    how: str


Event = Ready | Done | Failed | Lost


class Crew(Protocol):
    """Workers of one kind.

    Attributes:
        at_once: tasks that a worker may have: the one at hand, and those it reads ahead.
    """

    at_once: int

    def hire(self) -> int:
        """Start a worker; return its number. A `Ready` or a `Lost` follows."""

    def give(self, worker: int, task: Task) -> None:
        """Hand a task to a worker that is ready."""

    def take_back(self) -> list[int]:
        """The numbers of the tasks that no worker has begun, which none will begin any more."""

    def wait(self, seconds: float) -> list[Event]:
        """What has happened, in order; after about `seconds` an empty list."""

    def end(self) -> None:
        """End all workers at once, whatever they are doing."""


def recorded(recorder: Recorder, task: Task, seen: list[Seen | LeftOut]) -> list[Record]:
    """The records of the pictures of a task that are not done."""
    return [
        recorder.record(picture, stem, what)
        for (picture, stem), what in zip(task.pictures, seen, strict=True)
        if not picture.done
    ]


class LocalCrew:
    """A crew of one: the thread that calls `wait` runs the network in it.

    While the network has a batch, threads read the next one and record the one before.
    """

    def __init__(self, job: LabelJob, detect: Detector):
        self.at_once = 2 + math.ceil(job.readers / job.batch)
        self._detect = detect
        self._recorder = Recorder(job)
        self._reading = ThreadPoolExecutor(job.readers)
        self._recording = ThreadPoolExecutor(1)
        self._events: list[Event] = []
        self._given: deque[tuple[Task, list[Future[np.ndarray | LeftOut]]]] = deque()
        self._seen: deque[tuple[Task, Future[list[Record]]]] = deque()

    def hire(self) -> int:
        """See `Crew.hire`."""
        self._events.append(Ready(0))
        return 0

    def give(self, worker: int, task: Task) -> None:
        """See `Crew.give`."""
        images = [self._reading.submit(read_picture, picture) for picture, _ in task.pictures]
        self._given.append((task, images))

    def take_back(self) -> list[int]:
        """See `Crew.take_back`."""
        for image in (image for _, images in self._given for image in images):
            image.cancel()
        numbers = [task.number for task, _ in self._given]
        self._given.clear()
        return numbers

    def wait(self, seconds: float) -> list[Event]:
        """See `Crew.wait`; a batch takes as long as it takes. Raises what the detector raises."""
        if events := self._finished():
            return events
        if self._given:
            task, images = self._given.popleft()
            seen = self._see(task, [image.result() for image in images])
            records = self._recording.submit(recorded, self._recorder, task, seen)
            self._seen.append((task, records))
        elif self._seen:
            futures.wait([self._seen[0][1]], seconds)
        return self._finished()

    def _see(self, task: Task, images: list[np.ndarray | LeftOut]) -> list[Seen | LeftOut]:
        return detected(self._detect, images)

    def _finished(self) -> list[Event]:
        events, self._events = self._events, []
        while self._seen and self._seen[0][1].done():
            task, records = self._seen.popleft()
            events.append(Done(0, task.number, records.result()))
        return events

    def end(self) -> None:
        """See `Crew.end`; the batch that is being recorded is finished."""
        self._reading.shutdown(cancel_futures=True)
        self._recording.shutdown(cancel_futures=True)


class ResultsCrew(LocalCrew):
    """A crew of one that reads the detections from a results file instead of running a network."""

    def __init__(self, job: LabelJob, results: ResultsFile):
        super().__init__(job, detect=lambda images: ())
        self._results = results

    def _see(self, task: Task, images: list[np.ndarray | LeftOut]) -> list[Seen | LeftOut]:
        return [
            image
            if isinstance(image, LeftOut)
            else Seen(image, self._results.detections(picture.path.name, *image.shape[:2]))
            for (picture, _), image in zip(task.pictures, images, strict=True)
        ]


class BatchLabeller:
    """What a worker process does: pictures are read in threads, the network has its own thread.

    Args:
        job: its images are ignored.
        load_detector: called once, in that thread.
    """

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector]):
        self._recorder = Recorder(job)
        self._reading = ThreadPoolExecutor(job.readers)
        self._network = ThreadPoolExecutor(1)
        self.loaded: Future[Detector] = self._network.submit(load_detector)

    def submit(self, task: Task) -> Future[list[Record]]:
        """Begin a task; returns the records of its pictures that are not done."""
        images = [self._reading.submit(read_picture, picture) for picture, _ in task.pictures]
        return self._network.submit(self._label, task, images)

    def _label(self, task: Task, images: list[Future[np.ndarray | LeftOut]]) -> list[Record]:
        seen = detected(self.loaded.result(), [image.result() for image in images])
        return recorded(self._recorder, task, seen)


def job_for_workers(job: LabelJob) -> LabelJob:
    """The job without its list of pictures, which may be long: they come with the tasks."""
    return replace(job, images=())


def portable_error(error: BaseException) -> Exception:
    """An exception that can be sent to another process: a `UserError` whole, of others the text."""
    if isinstance(error, UserError):
        return error
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return RuntimeError(f"in a labelling worker:\n{''.join(lines)}")
