"""Processes that agree, and what one says when another has gone."""

import signal

import pytest
import tensorflow as tf

from mrcnn.errors import TrainingError
from mrcnn.training.strategies import naming_lost_workers
from tests.mrcnn.workers import run_workers

LOST = "error: Another worker of this training has ended or cannot be reached"
# As TensorFlow words it.
SILENT = """Collective ops is aborted by: Error reported from /job:worker/task:1: The following \
tasks are unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:1
The tasks have crashed.
The error could be from a previous operation. Restart your program to reset.
\t [[{{node CollectiveReduceV2}}]]"""


# ---- which errors mean that a worker has gone ----


def test_the_reason_is_what_tensorflow_says_without_what_it_adds():
    with pytest.raises(TrainingError) as caught, naming_lost_workers():
        raise tf.errors.UnavailableError(None, None, SILENT)
    text = str(caught.value)
    assert "(Error reported from /job:worker/task:1: The following tasks are unhealthy" in text
    assert "heartbeats): /job:worker/replica:0/task:1); start all workers again" in text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tf.errors.InternalError, "Collective ops is aborted by: socket closed"),
        (tf.errors.CancelledError, "GRPC call was cancelled"),
        (tf.errors.AbortedError, "connection reset"),
    ],
)
def test_errors_of_a_lost_worker(kind, message):
    with pytest.raises(TrainingError, match="Another worker"), naming_lost_workers():
        raise kind(None, None, message)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "cuDNN launch failure"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
        ValueError("a defect"),
    ],
)
def test_errors_of_this_worker_stay(error):
    with pytest.raises(type(error)), naming_lost_workers():
        raise error


# ---- processes ----


def run(worker, what):
    return run_workers([["-m", "tests.mrcnn.agreeing_script", worker, what]] * 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker", "what", "code"),
    [(1, "is killed", -signal.SIGKILL), (0, "is killed", -signal.SIGKILL), (1, "fails", 2)],
)
def test_the_others_of_a_worker_that_ends(worker, what, code):
    results = run(worker, what)
    assert results[worker].returncode == code
    left = results[1 - worker]
    assert left.returncode == 2, left.stderr
    assert left.stderr.strip().splitlines()[-1].startswith(LOST)
    assert "Traceback" not in left.stderr


@pytest.mark.slow
@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_that_is_silent_for_a_while_is_waited_for(worker):
    results = run(worker, "is silent")
    assert [result.returncode for result in results] == [0, 0], results
    assert [result.stdout.splitlines()[-1] for result in results] == ["done", "done"]


@pytest.mark.slow
@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_that_has_done_its_part_may_leave_first(worker):
    results = run(worker, "leaves")
    assert [result.returncode for result in results] == [0, 0], results
