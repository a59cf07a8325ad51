"""SIGINT, SIGTERM and SIGHUP as a request to stop, which a training polls between its steps."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_BETWEEN_INTERRUPTS = 0.5
"""Interrupts that are closer are one: a wrapper such as `uv run` passes Ctrl-C on once more."""


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


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turns signals into a stop request for as long as the context lasts.

    SIGHUP stays ignored where it was, as under `nohup`. SIGINT does not: shells that are not
    interactive start background processes with SIGINT ignored.
    """
    stop = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            stop.interrupt()
        else:
            stop.set()

    under_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [number for number in SIGNALS if not (under_nohup and number == signal.SIGHUP)]
    previous = {number: signal.signal(number, handle) for number in handled}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
