"""Work that has no time limit of its own gets one."""

import threading

import pytest

from mrcnn.system.http import within


def test_the_result():
    assert within(10, lambda: 3) == 3


def test_an_error_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 / 0)


def test_what_takes_too_long_ends():
    with pytest.raises(TimeoutError, match=r"no answer after 0\.01 seconds"):
        within(0.01, threading.Event().wait)
