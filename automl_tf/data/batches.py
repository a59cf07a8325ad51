"""Token batches: padded tensors, endless and reproducible for training, in order for evaluation.

Batches are planned for a whole epoch: sentences of like length side by side, under a budget of
tokens. A training plan either fits each batch to its own sentences or uses a few static shapes
(:mod:`automl_tf.data.batch_shapes`).

Shapes: B sentences, S source subwords, T target subwords.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_tf.data.batch_shapes import BatchShape, Indices, ShapeGroup, group_by_shape
from automl_tf.data.encoded import EncodedSplit, Ragged
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.device import move

# Sources whose lengths differ by less than twice as many subwords can change places.
_JITTER = 1.0
# The first batch of an epoch is at least as large as this share of the others, so that the borders
# between batches move from epoch to epoch.
_SMALLEST_FIRST = 0.5


class Batch(NamedTuple):
    """Sentences side by side, padded with PAD at their ends.

    A batch of a static shape may end with fill-up rows. These have one real token on each side that
    is read, so that no attention row is masked as a whole, and none in ``target_out_BT``, so that
    they do not count in the loss.

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
        return self.each(lambda side: move(side, device))


@dataclass(frozen=True, eq=False)
class Plan:
    """A division of sentences into batches.

    Attributes:
        order: Indices of all sentences, those of each batch together.
        starts: Where each batch starts in order, and at last where the last one ends.
        shapes: The shape of each batch, if shapes are static.
    """

    order: Indices
    starts: Indices
    shapes: tuple[BatchShape, ...] | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def batch(self, number: int) -> Indices:
        """Indices of the sentences of one batch."""
        return self.order[self.starts[number] : self.starts[number + 1]]

    def shape(self, number: int) -> BatchShape | None:
        """The shape of one batch; None if it is as large as its sentences."""
        return None if self.shapes is None else self.shapes[number]


class TrainingBatches:
    """An endless iterator over the batches of epoch after epoch.

    Every epoch holds each pair once. Its batches and their order follow from the seed and the
    epoch's number alone. With several ranks, each takes its part of every batch, so that a position
    means the same whatever their number.

    Args:
        split: The training split.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
        seed: Seed of the order.
        rank: Number of this process, counted from 0.
        world_size: How many processes train together.
        static_shapes: Whether all batches have one of a few shapes, as CUDA graphs need it.
    """

    def __init__(
        self,
        split: EncodedSplit,
        batch_tokens: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        *,
        static_shapes: bool = False,
    ) -> None:
        assert 0 <= rank < world_size, "a rank is one of the processes"
        self._split = split
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._groups = _groups(split, batch_tokens) if static_shapes else None
        self._batches_done = 0
        self._start_epoch(0)

    @property
    def batches_per_epoch(self) -> int:
        """Batches of the present epoch; without static shapes, epochs differ by a few."""
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
        number = self._order[self._position]
        self._position += 1
        self._batches_done += 1
        indices, shape = self._plan.batch(number), self._plan.shape(number)
        return make_batch(self._split, indices, self._rank, self._world_size, shape)

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
        self._plan: Plan = (
            plan_shuffled(self._split, self._batch_tokens, rng)
            if self._groups is None
            else plan_static(self._groups, rng)
        )
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


