"""Signals as a request to stop."""

import os
import signal

import pytest

from automl_tf import signals
from automl_tf.signals import StopRequest, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_requests_the_stop_and_its_handler_comes_back(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)  # nohup would have it ignored
    try:
        with stop_on_signals() as stop:
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            assert stop.is_set()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_only_interrupts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SECONDS_BETWEEN_INTERRUPTS", 0.0)
    with stop_on_signals() as stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert stop.num_interrupts == 2


def test_an_interrupt_that_a_wrapper_passes_on_once_more_counts_once() -> None:
    stop = StopRequest()
    for _ in range(3):
        stop.interrupt()
    assert stop.num_interrupts == 1


def test_a_hang_up_stays_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
