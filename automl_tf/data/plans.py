"""Which sentences go into which batch: length buckets under a budget of tokens."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_tf.data.encoded import EncodedSplit

# Sources whose lengths differ by less than twice as many subwords can change places.
_JITTER = 1.0

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """A division of sentences into batches.

    Attributes:
        order: Indices of all sentences, those of each batch together.
        starts: Where each batch starts in order, and at last where the last one ends.
    """

    order: Indices
    starts: Indices

    def __len__(self) -> int:
        return len(self.starts) - 1

    def batch(self, number: int) -> Indices:
        """Indices of the sentences of one batch."""
        return self.order[self.starts[number] : self.starts[number + 1]]


def plan_in_order(split: EncodedSplit, batch_tokens: int) -> Plan:
    """Batches of sentences of like length, the shortest targets first.

    Args:
        split: The sentences.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
    """
    return _packed(split, np.zeros(len(split)), batch_tokens, batch_tokens)


def plan_shuffled(split: EncodedSplit, batch_tokens: int, rng: np.random.Generator) -> Plan:
    """Batches as :func:`plan_in_order`, but each time of other sentences.

    Targets are sorted by their exact length, so that hardly any padding goes through the decoder
    and the output layer, which cost most. Sources are sorted with jitter within that.

    Args:
        split: The sentences.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
        rng: Source of the randomness.
    """
    jitter = rng.uniform(-_JITTER, _JITTER, len(split))
    # A first batch of any size moves the borders of all that follow.
    return _packed(split, jitter, int(rng.integers(batch_tokens)), batch_tokens)


def _packed(
    split: EncodedSplit,
    jitter: npt.NDArray[np.float64],
    first_batch_tokens: int,
    batch_tokens: int,
) -> Plan:
    """Sorts by length and fills one batch after the other as far as the budget goes."""
    # The symbol that ends or starts each sentence counts.
    source, target = split.source.lengths + 1, split.target.lengths + 1
    # Sources go up and down in turn, so that none of the steps to a longer target is a steep one.
    direction = np.where(target % 2 == 0, 1, -1)
    order = np.lexsort(((source + jitter) * direction, target))
    sorted_widths = np.maximum(source, target)[order]
    starts = [0]
    budget = first_batch_tokens
    while starts[-1] < len(order):
        start = starts[-1]
        # The first sentence bounds how many can follow.
        most = max(1, budget // int(sorted_widths[start]))
        longest = np.maximum.accumulate(sorted_widths[start : start + most])
        fits = longest * np.arange(1, len(longest) + 1) <= budget
        starts.append(start + max(1, int(fits.sum())))
        budget = batch_tokens
    return Plan(order, np.array(starts, dtype=np.int64))
