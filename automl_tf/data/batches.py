"""Token batches: padded tensors, endless and reproducible for training, in order for evaluation.

Shapes: B sentences, S source subwords, T target subwords.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from automl_tf.data.encoded import EncodedSplit, Ragged
from automl_tf.data.plans import Indices, Plan, plan_in_order, plan_shuffled
from automl_tf.data.subwords import BOS, EOS, PAD

# Widths in each octave of a bucketed batch, and the fewest positions between two of them: more of
# them pad less, fewer of them make fewer shapes.
WIDTHS_PER_OCTAVE = 4
NARROWEST = 4


class Batch(NamedTuple):
    """Sentences side by side, padded with PAD at their ends.

    A tuple, because Lightning rebuilds what it moves and cannot rebuild a frozen dataclass.

    Attributes:
        source_BS: Sources, each ending with EOS, int64.
        target_in_BT: Targets, each starting with BOS: what the decoder reads, int64.
        target_out_BT: Targets, each ending with EOS: what the decoder has to predict, int64.
        num_tokens: Target tokens to predict, EOS counted, padding not.
        whole_tokens: The same of the whole batch, of which this is one rank's part.
    """

    source_BS: Tensor
    target_in_BT: Tensor
    target_out_BT: Tensor
    num_tokens: int
    whole_tokens: int

    @property
    def sides(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors."""
        return self.source_BS, self.target_in_BT, self.target_out_BT

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with something done to each of its tensors."""
        source_BS, target_in_BT, target_out_BT = map(change, self.sides)
        return self._replace(
            source_BS=source_BS, target_in_BT=target_in_BT, target_out_BT=target_out_BT
        )

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device."""
        return self.each(lambda side: _moved(side, device))


class TrainingBatches:
    """An endless iterator over the batches of epoch after epoch.

    The batches of an epoch and their order follow from the seed and the epoch's number alone. With
    several ranks, each takes its part of every batch, so that a position means the same whatever
    their number.

    Args:
        split: The training split.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
        seed: Seed of the order.
        rank: Number of this process, counted from 0.
        world_size: How many processes train together.
    """

    def __init__(
        self,
        split: EncodedSplit,
        batch_tokens: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        assert 0 <= rank < world_size, "a rank is one of the processes"
        self._split = split
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._batches_done = 0
        self._start_epoch(0)

    @property
    def batches_per_epoch(self) -> int:
        """Batches of the present epoch; epochs differ by a few."""
        return len(self._order)

    @property
    def epoch(self) -> int:
        """Number of the present epoch, counted from 0."""
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._position == len(self._order):
            self._start_epoch(self._epoch + 1)
        indices = self._plan.batch(self._order[self._position])
        self._position += 1
        self._batches_done += 1
        return make_batch(self._split, indices, self._rank, self._world_size)

    def state_dict(self) -> dict[str, int]:
        """How many batches this iterator has handed out since the first epoch began.

        Whoever fetches batches ahead has to save the number of those that were trained on instead.
        """
        return {"batches_done": self._batches_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on after so many batches, as if they had been handed out."""
        self._batches_done = state["batches_done"]
        self._start_epoch(0)
        remaining = self._batches_done
        while remaining > len(self._order):
            remaining -= len(self._order)
            self._start_epoch(self._epoch + 1)
        self._position = remaining

    def _start_epoch(self, epoch: int) -> None:
        rng = np.random.default_rng([self._seed, epoch])
        self._plan: Plan = plan_shuffled(self._split, self._batch_tokens, rng)
        self._order: Indices = rng.permutation(len(self._plan))
        self._epoch = epoch
        self._position = 0


def evaluation_batches(
    split: EncodedSplit, batch_tokens: int, rank: int = 0, world_size: int = 1
) -> list[tuple[Indices, Batch]]:
    """All sentences once, in batches of like length.

    Args:
        split: The split.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
        rank: Number of this process, counted from 0, which gets its part of every batch.
        world_size: How many processes evaluate together.

    Returns:
        Batches with the indices of the sentences that all ranks together have of it, the shortest
        first.
    """
    plan = plan_in_order(split, batch_tokens)
    chosen = [plan.batch(number) for number in range(len(plan))]
    return [(indices, make_batch(split, indices, rank, world_size)) for indices in chosen]


def make_batch(split: EncodedSplit, indices: Indices, rank: int = 0, world_size: int = 1) -> Batch:
    """The chosen sentences as padded tensors, or one rank's part of them.

    Sentences of a batch are of like length; dealt out one by one, so are the parts. Every rank has
    to take every step: one that is left without a sentence gets one whose tokens do not count.

    Args:
        split: The split.
        indices: Sentences of the whole batch.
        rank: Number of this process, counted from 0.
        world_size: How many processes share the batch.
    """
    own = indices[rank::world_size]
    dealt = own if len(own) else indices[:1]
    source, target = split.source.take(dealt), split.target.take(dealt)
    return Batch(
        torch.from_numpy(_padded(source, last=EOS)),
        torch.from_numpy(_padded(target, first=BOS)),
        torch.from_numpy(_padded(target, last=EOS)),
        num_tokens=_num_tokens(split, own),
        whole_tokens=_num_tokens(split, indices),
    )


def bucketed(batch: Batch, batch_tokens: int, longest: int) -> Batch:
    """A batch filled up to one of a few shapes, by padding and by sentences of nothing else.

    For what is prepared once for each shape. Each pair of widths has one number of sentences: what
    the budget of tokens admits of the shortest sentences that have these widths.

    Args:
        batch: The batch.
        batch_tokens: Most tokens of the batches that it is one of.
        longest: Widest side that there may be, special symbols counted.
    """
    count, source_width = batch.source_BS.shape
    target_width = batch.target_in_BT.shape[1]
    widest = max(source_width, target_width)
    narrowest = _bucket_width(widest) - _width_step(widest) + 1
    room = max(count, batch_tokens // narrowest) - count

    def filled(side: Tensor) -> Tensor:
        width = side.shape[1]
        return F.pad(side, (0, min(_bucket_width(width), longest) - width, 0, room), value=PAD)

    return batch.each(filled)


def _bucket_width(width: int) -> int:
    step = _width_step(width)
    return -(-width // step) * step


def _width_step(width: int) -> int:
    """Positions between the widths of buckets, about a given one."""
    octave = 1 << (width - 1).bit_length()
    return max(NARROWEST, octave // (2 * WIDTHS_PER_OCTAVE))


def _num_tokens(split: EncodedSplit, indices: Indices) -> int:
    """Target tokens of the chosen sentences with their ends."""
    offsets = split.target.offsets
    return int((offsets[indices + 1] - offsets[indices]).sum()) + len(indices)


def _padded(
    ragged: Ragged, *, first: int | None = None, last: int | None = None
) -> npt.NDArray[np.int64]:
    """Sentences as rows, with one symbol more in front or behind."""
    lengths = ragged.lengths
    width = int(lengths.max()) + 1
    rows = np.full((len(ragged), width), PAD, dtype=np.int64)
    column = np.arange(width)
    if first is not None:
        rows[:, 0] = first
        rows[(column > 0) & (column <= lengths[:, None])] = ragged.ids
    else:
        rows[column < lengths[:, None]] = ragged.ids
    if last is not None:
        rows[np.arange(len(ragged)), lengths] = last
    return rows


def _moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    # From pinned memory the copy runs beside the arithmetic.
    return tensor.pin_memory().to(device, non_blocking=True)
