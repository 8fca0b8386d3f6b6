"""Results written behind: order, bounds, errors."""

import threading
import time

import pytest

from fashion.write_behind import WriteBehind


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
