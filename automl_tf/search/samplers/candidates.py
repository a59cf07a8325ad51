"""The configurations among which the next one is chosen.

A configuration is a row of places between zero and one, one a searched setting, until it is told.
Shape letters: N configurations, S searched settings.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl_tf.search.samplers.axes import Array

Configuration = dict[str, Any]
"""Values by dotted path."""

MOST_LISTED = 1500
"""Configurations of a space up to which all of them are looked at."""
DRAWN = 1000
"""Configurations that are looked at of a larger one."""
MOVED = 300
"""Neighbours of the most promising ones that are looked at then."""
MOVE = 0.15
"""Standard deviation of a neighbour's distance along a changed setting, in lengths of the range."""
CHANGED_SETTINGS = 2
"""Settings in which a neighbour differs on average."""


def listed(space: Mapping[str, BaseDistribution]) -> list[Configuration] | None:
    """Every configuration of a small space; None of a large one."""
    if math.prod(count(distribution) for distribution in space.values()) > MOST_LISTED:
        return None
    values = [_values(distribution) for distribution in space.values()]
    return [
        dict(zip(space, combination, strict=True)) for combination in itertools.product(*values)
    ]


def drawn(space: Mapping[str, BaseDistribution], rng: np.random.Generator) -> list[Configuration]:
    """Configurations from all over a large space."""
    return _configurations(rng.random((DRAWN, len(space))), space)


def neighbours(
    promising: Sequence[Configuration],
    space: Mapping[str, BaseDistribution],
    rng: np.random.Generator,
) -> list[Configuration]:
    """Configurations that differ a little from promising ones."""
    places_NS = np.array(
        [
            [place_of(distribution, configuration[name]) for name, distribution in space.items()]
            for configuration in promising
        ]
    )
    places_NS = places_NS[rng.integers(len(promising), size=MOVED)]
    changes_NS = rng.random(places_NS.shape) < CHANGED_SETTINGS / len(space)
    moved_NS = places_NS + changes_NS * rng.normal(scale=MOVE, size=places_NS.shape)
    for column, distribution in enumerate(space.values()):
        if isinstance(distribution, CategoricalDistribution):
            changes_N = changes_NS[:, column]
            moved_NS[changes_N, column] = rng.random(changes_N.sum())
    return _configurations(np.clip(moved_NS, 0, 1), space)


def unseen(
    configurations: Iterable[Configuration], seen: Iterable[Mapping[str, Any]]
) -> list[Configuration]:
    """The configurations that are not among the seen ones, each once."""
    known = {_key(configuration) for configuration in seen}
    fresh = []
    for configuration in configurations:
        key = _key(configuration)
        if key not in known:
            known.add(key)
            fresh.append(configuration)
    return fresh


def count(distribution: BaseDistribution) -> float:
    """How many values a setting has; infinity for a continuous one."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.single():
        return 1
    if distribution.step is None:
        return math.inf
    # A little more than the quotient: 0.3 / 0.1 falls short of three.
    return math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1


def value_at(distribution: BaseDistribution, place: float) -> Any:  # noqa: ANN401 - any setting
    """The value of a setting at a place between zero and one: equal shares to all values."""
    number = count(distribution)
    index = min(int(place * number), number - 1) if number < math.inf else 0
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(index)]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = low * (high / low) ** place
        return min(max(round(value), low), high) if isinstance(low, int) else min(value, high)
    if distribution.step is None:
        return low + place * (high - low)
    value = low + index * distribution.step
    return value if isinstance(low, int) else round(value, 12)


def place_of(distribution: BaseDistribution, value: Any) -> float:  # noqa: ANN401 - any setting
    """A place at which a setting has the value."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.to_internal_repr(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = distribution.low, distribution.high
    if distribution.single():
        return 0.5
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    if distribution.step is None:
        return float((value - low) / (high - low))
    return float(((value - low) / distribution.step + 0.5) / count(distribution))


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    """Every value of a setting that is not continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    number = int(count(distribution))
    return [value_at(distribution, (index + 0.5) / number) for index in range(number)]


def _configurations(places_NS: Array, space: Mapping[str, BaseDistribution]) -> list[Configuration]:
    names = list(space)
    values = [
        [value_at(distribution, place) for place in places_NS[:, column].tolist()]
        for column, distribution in enumerate(space.values())
    ]
    return [dict(zip(names, told, strict=True)) for told in zip(*values, strict=True)]


def _key(configuration: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, repr(value)) for name, value in configuration.items()))