def make_batch(
    split: EncodedSplit,
    indices: Indices,
    rank: int = 0,
    world_size: int = 1,
    shape: BatchShape | None = None,
) -> Batch:
    """The chosen sentences as padded tensors, or one rank's part of them.

    Sentences of a batch are of like length; dealt out one by one, so are the parts. Every rank has
    to take every step: one that is left without a sentence gets a fill-up row.

    Args:
        split: The split.
        indices: Sentences of the whole batch.
        rank: Number of this process, counted from 0.
        world_size: How many processes share the batch.
        shape: Shape of the whole batch; without one, a part is as large as its sentences.
    """
    own = indices[rank::world_size]
    source, target = split.source.take(own), split.target.take(own)
    if shape is None:
        shape = BatchShape(max(1, len(own)), _width(source), _width(target))
    else:
        shape = shape._replace(rows=-(-shape.rows // world_size))
    source_BS = _padded(source, shape.rows, shape.source)
    _end(source_BS, source)
    source_BS[len(own) :, 0] = EOS
    target_out_BT = _padded(target, shape.rows, shape.target)
    target_in_BT = np.empty_like(target_out_BT)
    target_in_BT[:, 0], target_in_BT[:, 1:] = BOS, target_out_BT[:, :-1]
    _end(target_out_BT, target)
    own_tokens = len(target.ids) + len(own)
    return Batch(
        torch.from_numpy(source_BS),
        torch.from_numpy(target_in_BT),
        torch.from_numpy(target_out_BT),
        num_tokens=own_tokens,
        whole_tokens=own_tokens if world_size == 1 else _num_tokens(split, indices),
    )


def plan_in_order(split: EncodedSplit, batch_tokens: int) -> Plan:
    """Batches of sentences of like length, the shortest targets first, each as full as it can be.

    Args:
        split: The sentences.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
    """
    order, widths = _sorted(split, None)
    starts = [0]
    while starts[-1] < len(order):
        starts.append(_end_by_budget(widths, starts[-1], batch_tokens))
    return Plan(order, np.array(starts, dtype=np.int64))


def plan_shuffled(split: EncodedSplit, batch_tokens: int, rng: np.random.Generator) -> Plan:
    """Batches of sentences of like length, each time of other sentences, and none of them small.

    Targets are sorted by their exact length, so that hardly any padding goes through the decoder
    and the output layer, which cost most. Sources are sorted with jitter within that. What remains
    is shared evenly by the batches that it needs: a short batch at either end would get an update
    of the optimizer as large as that of a full one.

    Args:
        split: The sentences.
        batch_tokens: Most tokens of a batch: sentences times its longest side with end symbol.
        rng: Source of the randomness.
    """
    order, widths = _sorted(split, rng.uniform(-_JITTER, _JITTER, len(split)))
    tokens = np.concatenate([[0], np.cumsum(widths)])
    starts = [0]
    share_of_first = float(rng.uniform(_SMALLEST_FIRST, 1.0))
    while starts[-1] < len(order):
        start = starts[-1]
        rest = int(tokens[-1] - tokens[start])
        full = _end_by_budget(widths, start, batch_tokens)
        batches = -(-rest // batch_tokens)
        if batches == 1 and full < len(order):
            batches = 2  # The rest fits but for its padding.
        share = rest / batches
        if start == 0 and batches > 1:
            share *= share_of_first
        even = int(np.searchsorted(tokens, tokens[start] + int(share), side="right")) - 1
        starts.append(min(full, max(start + 1, even)))
    return Plan(order, np.array(starts, dtype=np.int64))


def plan_static(groups: list[ShapeGroup], rng: np.random.Generator) -> Plan:
    """Batches of a few shapes, each time of other sentences.

    Args:
        groups: The sentences of each shape, as ``group_by_shape`` divides a split.
        rng: Source of the randomness.
    """
    order = np.concatenate([rng.permutation(group.members) for group in groups])
    sizes = np.concatenate([group.sizes for group in groups])
    shapes = tuple(group.shape for group in groups for _ in range(group.num_batches))
    return Plan(order, np.concatenate([[0], np.cumsum(sizes)]), shapes)


def _groups(split: EncodedSplit, batch_tokens: int) -> list[ShapeGroup]:
    return group_by_shape(split.source.lengths + 1, split.target.lengths + 1, batch_tokens)


def _sorted(split: EncodedSplit, jitter: npt.NDArray[np.float64] | None) -> tuple[Indices, Indices]:
    """Sentences in order of length, and the wider side of each in that order."""
    # The symbol that ends or starts each sentence counts.
    source, target = split.source.lengths + 1, split.target.lengths + 1
    # Sources go up and down in turn, so that none of the steps to a longer target is a steep one.
    direction = np.where(target % 2 == 0, 1, -1)
    inner = (source if jitter is None else source + jitter) * direction
    step = 2 * (int(source.max()) + 2)  # More than the sources and their jitter differ.
    order = np.argsort(target * step + inner, kind="stable")
    return order, np.maximum(source, target)[order]


def _end_by_budget(widths: Indices, start: int, batch_tokens: int) -> int:
    """Where a batch ends that starts somewhere and is as full as its budget admits."""
    # The first sentence bounds how many can follow.
    most = max(1, batch_tokens // int(widths[start]))
    longest = np.maximum.accumulate(widths[start : start + most])
    fits = longest * np.arange(1, len(longest) + 1) <= batch_tokens
    return start + max(1, int(fits.sum()))


def _num_tokens(split: EncodedSplit, indices: Indices) -> int:
    """Target tokens of the chosen sentences with their ends."""
    offsets = split.target.offsets
    return int((offsets[indices + 1] - offsets[indices]).sum()) + len(indices)


def _width(sentences: Ragged) -> int:
    """Positions of the longest sentence with its start or end symbol."""
    return int(sentences.lengths.max(initial=0)) + 1


def _padded(sentences: Ragged, rows: int, width: int) -> npt.NDArray[np.int64]:
    """Sentences as the first of so many rows, each as wide as told."""
    padded = np.full((rows, width), PAD, dtype=np.int64)
    lengths = sentences.lengths
    padded[: len(lengths)][np.arange(width) < lengths[:, None]] = sentences.ids
    return padded


def _end(padded: npt.NDArray[np.int64], sentences: Ragged) -> None:
    """Puts EOS behind every sentence."""
    padded[np.arange(len(sentences)), sentences.lengths] = EOS
