from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from isthmus.signals import StopSignals


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.001)  # Python runs the handler between two of its own steps


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_fault_54_55_a_signal_only_sets_a_flag(number: int, exit_code: int) -> None:
    with StopSignals() as stop:
        assert not stop
        send(number)
        assert stop
        assert stop.exit_code == exit_code


def test_fault_54_a_second_signal_stops_at_once() -> None:
    with StopSignals() as stop:
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert stop


def test_the_handlers_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_of_the_main_thread_it_does_nothing() -> None:
    seen = []

    def work() -> None:
        with StopSignals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
