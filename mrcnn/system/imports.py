"""Faster program starts: skipping unneeded imports, and pausing garbage collection."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def modules_left_out(*names: str) -> Iterator[None]:
    """Make these packages appear not to be installed to imports within the block.

    For slow packages that others import only if present. What is already loaded stays; after the
    block they can be imported as usual.
    """
    absent = [name for name in names if name not in sys.modules]
    # None in sys.modules makes an import fail.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Switch off Python's cyclic garbage collector within the block.

    For imports and building networks: they create millions of objects that stay, and each
    collection would visit all of them again.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
