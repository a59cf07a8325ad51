"""Reproducible choices: the same seed gives the same choices on every machine and version."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

_MASK = (1 << 64) - 1
_PERCENT = 100


class Chance:
    """The generator SplitMix64 (Steele, Lea and Flood 2014), in integers alone.

    The standard library promises stable sequences only for some methods of its generator, and
    rounding could differ in weighted choices; integer arithmetic does not.

    Args:
        seed: Any non-negative integer; its lowest 64 bits count.
    """

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, end: int) -> int:
        """An integer from 0 to ``end - 1``."""
        return (self.bits() * end) >> 64

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def happens(self, percent: int) -> bool:
        """True in ``percent`` of a hundred cases."""
        return self.below(_PERCENT) < percent

    def one_of(self, items: Sequence[Item]) -> Item:
        """Any of the items, all equally likely."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[Item], weights: Sequence[int]) -> Item:
        """Any of the items, each as likely as its weight says."""
        point = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        raise AssertionError("the weights are not positive")

    def mixed(self, shares: dict[Item, int]) -> Item:
        """Any of the keys, each as likely as its share says."""
        return self.weighted(list(shares), list(shares.values()))
