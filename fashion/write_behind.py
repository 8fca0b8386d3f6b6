"""Results written behind the work that makes them, with bounded memory and in order."""

import queue
import threading
from collections.abc import Callable
from typing import Any


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
