"""A worker that only agrees with the others, without a network: what happens around a training.

python -m tests.mrcnn.agreeing_script WORKER WHAT

All workers agree six times. After the third, that worker does `WHAT`: `nothing`, `is killed`, `is
silent` (stopped for 15 seconds), `fails` (with an error of its own) or, after the last, `leaves`
(as fast as a process can, while the others may not have heard yet that it has come to the end).
"""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

from fashion.terminal import run
from mrcnn.errors import DatasetError
from mrcnn.training.strategies import distribution_for

SILENT = 15  # seconds; TensorFlow's own limit is 10


def be_silent():
    """Stop this process, and have it woken."""
    subprocess.Popen(["sh", "-c", f"sleep {SILENT}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)


def fail():
    raise DatasetError("The image cannot be read.")


def main():
    worker, what = int(sys.argv[1]), sys.argv[2]
    happenings = {
        "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "is silent": be_silent,
        "fails": fail,
    }
    distribution = distribution_for(SimpleNamespace(GPU_COUNT=1))
    is_chosen = distribution.worker == worker
    for turn in range(6):
        assert distribution.agree(turn == 4 and is_chosen) == (turn == 4)
        if turn == 2 and is_chosen:
            happenings.get(what, lambda: None)()
    distribution.wait_for_all()
    if is_chosen and what == "leaves":
        os._exit(0)
    print("done", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
