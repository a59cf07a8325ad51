"""Candidates lie in the space, and all of a small space is among them."""

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl_tf.config.space import Space
from automl_tf.search.samplers.build import distribution, grid
from automl_tf.search.samplers.prior_gp import (
    NUM_PERTURBED,
    NUM_SAMPLED,
    enumerate_space,
    from_unit,
    perturb,
    sample_space,
    to_unit,
    unseen,
)
from tests.search.making import GRID, SPACE

LARGE = {name: distribution(domain) for name, domain in SPACE.items()}
SMALL = {name: distribution(domain) for name, domain in GRID.items()}
DISTRIBUTIONS: list[BaseDistribution] = [
    CategoricalDistribution(("pre", "post", True, 3)),
    IntDistribution(1, 6),
    IntDistribution(1, 7, step=2),
    IntDistribution(8, 512, log=True),
    IntDistribution(4, 4),
    FloatDistribution(0.0, 0.3),
    FloatDistribution(1e-4, 1e-2, log=True),
    FloatDistribution(0.0, 0.5, step=0.1),
    FloatDistribution(0.1, 0.1),
]


def lies_in(value: object, distribution: BaseDistribution) -> bool:
    return distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_every_place_has_a_value_of_the_setting_and_every_value_a_place(
    distribution: BaseDistribution,
) -> None:
    values = [from_unit(distribution, place) for place in np.linspace(0, 1, 301).tolist()]
    for value in values:
        assert lies_in(value, distribution)
        again = from_unit(distribution, to_unit(distribution, value))
        assert again == value or again == pytest.approx(value)


def test_a_small_space_is_listed_whole_and_a_large_one_is_not() -> None:
    found = enumerate_space(SMALL)
    assert found is not None
    sizes = [len(values) for values in grid(Space(GRID)).values()]
    assert len(found) == np.prod(sizes)
    assert len(unseen(found, [])) == len(found)
    assert enumerate_space(LARGE) is None
    halves = enumerate_space({"model.dropout": FloatDistribution(0.0, 0.5, step=0.25)})
    assert halves == [{"model.dropout": value} for value in (0.0, 0.25, 0.5)]
    whole = enumerate_space({"model.d_ff": IntDistribution(8, 11, log=True)})
    assert whole == [{"model.d_ff": value} for value in (8, 9, 10, 11)]


def test_drawn_ones_and_neighbours_lie_in_the_space() -> None:
    rng = np.random.default_rng(1)
    first = sample_space(LARGE, rng)
    moved = perturb(first[:3], LARGE, rng)
    assert (len(first), len(moved)) == (NUM_SAMPLED, NUM_PERTURBED)
    for configuration in [*first, *moved]:
        assert all(lies_in(configuration[name], LARGE[name]) for name in LARGE)
        assert not any(isinstance(value, np.generic) for value in configuration.values())
    differing = [
        min(sum(one[name] != other[name] for name in LARGE) for other in first[:3]) for one in moved
    ]
    assert np.mean(differing) < len(LARGE) / 2


def test_what_was_seen_or_repeats_is_left_out() -> None:
    configurations = [{"a": 1, "b": 0.5}, {"b": 0.5, "a": 1}, {"a": 2, "b": 0.5}]
    assert unseen(configurations, []) == [configurations[0], configurations[2]]
    assert unseen(configurations, [{"b": 0.5, "a": 2}]) == [configurations[0]]
