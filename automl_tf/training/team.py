"""The processes that train one model together, as each of them sees the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """One process's place among those that train together.

    Whatever the members do together has to be asked for by all of them, in the same order.

    Attributes:
        rank: Number of this process, counted from 0.
        size: How many there are.
        channel: What they talk through beside the gradients; none for one alone.
    """

    rank: int = 0
    size: int = 1
    channel: dist.ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and speaks for all."""
        return self.rank == 0

    def share(self, values: Sequence[Value]) -> Sequence[Value]:
        """This process's part of what all have."""
        return values[self.rank :: self.size]

    def gather(self, mine: Value) -> list[Value]:
        """What each process gives, in the order of their ranks; every process gets it."""
        if self.size == 1:
            return [mine]
        everyones: list[Any] = [None] * self.size
        dist.all_gather_object(everyones, mine, group=self.channel)
        return everyones

    def merge(self, mine: Sequence[Value]) -> list[Value]:
        """The whole from what each process made of its ``share``, in the order of the whole."""
        parts = self.gather(mine)
        whole: list[Any] = [None] * sum(map(len, parts))
        for rank, part in enumerate(parts):
            whole[rank :: self.size] = part
        return whole

    def follow(self, leaders: Value) -> Value:
        """What the leading process gives; what the others give does not matter."""
        if self.size == 1:
            return leaders
        given: list[Any] = [leaders]
        dist.broadcast_object_list(given, src=0, group=self.channel)
        answer: Value = given[0]
        return answer


ALONE = Team()
"""A process that trains by itself."""
