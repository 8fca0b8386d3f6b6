"""Imports that a program can do without."""

import contextlib
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
