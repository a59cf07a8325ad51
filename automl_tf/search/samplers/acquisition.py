"""Acquisition functions: the value of trying a candidate, with one objective or several.

With several, each objective has a Gaussian process; the expected gain in hypervolume is a sum over
boxes that fill the space which the front leaves (Emmerich et al. 2006; Yang et al. 2019), for
objectives that are independent given what is known. Objectives that are minimised are costs: they
are positive, vary by factors, and are modelled by their logarithms. Shape letters: N trials, C
candidates, D coordinates, B boxes, K objectives.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import log_ndtr, ndtr

from automl_tf.search.optuna_compat import non_dominated_box_bounds
from automl_tf.search.samplers import history
from automl_tf.search.samplers.gp import (
    PRIOR_HYPOTHESES,
    USUAL_SCALE,
    MixturePosterior,
    PriorHypothesis,
    Trials,
    fit_posterior,
)
from automl_tf.search.samplers.priors import (
    Array,
    Columns,
    Configuration,
    CorpusInfo,
    Costs,
    Growth,
    columns,
    featurize,
    negative_log_cost,
)
from automl_tf.search.schema import NUM_PARAMETERS

FAR_BELOW = -5.0
"""Standard deviations below the best from which the improvement's asymptote is exact enough."""
COST_WEIGHT = 0.5
"""Power of a trial's effort by which the improvement it promises is divided: between one, which is
improvement by the second (Snoek et al. 2012, section 3.2) and stays with small models, and none.
Lee et al. (2020, "Cost-aware Bayesian Optimization") go from one to none while a budget is used up;
a constant lets an interrupted study propose what an uninterrupted one does."""
EXACT_NOISE = 1e-3
"""Variance of the noise of what is counted, not measured."""
USUAL_SPREAD = 0.3
"""Standard deviation of the logarithms of a cost before there are trials to tell."""
MIN_FOR_SPREAD = 3
REFERENCE_QUANTILE = 0.75
"""Share of the space whose expected values lie within the reference point, in each objective."""
MIN_SPREAD, MIN_COST = 0.01, 1e-9
GROWS_LIKE = {"train_hours": NUM_PARAMETERS}
"""Costs without figures of their own."""

Effort = Callable[[Configuration], float]
"""Cost of a trial of a configuration, in any unit."""
Prior = Callable[[Columns, CorpusInfo], Array]
"""The expected scores of N settings, in standard deviations, with a training corpus."""


def log_expected_improvement(posterior: MixturePosterior) -> Array:
    """Returns the logarithm of the expected improvement of C candidates on the incumbent."""
    logs: Sequence[Array] = [
        np.log(weight) + _log_improvement(mean_C, spread_C, posterior.best)
        for weight, mean_C, spread_C in posterior
    ]
    total_C: Array = np.logaddexp.reduce(logs)
    return total_C


def _log_improvement(mean_C: Array, spread_C: Array, best: float) -> Array:
    """Returns log EI of normal scores (Jones et al. 1998; stable form: Ament et al. 2023)."""
    ahead_C = (mean_C - best) / spread_C
    near_C = np.log(np.maximum(normal_improvement(ahead_C), np.finfo(float).tiny))
    far_C = log_ndtr(ahead_C) - np.log(np.maximum(-ahead_C, 1.0))
    log_C: Array = np.where(ahead_C > FAR_BELOW, near_C, far_C) + np.log(spread_C)
    return log_C


def normal_improvement(ahead: Array) -> Array:
    """Returns the expected improvement of standard normal scores that far ahead on average."""
    improvement: Array = np.exp(-0.5 * ahead**2) / np.sqrt(2 * np.pi) + ahead * ndtr(ahead)
    return improvement


