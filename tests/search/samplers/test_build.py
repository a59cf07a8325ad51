"""Samplers and distributions of Optuna's, with what they promise kept."""

import math
import warnings
from collections.abc import Sequence

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import TypeAdapter

from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.config.study import Sampler
from automl_tf.errors import UserError
from automl_tf.search.samplers.build import build_sampler, distribution, grid
from automl_tf.search.schema import trial_seed
from tests.search.making import GRID, SPACE


def sampler(kind: str, **settings: object) -> Sampler:
    return TypeAdapter(Sampler).validate_python({"kind": kind, **settings})


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Choices(choices=("pre", "post")), CategoricalDistribution(("pre", "post"))),
        (Choices(choices=(True, False)), CategoricalDistribution((True, False))),
        (Range(low=1, high=6), IntDistribution(1, 6)),
        (Range(low=1, high=7, step=2), IntDistribution(1, 7, step=2)),
        (Range(low=1, high=6, step=2), IntDistribution(1, 5, step=2)),
        (Range(low=8, high=512, log=True), IntDistribution(8, 512, log=True)),
        (Range(low=0.0, high=0.3), FloatDistribution(0.0, 0.3)),
        (Range(low=1e-4, high=1e-2, log=True), FloatDistribution(1e-4, 1e-2, log=True)),
        (Range(low=0.0, high=0.5, step=0.1), FloatDistribution(0.0, 0.5, step=0.1)),
        (Range(low=0, high=1, step=0.5), FloatDistribution(0.0, 1.0, step=0.5)),
    ],
    ids=str,
)
def test_a_domain_has_the_same_values_in_optunas_terms(
    domain: Domain, expected: optuna.distributions.BaseDistribution
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = distribution(domain)
    assert made == expected
    for value in domain.ends():
        assert made._contains(made.to_internal_repr(value))


def proposals(
    chosen: Sampler, count: int, seed: int = 1, directions: Sequence[str] = ("maximize",)
) -> list[dict]:
    """What is proposed when each trial gets a sampler of its own, as workers do."""
    space = Space(SPACE)
    study = optuna.create_study(directions=directions)
    for number in range(count):
        study.sampler = build_sampler(chosen, space, seed, number)
        trial = study.ask({name: distribution(domain) for name, domain in SPACE.items()})
        height = 30 - (math.log10(trial.params["training.learning_rate"]) + 3) ** 2
        values = [height - trial.params["model.dropout"], trial.params["model.encoder_layers"]]
        study.tell(trial, values[: len(directions)])
    return [trial.params for trial in study.trials]


SAMPLERS = [
    (sampler("auto"), 12),
    (sampler("random"), 12),
    (sampler("tpe", startup_trials=4), 12),
    (sampler("gp", startup_trials=3), 5),
    (sampler("cmaes", startup_trials=2), 12),
    (sampler("qmc"), 12),
    (sampler("nsgaii", population=4), 12),
]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("chosen", "count"), SAMPLERS, ids=lambda given: getattr(given, "kind", "")
)
def test_proposals_lie_in_the_space_and_repeat_with_their_seed(chosen: Sampler, count: int) -> None:
    params = proposals(chosen, count)
    space = Space(SPACE)
    for point in params:
        assert set(point) == set(SPACE)
        for name, value in point.items():
            assert space.domains[name].contains(value), f"{name} = {value!r}"
    assert proposals(chosen, count) == params
    assert proposals(chosen, count, seed=2) != params
    # A genetic algorithm's children share their parents' values.
    assert len({point["training.learning_rate"] for point in params}) >= 4


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", ["auto", "random", "tpe", "gp", "qmc", "nsgaii"])
def test_every_sampler_that_a_study_of_two_objectives_may_name_serves_it(kind: str) -> None:
    settings = {"gp": {"startup_trials": 2}, "tpe": {"startup_trials": 2}}.get(kind, {})
    chosen = sampler(kind, **settings)
    assert len(proposals(chosen, 4, directions=("maximize", "minimize"))) == 4


@pytest.mark.parametrize("study_seed", [0, 1, 20_240_101, 2**32 - 1])
def test_every_seed_of_a_study_gives_seeds_that_every_library_takes(study_seed: int) -> None:
    seeds = [trial_seed(study_seed, number) for number in range(1000)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    for kind in ("auto", "random", "tpe", "gp", "cmaes", "nsgaii"):
        build_sampler(sampler(kind), Space(SPACE), study_seed, 999)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_large_seeds_propose_too() -> None:
    for kind in ("random", "qmc"):
        assert len(proposals(sampler(kind), 2, seed=2**32 - 1)) == 2


def test_a_grid_lists_every_value_and_refuses_what_has_no_end() -> None:
    assert grid(Space(GRID)) == {name: list(domain.values()) for name, domain in GRID.items()}
    continuous = {**GRID, "training.learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    for space, name in [
        (continuous, "training.learning_rate"),
        ({"training.max_steps": Range(low=1, high=10**9)}, "training.max_steps"),
    ]:
        with pytest.raises(UserError, match=f"cannot list {name}") as caught:
            grid(Space(space))
        assert caught.value.place.key == name
