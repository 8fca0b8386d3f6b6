"""Long runs keep the memory and the open files that they had in their middle; takes minutes.

FASHION_MRCNN_SOAK=2000 in the environment makes them as long as those of docs/reliability.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_full_disk import ENVIRONMENT
from tests.support import REPOSITORY

# Pictures, and steps of a training: a multiple of 400, so that batches of four end at each reading.
COUNT = int(os.environ.get("FASHION_MRCNN_SOAK", "800"))
# Of the resident memory, from the middle of a run to its end.
TOLERANCE = 0.02

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc, of Linux"),
]


@pytest.mark.parametrize("kind", ["detect", "train"])
def test_memory_and_open_files_do_not_grow(kind, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.soak", kind, str(tmp_path / kind), str(COUNT)],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=4 * 3600,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    readings = [json.loads(line) for line in lines if line.startswith('{"done"')]
    assert [readings[0]["done"], readings[-1]["done"]] == [COUNT // 20, COUNT]
    middle, end = readings[len(readings) // 2 - 1], readings[-1]
    assert end["resident"] <= middle["resident"] * (1 + TOLERANCE), readings
    assert end["handles"] == middle["handles"], readings
    assert end["threads"] <= middle["threads"], readings
