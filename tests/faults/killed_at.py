"""Run a module in this process, which is killed (SIGKILL) at the module's n-th file operation.

python -m tests.faults.killed_at COUNT MODULE ARGUMENTS...

Operations are what Python calls on files in the main thread: writes, fsync, renames, links, and so
on. Their number is the same on every machine, so that a kill hits the same place however fast the
machine is. With COUNT 0 nothing is killed. At the end of a module that was not killed their number
is printed: `operations 123`.
"""

import io
import os
import runpy
import signal
import sys

OF_THE_SYSTEM = {"chmod", "fsync", "link", "rename", "replace", "unlink"}
OF_A_STREAM = {"close", "flush", "truncate", "write"}


def is_on_a_file(function) -> bool:
    """Whether a built-in function changes a file, or its name."""
    name, owner = function.__name__, getattr(function, "__self__", None)
    if isinstance(owner, io.IOBase):
        return name in OF_A_STREAM and owner not in (sys.stdout, sys.stderr)
    return name in OF_THE_SYSTEM and function.__module__ == os.name


class Counter:
    """Counts operations, and kills this process at one of them."""

    def __init__(self, last: int):
        self.count, self.last = 0, last

    def __call__(self, frame, event, function):
        if event == "c_call" and is_on_a_file(function):
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def main(last, module, *arguments):
    counter = Counter(int(last))
    sys.argv = [module, *arguments]
    sys.setprofile(counter)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.setprofile(None)
        print(f"operations {counter.count}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
