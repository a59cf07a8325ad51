"""Forecast of a learning curve: the probability that a trial ends among the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from automl_tf.scoring.sentences import paired_bootstrap
from automl_tf.search.pruners.curves import (
    TAKEN_OFF,
    CurvePrior,
    LearningCurve,
    SubsetCalibration,
)
from automl_tf.search.pruners.extrapolation import Extrapolation, doublings, final_bleu
from automl_tf.search.schema import sentences_at, validations

UPPER_SHARE = 0.95
"""Share of cases that a hopeful view leaves below it."""
TAKEN_OFF_SHARE = 0.25
"""Share of what the best reach that counts as taken off, where they reach little."""
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
    ends = final_bleu(curve, references.complete, max_steps, prior)
    chance = _among_best(ends, references, target)
    low = min(TAKEN_OFF, TAKEN_OFF_SHARE * marks[0])
    if curve.now < low:
        started_N = np.array([top for top in references.tops if top >= low])
        alike = Extrapolation(started_N, np.full(len(started_N), 1 / len(started_N)))
        as_good = _among_best(alike, references, target)
        late = _late_start(curve.last, references.complete, low, doublings(curve.last, max_steps))
        chance = max(chance, (1 - late) * chance + late * as_good)
    return CurveForecast(
        step=round(curve.last),
        bleu=curve.top,
        median=ends.quantile(0.5),
        p95=ends.quantile(UPPER_SHARE),
        top=target.top,
        incumbents=tuple(marks),
        num_others=len(references.tops),
        probability=chance,
    )


def _among_best(ends: Extrapolation, references: ReferenceCurves, target: TopKTarget) -> float:
    """Returns the probability of ending among the best."""
    marks = sorted(references.tops, reverse=True)
    chance = 0.0
    for rank in range(1, target.top + 1):
        # Each rank counts by how much more it is worth than the next.
        worth = target.keeps(rank, len(marks) + 1) - target.keeps(rank + 1, len(marks) + 1)
        reached = 1.0
        if rank <= len(marks):
            ahead_N = (ends.bleu_N - marks[rank - 1]) / references.noise
            reached = float(ends.weights_N @ ndtr(ahead_N))
        chance += worth * reached
    return min(1.0, chance)


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
