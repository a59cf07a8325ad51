"""A table of trained Transformers as samplers see it: which row a proposal stands for."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hpo_tables import HpoTable


class NearestRows:
    """A grid of a table's values, for Optuna's samplers: the nearest row not yet tried answers.

    Args:
        table: The table.

    Attributes:
        space: What a sampler is asked for.
    """

    def __init__(self, table: HpoTable) -> None:
        choices = table.choices()
        self.space: dict[str, BaseDistribution] = {
            name: IntDistribution(0, len(values) - 1)
            if isinstance(values[0], int | float)
            else CategoricalDistribution(list(range(len(values))))
            for name, values in choices.items()
        }
        self._grid_NS = np.array(
            [[choices[name].index(row[name]) for name in choices] for row in table.rows]
        )

    def row(self, params: Mapping[str, Any], tried: Collection[int]) -> int:
        """The number of the row that a proposal stands for."""
        distance_N = np.abs(self._grid_NS - [params[name] for name in self.space]).sum(1)
        distance_N = distance_N.astype(float)
        distance_N[list(tried)] = np.inf
        return int(distance_N.argmin())


class OwnRows:
    """A table's configurations in our settings, for a sampler that chooses among them.

    Args:
        table: The table.

    Attributes:
        rows: What the sampler chooses from.
        space: What it is asked for.
    """

    def __init__(self, table: HpoTable) -> None:
        self.rows = table.configurations()
        self.space: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(sorted({row[name] for row in self.rows}))
            for name in self.rows[0]
        }
        self._numbers = {_key(row): number for number, row in enumerate(self.rows)}

    def row(self, params: Mapping[str, Any]) -> int:
        """The number of the row that a proposal is."""
        return self._numbers[_key(params)]


def _key(configuration: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(configuration.items()))
