"""Labelling workers that are processes of this machine, each with a model on its share of cores.

Processes are spawned, never forked: TensorFlow's threads do not survive a fork. A process ends as
soon as the pipe to its parent does, so that none outlives a parent that was killed.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fashion.autolabel import Detector, LabelJob
from fashion.label_crew import BatchLabeller, Event, Task, job_for_workers, portable_error
from mrcnn.thread_counts import children_with_threads

SECONDS_TO_END = 5


def core_count() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessCrew:
    """A `label_crew.Crew` of processes. A script that makes one needs the `__main__` guard.

    Args:
        job: what to label, and how.
        load_detector: makes a worker's detector; pickled, so a function of a module, or an object.
        threads: that each worker computes with.
    """

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector], threads: int):
        self._work = (job_for_workers(job), load_detector, threads)
        self._threads = threads
        self._processes: dict[int, Any] = {}
        self._pipes: dict[int, Connection] = {}
        self._count = 0

    def hire(self) -> int:
        """See `Crew.hire`."""
        context = multiprocessing.get_context("spawn")
        near, far = context.Pipe()
        process = context.Process(
            target=_serve, args=(far, *self._work), name="labelling", daemon=True
        )
        with children_with_threads(self._threads), _signals_held_back():
            process.start()
        far.close()  # else the death of the process would not end the pipe
        worker, self._count = self._count, self._count + 1
        self._processes[worker], self._pipes[worker] = process, near
        return worker

    def give(self, worker: int, task: Task) -> None:
        """See `Crew.give`."""
        with contextlib.suppress(OSError):  # a dead worker is told of by `wait`
            self._pipes[worker].send(task)

    def wait(self, seconds: float) -> list[Event]:
        """See `Crew.wait`."""
        workers = {pipe: worker for worker, pipe in self._pipes.items()}
        return [self._event(workers[pipe]) for pipe in wait(list(workers), seconds)]

    def _event(self, worker: int) -> Event:
        try:
            return Event(worker, *self._pipes[worker].recv())
        except (EOFError, OSError):
            return Event(worker, "lost", value=self._bury(worker))

    def _bury(self, worker: int) -> str:
        """Clear away after a process that has ended; how it has."""
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

    They go to all processes of a terminal or a service, and the parent decides when one ends. What
    a process does about them itself comes too late for those that arrive while it is starting.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # on its start it would let them through
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _serve(
    pipe: Connection, job: LabelJob, load_detector: Callable[[], Detector], threads: int
) -> None:
    """What a worker process does: label what comes, until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # The parent tells what there is to tell.
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    import cv2

    cv2.setNumThreads(threads)
    labeller = BatchLabeller(job, load_detector)
    results: queue.SimpleQueue = queue.SimpleQueue()
    results.put(("ready", None, labeller.loaded))
    threading.Thread(target=_send, args=(pipe, results), daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            os._exit(1)  # there is nobody to work for, whatever is at hand
        results.put(("done", task.number, labeller.submit(task)))


def _send(pipe: Connection, results: queue.SimpleQueue) -> None:
    while True:
        kind, task, future = results.get()
        try:
            value = future.result()
            message = (kind, task, value if kind == "done" else None)
        except BaseException as error:
            message = ("failed", task, portable_error(error))
        try:
            pipe.send(message)
        except OSError:
            os._exit(1)