@dataclass(eq=False)
class CostAwareLogEI:
    """Logarithm of the expected improvement, divided by a power of the cost of a trial.

    Attributes:
        space: The searched settings.
        prior: Expected score of settings with a training corpus, before any trial.
        hypotheses: Hypotheses about the prior.
        own: The study's own trials.
        earlier: Trials of earlier studies.
        sample: Configurations from all over the space; their median is the incumbent at first.
        effort: Cost of a trial; None to count trials alone.
    """

    space: Mapping[str, BaseDistribution]
    prior: Prior
    hypotheses: Sequence[PriorHypothesis]
    own: history.ScoredTrials
    earlier: Sequence[history.ScoredTrials] = ()
    sample: Sequence[Configuration] = ()
    effort: Effort | None = None

    def __post_init__(self) -> None:
        self._trials = self._numeric(self.own)
        self._earlier = [self._numeric(study) for study in self.earlier]

    def condition_on_running(self, running: Sequence[Configuration]) -> Array:
        """Adds running trials with their expected scores.

        Returns:
            The expected scores.
        """
        if not running:
            return np.zeros(0)
        scores_N = self.posterior(running).mean()
        self.own = replace(
            self.own,
            configurations=[*self.own.configurations, *running],
            scores=[*self.own.scores, *scores_N],
            noise=[*self.own.noise, *[history.NOISE] * len(running)],
        )
        self._trials = self._numeric(self.own)
        return scores_N

    def posterior(self, candidates: Sequence[Configuration]) -> MixturePosterior:
        """Returns the posterior of the candidates' scores."""
        points_CD, expected_C = self._points(candidates, self.own)
        return fit_posterior(self._trials, self._earlier, points_CD, expected_C, self.hypotheses)

    def evaluate(self, candidates: Sequence[Configuration]) -> Array:
        """Returns the logarithm of each candidate's value.

        The first trial is the one with the highest expected score, whatever its cost.
        """
        if not len(self._trials):
            mean_C = self.posterior([*candidates, *self.sample]).mean()
            usual = float(np.median(mean_C[len(candidates) :]))
            usual_C = np.full_like(mean_C, USUAL_SCALE)
            return _log_improvement(mean_C, usual_C, usual)[: len(candidates)]
        value_C = log_expected_improvement(self.posterior(candidates))
        if self.effort is None:
            return value_C
        effort_C = np.array([self.effort(candidate) for candidate in candidates])
        value_for_cost_C: Array = value_C - COST_WEIGHT * np.log(effort_C)
        return value_for_cost_C

    def _numeric(self, study: history.ScoredTrials) -> Trials:
        return Trials(
            *self._points(study.configurations, study),
            np.array(study.scores, dtype=float),
            np.array(study.noise, dtype=float),
            study.corpus.decades,
        )

    def _points(
        self, configurations: Sequence[Mapping[str, Any]], study: history.ScoredTrials
    ) -> tuple[Array, Array]:
        """Returns coordinates and prior expectations of configurations of a study."""
        settings = columns(configurations, self.space, study.fixed)
        return featurize(settings, self.space), self.prior(settings, study.corpus)


@dataclass(frozen=True)
class ObjectiveModel:
    """Model of one objective.

    Attributes:
        surrogate: Its Gaussian process.
        unit: Logarithm of a cost for one unit of the surrogate's score; None for a quality.
    """

    surrogate: CostAwareLogEI
    unit: float | None = None

    def losses(self, scores_N: Array) -> Array:
        """Returns scores of the surrogate as values of which less is better."""
        return -scores_N if self.unit is None else np.exp(-self.unit * scores_N)

    def within(self, lower_B: Array, upper_B: Array, posterior: MixturePosterior) -> Array:
        """Returns the expected part of each interval above a candidate's loss, of shape B, C.

        Args:
            lower_B: Lower ends of the intervals.
            upper_B: Upper ends of the intervals.
            posterior: Posterior of the surrogate's scores of C candidates.
        """
        part_BC = np.zeros((len(lower_B), len(posterior.means[0])))
        for weight, mean_C, spread_C in posterior:
            part_BC += weight * self._shortfall(upper_B, mean_C, spread_C)
            part_BC -= weight * self._shortfall(lower_B, mean_C, spread_C)
        return np.maximum(part_BC, 0.0)

    def _shortfall(self, bounds_B: Array, mean_C: Array, spread_C: Array) -> Array:
        """Returns the expected distance of a candidate's loss below bounds, of shape B, C."""
        shortfall_BC = np.zeros((len(bounds_B), len(mean_C)))
        is_bound_B = np.isfinite(bounds_B) & ((bounds_B > 0) | (self.unit is None))
        bounds_B1 = bounds_B[is_bound_B][:, None]
        if self.unit is None:
            shortfall_BC[is_bound_B] = spread_C * normal_improvement(
                (bounds_B1 + mean_C) / spread_C
            )
        else:
            # Of a lognormal loss, as the price of an option to sell it (Black and Scholes 1973).
            middle_C, width_C = -self.unit * mean_C, self.unit * spread_C
            ahead_BC = (np.log(bounds_B1) - middle_C) / width_C
            shortfall_BC[is_bound_B] = bounds_B1 * ndtr(ahead_BC) - np.exp(
                middle_C + width_C**2 / 2
            ) * ndtr(ahead_BC - width_C)
        return shortfall_BC


