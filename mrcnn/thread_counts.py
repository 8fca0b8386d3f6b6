"""How many threads the libraries of a new process start."""

import contextlib
import os
from collections.abc import Iterator

# Read when the libraries of a process start: those of NumPy, and TensorFlow.
THREAD_COUNT_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@contextlib.contextmanager
def children_with_threads(count: int) -> Iterator[None]:
    """Have processes that are started within the block compute with so many threads.

    It changes the environment of this process for that time, which other threads see.
    """
    before = {name: os.environ.get(name) for name in THREAD_COUNT_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_COUNT_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
