"""Labelling workers that are actors of a Ray cluster, each with a model.

These are plain actors and not Ray Data's `map_batches`, for three reasons. A batch must hold the
same pictures as in a run without Ray. A finished batch must be in the journal at once, while Ray
Data passes results on in blocks of many. And a batch that kills every worker must end the run with
the names of its pictures, while Ray Data retries it forever. What Ray Data would add, giving out
and retrying, is in `fashion.autolabel.labelling`, which serves processes on one machine as well.

All machines need this project in the same version, and the weights and pictures at the same paths,
unless the pictures have an address (`fashion.pictures.remote`). The journal is on the machine of
the command.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from fashion import PACKAGE
from fashion.autolabel.job import Detector, LabelJob
from fashion.autolabel.workers.crew import (
    BatchLabeller,
    Done,
    Event,
    Failed,
    Lost,
    Ready,
    Record,
    Task,
    job_for_workers,
    portable_error,
)
from mrcnn.errors import UserError
from mrcnn.system.background import THREAD_COUNT_VARIABLES

SECONDS_TO_ANSWER = 10  # of the machine of an address
SHOWN = 100  # characters of Ray's messages, from both ends
SECONDS_TO_START = 20  # before a worker that has not started is reported
CLIENT, CLIENT_PORT = "ray://", 10001


@dataclass(frozen=True)
class Cluster:
    """What a cluster offers: the CPUs of each of its machines."""

    machines: Sequence[int]

    @property
    def cpus(self) -> int:
        """CPUs in all, at least 1."""
        return max(1, sum(self.machines))

    def share(self, workers: int) -> int:
        """The most CPUs that each of this many workers can have; at least 1.

        A worker is on one machine: two machines of 8 CPUs hold three workers of 4, not of 5.
        """
        for cpus in range(max(self.machines, default=1), 1, -1):
            if sum(machine // cpus for machine in self.machines) >= workers:
                return cpus
        return 1


def connect(address: str | None = None) -> Cluster:
    """Connect this process to a cluster; without an address to a new one on this machine.

    address: `host:port`, `ray://host:port`, `auto` (the one that runs on this machine, or that
    RAY_ADDRESS names) or `local` (a new one).

    Raises `UserError` if Ray is not installed, or no cluster answers.
    """
    ray = require_ray()
    if not ray.is_initialized():
        try:
            _require_answer(address)  # which Ray itself would try for many minutes
        except OSError as error:
            raise _unusable(address, error) from error
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                include_dashboard=False if address in (None, "local") else None,
                logging_level="WARNING",
            )
        except Exception as error:  # Ray raises this class itself if a machine is slow
            raise _unusable(address, error) from error
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Cluster([int(resources.get("CPU", 0)) for resources in alive])


def _unusable(address: str | None, error: Exception) -> UserError:
    return UserError(
        f"the Ray cluster cannot be used ({' '.join(str(error).split()).rstrip('.')})",
        path=address or "this machine",
        settings=("ray_address",),
        advice="check {ray_address}, and that it has been started",
    )


def host_and_port(address: str | None) -> tuple[str, int] | None:
    """Where a cluster should answer; None if that is unknown, or it is a new one."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or _cluster_of_this_machine()
    if not address or address == "local":
        return None
    is_client = address.startswith(CLIENT)
    place = address.removeprefix(CLIENT).split("/")[0].split("?")[0]
    if "://" in place or "//" in address.removeprefix(CLIENT):
        return None  # of some service, which Ray knows
    host, colon, port = place.rpartition(":")
    if colon and port.isdecimal():
        return host.strip("[]"), int(port)
    return (place.strip("[]"), CLIENT_PORT) if is_client else None


def _cluster_of_this_machine() -> str | None:
    """The address that Ray would use for "auto"; it may be that of a cluster that has ended."""
    # Ray has no public way to ask for it; without an answer, connecting shows it.
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        from ray._private.services import canonicalize_bootstrap_address

        return canonicalize_bootstrap_address("auto")
    return None


def _require_answer(address: str | None) -> None:
    """Raise `OSError` if no machine accepts a connection at an address."""
    place = host_and_port(address)
    if place:
        socket.create_connection(place, timeout=SECONDS_TO_ANSWER).close()


