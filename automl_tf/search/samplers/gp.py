"""Gaussian process regression with a prior mean, averaged over hypotheses about that prior.

Under a hypothesis, the score of a configuration, in standard deviations of its study, is a multiple
of its prior expectation, plus a smooth deviation, plus a level. The evidence of the study's own
trials weighs the hypotheses, so that a misleading prior is dropped after a few trials. The scale of
a study's BLEU is its maximum-likelihood value.

Shape letters: N trials (those of earlier studies first), C candidates, D coordinates, G scales.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from automl_tf.search.samplers.priors import Array

LEVEL_VARIANCE = 4.0
"""Of what all scores of a study have in common, after the mean of its trials is taken off."""
SCALES_G = np.geomspace(0.1, 10.0, 24)
"""Standard deviations of BLEU that a study may have."""
USUAL_SCALE, SCALE_SPREAD = 1.5, 0.7
"""The median BLEU of those, and the standard deviation of their logarithm."""
MAX_DEPTH = 1.5
"""Lowest score that counts, in distances of the best from the median, below the median: how bad a
diverged training is says nothing of where the best are."""
MIN_FOR_MEDIAN = 4
CORPUS_SIZE_LENGTHSCALE = 1.5
"""Tenfolds between the sizes of two corpora over which their studies keep some correlation."""
MIN_WEIGHT = 0.02
"""Posterior probability below which a model is left out."""
MIN_VARIANCE = 1e-9


@dataclass(frozen=True)
class PriorHypothesis:
    """Hypothesis about how far the prior and earlier studies can be trusted.

    Attributes:
        probability: Probability before any trial.
        trust: Factor of the prior's expectation.
        trust_spread: Standard deviation of that factor.
        deviation: Variance of the smooth deviation from it.
        task_correlation: Correlation with studies of corpora of the same size; 0 ignores them.
    """

    probability: float
    trust: float = 0.0
    trust_spread: float = 0.0
    deviation: float = 1.0
    task_correlation: float = 0.0


PRIOR_HYPOTHESES = (
    PriorHypothesis(0.7, trust=1.0, trust_spread=0.5, deviation=0.5, task_correlation=0.7),
    PriorHypothesis(0.2, trust=1.0, trust_spread=0.5, deviation=0.5),
    PriorHypothesis(0.07),
    PriorHypothesis(0.03, trust_spread=1.0, deviation=0.6),
)
"""What ``kind: auto`` holds possible."""
NO_PRIOR = (PriorHypothesis(1.0),)
"""A Gaussian process that knows nothing."""


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
class MixturePosterior:
    """Normal distributions of the scores of candidates, one a hypothesis.

    Attributes:
        weights: Probability of each hypothesis.
        means: Of each hypothesis, shape C, in BLEU.
        spreads: Their standard deviations, in BLEU.
        best: The best score so far, as the hypotheses see it; minus infinity before any.
    """

    weights: Array
    means: Sequence[Array]
    spreads: Sequence[Array]
    best: float

    def __iter__(self) -> Iterator[tuple[float, Array, Array]]:
        """Yields the weight, the means and the standard deviations of each hypothesis."""
        return zip(self.weights.tolist(), self.means, self.spreads, strict=True)

    def mean(self) -> Array:
        """Returns the expected scores over all hypotheses."""
        mean_C: Array = np.sum([weight * mean_C for weight, mean_C, _ in self], axis=0)
        return mean_C


def fit_posterior(
    own: Trials,
    earlier: Sequence[Trials],
    points_CD: Array,
    expected_C: Array,
    hypotheses: Sequence[PriorHypothesis] = PRIOR_HYPOTHESES,
) -> MixturePosterior:
    """Returns the posterior of the candidates' scores, given the trials.

    Args:
        own: Trials of the study itself.
        earlier: Trials of other studies, in the same coordinates.
        points_CD: Coordinates of the candidates.
        expected_C: Their expectations under the prior.
        hypotheses: Hypotheses about the prior.
    """
    # Before any trial, expectations are taken about the mean of the candidates'.
    level, center = 0.0, float(expected_C.mean())
    if len(own):
        own = replace(own, scores_N=clip_low_scores(own.scores_N))
        level, center = float(own.scores_N.mean()), float(own.expected_N.mean())
    task = _moved(own, level, center)
    others = [_standardized(study) for study in earlier if len(study)]
    fits = [_Fit(hypothesis, others, task) for hypothesis in _distinct(hypotheses, others)]
    evidence = np.array([fit.evidence for fit in fits])
    weights = np.exp(evidence - evidence.max())
    used = np.flatnonzero(weights / weights.sum() >= MIN_WEIGHT)
    told = [fits[index].predict(points_CD, expected_C - center) for index in used]
    return MixturePosterior(
        weights=weights[used] / weights[used].sum(),
        means=[level + mean_C for mean_C, _ in told],
        spreads=[spread_C for _, spread_C in told],
        best=level + task.scores_N.max() if len(own) else -np.inf,
    )


def _distinct(
    hypotheses: Sequence[PriorHypothesis], others: Sequence[Trials]
) -> Sequence[PriorHypothesis]:
    """Returns the hypotheses that differ; without earlier studies, the correlation is moot."""
    if others:
        return hypotheses
    merged: dict[PriorHypothesis, float] = {}
    for one in hypotheses:
        key = replace(one, probability=0.0, task_correlation=0.0)
        merged[key] = merged.get(key, 0.0) + one.probability
    return [replace(one, probability=chance) for one, chance in merged.items()]


def clip_low_scores(scores_N: Array) -> Array:
    """Returns the scores with the worst ones raised to a floor."""
    if len(scores_N) < MIN_FOR_MEDIAN:
        return scores_N
    middle = np.median(scores_N)
    raised_N: Array = np.maximum(scores_N, middle - MAX_DEPTH * (scores_N.max() - middle))
    return raised_N


def matern_kernel(a_ND: Array, b_CD: Array) -> Array:
    """Returns the Matern 5/2 kernel of unit length scale (Rasmussen and Williams 2006, 4.17)."""
    squares_NC = (a_ND**2).sum(1)[:, None] + (b_CD**2).sum(1) - 2 * a_ND @ b_CD.T
    distance_NC = np.sqrt(np.maximum(5 * squares_NC, 0))
    kernel_NC: Array = (1 + distance_NC + distance_NC**2 / 3) * np.exp(-distance_NC)
    return kernel_NC


def _moved(study: Trials, level: float, center: float) -> Trials:
    """Returns trials with scores less a level and expectations less a center."""
    return replace(study, scores_N=study.scores_N - level, expected_N=study.expected_N - center)


def _standardized(study: Trials) -> Trials:
    """Returns the trials of an earlier study with standard scores: corpora differ in level."""
    scores_N = clip_low_scores(study.scores_N)
    scale = max(float(scores_N.std()), MIN_VARIANCE)
    standard_N = (scores_N - float(scores_N.mean())) / scale
    return _moved(replace(study, scores_N=standard_N), 0.0, float(study.expected_N.mean()))


class _Fit:
    """Gaussian process under one hypothesis, fitted to earlier studies and the study itself."""

    def __init__(self, hypothesis: PriorHypothesis, others: Sequence[Trials], own: Trials) -> None:
        self._hypothesis = hypothesis
        # The study's own come last: the factor then says what they add to what the others told.
        tasks = [*(others if hypothesis.task_correlation else ()), own]
        self._points_ND = np.concatenate([task.points_ND for task in tasks])
        self._expected_N = np.concatenate([task.expected_N for task in tasks])
        self._study_N = np.repeat(np.arange(len(tasks)), [len(task) for task in tasks])
        self._is_own_N = self._study_N == len(tasks) - 1
        self._correlation_TT = _task_correlation(hypothesis, [task.decades for task in tasks])
        correlation_NN = self._correlation_TT[self._study_N[:, None], self._study_N]
        is_same_NN = self._study_N[:, None] == self._study_N
        covariance_NN = self._covariance(
            self._points_ND, self._expected_N, correlation_NN, is_same_NN
        ) + np.diag(np.concatenate([task.noise_N for task in tasks]))
        self._factor_NN = cholesky(covariance_NN, lower=True)
        self._choose_scale(np.concatenate([task.scores_N for task in tasks]))

    def _choose_scale(self, scores_N: Array) -> None:
        """Chooses the scale of the study's own scores, and sums up the evidence."""
        scores_NG = np.repeat(scores_N[:, None], len(SCALES_G), axis=1)
        scores_NG[self._is_own_N] /= SCALES_G
        surprise_NG = scores_NG - self._hypothesis.trust * self._expected_N[:, None]
        whitened_NG = solve_triangular(self._factor_NN, surprise_NG, lower=True)
        likelihood_G = (
            -0.5 * (whitened_NG[self._is_own_N] ** 2).sum(0)
            - self._is_own_N.sum() * np.log(SCALES_G)
            - 0.5 * (np.log(SCALES_G / USUAL_SCALE) / SCALE_SPREAD) ** 2
        )
        best = int(likelihood_G.argmax())
        self._scale = float(SCALES_G[best])
        self._whitened_N = whitened_NG[:, best]
        self.evidence = float(
            np.log(self._hypothesis.probability)
            + np.logaddexp.reduce(likelihood_G)
            - np.log(np.diag(self._factor_NN)[self._is_own_N]).sum()
        )

    def predict(self, points_CD: Array, expected_C: Array) -> tuple[Array, Array]:
        """Returns means, less the level of the study, and standard deviations at the candidates."""
        correlation_N1 = self._correlation_TT[self._study_N, -1][:, None]
        covariance_NC = self._covariance(
            points_CD, expected_C, correlation_N1, self._is_own_N[:, None]
        )
        whitened_NC = solve_triangular(self._factor_NN, covariance_NC, lower=True)
        mean_C = self._hypothesis.trust * expected_C + whitened_NC.T @ self._whitened_N
        variance_C = (
            self._hypothesis.deviation
            + self._hypothesis.trust_spread**2 * expected_C**2
            + LEVEL_VARIANCE
            - (whitened_NC**2).sum(0)
        )
        spread_C = np.sqrt(np.maximum(variance_C, MIN_VARIANCE))
        return self._scale * mean_C, self._scale * spread_C

    def _covariance(
        self, points_CD: Array, expected_C: Array, task_correlation: Array, is_same: Array
    ) -> Array:
        """Returns the covariance between the trials and other points, of shape N, C."""
        smooth_NC = self._hypothesis.deviation * matern_kernel(self._points_ND, points_CD)
        trust_NC = self._hypothesis.trust_spread**2 * np.outer(self._expected_N, expected_C)
        covariance_NC: Array = task_correlation * (smooth_NC + trust_NC) + LEVEL_VARIANCE * is_same
        return covariance_NC


def _task_correlation(hypothesis: PriorHypothesis, decades: Sequence[float]) -> Array:
    """Returns correlations between studies, which fall with the ratio of their corpus sizes."""
    decades_T = np.array(decades)
    apart_TT = (decades_T[:, None] - decades_T) / CORPUS_SIZE_LENGTHSCALE
    correlation_TT: Array = hypothesis.task_correlation * np.exp(-0.5 * apart_TT**2)
    np.fill_diagonal(correlation_TT, 1.0)
    return correlation_TT
