"""Samplers, pruners and distributions as Optuna's, with what they promise kept."""

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
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import TypeAdapter

from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.config.study import Pruner, Sampler
from automl_tf.errors import UserError
from automl_tf.search.strategy import (
    build_pruner,
    build_sampler,
    distribution,
    grid,
    pruning_reason,
    trial_seed,
)
from tests.search.making import GRID, SPACE

PRUNERS: list[dict] = [
    {"kind": "auto"},
    {"kind": "median", "startup_trials": 2},
    {"kind": "percentile", "percentile": 60.0, "startup_trials": 2},
    {"kind": "successive_halving", "reduction_factor": 2},
    {"kind": "hyperband", "reduction_factor": 2},
    {"kind": "patient", "patience": 1, "startup_trials": 2},
    {"kind": "threshold", "lower": 12.0},
]
STEPS = (500, 1000, 1500, 2000)


def sampler(kind: str, **settings: object) -> Sampler:
    return TypeAdapter(Sampler).validate_python({"kind": kind, **settings})


def pruner(**settings: object) -> Pruner:
    return TypeAdapter(Pruner).validate_python(settings)


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
            assert space.contains(name, value), f"{name} = {value!r}"
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


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", ["auto", "random", "tpe", "gp", "cmaes", "qmc", "nsgaii"])
@pytest.mark.parametrize("settings", PRUNERS, ids=lambda given: given["kind"])
def test_every_sampler_proposes_under_every_pruner(kind: str, settings: dict) -> None:
    """Hyperband shows samplers a part of the study that lacks most of its attributes."""
    study = study_of([20.0, 22.0, 24.0], pruner(**settings))
    study.sampler = build_sampler(sampler(kind), Space(SPACE), 1, 3)
    asked = study.ask({name: distribution(domain) for name, domain in SPACE.items()})
    assert set(asked.params) == set(SPACE)


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


def curve(top: float) -> dict[int, float]:
    return {step: top * (index + 1) / len(STEPS) for index, step in enumerate(STEPS)}


def study_of(tops: Sequence[float], chosen: Pruner, name: str = "made") -> optuna.Study:
    """A study of complete trials whose curves rise to these heights."""
    study = optuna.create_study(direction="maximize", study_name=name)
    study.pruner = build_pruner(
        chosen, first_validation=STEPS[0], max_steps=STEPS[-1], num_trials=20
    )
    for top in tops:
        trial = study.ask()
        for step, value in curve(top).items():
            trial.report(value, step)
            trial.should_prune()  # some pruners take notes when they are asked
        study.tell(trial, top)
    return study


def pruned_at(study: optuna.Study, values: dict[int, float]) -> int | None:
    """The step at which a new trial with this curve would be stopped."""
    trial = study.ask()
    for step, value in values.items():
        trial.report(value, step)
        if trial.should_prune():
            return step
    return None


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("settings", [{"kind": "none"}, *PRUNERS], ids=lambda given: given["kind"])
def test_no_pruner_stops_the_trial_that_leads_at_every_step(settings: dict) -> None:
    for name in "abcdef":
        study = study_of([20.0, 22.0, 24.0, 26.0], pruner(**settings), name)
        assert pruned_at(study, {step: 50.0 + step for step in STEPS}) is None


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("settings", PRUNERS, ids=lambda given: given["kind"])
def test_every_pruner_stops_a_trial_that_is_last_and_falls(settings: dict) -> None:
    falling = {step: 3.0 - index for index, step in enumerate(STEPS)}
    # Hyperband has brackets that stop nothing; a study's name and a trial's number choose one.
    steps = [
        pruned_at(study_of([20.0, 22.0, 24.0, 26.0], pruner(**settings), name), falling)
        for name in "abcdefgh"
    ]
    stopped = [step for step in steps if step is not None]
    assert stopped
    if settings["kind"] != "hyperband":
        assert len(stopped) == len(steps)
    if settings["kind"] == "patient":
        assert min(stopped) > STEPS[0]


def test_without_pruner_nothing_is_stopped() -> None:
    study = study_of([20.0, 22.0, 24.0], pruner(kind="none"))
    assert pruned_at(study, dict.fromkeys(STEPS, 0.0)) is None


@pytest.mark.parametrize("kind", ["median", "percentile"])
def test_a_pruner_waits_for_its_first_trials_and_steps(kind: str) -> None:
    last = dict.fromkeys(STEPS, 0.1)
    waiting = pruner(kind=kind, startup_trials=4)
    assert pruned_at(study_of([20.0, 22.0, 24.0], waiting), last) is None
    assert pruned_at(study_of([20.0, 22.0, 24.0, 25.0], waiting), last) == STEPS[0]
    warm = pruner(kind=kind, startup_trials=1, warmup_steps=1500)
    assert pruned_at(study_of([20.0, 22.0], warm), last) == 1500


@pytest.mark.parametrize("kind", ["successive_halving", "hyperband"])
def test_the_first_rung_is_the_first_validation_unless_the_study_says_more(kind: str) -> None:
    falling = {step: 3.0 - index for index, step in enumerate(STEPS)}
    tops = [20.0, 22.0, 24.0, 26.0]
    early = [pruned_at(study_of(tops, pruner(kind=kind), name), falling) for name in "abcdefgh"]
    assert STEPS[0] in early
    late = [
        pruned_at(study_of(tops, pruner(kind=kind, min_steps=1000), name), falling)
        for name in "abcdefgh"
    ]
    assert STEPS[0] not in late
    assert any(late)


def trials_at(step: int, values: Sequence[float]) -> list[FrozenTrial]:
    made = [
        create_trial(state=TrialState.COMPLETE, value=value, intermediate_values={step: value})
        for value in values
    ]
    for number, trial in enumerate(made):
        trial.number = number
    return made


def test_the_reason_of_a_pruning_holds_the_numbers_that_decided() -> None:
    trials = trials_at(500, [10.0, 20.0, 30.0, 40.0, 5.0])
    median = pruning_reason(pruner(kind="median"), trials, 4, 500)
    for part in ("BLEU 5.00", "step 500", "25.00", "4 complete trials"):
        assert part in median
    upper = pruning_reason(pruner(kind="percentile", percentile=25.0), trials, 4, 500)
    assert "32.50" in upper
    assert "25 %" in upper
    halving = pruning_reason(pruner(kind="successive_halving"), trials, 4, 500)
    for part in ("BLEU 5.00", "step 500", "successive_halving rule", "4 others", "40.00"):
        assert part in halving
    below = pruning_reason(pruner(kind="threshold", lower=7.5), trials, 4, 500)
    assert "below the threshold 7.5" in below
    assert "hyperband rule" in pruning_reason(pruner(kind="hyperband"), trials[:1], 0, 500)
