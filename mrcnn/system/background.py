"""Work in background threads, and temporary changes of process-wide settings.

`read_ahead` prepares items while earlier ones are used. The settings (environment variables, the
number of OpenCV's threads) are restored when their last user is done, in any order.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    ahead: int,
    *,
    finish: bool = False,
) -> Iterator[tuple[Item, Result]]:
    """Each item with `function(item)`, in order, computed in threads.

    At most `ahead` results are being computed or waiting at any time. An error of `function` is
    raised when its result is due.

    finish: process every item already taken from `items`, whatever ends the iteration: for a
        function that writes what `items` computed.
    """
    waiting: deque[tuple[Item, Future]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) >= max(1, ahead):
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                if not finish:
                    future.cancel()


# Read when a process loads NumPy's libraries or TensorFlow.
THREAD_COUNT_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

Value = TypeVar("Value")

_environment = threading.RLock()


@contextlib.contextmanager
def changed_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Temporarily set environment variables of this process, which new processes inherit.

    Only one thread at a time can be in such a block, so that each restores what it found. Keep the
    block short: other threads see the variables, too.
    """
    with _environment:
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def children_with_threads(count: int) -> contextlib.AbstractContextManager[None]:
    """Let processes started within the block compute with this many threads."""
    return changed_environment(dict.fromkeys(THREAD_COUNT_VARIABLES, str(count)))


class SharedSetting(Generic[Value]):
    """A process-wide setting that several users change temporarily in the same way.

    The first user changes it and the last one restores it, in whatever order they end.

    Args:
        change: changes the setting; returns what `restore` needs.
        restore: takes that value and restores the setting.
    """

    def __init__(self, change: Callable[[], Value], restore: Callable[[Value], object]):
        self._change, self._restore = change, restore
        self._lock = threading.Lock()
        self._before: list[Value] = []
        self._users = 0

    @contextlib.contextmanager
    def changed(self) -> Iterator[None]:
        """The setting is changed within the block."""
        with self._lock:
            if self._users == 0:
                self._before.append(self._change())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._restore(self._before.pop())


def _stop_opencv_threads() -> int:
    import cv2

    count = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return count


def _start_opencv_threads(count: int) -> None:
    import cv2

    cv2.setNumThreads(count)


_one_opencv_thread = SharedSetting(_stop_opencv_threads, _start_opencv_threads)


def one_opencv_thread() -> contextlib.AbstractContextManager[None]:
    """Let OpenCV compute without its own threads, which would compete with a pool of workers.

    Blocks may overlap and end in any order; after the last one, OpenCV has its threads again.
    """
    return _one_opencv_thread.changed()
