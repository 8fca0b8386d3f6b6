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


@pytest.mark.parametrize(("finish", "written"), [(True, {0, 1, 2}), (False, set())])
def test_what_was_computed_is_finished_on_request(finish, written):
    stopped, done = threading.Event(), []

    def computed():
        yield from range(3)
        threading.Timer(0.05, stopped.set).start()
        raise KeyboardInterrupt

    def write(n):
        stopped.wait()
        done.append(n)

    with pytest.raises(KeyboardInterrupt):
        list(read_ahead(write, computed(), 1, 5, finish=finish))
    # Without it only the one that had begun is worked through.
    assert set(done) - {0} == written - {0}
