"""Signals as an exception and as a request to stop."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from automl_tf import signals
from automl_tf.signals import StopRequest, interruptible, raise_on_signals, stop_on_signals


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_saves_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with raise_on_signals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_training_within_a_command_is_asked_and_what_follows_is_ended() -> None:
    with raise_on_signals():
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_the_last_of_several_interrupts_ends_a_training_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "SECONDS_BETWEEN_INTERRUPTS", 0.0)
    with stop_on_signals(3) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.num_interrupts == 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


STUCK = """
import hashlib, os, signal, sys, threading, time
from automl_tf import signals

signals.NATIVE_SECONDS = signals.EXIT_SECONDS = 0.3
with signals.raise_on_signals():
    print("ready", flush=True)
    if sys.argv[1] == "native":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["native", "cleaning"])
def test_native_code_and_a_long_end_are_not_waited_for(kind: str) -> None:
    words = [sys.executable, "-c", STUCK, kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 130


def test_native_code_is_left_when_its_result_is_not_wanted() -> None:
    class UnwantedError(Exception):
        pass

    def check() -> None:
        if time.monotonic() > begun + 0.3:
            raise UnwantedError

    begun = time.monotonic()
    with pytest.raises(UnwantedError):
        interruptible(lambda: time.sleep(5), check)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with raise_on_signals(), pytest.raises(KeyboardInterrupt):
        interruptible(lambda: time.sleep(5), lambda: None)
    assert time.monotonic() < begun + 3
    assert interruptible(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, lambda: None)


ENDING = """
import atexit, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from automl_tf.signals import exit_on_signals

def end():
    print("ending", flush=True)
    time.sleep(60)

atexit.register(end)
exit_on_signals()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_interpreter_ends_has_the_same_exit_code(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ending\n"
        process.send_signal(number)
        assert process.wait(20) == 130
