"""What makes a program start sooner: imports it can do without, and fewer looks at its objects."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def modules_left_out(*names: str) -> Iterator[None]:
    """Have imports within the block find that these packages are not installed.

    For packages that others use where they are there, and that take long. What is loaded already
    stays; after the block they can be imported as ever.
    """
    absent = [name for name in names if name not in sys.modules]
    # Python's own way to say that an import fails.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Switch Python's search for cyclic garbage off within the block.

    For imports and networks: they make millions of objects that stay, and each search would look at
    all of them again.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
