"""Several objectives: how far a configuration is expected to extend the Pareto front.

A Gaussian process for each objective; the expected gain in hypervolume is a sum over boxes that
fill the space which the front leaves (Emmerich et al. 2006; Yang et al. 2019), for any number of
objectives that are independent given what is known. Objectives that are minimised are costs: they
are positive, vary by factors, and are modelled by their logarithms. The box ends at the worst that
a complete trial has in each objective, so that the front is wanted in its whole extent. Shape
letters: N points, B boxes, C candidates, K objectives.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna._hypervolume import get_non_dominated_box_bounds
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from automl_tf.search.samplers.axes import Array
from automl_tf.search.samplers.candidates import Configuration
from automl_tf.search.samplers.cost_prior import Costs, Growth, expected_thrift
from automl_tf.search.samplers.history import (
    NOISE,
    Scored,
    fixed_settings,
    most_telling,
    objectives,
    text_of,
)
from automl_tf.search.samplers.judge import Judge, Prior
from automl_tf.search.samplers.models import MODELS
from automl_tf.search.samplers.process import USUAL_SCALE, Belief
from automl_tf.search.schema import NUM_PARAMETERS

COUNTED_NOISE = 1e-3
"""Variance of the noise of what is counted, not measured."""
USUAL_SPREAD = 0.3
"""Standard deviation of the logarithms of a cost before there are trials to tell."""
FEWEST_FOR_SPREAD = 3
LEAST_SPREAD, LEAST_COST = 0.01, 1e-9
GROWS_LIKE = {"train_hours": NUM_PARAMETERS}
"""Costs without figures of their own."""


@dataclass(frozen=True)
class Side:
    """One objective.

    Attributes:
        judge: What is believed of it.
        unit: Of a cost, the logarithm that one unit of the judge's score stands for; of a quality
            None.
    """

    judge: Judge
    unit: float | None = None

    def losses(self, scores_N: Array) -> Array:
        """Scores of the judge as values of which less is better."""
        return -scores_N if self.unit is None else np.exp(-self.unit * scores_N)

    def within(self, lower_B: Array, upper_B: Array, belief: Belief) -> Array:
        """The expected part of each interval that lies above a candidate's loss, of shape B, C."""
        part_BC = np.zeros((len(lower_B), len(belief.means[0])))
        for weight, mean_C, spread_C in zip(
            belief.weights, belief.means, belief.spreads, strict=True
        ):
            part_BC += weight * self._shortfall(upper_B, mean_C, spread_C)
            part_BC -= weight * self._shortfall(lower_B, mean_C, spread_C)
        return np.maximum(part_BC, 0.0)

    def _shortfall(self, bounds_B: Array, mean_C: Array, spread_C: Array) -> Array:
        """By how much a candidate's loss is expected to stay below bounds, of shape B, C."""
        shortfall_BC = np.zeros((len(bounds_B), len(mean_C)))
        is_bound_B = np.isfinite(bounds_B) & ((bounds_B > 0) | (self.unit is None))
        bounds_B1 = bounds_B[is_bound_B][:, None]
        if self.unit is None:
            ahead_BC = (bounds_B1 + mean_C) / spread_C
            density_BC = np.exp(-0.5 * ahead_BC**2) / np.sqrt(2 * np.pi)
            shortfall_BC[is_bound_B] = spread_C * (density_BC + ahead_BC * ndtr(ahead_BC))
        else:
            # Of a lognormal loss, as the price of an option to sell it (Black and Scholes 1973).
            middle_C, width_C = -self.unit * mean_C, self.unit * spread_C
            ahead_BC = (np.log(bounds_B1) - middle_C) / width_C
            shortfall_BC[is_bound_B] = bounds_B1 * ndtr(ahead_BC) - np.exp(
                middle_C + width_C**2 / 2
            ) * ndtr(ahead_BC - width_C)
        return shortfall_BC


