"""SIGINT, SIGTERM and SIGHUP: an exception at once, or a request that a training polls.

A command ends at once, for whatever it writes is whole or absent. A training saves its state first:
it polls a request between its steps.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from automl_tf.errors import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_BETWEEN_INTERRUPTS = 0.5
"""Interrupts that are closer are one: a wrapper such as `uv run` passes Ctrl-C on once more."""


CHECK_SECONDS = 0.2

Handler = Callable[[int, FrameType | None], None]
Result = TypeVar("Result")


class StopRequest:
    """Request to save everything and stop.

    A signal handler must not wait for a lock that the interrupted code may hold. This class has
    none, unlike `threading.Event`.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._interrupted_at: float | None = None
        self.num_interrupts = 0
        """SIGINTs so far. A person presses Ctrl-C again to stop sooner."""

    def is_set(self) -> bool:
        """Returns whether a stop was requested."""
        return self._is_set

    def set(self) -> None:
        """Requests the stop."""
        self._is_set = True

    def interrupt(self) -> None:
        """Requests the stop and counts a SIGINT."""
        now = time.monotonic()
        before = self._interrupted_at
        if before is None or now - before >= SECONDS_BETWEEN_INTERRUPTS:
            self.num_interrupts += 1
            self._interrupted_at = now
        self.set()


NATIVE_SECONDS = 3.0
"""Longest time that a library's native code may keep Python from handling a signal."""
EXIT_SECONDS = 20.0
"""Longest time that a command takes to end after a signal."""
INTERRUPTS_TO_ABORT = 3
"""The first Ctrl-C makes a training save its state, the last one ends it without."""


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Turns signals into `KeyboardInterrupt` for as long as the context lasts.

    Python handles a signal when a library's native code returns, such as that which learns
    subwords. If that takes longer than ``NATIVE_SECONDS``, or the end of the context is not reached
    within ``EXIT_SECONDS`` after it, the process is ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled: list[int] = []
    over = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        handled.append(number)
        raise KeyboardInterrupt

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_exit_if_late, args=(reader, handled, over), daemon=True).start()
    try:
        with _handled(handle), _woken(writer):
            yield
    finally:
        over.set()
        os.close(writer)


def _exit_if_late(reader: int, handled: list[int], over: threading.Event) -> None:
    """Ends the process if native code, or what follows a signal, takes too long."""
    with os.fdopen(reader, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if number[0] not in SIGNALS:
                continue
            if not over.wait(NATIVE_SECONDS) and not (handled and over.wait(EXIT_SECONDS)):
                os._exit(ExitCode.INTERRUPTED)


def exit_on_signals() -> None:
    """Has a signal end the process, with nothing left to do but the interpreter's own end."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        os._exit(ExitCode.INTERRUPTED)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


@contextmanager
def _woken(writer: int) -> Iterator[None]:
    """Has the number of each signal written to a pipe, even while native code runs."""
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


@contextmanager
def _handled(handle: Handler) -> Iterator[None]:
    """Has the signals handled by a function for as long as the context lasts.

    SIGHUP stays ignored where it was, as under `nohup`. SIGINT does not: shells that are not
    interactive start background processes with SIGINT ignored.
    """
    under_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [number for number in SIGNALS if not (under_nohup and number == signal.SIGHUP)]
    previous = {number: signal.signal(number, handle) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def stop_on_signals(interrupts_to_abort: int | None = None) -> Iterator[StopRequest]:
    """Turns signals into a stop request for as long as the context lasts.

    Args:
        interrupts_to_abort: SIGINTs after which `KeyboardInterrupt` is raised; never if not given.
    """
    stop = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            stop.set()
            return
        stop.interrupt()
        if interrupts_to_abort is not None and stop.num_interrupts >= interrupts_to_abort:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    with _handled(handle), _woken(-1):
        yield stop


def interruptible(call: Callable[[], Result], check: Callable[[], None]) -> Result:
    """Returns what a call of native code returns, and handles signals while it runs.

    The call runs in a thread. It is left to itself, and must have no effect then, if a signal or
    ``check`` raises, which is called several times a second.

    Args:
        call: The call, such as that of a library that learns subwords.
        check: Raises if the result is not wanted any more.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised below
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="interruptible", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(CHECK_SECONDS)
        check()
    return outcome.result()
