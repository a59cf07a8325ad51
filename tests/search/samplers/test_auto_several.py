"""Expected gains in hypervolume, against what draws of the objectives give."""

import functools

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.distributions import CategoricalDistribution

from automl_tf.search.samplers.cost_prior import expected_thrift, shipped_costs
from automl_tf.search.samplers.history import scored
from automl_tf.search.samplers.judge import Judge
from automl_tf.search.samplers.models import MODELS
from automl_tf.search.samplers.prior import expected, shipped_prior
from automl_tf.search.samplers.several import FrontJudge, sides_of
from automl_tf.search.samplers.text import Text

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


def judge_of(study: optuna.Study) -> tuple[FrontJudge, list]:
    trials = study.get_trials()
    prior = functools.partial(expected, shipped_prior())
    first = Judge(SPACE, prior, MODELS, scored(study, trials), earlier=())
    sides = sides_of(study, trials, first, SPACE, prior, shipped_costs())
    return FrontJudge(sides, [trial.values for trial in trials]), sides


def drawn_gains(study: optuna.Study, sides: list) -> tuple[np.ndarray, np.ndarray]:
    """Mean gains in hypervolume over draws of the objectives, and their standard errors."""
    draw = np.random.default_rng(0)
    signs = [-1.0 if side.unit is None else 1.0 for side in sides]
    losses = np.array([trial.values for trial in study.trials]) * signs
    worst = losses.max(0)
    before = compute_hypervolume(losses, worst)
    beliefs = [side.judge.belief(CANDIDATES) for side in sides]
    gains, errors = [], []
    for place in range(len(CANDIDATES)):
        columns = []
        for side, belief in zip(sides, beliefs, strict=True):
            model = draw.choice(len(belief.weights), size=8000, p=belief.weights)
            means = np.array([mean[place] for mean in belief.means])[model]
            spreads = np.array([spread[place] for spread in belief.spreads])[model]
            columns.append(side.losses(draw.normal(means, spreads)))
        points = np.minimum(np.stack(columns, axis=1), worst)
        after = [compute_hypervolume(np.vstack([losses, point]), worst) for point in points]
        gains.append(np.mean(after) - before)
        errors.append(np.std(after) / np.sqrt(len(after)))
    return np.array(gains), np.array(errors)


def test_expected_gains_are_means_over_draws_for_two_and_three_objectives() -> None:
    for directions in (("maximize", "minimize"), ("maximize", "minimize", "maximize")):
        study = study_of(*directions)
        judge, sides = judge_of(study)
        worth = judge.worth(CANDIDATES)
        drawn, errors = drawn_gains(study, sides)
        # Gains have long tails.
        assert (np.abs(worth - drawn) < 4 * errors).all()
        assert (errors < 0.25 * drawn).all()


def test_what_runs_is_worth_less_than_before() -> None:
    judge, _ = judge_of(study_of("maximize", "minimize"))
    before = judge.worth(CANDIDATES)
    best = int(before.argmax())
    judge.expect([CANDIDATES[best]])
    assert judge.worth(CANDIDATES)[best] < before[best]


def test_the_shipped_costs_grow_with_size() -> None:
    settings = {name: np.array([1.0, 2.0]) for name in shipped_costs()["latency"]}
    for growth in shipped_costs().values():
        small, large = expected_thrift(growth, {**settings, "model.d_ff": np.ones(2)}, Text())
        assert small > large
