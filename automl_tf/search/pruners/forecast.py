"""Forecast of a learning curve: the probability that a trial ends among the best.

The remaining gain is a weighted mixture of two sources. One is the study's own trials that went
further: each gain scales with the root of the rise at this step and weighs more the more similar
the curves are, so that a few trials tell the effect of the study's schedule. The other is the
shipped prior, which weighs like a few trials unless the study's own curves contradict it: it comes
from long trainings, and short ones that still warm up gain more. Shape letters: N possible
continuations, Q quantiles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from scipy.special import expit, ndtr, ndtri

from automl_tf.scoring.sentences import paired_bootstrap
from automl_tf.search.pruners.curves import (
    SLACK,
    Array,
    CurvePrior,
    LearningCurve,
    SubsetCalibration,
)
from automl_tf.search.schema import sentences_at, validations

PRIOR_WEIGHT = 6.0
"""Trials exactly like the judged one that the shipped prior weighs as much as."""
FURTHER_ODDS = 1.0
"""Odds that a study's curves rise further than the prior predicts, before there are any."""
FURTHER_POWER = 9
"""Power of a curve's place in the prior with which its likelihood then grows: half of such
curves gain more than 93 % of what the prior predicts."""
SURPRISE = 0.1
"""Share of such curves that lie anywhere all the same."""
UPPER_SHARE = 0.95
"""Share of cases that a hopeful view leaves below it."""
DEPARTURES = np.exp(0.3 * ndtri((np.arange(9) + 0.5) / 9))
"""Gains over what another curve of the study foretells of them, each as likely. The standard
deviation of their logarithms is 0.15 to 0.45 between curves of a table, and between short trainings
on Multi30k."""
RISE_LENGTHSCALE = 1.0
"""Difference between logarithms of rises over which curves cease to be alike."""
STALENESS_LENGTHSCALE = 0.3
"""The same of stalenesses."""
TAKEN_OFF = 2.0
"""BLEU below which hardly any n-gram of four words is right: such a curve says nothing yet."""
TAKEN_OFF_SHARE = 0.25
"""The same as a share of what the best reach, where they reach little."""
USUAL_NOISE = 0.2
"""Standard deviation of a difference in BLEU where no sentences are at hand to compute it from."""
RESAMPLES = 200
"""Of a paired bootstrap: a standard deviation is known to 5 % by them."""
MIN_NOISE = 0.01
"""BLEU: a trial that repeats another one sentence by sentence is still not sure to go on so."""


@dataclass(frozen=True)
class ReferenceCurves:
    """Curves of the study's other trials.

    Attributes:
        complete: Curves of those that were trained to their end.
        tops: The best BLEU so far of every trial that was not lost: complete, stopped or running.
        noise: Standard deviation, over the choice of sentences, of a difference in BLEU.
    """

    complete: Sequence[LearningCurve]
    tops: Sequence[float]
    noise: float = USUAL_NOISE


@dataclass(frozen=True)
class TopKTarget:
    """Target of a trial: to end among the best k.

    Attributes:
        top: How many of the study's trials are the best.
        num_trials: How many trials the study will have in the end.
    """

    top: int
    num_trials: int

    def keeps(self, rank: int, trials: int) -> float:
        """Returns the probability that a trial of this rank (1 is best) ends among the best.

        The trials to come are taken to be like those that there are (as if all had been drawn
        before any was ranked); the best so far is always worth its end.

        Args:
            rank: Its rank.
            trials: Trials that there are, itself among them.
        """
        if rank > self.top:
            return 0.0
        total = max(trials, self.num_trials)
        if rank == 1 or total <= max(trials, self.top):
            return 1.0
        ways = sum(
            comb(trials, known) * comb(total - trials, self.top - known)
            for known in range(rank, self.top + 1)
        )
        return ways / comb(total, self.top)


@dataclass(frozen=True)
class CurveForecast:
    """Forecast of the final BLEU of a trial.

    Attributes:
        step: Optimizer steps done.
        bleu: Its best BLEU so far.
        median: Median of its final BLEU.
        p95: 95th percentile of its final BLEU.
        top: How many are the best.
        incumbents: The best BLEU so far of that many others, the highest first.
        num_others: Number of other trials.
        probability: Probability that it ends as the best so far, or among the best of the study.
    """

    step: int
    bleu: float
    median: float
    p95: float
    top: int
    incumbents: tuple[float, ...]
    num_others: int
    probability: float

    @property
    def expectation(self) -> str:
        """Returns the expected course of BLEU in words."""
        return (
            f"best BLEU {self.bleu:.2f} by step {self.step} is expected to end at "
            f"{self.median:.2f} (above {self.p95:.2f} in 1 of 20 cases)"
        )

    def describe(self) -> str:
        """Returns the forecast in words, with the numbers that decide."""
        marks = ", ".join(f"{mark:.2f}" for mark in self.incumbents)
        return (
            f"chance of ending among the best {self.top} is {100 * self.probability:.1f} %: "
            f"{self.expectation}; the best of {self.num_others} others: {marks}"
        )


