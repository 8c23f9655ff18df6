from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from isthmus.system.signals import StopSignals


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


def test_fault_55_at_once_a_signal_ends_the_work_and_one_that_came_before_does_too() -> None:
    with StopSignals() as stop:
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            send(signal.SIGTERM)
        assert stop.exit_code == 143
    with StopSignals() as stop:
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            pytest.fail("the work went on")
        assert stop.exit_code == 143


def test_after_at_once_a_signal_only_sets_a_flag_again() -> None:
    with StopSignals() as stop:
        with stop.at_once():
            pass
        send(signal.SIGINT)
        assert stop


def test_a_signal_that_the_inner_one_caught_is_handed_on() -> None:
    with StopSignals() as outer:
        with StopSignals():
            send(signal.SIGTERM)
        assert outer.exit_code == 143
        assert outer
