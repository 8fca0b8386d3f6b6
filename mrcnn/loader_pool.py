"""Workers that load training samples: threads, or processes that never see TensorFlow.

Both kinds take a picklable `load` (called with a position) and give futures. A process is driven
by a thread that sends it positions and waits for answers, so that a process that dies is noticed
at once, and the rest of the loader does not know the difference.
"""

import contextlib
import logging
import multiprocessing
import pickle
import queue
import signal
import socket
import struct
import sys
import traceback
import types
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import cv2

from mrcnn.errors import ConfigError, TrainingError, UserError
from mrcnn.thread_counts import children_with_threads, one_opencv_thread

logger = logging.getLogger(__name__)

BACKENDS = ("thread", "process")
SECONDS_TO_END = 5


class ThreadPool:
    """Calls `load` in threads of this process. Close it when done."""

    def __init__(self, load: Callable, workers: int):
        self._load = load
        self._settings = contextlib.ExitStack()
        self._settings.enter_context(one_opencv_thread())
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="batch-loader")

    def submit(self, position: int) -> Future:
        """Have `load(position)` called; the future holds its result or error."""
        return self._executor.submit(self._load, position)

    def close(self) -> None:
        """Drop what has not begun, wait for what has, end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._settings.close()


class ProcessPool:
    """Calls `load` in processes. Close it when done.

    Raises TrainingError where `load` cannot be sent to a process. The future of a call whose
    process died raises TrainingError.
    """

    def __init__(self, load: Callable, workers: int):
        try:
            payload = pickle.dumps(load)
        except Exception as error:
            raise TrainingError(
                f"The data set or the augmentation cannot be sent to loader processes ({error}): "
                "set LOADER_BACKEND to 'thread', or keep open files and functions out of them."
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

    def _call(self, position: int):
        process = self._idle.get()
        try:
            return process.call(position)
        except (EOFError, OSError) as error:
            if self._closing:
                raise CancelledError from error
            raise TrainingError(process.obituary()) from error
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the processes at once, also those at work."""
        self._closing = True
        for process in self._processes:
            process.end()
        self._executor.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.bury()


def start_pool(backend: str, load: Callable, workers: int) -> ThreadPool | ProcessPool:
    """A pool of `workers` of the given backend, "thread" or "process"."""
    if backend not in BACKENDS:
        raise ConfigError(
            f"LOADER_BACKEND is {backend!r}, but must be one of {', '.join(BACKENDS)}."
        )
    return ThreadPool(load, workers) if backend == "thread" else ProcessPool(load, workers)


class Channel:
    """Objects through a socket, their arrays without being copied into the pickle.

    `multiprocessing.Pipe` takes several times as long for an image.
    """

    HEADER = struct.Struct("!Q")

    def __init__(self, connected: socket.socket):
        self._socket = connected

    def send(self, value) -> None:
        """Send any picklable object. Raises OSError where the other side has gone."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(pickled), *(buffer.raw() for buffer in buffers)]
        sizes = b"".join(self.HEADER.pack(part.nbytes) for part in parts)
        self._socket.sendall(self.HEADER.pack(len(parts)) + sizes)
        for part in parts:
            self._socket.sendall(part)

    def receive(self):
        """The next object. Raises EOFError or OSError where the other side has gone."""
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
        """Let the other side's next `receive` fail."""
        self._socket.close()


class _Process:
    """One worker process and the channel to it."""

    def __init__(self, payload: bytes):
        # Never a fork: TensorFlow's threads do not survive one.
        context = multiprocessing.get_context("spawn")
        near_end, far_end = socket.socketpair()
        self._channel = Channel(near_end)
        self._process = context.Process(
            target=_serve, args=(far_end,), name="batch-loader", daemon=True
        )
        # A class that the script itself defines can only be found by importing the script.
        main = contextlib.nullcontext() if b"__main__" in payload else _empty_main_module()
        with children_with_threads(1), main:
            self._process.start()
        # Else the death of the process would not end what we wait for here.
        far_end.close()
        self.pid = self._process.pid
        # Sent with the first call: sending waits for the process, and many start at once.
        self._payload = payload

    def call(self, position: int):
        if self._payload is not None:
            self._channel.send(self._payload)
            self._payload = None
        self._channel.send(position)
        result, error, details = self._channel.receive()
        if error is None:
            return result
        logger.debug("In loader process %d:\n%s", self.pid, details)
        raise error

    def obituary(self) -> str:
        self._process.join(SECONDS_TO_END)
        code = self._process.exitcode
        advice = "take fewer workers (LOADER_WORKERS) or set LOADER_BACKEND to 'thread'"
        if code is None or code >= 0:
            return (
                f"Loader process {self.pid} ended unexpectedly (exit code {code}), see its "
                f"message above: {advice}."
            )
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        cause = ", most likely because memory ran out" if name == "SIGKILL" else ""
        return f"Loader process {self.pid} was ended by {name}{cause}: {advice}."

    def end(self) -> None:
        self._process.terminate()

    def bury(self) -> None:
        self._process.join(SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._channel.close()


@contextlib.contextmanager
def _empty_main_module():
    """Hide the running script, which a new process would import, TensorFlow and all."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(far_end: socket.socket) -> None:
    """What a worker process does: answer positions until the channel ends."""
    # Ctrl-C goes to all processes of a terminal; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, OSError):
        channel = Channel(far_end)
        load = _unpickle(channel.receive())
        while True:
            channel.send(_answer(load, channel.receive()))


def _unpickle(payload: bytes) -> Callable:
    try:
        return pickle.loads(payload)
    except Exception as error:
        message = (
            f"A loader process cannot read the data set ({type(error).__name__}: {error}): "
            "set LOADER_BACKEND to 'thread', or put the data set's class into a module."
        )

        def refuse(position: int):
            raise TrainingError(message)

        return refuse


def _answer(load: Callable, position: int) -> tuple:
    try:
        return load(position), None, None
    except UserError as error:
        return None, type(error)(str(error)), traceback.format_exc()
    except Exception as error:
        # Not every exception survives pickling; its text does.
        return None, RuntimeError(f"{type(error).__name__}: {error}"), traceback.format_exc()
