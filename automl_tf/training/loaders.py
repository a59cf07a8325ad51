"""The training loader: an endless stream of batches from any position on, made ahead of a GPU."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from automl_tf.data.batches import Batch, TrainingBatches

Item = TypeVar("Item")

NUM_AHEAD = 2
"""Batches that are made ahead of a GPU."""


class TrainingStream:
    """An endless iterable of batches from a position on.

    It hides the batches' own state from Lightning, which fetches one batch ahead and would save a
    position one too far.

    Args:
        batches: Where they come from.
        batches_done: Batches to begin after.
        ahead: Whether a thread makes batches ahead, while a GPU computes. On the CPU the thread
            would take time from the arithmetic.
    """

    def __init__(
        self,
        batches: TrainingBatches,
        batches_done: int,
        *,
        ahead: bool = False,
    ) -> None:
        self._batches = batches
        self._ahead = ahead
        self._batches.load_state_dict({"batches_done": batches_done})

    def __iter__(self) -> Iterator[Batch]:
        return made_ahead(self._batches) if self._ahead else self._batches


def made_ahead(items: Iterator[Item], number: int = NUM_AHEAD) -> Iterator[Item]:
    """Yields items that a thread makes ahead.

    Args:
        items: The items.
        number: How many the thread is ahead.

    Raises:
        Exception: What making an item raised, in its turn.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        pending = deque(thread.submit(_next, items) for _ in range(number))
        while (made := pending.popleft().result()) is not None:
            pending.append(thread.submit(_next, items))
            yield made[0]


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    """Returns the next item; None after the last. A future cannot hold StopIteration."""
    for item in items:
        return (item,)
    return None