@dataclass(eq=False)
class ExpectedHypervolumeImprovement:
    """Logarithm of the expected gain in hypervolume.

    Attributes:
        models: The objectives in their order.
        values: The values of each complete trial.
        sample: Configurations from all over the space.
    """

    models: Sequence[ObjectiveModel]
    values: Sequence[Sequence[float]]
    sample: Sequence[Configuration]

    def __post_init__(self) -> None:
        signs_K = [-1.0 if model.unit is None else 1.0 for model in self.models]
        self._losses_NK = np.reshape(self.values, (-1, len(signs_K))) * signs_K

    def condition_on_running(self, running: Sequence[Configuration]) -> None:
        """Adds running trials with their expected values."""
        expected_KN = [
            model.losses(model.surrogate.condition_on_running(running)) for model in self.models
        ]
        self._losses_NK = np.concatenate([self._losses_NK, np.stack(expected_KN, axis=1)])

    def evaluate(self, candidates: Sequence[Configuration]) -> Array:
        """Returns the logarithm of each candidate's value; at first, of the first objective's."""
        if not self.values:
            return self.models[0].surrogate.evaluate(candidates)
        lower_BK, upper_BK = self._boxes
        gain_BC = np.ones((len(lower_BK), len(candidates)))
        for index, model in enumerate(self.models):
            posterior = model.surrogate.posterior(candidates)
            gain_BC *= model.within(lower_BK[:, index], upper_BK[:, index], posterior)
        log_gain_C: Array = np.log(np.maximum(gain_BC.sum(0), np.finfo(float).tiny))
        return log_gain_C

    @functools.cached_property
    def reference_K(self) -> Array:
        """Returns the reference point: a quantile of what is expected of the space.

        A cheap first trial must not keep the search from all that costs more.
        """
        expected_KN = [
            model.losses(model.surrogate.posterior(self.sample).mean()) for model in self.models
        ]
        return np.array([np.quantile(losses_N, REFERENCE_QUANTILE) for losses_N in expected_KN])

    @functools.cached_property
    def _boxes(self) -> tuple[Array, Array]:
        """Returns boxes that fill what the front leaves below the reference point."""
        losses_NK = np.minimum(self._losses_NK, self.reference_K)
        return non_dominated_box_bounds(losses_NK, self.reference_K)


def objective_models(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    first: CostAwareLogEI,
    costs: Costs,
) -> list[ObjectiveModel]:
    """Returns the model of each objective.

    Args:
        study: A study of several objectives.
        trials: Its trials.
        first: What is believed of the first, a quality.
        costs: What is expected of costs.
    """
    models = [ObjectiveModel(first)]
    params = {trial.number: trial.params for trial in trials}
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    for index, name in list(enumerate(history.objectives(study)))[1:]:
        told = {trial.number: trial.values[index] for trial in complete}
        scores, unit, prior = list(told.values()), None, first.prior
        if study.directions[index] == StudyDirection.MINIMIZE:
            # What is known when a trial starts is known of stopped and refused ones too.
            told = {t.number: t.user_attrs[name] for t in trials if name in t.user_attrs} | told
            scores, unit = _negative_logs(list(told.values()))
            prior = _cost_prior(costs.get(GROWS_LIKE.get(name, name), {}))
        own = history.ScoredTrials(
            [params[number] for number in told],
            scores,
            [EXACT_NOISE if name == NUM_PARAMETERS else history.NOISE] * len(told),
            history.fixed_settings(study),
            history.corpus_info_of(study),
        )
        surrogate = CostAwareLogEI(
            first.space, prior, PRIOR_HYPOTHESES, history.most_informative(own)
        )
        models.append(ObjectiveModel(surrogate, unit))
    return models


def _negative_logs(costs: Sequence[float]) -> tuple[list[float], float]:
    """Returns scores of costs that spread as BLEU usually does, and their unit."""
    logs_N = np.log(np.maximum(costs, MIN_COST))
    spread = float(logs_N.std()) if len(logs_N) >= MIN_FOR_SPREAD else USUAL_SPREAD
    unit = max(spread, MIN_SPREAD) / USUAL_SCALE
    return (-logs_N / unit).tolist(), unit


def _cost_prior(growth: Growth) -> Prior:
    return lambda settings, _corpus: negative_log_cost(growth, settings)
