"""The datasets library without its bars and its log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import datasets


@contextmanager
def quietly() -> Iterator[None]:
    """Silences the datasets library for a while: its failures are told as our own errors."""
    bars = not datasets.are_progress_bars_disabled()
    verbosity = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()