class FrontJudge:
    """Judges configurations by how far they are expected to extend the Pareto front.

    Args:
        sides: The objectives in their order.
        values: The values of each complete trial.
    """

    def __init__(self, sides: Sequence[Side], values: Sequence[Sequence[float]]) -> None:
        self._sides = sides
        signs_K = [-1.0 if side.unit is None else 1.0 for side in sides]
        self._losses_NK = np.array(values, dtype=float).reshape(-1, len(sides)) * signs_K
        self._worst_K = self._losses_NK.max(0, initial=-np.inf)

    def expect(self, running: Sequence[Configuration]) -> None:
        """Takes for granted that trials which run will end as is expected of them."""
        expected_KN = [side.losses(side.judge.expect(running)) for side in self._sides]
        self._losses_NK = np.concatenate([self._losses_NK, np.stack(expected_KN, axis=1)])

    def worth(self, candidates: Sequence[Configuration]) -> Array:
        """How much each candidate is worth trying; before any trial, its first objective."""
        if not np.isfinite(self._worst_K).all():
            return self._sides[0].judge.worth(candidates)
        front_NK = np.minimum(self._losses_NK, self._worst_K)
        lower_BK, upper_BK = get_non_dominated_box_bounds(front_NK, self._worst_K)
        gain_BC = np.ones((len(lower_BK), len(candidates)))
        for index, side in enumerate(self._sides):
            belief = side.judge.belief(candidates)
            gain_BC *= side.within(lower_BK[:, index], upper_BK[:, index], belief)
        gain_C: Array = gain_BC.sum(0)
        return gain_C


def sides_of(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    first: Judge,
    space: Mapping[str, BaseDistribution],
    prior: Prior,
    costs: Costs,
) -> list[Side]:
    """What is believed of each objective.

    Args:
        study: A study of several objectives.
        trials: Its trials.
        first: What is believed of the first.
        space: The searched settings.
        prior: What is expected of a quality.
        costs: What is expected of costs.
    """
    sides = [Side(first)]
    for index, name in list(enumerate(objectives(study)))[1:]:
        told = {
            trial.number: trial.values[index]
            for trial in trials
            if trial.state == TrialState.COMPLETE
        }
        if study.directions[index] == StudyDirection.MINIMIZE:
            growth = costs.get(GROWS_LIKE.get(name, name), {})
            # What is known when a trial starts is known of stopped and refused ones too.
            told = {t.number: t.user_attrs[name] for t in trials if name in t.user_attrs} | told
            sides.append(_cost(study, trials, told, space, name, growth))
        else:
            own = _scored(study, trials, told, list(told.values()), NOISE)
            sides.append(Side(Judge(space, prior, MODELS, own, earlier=())))
    return sides


def _cost(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    told: Mapping[int, float],
    space: Mapping[str, BaseDistribution],
    name: str,
    growth: Growth,
) -> Side:
    """What is believed of a cost: its logarithm, in units that spread as BLEU usually does."""
    logs_N = np.log(np.maximum(list(told.values()), LEAST_COST))
    spread = float(logs_N.std()) if len(logs_N) >= FEWEST_FOR_SPREAD else USUAL_SPREAD
    unit = max(spread, LEAST_SPREAD) / USUAL_SCALE
    noise = COUNTED_NOISE if name == NUM_PARAMETERS else NOISE
    own = _scored(study, trials, told, (-logs_N / unit).tolist(), noise)
    prior = functools.partial(expected_thrift, growth)
    return Side(Judge(space, prior, MODELS, own, earlier=()), unit)


def _scored(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    numbers: Iterable[int],
    scores: Sequence[float],
    noise: float,
) -> Scored:
    params = {trial.number: trial.params for trial in trials}
    configurations = [params[number] for number in numbers]
    found = Scored(
        configurations, scores, [noise] * len(scores), fixed_settings(study), text_of(study)
    )
    return most_telling(found)
