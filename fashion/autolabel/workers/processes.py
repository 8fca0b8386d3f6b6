"""Labelling workers that are processes on this machine, each with a model on its share of cores.

Processes are spawned, never forked: TensorFlow's threads do not survive a fork. A process ends when
the pipe to its parent does, so that none outlives a parent that was killed.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from fashion.autolabel.job import Detector, LabelJob
from fashion.autolabel.workers.crew import (
    BatchLabeller,
    Done,
    Event,
    Failed,
    Lost,
    Ready,
    Task,
    job_for_workers,
    portable_error,
)
from mrcnn.system.background import children_with_threads

SECONDS_TO_END = 5
Results = queue.SimpleQueue[tuple[Task | None, Future]]


def core_count() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessCrew:
    """A `workers.crew.Crew` of processes. A script that makes one needs the `__main__` guard.

    Args:
        job: what to label, and how.
        load_detector: makes a worker's detector; pickled, so a function of a module, or an object.
        threads: those that each worker computes with.
    """

    at_once = 2  # the current batch, and the one that is read meanwhile

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector], threads: int):
        self._work = (job_for_workers(job), load_detector, threads)
        self._threads = threads
        self._processes: dict[int, SpawnProcess] = {}
        self._pipes: dict[int, Connection] = {}
        self._count = 0

    def hire(self) -> int:
        """See `Crew.hire`."""
        context = multiprocessing.get_context("spawn")
        near, far = context.Pipe()
        worker, self._count = self._count, self._count + 1
        process = context.Process(
            target=_serve, args=(worker, far, *self._work), name="labelling", daemon=True
        )
        with children_with_threads(self._threads), _signals_held_back():
            process.start()
        far.close()  # else the death of the process would not end the pipe
        self._processes[worker], self._pipes[worker] = process, near
        return worker

    def give(self, worker: int, task: Task) -> None:
        """See `Crew.give`."""
        with contextlib.suppress(OSError):  # `wait` reports a dead worker
            self._pipes[worker].send(task)

    def take_back(self) -> list[int]:
        """See `Crew.take_back`: a worker begins everything that it is given at once."""
        return []

    def wait(self, seconds: float) -> list[Event]:
        """See `Crew.wait`."""
        found = wait(list(self._pipes.values()), seconds)
        workers = [worker for worker, pipe in self._pipes.items() if pipe in found]
        return [self._event(worker) for worker in workers]

    def _event(self, worker: int) -> Event:
        try:
            event: Event = self._pipes[worker].recv()
        except (EOFError, OSError):
            return Lost(worker, self._bury(worker))
        return event

    def _bury(self, worker: int) -> str:
        """Release what is left of a process that has ended; return how it ended."""
        process = self._processes.pop(worker)
        self._pipes.pop(worker).close()
        process.join(SECONDS_TO_END)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
            return "closed its pipe"
        if code < 0:
            known = -code in set(signal.Signals)
            name = signal.Signals(-code).name if known else f"signal {-code}"
            return f"by {name}" + (", perhaps for lack of memory" if name == "SIGKILL" else "")
        return f"with exit code {code}"

    def end(self) -> None:
        """See `Crew.end`."""
        for process in self._processes.values():
            process.kill()
        for worker in list(self._processes):
            self._bury(worker)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Have new processes start with Ctrl-C and SIGTERM blocked; this one gets them afterwards.

    They go to all processes of a terminal or a service, and the parent decides when one ends. A
    process that blocks them itself is too late for those that arrive while it is starting.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock them
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _serve(
    worker: int,
    pipe: Connection,
    job: LabelJob,
    load_detector: Callable[[], Detector],
    threads: int,
) -> None:
    """What a worker process does: label what arrives, until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(threads)
    # The parent prints what there is to print.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        labeller = BatchLabeller(job, load_detector)
        results: Results = queue.SimpleQueue()
        results.put((None, labeller.loaded))
        threading.Thread(target=_send, args=(worker, pipe, results), daemon=True).start()
        while True:
            try:
                task = pipe.recv()
            except (EOFError, OSError):
                os._exit(1)  # the parent has gone: nobody needs the result
            results.put((task, labeller.submit(task)))


def _send(worker: int, pipe: Connection, results: Results) -> None:
    """Send what becomes of the model and of the tasks, in order."""
    while True:
        event = _outcome(worker, *results.get())
        try:
            pipe.send(event)
        except OSError:
            os._exit(1)


def _outcome(worker: int, task: Task | None, future: Future) -> Event:
    """The event of a task that ended, or, without one, of the model's loading."""
    try:
        value = future.result()
    except BaseException as error:  # the parent raises it
        return Failed(worker, portable_error(error))
    return Ready(worker) if task is None else Done(worker, task.number, value)
