"""A step on two devices does what one device does with the same batch.

All are slow, since each case compiles the step twice.
"""

import functools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.mrcnn.distributed_steps import CASES
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

# Both add the same float32 numbers, whose last bit is 6e-8 of them, in another order. The losses of
# the first step may differ by that, a few times; 1.3e-7 was measured. From there on each update
# passes the difference on, times how steep the losses are, and statistics of a batch round more. A
# mean of the devices' means is off by 1e-2 and more.
FIRST, LATER, WEIGHTS = 1e-6, 1e-4, 1e-4


def run_cases(*names):
    command = [sys.executable, "-m", "tests.mrcnn.distributed_steps", *names]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(names, lines, strict=True))


@functools.cache
def results():
    """One process for all cases, since TensorFlow takes a while to start."""
    return run_cases(*CASES)


@pytest.mark.parametrize("case", CASES)
def test_two_devices_do_as_one(case):
    result = results()[case]
    one, two = np.array(result["one"]), np.array(result["two"])
    np.testing.assert_allclose(two[0], one[0], rtol=FIRST, atol=1e-7)
    np.testing.assert_allclose(two, one, rtol=LATER, atol=1e-6)
    assert result["apart"] < WEIGHTS
    assert not result["copies differ"]
    assert np.all(one[0] > 0)  # heads included
