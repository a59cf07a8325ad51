"""Batches that a thread makes ahead are the same batches."""

import itertools
import threading
from collections.abc import Iterator

import pytest
import torch

from automl_tf.data.batches import TrainingBatches
from automl_tf.data.prepare import PreparedData
from automl_tf.training.loaders import TrainingStream, made_ahead


def test_items_come_in_order_and_some_are_made_ahead() -> None:
    made: list[int] = []

    def count() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    items = made_ahead(count(), number=3)
    assert next(items) == 0
    assert len(made) <= 4
    assert list(items) == list(range(1, 10))


def test_an_error_of_the_thread_comes_in_its_turn() -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise KeyError("second")

    items = made_ahead(fail())
    assert next(items) == 1
    with pytest.raises(KeyError, match="second"):
        next(items)


def test_the_thread_ends_with_the_iterator() -> None:
    before = set(threading.enumerate())
    items = made_ahead(itertools.count())
    next(items)
    assert set(threading.enumerate()) > before
    items.close()
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("batches_done", [0, 5])
def test_a_stream_gives_the_same_batches_ahead(data: PreparedData, batches_done: int) -> None:
    plain, ahead = (
        iter(TrainingStream(TrainingBatches(data.train, 256, seed=1), batches_done, ahead=ahead))
        for ahead in (False, True)
    )
    for one, other in itertools.islice(zip(plain, ahead, strict=True), 60):
        assert all(map(torch.equal, one.sides, other.sides))
