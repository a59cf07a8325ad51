"""Messages to a terminal: errors, and a sign of life where a command is silent for long."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from automl_tf.formatting import format_clock

SECONDS = 30.0
"""Longest silence."""


def is_interactive() -> bool:
    """Returns whether standard output is a terminal that can redraw what it shows."""
    return sys.stdout is not None and sys.stdout.isatty() and not Console().is_dumb_terminal


def print_error(text: str) -> None:
    """Prints an error on standard error, in red where that can be shown."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"error: {text}", markup=False, style="red"
    )


class SignOfLife:
    """Prints what a command is doing whenever it has printed nothing for half a minute.

    Args:
        doing: What it is doing, in words that stand before a time: ``preparing the corpus``.
    """

    def __init__(self, doing: str = "") -> None:
        self.doing = doing
        self._began = self._last = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to watch."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="sign-of-life", daemon=True)
            self._thread.start()

    def printed(self) -> None:
        """Notes that something was printed just now."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """Ends the watch."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(max(0.0, self._last + SECONDS - time.monotonic())):
            now = time.monotonic()
            if now < self._last + SECONDS:
                continue
            self._last = now
            try:
                typer.echo(f"{self.doing} ({format_clock(now - self._began)})", err=True)
            except (OSError, ValueError):  # nobody reads it, or it was closed
                return


@contextmanager
def sign_of_life(doing: str, *, quiet: bool = False) -> Iterator[None]:
    """Gives signs of life for as long as the context lasts, unless the command is to be quiet."""
    life = SignOfLife(doing)
    if not quiet:
        life.start()
    try:
        yield
    finally:
        life.stop()
