"""The environment that new processes get, and what is left of it afterwards."""

import os
import subprocess
import sys

import pytest

from mrcnn.thread_counts import THREAD_COUNT_VARIABLES, children_with_threads

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