def forecast(
    curve: LearningCurve,
    references: ReferenceCurves,
    max_steps: int,
    target: TopKTarget,
    prior: CurvePrior,
) -> CurveForecast:
    """Returns the forecast of a trial.

    Args:
        curve: Its curve so far.
        references: The other trials; at least one.
        max_steps: Optimizer steps of the whole trial.
        target: What it is wanted for.
        prior: How curves go on in general.
    """
    marks = sorted(references.tops, reverse=True)[: target.top]
    ends_N, weights_N = _ends(curve, references.complete, max_steps, prior)
    chance = _among_best(ends_N, weights_N, references, target)
    low = min(TAKEN_OFF, TAKEN_OFF_SHARE * marks[0])
    if curve.now < low:
        started_M = np.array([top for top in references.tops if top >= low])
        as_good = _among_best(
            started_M, np.full(len(started_M), 1 / len(started_M)), references, target
        )
        late = _late_start(curve.last, references.complete, low, _doublings(curve.last, max_steps))
        chance = max(chance, (1 - late) * chance + late * as_good)
    return CurveForecast(
        step=round(curve.last),
        bleu=curve.top,
        median=_quantile(ends_N, weights_N, 0.5),
        p95=_quantile(ends_N, weights_N, UPPER_SHARE),
        top=target.top,
        incumbents=tuple(marks),
        num_others=len(references.tops),
        probability=chance,
    )


def _among_best(
    ends_N: Array, weights_N: Array, references: ReferenceCurves, target: TopKTarget
) -> float:
    """Returns the probability of ending among the best, given weighted final BLEUs."""
    marks = sorted(references.tops, reverse=True)
    chance = 0.0
    for rank in range(1, target.top + 1):
        # Each rank counts by how much more it is worth than the next.
        worth = target.keeps(rank, len(marks) + 1) - target.keeps(rank + 1, len(marks) + 1)
        reached = 1.0
        if rank <= len(marks):
            reached = float(weights_N @ ndtr((ends_N - marks[rank - 1]) / references.noise))
        chance += worth * reached
    return chance


def _doublings(step: float, end: float) -> float:
    """Returns the doublings of the steps from one to the end, if that is later."""
    return max(0.0, float(np.log2(end / step)))


def _ends(
    curve: LearningCurve, complete: Sequence[LearningCurve], max_steps: float, prior: CurvePrior
) -> tuple[Array, Array]:
    """Returns possible final BLEUs of a trial and their weights, which sum to one."""
    step = curve.last
    passed = [reference for reference in complete if reference.last > step]
    general_Q = _foretold_gains(curve, step, max_steps, prior)
    general_weights_Q = PRIOR_WEIGHT * _prior_probability(passed, step, prior) * prior.weights()
    own_N, own_weights_N = _own_gains(curve, passed, max_steps)
    weights_N = np.concatenate([general_weights_Q, own_weights_N])
    ends_N = curve.now + np.concatenate([general_Q, own_N])
    return np.maximum(curve.top, ends_N), weights_N / weights_N.sum()


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
    return prior.gains(curve.rise(step), curve.staleness(step), _doublings(step, end))


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


def _late_start(
    step: float, complete: Sequence[LearningCurve], low: float, doublings: float
) -> float:
    """Returns the probability that a trial whose BLEU is next to nothing still takes off.

    Of the trials that ever do, as many as the square of the usual step over this one are still to
    do it: survival falls as after Pareto. The others never do.
    """
    taken_off = [at for reference in complete if (at := reference.first_at(low)) is not None]
    ever = (1 + len(taken_off)) / (2 + len(complete))
    usual = float(np.median(taken_off)) if taken_off else step
    waiting = ever * min(1.0, usual / step) ** 2
    will = waiting / (waiting + 1 - ever)
    return float(will * (1 - 4.0**-doublings))


def _quantile(values_N: Array, weights_N: Array, share: float) -> float:
    order = np.argsort(values_N)
    place = int(np.searchsorted(np.cumsum(weights_N[order]), share))
    return float(values_N[order][min(place, len(order) - 1)])


def reference_curves(
    trial: FrozenTrial, trials: Sequence[FrozenTrial], calibration: SubsetCalibration
) -> ReferenceCurves:
    """Returns the curves that a trial is compared with.

    A failed trial has no system to show, whatever BLEU it once had.

    Args:
        trial: The judged trial.
        trials: All trials of the study.
        calibration: What brings their curves to one level.
    """
    others = [
        other
        for other in trials
        if other.number != trial.number
        and other.state != TrialState.FAIL
        and other.intermediate_values
    ]
    complete = [other for other in others if other.state == TrialState.COMPLETE]
    return ReferenceCurves(
        complete=[calibration.curve(other) for other in complete],
        tops=[calibration.curve(other).top for other in others],
        noise=noise(trial, complete),
    )


def noise(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> float:
    """Returns the sampling noise of the trial's BLEU against the incumbents at its step.

    The storage keeps the sentences of the incumbents. What makes a sentence hard is hard for both,
    so that the difference moves less than either BLEU. Where one was validated on fewer sentences,
    both are compared on those.

    Args:
        trial: The judged trial, validated at least once.
        complete: Other trials, complete.

    Returns:
        Standard deviation of the difference in BLEU of as many sentences as the trial's.
    """
    step = max(trial.intermediate_values or validations(trial))
    ours = sentences_at(trial, step)
    if ours is None:
        return USUAL_NOISE
    spreads = []
    for other in complete:
        if (theirs := sentences_at(other, step)) is not None:
            common = min(len(ours), len(theirs))
            found = paired_bootstrap(ours.first(common), theirs.first(common), RESAMPLES)
            spreads.append(found.spread * math.sqrt(common / len(ours)))
    return max(float(np.mean(spreads)), MIN_NOISE) if spreads else USUAL_NOISE
