"""Results computed ahead: order, bounds, errors."""

import threading
import time

import pytest

from mrcnn.system.background import read_ahead


def test_order_is_kept_whatever_takes_longest():
    def slow_first(n):
        time.sleep(0.02 if n % 3 == 0 else 0)
        return n * n

    assert list(read_ahead(slow_first, range(20), 4, 6)) == [(n, n * n) for n in range(20)]
    assert list(read_ahead(slow_first, [], 4, 6)) == []


def test_no_more_is_read_than_asked_for():
    lock, started = threading.Lock(), []

    def note(n):
        with lock:
            started.append(n)
        return n

    for taken, _ in enumerate(read_ahead(note, range(50), 3, 5), 1):
        time.sleep(0.002)
        assert len(started) <= taken + 5


def test_an_error_comes_where_its_item_is_due():
    done = []
    with pytest.raises(ZeroDivisionError):
        for n, _ in read_ahead(lambda n: 1 / (n - 3), range(10), 2, 8):
            done.append(n)
    assert done == [0, 1, 2]
