"""Pictures read ahead and results written behind, with bounded memory and in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Iterator[tuple[Item, Result]]:
    """Each item with `function(item)`, in order, computed in threads.

    At most `ahead` results are computed or waiting at any time. What `function` raises is raised
    where its result is due.
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
                future.cancel()


class WriteBehind:
    """A thread that calls `function` with what it is given, in order.

    `put` waits while `room` items are in the queue. The first exception of `function` ends the
    thread's work and is raised by the next `put`, or by `close`. As a context manager: an
    exception in the block drops what is still in the queue.
    """

    def __init__(self, function: Callable[[Any], object], room: int) -> None:
        self._function = function
        self._queue: queue.Queue = queue.Queue(max(1, room))
        self._error: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, item: Any) -> None:
        """Hand over one item."""
        if self._error is not None:
            raise self._error
        self._queue.put((item,))

    def close(self) -> None:
        """Wait until all is done."""
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        # After an error the queue is still emptied, so that nobody waits for room in it forever.
        while (entry := self._queue.get()) is not None:
            if self._error is None and not self._dropping:
                try:
                    self._function(entry[0])
                except BaseException as error:
                    self._error = error

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()
        else:
            self._dropping = True
            self._queue.put(None)
            self._thread.join()
