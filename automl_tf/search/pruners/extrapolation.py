"""Extrapolation of a learning curve: the distribution of its BLEU at a later step.

The gain is a weighted mixture of two sources. One is the study's own trials that went further: each
gain scales with the root of the rise at this step and weighs more the more similar the curves are,
so that a few trials tell the effect of the study's schedule. The other is the shipped prior, which
weighs like a few trials unless the study's own curves contradict it: it comes from long trainings,
and short ones that still warm up gain more. Shape letters: N possible continuations, M values of
the noise, Q quantiles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from automl_tf.search.pruners.curves import SLACK, Array, CurvePrior, LearningCurve

PRIOR_WEIGHT = 6.0
"""Trials exactly like the judged one that the shipped prior weighs as much as."""
FURTHER_ODDS = 1.0
"""Odds that a study's curves rise further than the prior predicts, before there are any."""
FURTHER_POWER = 9
"""Power of a curve's place in the prior with which its likelihood then grows: half of such
curves gain more than 93 % of what the prior predicts."""
SURPRISE = 0.1
"""Share of such curves that lie anywhere all the same."""
NORMAL_M = ndtri((np.arange(9) + 0.5) / 9)
"""Standard normal values, each as likely."""
DEPARTURES = np.exp(0.3 * NORMAL_M)
"""Gains over what another curve of the study foretells of them, each as likely. The standard
deviation of their logarithms is 0.15 to 0.45 between curves of a table, and between short trainings
on Multi30k."""
RISE_LENGTHSCALE = 1.0
"""Difference between logarithms of rises over which curves cease to be alike."""
STALENESS_LENGTHSCALE = 0.3
"""The same of stalenesses."""


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """Distribution of a trial's BLEU at a later step: weighted values.

    Attributes:
        bleu_N: Possible values.
        weights_N: Their weights, which sum to one.
    """

    bleu_N: Array
    weights_N: Array

    @property
    def mean(self) -> float:
        """Returns the expected BLEU."""
        return float(self.weights_N @ self.bleu_N)

    @property
    def spread(self) -> float:
        """Returns the standard deviation."""
        return float(np.sqrt(self.weights_N @ (self.bleu_N - self.mean) ** 2))

    def quantile(self, share: float) -> float:
        """Returns the BLEU below which such a share of the distribution lies."""
        order = np.argsort(self.bleu_N)
        place = int(np.searchsorted(np.cumsum(self.weights_N[order]), share))
        return float(self.bleu_N[order][min(place, len(order) - 1)])

    def gain_over(self, bleu: float) -> float:
        """Returns the expected improvement on a BLEU."""
        return float(self.weights_N @ np.maximum(self.bleu_N - bleu, 0.0))

    def chance_above(self, bleu: float) -> float:
        """Returns the probability of exceeding a BLEU."""
        return float(self.weights_N @ (self.bleu_N > bleu))


def extrapolate(
    curve: LearningCurve, others: Sequence[LearningCurve], step: float, prior: CurvePrior
) -> Extrapolation:
    """Returns the distribution of a trial's BLEU at a later step.

    It is that of the best so far, as far as chance lets single validations tell: both what the
    curve has and what it will have are of single validations, of which the later one may also fall
    as far short of the best as the curve's own do.

    Args:
        curve: Its curve so far.
        others: Curves of the study's complete trials.
        step: The later step.
        prior: How curves go on in general.
    """
    ends = final_bleu(curve, others, step, prior)
    upward = math.sqrt(2) * curve.wiggle
    noise_M = NORMAL_M * np.where(NORMAL_M < 0, math.hypot(upward, curve.shortfall), upward)
    bleu_NM = ends.bleu_N[:, None] + noise_M
    return Extrapolation(bleu_NM.ravel(), np.repeat(ends.weights_N / len(noise_M), len(noise_M)))


def final_bleu(
    curve: LearningCurve, complete: Sequence[LearningCurve], max_steps: float, prior: CurvePrior
) -> Extrapolation:
    """Returns the distribution of the best BLEU of a trial in the end."""
    step = curve.last
    passed = [reference for reference in complete if reference.last > step]
    general_Q = _foretold_gains(curve, step, max_steps, prior)
    general_weights_Q = PRIOR_WEIGHT * _prior_probability(passed, step, prior) * prior.weights()
    own_N, own_weights_N = _own_gains(curve, passed, max_steps)
    weights_N = np.concatenate([general_weights_Q, own_weights_N])
    ends_N = curve.now + np.concatenate([general_Q, own_N])
    return Extrapolation(np.maximum(curve.top, ends_N), weights_N / weights_N.sum())


def _own_gains(
    curve: LearningCurve, passed: Sequence[LearningCurve], max_steps: float
) -> tuple[Array, Array]:
    """Returns gains of the trial if it continues like others of the study, and their weights."""
    step = curve.last
    rises_N = SLACK + np.array([reference.rise(step) for reference in passed])
    stalenesses_N = np.array([reference.staleness(step) for reference in passed])
    rests_N = np.array([reference.at(max_steps) - reference.at(step) for reference in passed])
    ratio_N = (SLACK + curve.rise(step)) / rises_N
    unlike_N = (np.log(ratio_N) / RISE_LENGTHSCALE) ** 2
    unlike_N += ((curve.staleness(step) - stalenesses_N) / STALENESS_LENGTHSCALE) ** 2
    weights_N = np.exp(-unlike_N / 2) / len(DEPARTURES)
    gains_N = rests_N * np.sqrt(ratio_N)
    return np.outer(gains_N, DEPARTURES).ravel(), np.repeat(weights_N, len(DEPARTURES))


def _foretold_gains(curve: LearningCurve, step: float, end: float, prior: CurvePrior) -> Array:
    """Returns the prior's gains of a curve from a step to the end, one value a quantile."""
    return prior.gains(curve.rise(step), curve.state(step), doublings(step, end))


def _prior_probability(passed: Sequence[LearningCurve], step: float, prior: CurvePrior) -> float:
    """Returns the probability that the study's curves gain no more than the prior predicts."""
    places_N = np.array([_place(curve, step, prior) for curve in passed])
    further_N = (1 + FURTHER_POWER) * places_N**FURTHER_POWER
    log_odds = np.log(SURPRISE + (1 - SURPRISE) * further_N).sum() + np.log(FURTHER_ODDS)
    return float(expit(-log_odds))


def _place(curve: LearningCurve, step: float, prior: CurvePrior) -> float:
    """Returns the share of the prior's gains from a step that are below a curve's own gain."""
    gains_Q = _foretold_gains(curve, step, curve.last, prior)
    return float(prior.weights() @ (gains_Q < curve.now - curve.at(step)))


def doublings(step: float, end: float) -> float:
    """Returns the doublings of the steps from one to the end, if that is later."""
    return max(0.0, float(np.log2(end / step)))
