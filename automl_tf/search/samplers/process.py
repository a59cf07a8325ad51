"""What is believed of BLEU after some trials: exact Gaussian processes, averaged over models.

A model says that the score of a configuration, in standard deviations of its study, is so many
times its expectation under the prior, plus a smooth deviation, plus a level. The study's own
trials decide between the models, so that a prior that misleads is left after a few of them. The
scale of a study's BLEU is the likeliest one.

Shape letters: N trials (of earlier studies first, the study's own last), C candidates, D
coordinates, G scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from automl_tf.search.samplers.axes import Array
from automl_tf.search.samplers.models import MODELS, Model, distinct

LEVEL_VARIANCE = 4.0
"""Of what all scores of a study have in common, after the mean of its trials is taken off."""
SCALES_G = np.geomspace(0.1, 10.0, 24)
"""Standard deviations of BLEU that a study may have."""
USUAL_SCALE, SCALE_SPREAD = 1.5, 0.7
"""The median BLEU of those, and the standard deviation of their logarithm."""
DEEPEST = 1.5
"""Lowest score that counts, in distances of the best from the median, below the median: how bad a
diverged training is says nothing of where the best are."""
FEWEST_FOR_MEDIAN = 4
SIZE_REACH = 1.5
"""Tenfolds between the sizes of two corpora over which their studies keep some likeness."""
LEAST_WEIGHT = 0.02
"""Posterior probability below which a model is left out."""
LEAST_VARIANCE = 1e-9


@dataclass(frozen=True)
class Trials:
    """Trials of one study.

    Attributes:
        points_ND: Their coordinates.
        expected_N: Their expectations under the prior.
        scores_N: BLEU, or any other score of which more is better.
        noise_N: Variances of the noise in the scores, in units of the study's own variance.
        decades: Decimal logarithm of the size of the study's corpus.
    """

    points_ND: Array
    expected_N: Array
    scores_N: Array
    noise_N: Array
    decades: float

    def __len__(self) -> int:
        return len(self.scores_N)


@dataclass(frozen=True)
class Belief:
    """Normal distributions of the scores of candidates, one a model.

    Attributes:
        weights: Probability of each model.
        means: Of each model, shape C, in BLEU.
        spreads: Their standard deviations, in BLEU.
        best: The best score so far, as the models see it; minus infinity before any.
    """

    weights: Array
    means: Sequence[Array]
    spreads: Sequence[Array]
    best: float

    def mean(self) -> Array:
        """The expected scores over all models."""
        return sum(
            (weight * mean_C for weight, mean_C in zip(self.weights, self.means, strict=True)),
            start=np.zeros_like(self.means[0]),
        )


def believe(
    own: Trials,
    earlier: Sequence[Trials],
    points_CD: Array,
    expected_C: Array,
    models: Sequence[Model] = MODELS,
) -> Belief:
    """What the trials say of the candidates.

    Args:
        own: Trials of the study itself.
        earlier: Trials of other studies, in the same coordinates.
        points_CD: Coordinates of the candidates.
        expected_C: Their expectations under the prior.
        models: What is held possible.
    """
    task = _own_task(own, expected_C)
    others = [_earlier_task(study) for study in earlier if len(study)]
    fits = [_Fit(model, others, task) for model in distinct(models, has_earlier=bool(others))]
    evidence = np.array([fit.evidence for fit in fits])
    weights = np.exp(evidence - evidence.max())
    used = np.flatnonzero(weights / weights.sum() >= LEAST_WEIGHT)
    told = [fits[index].predict(points_CD, expected_C - task.center) for index in used]
    return Belief(
        weights=weights[used] / weights[used].sum(),
        means=[task.level + mean_C for mean_C, _ in told],
        spreads=[spread_C for _, spread_C in told],
        best=task.level + task.scores_N.max() if len(own) else -np.inf,
    )


def without_depths(scores_N: Array) -> Array:
    """The scores with the worst ones raised to a floor."""
    if len(scores_N) < FEWEST_FOR_MEDIAN:
        return scores_N
    middle = np.median(scores_N)
    raised_N: Array = np.maximum(scores_N, middle - DEEPEST * (scores_N.max() - middle))
    return raised_N


def matern(a_ND: Array, b_CD: Array) -> Array:
    """The Matern 5/2 kernel of unit length between points (Rasmussen and Williams 2006, 4.17)."""
    squares_NC = (a_ND**2).sum(1)[:, None] + (b_CD**2).sum(1) - 2 * a_ND @ b_CD.T
    distance_NC = np.sqrt(np.maximum(5 * squares_NC, 0))
    kernel_NC: Array = (1 + distance_NC + distance_NC**2 / 3) * np.exp(-distance_NC)
    return kernel_NC


@dataclass(frozen=True)
class _Task:
    """A study's trials with scores and expectations about zero.

    Attributes:
        trials: The trials.
        scores_N: Their scores less the level; of earlier studies in standard deviations.
        level: What was taken off the scores.
        center: What is to be taken off expectations.
    """

    trials: Trials
    scores_N: Array
    level: float
    center: float

    @property
    def expected_N(self) -> Array:
        """The expectations less their center."""
        return self.trials.expected_N - self.center


def _own_task(own: Trials, expected_C: Array) -> _Task:
    if not len(own):
        return _Task(own, own.scores_N, level=0.0, center=float(expected_C.mean()))
    scores_N = without_depths(own.scores_N)
    level = float(scores_N.mean())
    return _Task(own, scores_N - level, level, center=float(own.expected_N.mean()))


def _earlier_task(study: Trials) -> _Task:
    """The corpora have levels and scales of their own, which say nothing of where the best are."""
    scores_N = without_depths(study.scores_N)
    level, scale = float(scores_N.mean()), max(float(scores_N.std()), LEAST_VARIANCE)
    return _Task(study, (scores_N - level) / scale, level, center=float(study.expected_N.mean()))


class _Fit:
    """A model that has seen the trials.

    Args:
        model: The model.
        others: Earlier studies.
        own: The study itself.
    """

    def __init__(self, model: Model, others: Sequence[_Task], own: _Task) -> None:
        self._model = model
        # The study's own come last: the factor then says what they add to what the others told.
        tasks = [*(others if model.likeness else ()), own]
        self._points_ND = np.concatenate([task.trials.points_ND for task in tasks])
        self._expected_N = np.concatenate([task.expected_N for task in tasks])
        self._study_N = np.repeat(np.arange(len(tasks)), [len(task.trials) for task in tasks])
        self._likeness_TT = _likeness(model, [task.trials.decades for task in tasks])
        self._fit(np.concatenate([task.trials.noise_N for task in tasks]), tasks)

    def _fit(self, noise_N: Array, tasks: Sequence[_Task]) -> None:
        """Factors the covariance and chooses the scale of the study's own scores."""
        likeness_NN = self._likeness_TT[self._study_N[:, None], self._study_N]
        is_same_NN = self._study_N[:, None] == self._study_N
        covariance_NN = self._covariance(
            self._points_ND, self._expected_N, likeness_NN, is_same_NN
        ) + np.diag(noise_N)
        self._factor_NN = cholesky(covariance_NN, lower=True)
        own = len(tasks) - 1
        scores_NG = np.repeat(
            np.concatenate([task.scores_N for task in tasks])[:, None], len(SCALES_G), axis=1
        )
        scores_NG[self._study_N == own] /= SCALES_G
        surprise_NG = scores_NG - self._model.trust * self._expected_N[:, None]
        whitened_NG = solve_triangular(self._factor_NN, surprise_NG, lower=True)
        is_own_N = self._study_N == own
        likelihood_G = (
            -0.5 * (whitened_NG[is_own_N] ** 2).sum(0)
            - is_own_N.sum() * np.log(SCALES_G)
            - 0.5 * (np.log(SCALES_G / USUAL_SCALE) / SCALE_SPREAD) ** 2
        )
        best = int(likelihood_G.argmax())
        self._scale = float(SCALES_G[best])
        self._whitened_N = whitened_NG[:, best]
        self.evidence = float(
            np.log(self._model.chance)
            + np.logaddexp.reduce(likelihood_G)
            - np.log(np.diag(self._factor_NN)[is_own_N]).sum()
        )

    def predict(self, points_CD: Array, expected_C: Array) -> tuple[Array, Array]:
        """Means, less the level of the study, and standard deviations at the candidates."""
        own = len(self._likeness_TT) - 1
        covariance_NC = self._covariance(
            points_CD,
            expected_C,
            self._likeness_TT[self._study_N, own][:, None],
            (self._study_N == own)[:, None],
        )
        whitened_NC = solve_triangular(self._factor_NN, covariance_NC, lower=True)
        mean_C = self._model.trust * expected_C + whitened_NC.T @ self._whitened_N
        variance_C = (
            self._model.deviation
            + self._model.trust_spread**2 * expected_C**2
            + LEVEL_VARIANCE
            - (whitened_NC**2).sum(0)
        )
        spread_C = np.sqrt(np.maximum(variance_C, LEAST_VARIANCE))
        return self._scale * mean_C, self._scale * spread_C

    def _covariance(
        self, points_CD: Array, expected_C: Array, likeness: Array, is_same: Array
    ) -> Array:
        """Covariance between the trials and other points, of shape N, C."""
        model = self._model
        covariance_NC: Array = (
            likeness
            * (
                model.deviation * matern(self._points_ND, points_CD)
                + model.trust_spread**2 * np.outer(self._expected_N, expected_C)
            )
            + LEVEL_VARIANCE * is_same
        )
        return covariance_NC


def _likeness(model: Model, decades: Sequence[float]) -> Array:
    """Correlations between studies: one on the diagonal, less with other sizes of corpora."""
    decades_T = np.array(decades)
    apart_TT = (decades_T[:, None] - decades_T) / SIZE_REACH
    likeness_TT: Array = model.likeness * np.exp(-0.5 * apart_TT**2)
    np.fill_diagonal(likeness_TT, 1.0)
    return likeness_TT
