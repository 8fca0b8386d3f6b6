"""Handling Ctrl-C and similar signals within a block."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType


@contextlib.contextmanager
def handling_signals(
    signals: Iterable[int], handler: Callable[[int, FrameType | None], object]
) -> Iterator[bool]:
    """Call `handler` for these signals within the block.

    Args:
        signals: numbers, such as `signal.SIGINT`.
        handler: called with a signal's number and the interrupted frame.

    Yields:
        Whether signals are handled here: only the main thread receives them.
    """
    former = {}
    is_main = threading.current_thread() is threading.main_thread()
    try:
        if is_main:
            for number in signals:
                former[number] = signal.signal(number, handler)
        yield is_main
    finally:
        for number, before in former.items():
            # None: a handler that was not installed from Python, which cannot be restored.
            signal.signal(number, signal.SIG_DFL if before is None else before)
