"""The batches that Lightning iterates over: an endless stream, and validations that grow."""

from collections.abc import Callable, Iterator

from automl_tf.data.batches import Batch, TrainingBatches


class Stream:
    """An endless iterable of batches from a position on.

    It hides the batches' own state from Lightning, which fetches one batch ahead and would save a
    position one too far.

    Args:
        batches: Where they come from.
        batches_done: Batches to begin after.
        shaped: What is done to each.
    """

    def __init__(
        self,
        batches: TrainingBatches,
        batches_done: int,
        shaped: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> None:
        self._batches = batches
        self._shaped = shaped
        self._batches.load_state_dict({"batches_done": batches_done})

    def __iter__(self) -> Iterator[Batch]:
        return map(self._shaped, self._batches)


class GrowingBatches:
    """Batches that are made anew whenever their number of sentences has changed.

    Lightning asks once for what it validates on, and again for an iterator at each validation.

    Args:
        batches: The batches of so many sentences.
        num_sentences: How many there are to be now.
    """

    def __init__(
        self, batches: Callable[[int], list[Batch]], num_sentences: Callable[[], int]
    ) -> None:
        self._batches = batches
        self._num_sentences = num_sentences
        self._made: tuple[int, list[Batch]] = 0, []

    def __iter__(self) -> Iterator[Batch]:
        size = self._num_sentences()
        if size != self._made[0]:
            self._made = size, self._batches(size)
        return iter(self._made[1])
