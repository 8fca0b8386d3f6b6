"""A time limit for work that has none of its own."""

import queue
import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result of `work`, or its error; a TimeoutError where it takes longer than that.

    The timeout of a socket starts over with every byte, and looking up a name has none at all. Work
    that is late continues in a thread that ends with the process.
    """
    results: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:  # raised again below, in the thread that waits
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer after {seconds:g} seconds") from None
    if error:
        raise error
    return result
