"""Settings of the process that are changed for a while, and what is left of them afterwards."""

import contextlib
import os
import subprocess
import sys
import threading

import cv2
import pytest

from mrcnn.data.loader_pool import ThreadPool
from mrcnn.system.background import (
    THREAD_COUNT_VARIABLES,
    SharedSetting,
    changed_environment,
    children_with_threads,
    one_opencv_thread,
)

READ = "import os, sys; print(*(os.environ.get(name) for name in sys.argv[1:]))"


def counts_of_a_child():
    command = [sys.executable, "-c", READ, *THREAD_COUNT_VARIABLES]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_child_has_the_count_and_the_parent_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with children_with_threads(3):
        assert counts_of_a_child() == ["3"] * len(THREAD_COUNT_VARIABLES)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_the_environment_comes_back_after_an_error(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with pytest.raises(KeyError), children_with_threads(3):
        raise KeyError
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_two_threads_do_not_overlap_in_the_environment(monkeypatch):
    """Else the second would note the first one's value as its own, and leave it behind."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    seen = []

    def change():
        with changed_environment({"OMP_NUM_THREADS": "2"}):
            seen.append(os.environ["OMP_NUM_THREADS"])

    with children_with_threads(3):
        other = threading.Thread(target=change)
        other.start()
        other.join(0.05)
        assert seen == [] and os.environ["OMP_NUM_THREADS"] == "3"
    other.join()
    assert seen == ["2"] and os.environ["OMP_NUM_THREADS"] == "7"


def test_a_variable_that_the_block_removes_comes_back(monkeypatch):
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with changed_environment({"MKL_NUM_THREADS": "2"}):
        del os.environ["MKL_NUM_THREADS"]
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_a_shared_setting_is_restored_by_whoever_ends_last(order):
    state = {"value": 5}
    setting = SharedSetting(
        lambda: state.update(before=state["value"], value=1) or state["before"],
        lambda before: state.update(value=before),
    )
    users = [contextlib.ExitStack() for _ in range(3)]
    for user in users:
        user.enter_context(setting.changed())
    for number in order[:-1]:
        users[number].close()
        assert state["value"] == 1
    users[order[-1]].close()
    assert state["value"] == 5
    with setting.changed():
        assert state["value"] == 1
    assert state["value"] == 5


@pytest.fixture
def three_opencv_threads():
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("first", [0, 1])
def test_opencv_gets_its_threads_back_in_whatever_order_pools_close(three_opencv_threads, first):
    """A training closes the pool of its training images before that of the validation images."""
    pools = [ThreadPool(lambda position: cv2.getNumThreads(), 1) for _ in range(2)]
    assert [pool.submit(0).result() for pool in pools] == [1, 1]
    pools[first].close()
    assert cv2.getNumThreads() == 1
    pools[1 - first].close()
    assert cv2.getNumThreads() == 3


def test_opencv_gets_its_threads_back_after_an_error(three_opencv_threads):
    with pytest.raises(KeyError), one_opencv_thread():
        raise KeyError
    assert cv2.getNumThreads() == 3
