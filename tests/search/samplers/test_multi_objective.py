"""Expected gains in hypervolume, against what draws of the objectives give."""

import functools

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from automl_tf.search.optuna_compat import compute_hypervolume
from automl_tf.search.samplers.acquisition import (
    CostAwareLogEI,
    ExpectedHypervolumeImprovement,
    objective_models,
)
from automl_tf.search.samplers.gp import NO_PRIOR, PRIOR_HYPOTHESES
from automl_tf.search.samplers.history import scored_trials
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.samplers.priors import (
    expected,
    negative_log_cost,
    shipped_costs,
    shipped_prior,
)

SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "model.d_model": CategoricalDistribution((64, 128, 256, 512)),
    "model.decoder_layers": CategoricalDistribution((1, 2, 4, 6)),
}
CANDIDATES = [{"model.d_model": 64, "model.decoder_layers": depth} for depth in (1, 2, 4, 6)]


def study_of(*directions: str) -> optuna.Study:
    study = optuna.create_study(directions=directions)
    study.sampler = optuna.samplers.RandomSampler(seed=3)
    for _ in range(5):
        trial = study.ask(SPACE)
        cost = trial.params["model.d_model"] * trial.params["model.decoder_layers"]
        bleu = 10 + np.log2(cost) + 0.3 * np.sin(cost)
        study.tell(trial, [bleu, 3 + 0.02 * cost, 1.3 * bleu][: len(directions)])
    return study


def judge_of(study: optuna.Study) -> tuple[ExpectedHypervolumeImprovement, list]:
    trials = study.get_trials()
    prior = functools.partial(expected, shipped_prior())
    first = CostAwareLogEI(
        SPACE, prior, PRIOR_HYPOTHESES, scored_trials(study, trials), earlier=(), sample=CANDIDATES
    )
    models = objective_models(study, trials, first, shipped_costs())
    values = [trial.values for trial in trials]
    return ExpectedHypervolumeImprovement(models, values, CANDIDATES), models


def drawn_gains(
    study: optuna.Study, models: list, worst: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean gains in hypervolume over draws of the objectives, and their standard errors."""
    draw = np.random.default_rng(0)
    signs = [-1.0 if side.unit is None else 1.0 for side in models]
    losses = np.minimum(np.array([trial.values for trial in study.trials]) * signs, worst)
    before = compute_hypervolume(losses, worst)
    beliefs = [side.surrogate.posterior(CANDIDATES) for side in models]
    gains, errors = [], []
    for place in range(len(CANDIDATES)):
        columns = []
        for side, posterior in zip(models, beliefs, strict=True):
            model = draw.choice(len(posterior.weights), size=8000, p=posterior.weights)
            means = np.array([mean[place] for mean in posterior.means])[model]
            spreads = np.array([spread[place] for spread in posterior.spreads])[model]
            columns.append(side.losses(draw.normal(means, spreads)))
        points = np.minimum(np.stack(columns, axis=1), worst)
        after = [compute_hypervolume(np.vstack([losses, point]), worst) for point in points]
        gains.append(np.mean(after) - before)
        errors.append(np.std(after) / np.sqrt(len(after)))
    return np.array(gains), np.array(errors)


def test_expected_gains_are_means_over_draws_for_two_and_three_objectives() -> None:
    for directions in (("maximize", "minimize"), ("maximize", "minimize", "maximize")):
        study = study_of(*directions)
        judge, models = judge_of(study)
        gains = np.exp(judge.evaluate(CANDIDATES))
        drawn, errors = drawn_gains(study, models, judge.reference_K)
        # Gains have long tails.
        assert (np.abs(gains - drawn) < 4 * errors + 0.01 * drawn.max()).all()
        assert errors.max() < 0.25 * drawn.max()


def test_what_runs_is_worth_less_than_before() -> None:
    judge, _ = judge_of(study_of("maximize", "minimize"))
    before = judge.evaluate(CANDIDATES)
    best = int(before.argmax())
    judge.condition_on_running([CANDIDATES[best]])
    assert judge.evaluate(CANDIDATES)[best] < before[best]


def test_the_shipped_costs_grow_with_size() -> None:
    settings = {name: np.array([1.0, 2.0]) for name in shipped_costs()["latency"]}
    for growth in shipped_costs().values():
        small, large = negative_log_cost(growth, {**settings, "model.d_ff": np.ones(2)})
        assert small > large


@pytest.mark.parametrize("first", [(64, 1), (128, 1), (64, 2)])
def test_a_cheap_first_trial_does_not_cap_what_later_ones_may_cost(first: tuple[int, int]) -> None:
    """The reference point comes from the space: costs beyond those seen are worth something."""
    study = optuna.create_study(directions=("maximize", "minimize"))
    study.enqueue_trial(dict(zip(SPACE, first, strict=True)))
    costs = []
    for number in range(10):
        study.sampler = PriorGPSampler(SPACE, number, ())
        trial = study.ask(SPACE)
        cost = trial.params["model.d_model"] * trial.params["model.decoder_layers"]
        study.tell(trial, [10 + 3 * np.log2(cost), 3 + 0.02 * cost])
        costs.append(cost)
    assert max(costs) >= 512


def test_without_a_baseline_the_first_proposal_does_not_cap_the_costs_either() -> None:
    study = optuna.create_study(directions=("maximize", "minimize"))
    costs = []
    for number in range(10):
        # Nothing is known of BLEU: the first proposal may be any.
        study.sampler = PriorGPSampler(SPACE, number, (), hypotheses=NO_PRIOR)
        trial = study.ask(SPACE)
        costs.append(trial.params["model.d_model"] * trial.params["model.decoder_layers"])
        study.tell(trial, [10 + 3 * np.log2(costs[-1]), 3 + 0.02 * costs[-1]])
    assert max(costs) >= 512
