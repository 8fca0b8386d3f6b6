"""Signals are handled within a block, and as before after it."""

import os
import signal
import threading

import pytest

from mrcnn.system.signals import handling_signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def test_a_signal_goes_to_the_handler_and_then_to_the_former_one():
    before, seen = signal.getsignal(signal.SIGUSR1), []
    with handling_signals([signal.SIGUSR1], lambda number, _: seen.append(number)) as arrives:
        signal.raise_signal(signal.SIGUSR1)
    assert arrives and seen == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_the_former_handler_is_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyError), handling_signals([signal.SIGINT], lambda *_: None):
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_gets_no_signals_and_changes_no_handler():
    before, arrived = signal.getsignal(signal.SIGINT), []

    def work():
        with handling_signals([signal.SIGINT], lambda *_: None) as arrives:
            arrived.append((arrives, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert arrived == [(False, True)]
