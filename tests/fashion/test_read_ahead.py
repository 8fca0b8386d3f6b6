import threading
import time

import pytest

from fashion.read_ahead import WriteBehind, read_ahead


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


def test_all_is_written_in_order():
    got = []
    with WriteBehind(got.append, room=2) as writer:
        for n in range(30):
            writer.put(n)
    assert got == list(range(30))


def test_the_writer_holds_up_who_is_too_fast():
    released = threading.Event()
    put = []

    def feed(writer):
        for n in range(10):
            writer.put(n)
            put.append(n)

    with WriteBehind(lambda n: released.wait(), room=2) as writer:
        thread = threading.Thread(target=feed, args=(writer,))
        thread.start()
        time.sleep(0.1)
        assert len(put) <= 3  # one in work, two waiting
        released.set()
        thread.join()


def test_an_error_in_writing_reaches_the_caller():
    def fail_at_two(n):
        if n == 2:
            raise OSError("full")
        got.append(n)

    got = []
    with pytest.raises(OSError, match="full"), WriteBehind(fail_at_two, room=1) as writer:
        for n in range(100):
            writer.put(n)
    assert got == [0, 1]
    with pytest.raises(OSError, match="full"), WriteBehind(fail_at_two, room=10) as writer:
        writer.put(2)


def test_an_error_of_the_caller_ends_the_writer():
    before = threading.active_count()
    with pytest.raises(KeyError), WriteBehind(lambda n: time.sleep(0.001), room=5) as writer:
        writer.put(1)
        raise KeyError
    assert threading.active_count() == before
