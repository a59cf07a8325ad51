"""Static shapes: a few (rows, source width, target width) that hold a split with little padding.

CUDA graphs and compiled steps are prepared once for each shape, so that there must be few of them.
A pair goes into the cheapest shape that is at least as wide as both of its sides. Which widths the
shapes have is found by a greedy search followed by a local search over the split's own lengths:
shapes that the data choose pad 7 % where a fixed grid of as many shapes pads 20 %.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MOST_SHAPES = 56
"""Upper bound of the number of shapes."""
PADDING_WANTED = 0.07
"""Share of padding at which no more shapes are added."""

_SHAPES_ADDED_AT_ONCE = 8
# Widths of one side among which those of the shapes are chosen.
_MOST_BORDERS = 64
_MOST_ROUNDS = 4
# A batch with fewer rows than the budget admits costs this share of the positions left out: a full
# batch is better, but not at the price of much padding.
_PRICE_OF_UNUSED_BUDGET = 0.03
# Each row that is missing to half a batch costs as much as a row of padding.
_PRICE_BELOW_HALF = 1.0

Indices = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


class BatchShape(NamedTuple):
    """The size of a batch's tensors.

    Attributes:
        rows: Sentence pairs, fill-up rows counted.
        source: Width of the source, end symbol counted.
        target: Width of the target, start or end symbol counted.
    """

    rows: int
    source: int
    target: int


@dataclass(frozen=True, eq=False)
class ShapeGroup:
    """The pairs of a split that go into batches of one shape.

    Attributes:
        shape: The shape of each batch.
        members: Indices of the pairs.
        num_batches: Batches that the pairs are divided into evenly.
    """

    shape: BatchShape
    members: Indices
    num_batches: int

    @property
    def sizes(self) -> Indices:
        """Pairs in each batch; they differ by one at most."""
        least, more = divmod(len(self.members), self.num_batches)
        return least + (np.arange(self.num_batches) < more).astype(np.int64)


def group_by_shape(
    source_widths: Indices, target_widths: Indices, batch_tokens: int
) -> list[ShapeGroup]:
    """Divides a split into groups, each of which has batches of one shape.

    Rows times the wider side is at most ``batch_tokens``, unless one pair alone exceeds it.

    Args:
        source_widths: Length of each source, end symbol counted.
        target_widths: Length of each target, end symbol counted.
        batch_tokens: Most tokens of a batch: rows times its wider side.

    Returns:
        At most ``MOST_SHAPES`` groups; every pair is in one of them.
    """
    source_borders, target_borders = _borders(source_widths), _borders(target_widths)
    cell = np.searchsorted(source_borders, source_widths) * len(target_borders)
    cell += np.searchsorted(target_borders, target_widths)
    counts = np.bincount(cell, minlength=len(source_borders) * len(target_borders))
    search = _Search(source_borders, target_borders, counts, batch_tokens)
    tokens = int(source_widths.sum()) + int(target_widths.sum())
    search.run(tokens)
    return list(_groups(search, cell))


def _borders(widths: Indices) -> Indices:
    """Widths that a shape may have: all that occur, or as many that share the tokens evenly."""
    found, counts = np.unique(widths, return_counts=True)
    if len(found) <= _MOST_BORDERS:
        return found
    tokens = np.cumsum(found * counts)
    wanted = tokens[-1] * np.arange(1, _MOST_BORDERS + 1) / _MOST_BORDERS
    chosen = np.unique(np.minimum(np.searchsorted(tokens, wanted), len(found) - 1))
    borders: Indices = found[chosen]
    return borders


def _groups(search: "_Search", cell: Indices) -> Iterator[ShapeGroup]:
    owner_of_cell = np.full(search.num_cells, -1)
    owner_of_cell[search.cells] = search.owners()
    owner = owner_of_cell[cell]
    by_owner = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=len(search.chosen)))
    for number, members in enumerate(np.split(by_owner, ends[:-1])):
        if len(members):
            most, source, target = search.shape(number)
            num_batches = -(-len(members) // most)
            rows = -(-len(members) // num_batches)
            yield ShapeGroup(BatchShape(rows, source, target), members, num_batches)


def _sparse(size: int) -> range:
    """Positions of a border to begin with; the local search moves them by single steps."""
    return range(0, size, 1 if size <= _MOST_BORDERS // 2 else 2)


class _Search:
    """Chooses shapes on a grid of widths.

    A cell is a pair of neighbouring widths with the number of sentence pairs in it; a choice is a
    pair of positions in the borders.

    Args:
        source_borders: Widths of the source that a shape may have, ascending.
        target_borders: The same of the target.
        counts: Sentence pairs of each cell, row by row of the grid.
        batch_tokens: Most tokens of a batch.
    """

    def __init__(
        self,
        source_borders: Indices,
        target_borders: Indices,
        counts: Indices,
        batch_tokens: int,
    ) -> None:
        self._source_borders, self._target_borders = source_borders, target_borders
        sources, targets = source_borders[:, None], target_borders[None]
        self._positions: _Floats = (sources + targets).astype(np.float64)
        self._most_rows = np.maximum(1, batch_tokens // np.maximum(sources, targets))
        self.num_cells = len(counts)
        self.cells = np.flatnonzero(counts)
        self._counts = counts[self.cells].astype(np.float64)
        self._cell_source, self._cell_target = np.divmod(self.cells, len(target_borders))
        widest = len(source_borders) - 1, len(target_borders) - 1
        self.chosen = [widest]
        self._prices = self._price(*widest)[None]

    def shape(self, number: int) -> BatchShape:
        """A chosen shape with as many rows as the budget admits."""
        source, target = self.chosen[number]
        return BatchShape(
            int(self._most_rows[source, target]),
            int(self._source_borders[source]),
            int(self._target_borders[target]),
        )

    def owners(self) -> Indices:
        """The cheapest chosen shape that holds each occupied cell."""
        owners: Indices = self._prices.argmin(0)
        return owners

    def run(self, tokens: int) -> None:
        """Adds shapes until little enough is padding.

        Args:
            tokens: Tokens of both sides, end symbols counted.
        """
        for most in range(_SHAPES_ADDED_AT_ONCE, MOST_SHAPES + 1, _SHAPES_ADDED_AT_ONCE):
            self._add(most)
            self._improve()
            _, positions = self._costs(self.chosen, self.owners())
            if tokens >= (1 - PADDING_WANTED) * positions:
                return

    def _price(self, source: int, target: int) -> _Floats:
        """Positions that a pair of each cell takes in a shape; infinite where it does not fit."""
        fits = (self._cell_source <= source) & (self._cell_target <= target)
        return np.where(fits, self._positions[source, target], np.inf)

    def _add(self, most: int) -> None:
        """Adds the shapes that save most positions, one after the other."""
        candidates = [
            (source, target)
            for source in _sparse(len(self._source_borders))
            for target in _sparse(len(self._target_borders))
        ]
        prices = np.stack([self._price(*candidate) for candidate in candidates])
        lowest = self._prices.min(0)
        while len(self.chosen) < most:
            savings = np.maximum(0.0, lowest - prices) @ self._counts
            best = int(savings.argmax())
            if savings[best] <= 0:
                return
            self.chosen.append(candidates[best])
            self._prices = np.vstack([self._prices, prices[best]])
            lowest = np.minimum(lowest, prices[best])

    def _improve(self) -> None:
        """Moves shapes to neighbouring widths and drops shapes while that makes them cheaper."""
        cost = self._cost(self.chosen, self.owners())
        for _ in range(_MOST_ROUNDS):
            before = cost
            number = 1  # The first one holds whatever is in no other.
            while number < len(self.chosen):
                cost, dropped = self._improve_one(number, cost)
                number += not dropped
            if cost >= before:
                return

    def _improve_one(self, number: int, cost: float) -> tuple[float, bool]:
        """Drops or moves one shape if that pays; the cost then, and whether it was dropped."""
        others = np.delete(self._prices, number, axis=0)
        lowest, owners = others.min(0), others.argmin(0)
        without = self.chosen[:number] + self.chosen[number + 1 :]
        cost_without = self._cost(without, owners)
        if cost_without <= cost:
            self.chosen, self._prices = without, others
            return cost_without, True
        owners += owners >= number
        source, target = self.chosen[number]
        for neighbour in product(
            (source - 1, source, source + 1), (target - 1, target, target + 1)
        ):
            if not self._is_on_grid(*neighbour):
                continue
            price = self._price(*neighbour)
            moved = [*self.chosen[:number], neighbour, *self.chosen[number + 1 :]]
            cost_moved = self._cost(moved, np.where(price < lowest, number, owners))
            if cost_moved < cost:
                cost, self.chosen, self._prices[number] = cost_moved, moved, price
        return cost, False

    def _is_on_grid(self, source: int, target: int) -> bool:
        is_source = 0 <= source < len(self._source_borders)
        return is_source and 0 <= target < len(self._target_borders)

    def _cost(self, chosen: list[tuple[int, int]], owners: Indices) -> float:
        return self._costs(chosen, owners)[0]

    def _costs(self, chosen: list[tuple[int, int]], owners: Indices) -> tuple[float, float]:
        """What an epoch costs, unused budget counted at its price; and its positions alone."""
        source, target = np.array(chosen).T
        positions, most = self._positions[source, target], self._most_rows[source, target]
        pairs = np.bincount(owners, self._counts, len(chosen))
        batches = np.ceil(pairs / most)
        rows = np.ceil(pairs / np.maximum(1, batches)) * batches
        unused = batches * most - rows
        missing = np.where(pairs > 0, np.maximum(0.0, most / 2 - pairs), 0.0)
        priced = rows + _PRICE_OF_UNUSED_BUDGET * unused + _PRICE_BELOW_HALF * missing
        return float(priced @ positions), float(rows @ positions)
