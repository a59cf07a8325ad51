"""Failures teach where not to go, whatever their cause, before the first complete trial too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from automl_tf.search.samplers.feasibility import FeasibilityModel
from automl_tf.search.samplers.history import failures_of_settings, tried
from automl_tf.search.samplers.prior_gp import PriorGPSampler, sample_space
from automl_tf.search.schema import FAILURE, INFEASIBLE, FailureKind

RATE, WIDTH, VOCAB = "training.learning_rate", "model.d_model", "data.vocab_size"
SPACE: dict[str, BaseDistribution] = {
    RATE: FloatDistribution(5e-4, 6e-3, log=True),
    WIDTH: CategoricalDistribution((64, 128, 192, 256)),
    VOCAB: CategoricalDistribution((2000, 4000, 8000)),
    "model.norm": CategoricalDistribution(("pre", "post")),
    "model.dropout": FloatDistribution(0.0, 0.4),
}
Params = dict[str, Any]
SAMPLE = sample_space(SPACE, np.random.default_rng(0))[:200]
BASE: Params = {RATE: 7e-4, WIDTH: 256, VOCAB: 4000, "model.norm": "pre", "model.dropout": 0.1}

CAUSES: dict[str, tuple[FailureKind, Callable[[Params], bool]]] = {
    "product": (FailureKind.DIVERGED, lambda given: given[RATE] * given[WIDTH] > 0.2),
    "rate": (FailureKind.DIVERGED, lambda given: given[RATE] > 1e-3),
    "norm": (FailureKind.DIVERGED, lambda given: given["model.norm"] == "post"),
    "memory": (FailureKind.OUT_OF_MEMORY, lambda given: given[WIDTH] > 150),
    "vocabulary": (FailureKind.INVALID, lambda given: given[VOCAB] > 3000),
}


def model(failed: list[Params], trained: list[Params], cause: str = "diverged") -> FeasibilityModel:
    return FeasibilityModel(SPACE, {}, trained, {cause: failed} if failed else {}, SAMPLE)


def probability(of: FeasibilityModel, *candidates: Params) -> list[float]:
    return list(np.exp(of.log_probability(candidates)))


def test_before_any_failure_everything_is_feasible() -> None:
    assert probability(model([], [BASE]), BASE, {**BASE, RATE: 6e-3}) == [1.0, 1.0]


def test_a_failure_counts_against_what_lies_further_in_the_same_direction() -> None:
    [less, same, more] = probability(
        model([{**BASE, RATE: 2e-3}], []),
        {**BASE, RATE: 1e-3},
        {**BASE, RATE: 2e-3},
        {**BASE, RATE: 4e-3},
    )
    assert less > 0.25
    assert max(same, more) < 0.1


def test_the_product_of_rate_and_width_is_the_likeliest_cause_of_divergence() -> None:
    """A wide model that fails speaks against a narrow one at a higher rate, not at its own."""
    known = model([{**BASE, RATE: 2e-3}], [{**BASE, RATE: 7e-4}])
    [narrow, narrow_and_fast] = probability(
        known, {**BASE, WIDTH: 64, RATE: 2e-3}, {**BASE, WIDTH: 64, RATE: 6e-3}
    )
    assert narrow > 0.7
    assert narrow > narrow_and_fast + 0.1


def test_failures_of_two_causes_are_told_apart() -> None:
    failed = {"diverged": [{**BASE, RATE: 4e-3}], "invalid": [{**BASE, VOCAB: 8000}]}
    known = FeasibilityModel(SPACE, {}, [BASE] * 3, failed, SAMPLE)
    chances = probability(known, BASE, {**BASE, RATE: 4e-3}, {**BASE, VOCAB: 8000})
    assert chances[0] > 0.8
    assert max(chances[1:]) < 0.3


def search(cause: str, *, base: bool, trials: int = 30, seed: int = 0) -> int:
    """Failed trials of a search."""
    kind, fails = CAUSES[cause]
    study = optuna.create_study(direction="maximize")
    if base:
        study.enqueue_trial(BASE)
    failed = 0
    for number in range(trials):
        study.sampler = PriorGPSampler(SPACE, 100 * seed + number, ())
        trial = study.ask(SPACE)
        if fails(trial.params):
            failed += 1
            trial.set_user_attr(FAILURE, kind)
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, 20 + 2 * np.log2(trial.params[RATE] * trial.params[WIDTH] / 0.05))
    return failed


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("base", [True, False])
def test_few_trials_of_a_search_fail_whatever_the_cause(cause: str, *, base: bool) -> None:
    assert search(cause, base=base) <= 8


def test_a_space_where_all_failed_still_has_a_proposal() -> None:
    space: dict[str, BaseDistribution] = {WIDTH: CategoricalDistribution((64,))}
    study = optuna.create_study(direction="maximize")
    for number in range(3):
        study.sampler = PriorGPSampler(space, number, ())
        trial = study.ask(space)
        trial.set_user_attr(FAILURE, FailureKind.DIVERGED)
        study.tell(trial, state=TrialState.FAIL)
        assert trial.params == {WIDTH: 64}


@pytest.mark.parametrize("kind", list(FailureKind))
def test_only_failures_of_settings_teach_anything(kind: FailureKind) -> None:
    study = optuna.create_study(direction="maximize")
    trial = study.ask(SPACE)
    trial.set_user_attr(FAILURE, kind)
    study.tell(trial, state=TrialState.FAIL)
    assert bool(failures_of_settings(study.trials)) == kind.is_of_settings
    # What only a machine has failed may be tried again.
    assert bool(tried(study.trials)) == kind.costs_budget


def test_broken_constraints_and_known_failures_are_causes_of_their_own() -> None:
    study = optuna.create_study(direction="maximize")
    trial = study.ask(SPACE)
    trial.set_user_attr(INFEASIBLE, True)  # noqa: FBT003 - the attribute's value
    study.tell(trial, state=TrialState.PRUNED)
    failures = failures_of_settings(study.trials, [trial.params, BASE])
    assert failures == {INFEASIBLE: [trial.params], "unknown": [BASE]}


def test_what_ran_out_of_memory_bounds_what_is_tried_closer_than_thresholds_can() -> None:
    """Trainings that need a little less or as much as one that failed, by the estimate."""

    def feasible(failures: int, largest_trained: int, needs: int) -> float:
        model = FeasibilityModel(
            SPACE,
            {},
            [{**BASE, VOCAB: 2000}] * 8 + [{**BASE, VOCAB: largest_trained}],
            {FailureKind.OUT_OF_MEMORY.value: [{**BASE, VOCAB: 2010}] * failures},
            sample_space(SPACE, np.random.default_rng(0)),
            memory=lambda params: float(params[VOCAB]),
        )
        return float(np.exp(model.log_probability([{**BASE, VOCAB: needs}])[0]))

    chances = [feasible(failures, 2000, 2010) for failures in (1, 2, 4, 8)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] < 0.4
    assert chances[-1] < 0.1
    assert feasible(4, 2000, 2000) > 2 * feasible(4, 2000, 2010)
    # The estimate is not exact: a larger one was trained.
    assert feasible(4, 2100, 2010) > feasible(4, 2000, 2010)


def test_with_several_objectives_failures_teach_too() -> None:
    study = optuna.create_study(directions=("maximize", "minimize"))
    failed = 0
    for number in range(20):
        study.sampler = PriorGPSampler(SPACE, number, ())
        trial = study.ask(SPACE)
        product = trial.params[RATE] * trial.params[WIDTH]
        if product > 0.2:
            failed += 1
            trial.set_user_attr(FAILURE, FailureKind.DIVERGED)
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, [20 + product, 0.1 * trial.params[WIDTH]])
    assert failed <= 6
