"""How a token's position enters the model.

Shapes: T positions, W width of a table's row, F half the width of a head, K width of a head.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LONGEST_WAVELENGTH = 10_000.0


class _GrowingTable(nn.Module, ABC):
    """Rows computed from their number, as many as were ever asked for.

    The table is no part of the model's state: it is a function of the width alone.
    """

    table_TW: Tensor

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("table_TW", self._compute(length), persistent=False)

    @abstractmethod
    def _compute(self, length: int) -> Tensor:
        """The first rows of the table in fp32."""

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows start to stop - 1 of the table, made first if they are missing."""
        if stop > len(self.table_TW):
            # A table made while translating must also serve the training that goes on after it.
            with torch.inference_mode(mode=False):
                self.table_TW = self._compute(max(stop, 2 * len(self.table_TW))).to(self.table_TW)
        return self.table_TW[start:stop]


def _angles(length: int, width: int) -> Tensor:
    """Position times frequency, frequencies in geometric order: (length, width / 2)."""
    exponents_F = torch.arange(0, width, 2, dtype=torch.float64) / width
    positions_T = torch.arange(length, dtype=torch.float64)
    return positions_T[:, None] * LONGEST_WAVELENGTH**-exponents_F


class SinusoidalPositions(_GrowingTable):
    """Sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).

    Args:
        d_model: Width of the model.
        length: Positions to compute at once; the table grows on demand.
    """

    def __init__(self, d_model: int, length: int) -> None:
        super().__init__(d_model, length)

    def _compute(self, length: int) -> Tensor:
        angles_TF = _angles(length, self.width)
        return torch.stack((angles_TF.sin(), angles_TF.cos()), dim=-1).flatten(1).float()

    def forward(self, start: int, stop: int) -> Tensor:
        """What is added to the embeddings at positions start to stop - 1: (stop - start, D)."""
        return self.rows(start, stop)


class LearnedPositions(nn.Module):
    """One trained vector for each position (Vaswani et al. 2017, table 3, row E).

    Args:
        d_model: Width of the model.
        length: Number of positions; there are no others.
    """

    def __init__(self, d_model: int, length: int) -> None:
        super().__init__()
        self.table_TD = nn.Parameter(torch.empty(length, d_model))
        nn.init.normal_(self.table_TD, std=d_model**-0.5)

    def forward(self, start: int, stop: int) -> Tensor:
        """What is added to the embeddings at positions start to stop - 1: (stop - start, D)."""
        assert stop <= len(self.table_TD), f"{stop} positions, {len(self.table_TD)} are learned"
        return self.table_TD[start:stop]


@dataclass(frozen=True)
class Rotation:
    """The turn of each pair of units at some positions.

    Attributes:
        cos_TF: Cosine of each angle.
        sin_TF: Sine of each angle.
    """

    cos_TF: Tensor
    sin_TF: Tensor

    def turn(self, heads: Tensor) -> Tensor:
        """Turns queries or keys (..., T, K), unit f together with unit f + K / 2."""
        first, second = heads.chunk(2, dim=-1)
        return torch.cat(
            (
                first * self.cos_TF - second * self.sin_TF,
                second * self.cos_TF + first * self.sin_TF,
            ),
            dim=-1,
        )


class RotaryPositions(_GrowingTable):
    """Rotations of queries and keys by their position (Su et al. 2021, section 3.2).

    The product of a query and a key then depends on the distance between them alone.

    Args:
        head_width: Width of one head's queries and keys, an even number.
        length: Positions to compute at once; the table grows on demand.
    """

    def __init__(self, head_width: int, length: int) -> None:
        assert head_width % 2 == 0, "rotary positions turn pairs of units"
        super().__init__(head_width, length)

    def _compute(self, length: int) -> Tensor:
        angles_TF = _angles(length, self.width)
        return torch.cat((angles_TF.cos(), angles_TF.sin()), dim=-1).float()

    def forward(self, start: int, stop: int) -> Rotation:
        """The rotation at positions start to stop - 1."""
        cos_TF, sin_TF = self.rows(start, stop).chunk(2, dim=-1)
        return Rotation(cos_TF, sin_TF)
