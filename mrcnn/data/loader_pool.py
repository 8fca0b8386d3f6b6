"""Workers that load training samples: threads, or processes that do not import TensorFlow.

Both kinds accept a picklable `load`, which is called with a position, and return futures. Each
process is driven by a thread that sends it positions and waits for the results. So a process that
dies is noticed at once, and the rest of the loader need not know which kind it uses.
"""

import contextlib
import multiprocessing.spawn
import os
import pickle
import queue
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import cv2

from mrcnn.errors import ConfigError, TrainingError
from mrcnn.system.background import THREAD_COUNT_VARIABLES, one_opencv_thread

BACKENDS = ("thread", "process")
SECONDS_TO_END = 5
# Set in loader processes, which must not start more of them.
_WORKER_VARIABLE = "MRCNN_LOADER_PROCESS"
_WORKER_PROGRAM = "import sys; sys.path[:] = {path!r}; from mrcnn.data import loader_pool; {call}"


class WorkerTraceback(Exception):
    """The traceback of an error in a loader process, as text: the cause of the error here."""

    def __str__(self) -> str:
        return f"in a loader process:\n{self.args[0]}"


class ThreadPool:
    """Calls `load` in threads of this process. Close it when done."""

    def __init__(self, load: Callable[[int], Any], workers: int):
        self._load = load
        self._settings = contextlib.ExitStack()
        self._settings.enter_context(one_opencv_thread())
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="batch-loader")

    def submit(self, position: int) -> Future:
        """Have `load(position)` called; the future holds its result or error."""
        return self._executor.submit(self._load, position)

    def close(self) -> None:
        """Cancel the calls that have not started, wait for the others, and stop the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._settings.close()


class ProcessPool:
    """Calls `load` in processes. Close it when done.

    Errors of `load` are raised in this process, with the worker's traceback as their cause; the
    future of a call whose process died raises TrainingError.

    Raises TrainingError if `load` cannot be sent to a process, RuntimeError within a loader
    process.
    """

    def __init__(self, load: Callable[[int], Any], workers: int):
        if _WORKER_VARIABLE in os.environ:
            raise RuntimeError(
                "A loader process has imported the script and would start loader processes itself: "
                'put what the script does under `if __name__ == "__main__":`.'
            )
        try:
            payload = pickle.dumps(load)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"the data set or the augmentation cannot be sent to loader processes ({error})",
                settings=("LOADER_BACKEND",),
                advice="set {LOADER_BACKEND} to 'thread', or keep open files and functions out of "
                "them",
            ) from error
        self._closing = False
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._processes: list[_Process] = []
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="batch-loader")
        try:
            for _ in range(workers):
                process = _Process(payload)
                self._processes.append(process)
                self._idle.put(process)
        except BaseException:
            self.close()
            raise

    def submit(self, position: int) -> Future:
        """Have `load(position)` called; the future holds its result or error."""
        return self._executor.submit(self._call, position)

    def _call(self, position: int) -> Any:
        process = self._idle.get()
        try:
            result, error, details = process.call(position)
        except (EOFError, OSError) as lost:
            if self._closing:
                raise CancelledError from lost
            raise process.obituary() from lost
        finally:
            self._idle.put(process)
        if error is not None:
            raise error from WorkerTraceback(details)
        return result

    def close(self) -> None:
        """Stop the processes at once, even in the middle of their work."""
        self._closing = True
        for process in self._processes:
            process.end()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.bury()


def start_pool(backend: str, load: Callable[[int], Any], workers: int) -> ThreadPool | ProcessPool:
    """A pool of `workers` of the given backend, "thread" or "process"."""
    if backend not in BACKENDS:
        raise ConfigError(
            "{LOADER_BACKEND} is not valid",
            settings=("LOADER_BACKEND",),
            expected=" or ".join(map(repr, BACKENDS)),
            found=repr(backend),
        )
    return ThreadPool(load, workers) if backend == "thread" else ProcessPool(load, workers)


class Channel:
    """Sends objects through a socket without copying their arrays into the pickle.

    `multiprocessing.Pipe` takes several times as long for an image.
    """

    HEADER = struct.Struct("!Q")

    def __init__(self, connected: socket.socket):
        self._socket = connected

    def send(self, value) -> None:
        """Send any picklable object. Raises OSError if the other side is gone."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(pickled), *(buffer.raw() for buffer in buffers)]
        sizes = b"".join(self.HEADER.pack(part.nbytes) for part in parts)
        self._socket.sendall(self.HEADER.pack(len(parts)) + sizes)
        for part in parts:
            self._socket.sendall(part)

    def receive(self):
        """The next object. Raises EOFError or OSError if the other side is gone."""
        (count,) = self.HEADER.unpack(self._read(self.HEADER.size))
        sizes = self.HEADER.iter_unpack(self._read(count * self.HEADER.size))
        pickled, *buffers = [self._read(size) for (size,) in sizes]
        return pickle.loads(pickled, buffers=buffers)

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            got = self._socket.recv_into(rest)
            if not got:
                raise EOFError
            rest = rest[got:]
        return data

    def close(self) -> None:
        """Close the socket, so that the other side's next `receive` fails."""
        self._socket.close()