def require_ray():
    """The module `ray`. Raises `UserError` if it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "the engine ray needs the package ray, which is not installed",
            advice='type: pip install ".[ray]"',
        ) from error
    return ray


class RayCrew:
    """A `workers.crew.Crew` of actors; `connect` comes first.

    Args:
        job: what to label, and how; with absolute paths.
        load_detector: makes a worker's detector; pickled.
        threads: CPUs of each worker.
    """

    at_once = 2  # the current batch, and the one that is read meanwhile

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector], threads: int):
        self._ray = require_ray()
        self._work = (job_for_workers(job), load_detector, threads)
        self._threads = threads
        self._actor = self._ray.remote(Labeller).options(
            num_cpus=threads,
            max_restarts=0,  # `labelling` hires another one
            max_task_retries=0,
            max_concurrency=3,  # two batches, and the call that waits for the model
            runtime_env={"env_vars": _environment(threads)},
        )
        self._actors: dict[int, Any] = {}
        self._awaited: dict[Any, tuple[int, int | None]] = {}  # worker, and number of a task
        self._starting: dict[Any, int] = {}
        self._quiet_until = 0.0
        self._count = 0

    def hire(self) -> int:
        """See `Crew.hire`. If the cluster has no room, the actor waits for some."""
        worker, self._count = self._count, self._count + 1
        actor = self._actors[worker] = self._actor.remote(*self._work)
        if not self._starting:
            self._quiet_until = time.monotonic() + SECONDS_TO_START
        self._starting[actor.started.remote()] = worker
        self._awaited[actor.loaded.remote()] = (worker, None)
        return worker

    def give(self, worker: int, task: Task) -> None:
        """See `Crew.give`."""
        if worker in self._actors:
            ref = self._actors[worker].label.remote(task)
            self._awaited[ref] = (worker, task.number)

    def take_back(self) -> list[int]:
        """See `Crew.take_back`: a worker begins everything that it is given at once."""
        return []

    def wait(self, seconds: float) -> list[Event]:
        """See `Crew.wait`."""
        self._report_who_waits()
        refs = list(self._awaited)
        # Without fetch_local=False a result whose machine died would never count as ready.
        found, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False)
        if not found:
            found, _ = self._ray.wait(refs, num_returns=1, timeout=seconds, fetch_local=False)
        # What a lost worker had is no longer awaited.
        return [self._event(ref) for ref in found if ref in self._awaited]

    def _report_who_waits(self) -> None:
        """Report once that workers have not started; else a full cluster would look like a hang."""
        refs = list(self._starting)
        if refs:
            found, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False)
            self._starting = {ref: self._starting[ref] for ref in refs if ref not in found}
        if self._starting and time.monotonic() >= self._quiet_until:
            self._quiet_until = float("inf")
            free = self._ray.available_resources().get("CPU", 0)
            total = self._ray.cluster_resources().get("CPU", 0)
            tqdm.write(
                f"Workers that have not started yet: {len(self._starting)} (CPUs for each, on one "
                f"machine: {self._threads}; free in the cluster: {free:g} of {total:g}). They "
                f"are starting, or wait for room.",
                file=sys.stderr,
            )

    def _event(self, ref: Any) -> Event:
        worker, task = self._awaited.pop(ref)
        errors = self._ray.exceptions
        try:
            value = self._ray.get(ref)
        except errors.RayTaskError as error:
            return Failed(worker, portable_error(error.cause or error))
        except (errors.RayActorError, errors.ObjectLostError) as error:
            self._dismiss(worker)
            return Lost(worker, f"by {_cause(error)}")
        return Ready(worker) if task is None else Done(worker, task, value)

    def _dismiss(self, worker: int) -> None:
        actor = self._actors.pop(worker)
        self._awaited = {ref: of for ref, of in self._awaited.items() if of[0] != worker}
        self._starting = {ref: of for ref, of in self._starting.items() if of != worker}
        self._ray.kill(actor)

    def end(self) -> None:
        """See `Crew.end`; the connection to the cluster stays."""
        for worker in list(self._actors):
            self._dismiss(worker)


def _environment(threads: int) -> dict[str, str]:
    """The environment variables of a worker's process."""
    return {
        # A script that was not installed finds this project by its own location, but a worker does
        # not. Ray fills in what the variable is on the machine of the worker.
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), "${PYTHONPATH}"]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **dict.fromkeys(THREAD_COUNT_VARIABLES, str(threads)),
    }


def _cause(error: Exception) -> str:
    """What happened, and why, which is at the end of Ray's messages."""
    text = " ".join(str(error).split())
    short = text if len(text) <= 2 * SHOWN else f"{text[:SHOWN]} ... {text[-SHOWN:]}"
    return f"{type(error).__name__}: {short}"


class Labeller:
    """The actor: a `BatchLabeller` in another process."""

    def __init__(self, job: LabelJob, load_detector: Callable[[], Detector], threads: int) -> None:
        import cv2

        cv2.setNumThreads(threads)
        self._labeller = BatchLabeller(job, load_detector)

    def started(self) -> None:
        """Return at once: the actor has found its place."""

    def loaded(self) -> None:
        """Return when the model is loaded."""
        self._labeller.loaded.result()

    def label(self, task: Task) -> list[Record]:
        """The records of a batch."""
        return self._labeller.submit(task).result()