class _Process:
    """One worker process and the channel to it."""

    def __init__(self, payload: bytes):
        near_end, far_end = socket.socketpair()
        self._channel = Channel(near_end)
        # Never fork: TensorFlow's threads do not survive it. Nor use multiprocessing, which would
        # import the script, TensorFlow included, even if no class of it is needed.
        program = _WORKER_PROGRAM.format(
            path=sys.path, call=f"loader_pool.serve({far_end.fileno()})"
        )
        environment = dict.fromkeys((*THREAD_COUNT_VARIABLES, _WORKER_VARIABLE), "1")
        with far_end:
            # A new session: Ctrl-C is for the parent, which decides when this process ends.
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[far_end.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid
        # Sent with the first call: sending blocks until the process is up, and many start at once.
        self._unsent: tuple[dict, bytes] | None = _script(payload), payload

    def call(self, position: int) -> tuple[Any, Exception | None, str]:
        """What `_answer` returns. Raises EOFError or OSError if the process has died."""
        if self._unsent is not None:
            self._channel.send(self._unsent)
            self._unsent = None
        self._channel.send(position)
        return self._channel.receive()

    def obituary(self) -> TrainingError:
        """The error that says how the process ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        code = self._process.returncode
        if code is None or code >= 0:
            how = f"ended unexpectedly (exit code {code}), see its message above"
        else:
            known = -code in set(signal.Signals)
            name = signal.Signals(-code).name if known else f"signal {-code}"
            cause = ", most likely because memory ran out" if name == "SIGKILL" else ""
            how = f"was ended by {name}{cause}"
        return TrainingError(
            f"loader process {self.pid} {how}",
            settings=("LOADER_WORKERS", "LOADER_BACKEND"),
            advice="take fewer workers ({LOADER_WORKERS}) or set {LOADER_BACKEND} to 'thread'",
        )

    def end(self) -> None:
        self._process.terminate()

    def bury(self) -> None:
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()


def _script(payload: bytes) -> dict:
    """How a process imports the running script, if the payload needs a class of the script."""
    if b"__main__" not in payload:
        return {}
    data = multiprocessing.spawn.get_preparation_data("batch-loader")
    wanted = ("sys_argv", "init_main_from_name", "init_main_from_path")
    return {name: data[name] for name in wanted if name in data}


def serve(far_end: int) -> None:
    """The main function of a worker process: answer positions until the channel closes.

    Args:
        far_end: the file descriptor of its socket.
    """
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, OSError):
        channel = Channel(socket.socket(fileno=far_end))
        load = _prepared(*channel.receive())
        while True:
            channel.send(_answer(load, channel.receive()))


def _prepared(script: dict, payload: bytes) -> Callable[[int], Any]:
    """`load`, or if it cannot be unpickled, a function that raises why at each call."""
    try:
        multiprocessing.spawn.prepare(script)
        return pickle.loads(payload)
    except (ImportError, AttributeError, pickle.UnpicklingError) as error:
        failure: Exception = TrainingError(
            f"a loader process cannot read the data set ({type(error).__name__}: {error})",
            settings=("LOADER_BACKEND",),
            advice="set {LOADER_BACKEND} to 'thread', or put the data set's class into a module",
        )
        failure.__cause__ = error
    except Exception as error:
        failure = error

    def refuse(position: int) -> Any:
        raise failure

    return refuse


def _answer(load: Callable[[int], Any], position: int) -> tuple[Any, Exception | None, str]:
    try:
        return load(position), None, ""
    except Exception as error:
        return None, _sendable(error), traceback.format_exc()


def _sendable(error: Exception) -> Exception:
    """The error, or a RuntimeError with its text: not every exception survives pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
