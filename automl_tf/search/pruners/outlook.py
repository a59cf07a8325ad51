"""The chance that a trial ends among the best, from its learning curve and those of others.

What the trial may still gain is drawn from two sources that are weighed against each other: the
curves of the study's own trials that went on from the same step, each in proportion to the root of
its rise there and weighing the more the more alike it was (so that whatever the study's schedule
does to a curve is known after a few trials), and the shipped shapes, which weigh like a few trials
unless the study's own curves went on otherwise. They come from long trainings: short ones that
still warm up rise by more than any of those. Shape letters: N ways in which the curve may go on, Q
quantiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.special import expit, ndtr, ndtri

from automl_tf.search.pruners.curve import Array, Curve
from automl_tf.search.pruners.shapes import SLACK, Shapes

SHAPES_WEIGHT = 6.0
"""Trials exactly like the judged one that the shipped shapes weigh as much as."""
FURTHER_ODDS = 1.0
"""Odds that a study's curves rise further than the shapes foretell, before there are any."""
FURTHER_POWER = 9
"""Power of a curve's place among the shapes with which its likelihood then grows: half of such
curves gain more than 93 % of the shapes foretell."""
SURPRISE = 0.1
"""Share of such curves that lie anywhere all the same."""
HOPEFUL = 0.95
"""Share of cases that a hopeful view leaves below it."""
DEPARTURES = np.exp(0.3 * ndtri((np.arange(9) + 0.5) / 9))
"""Gains over what another curve of the study foretells of them, each as likely. The standard
deviation of their logarithms is 0.15 to 0.45 between curves of a table, and between short trainings
on Multi30k."""
RISE_LIKENESS = 1.0
"""Difference between logarithms of rises over which curves cease to be alike."""
STALENESS_LIKENESS = 0.3
"""The same of stalenesses."""
TAKEN_OFF = 2.0
"""BLEU below which hardly any n-gram of four words is right: such a curve says nothing yet."""
TAKEN_OFF_SHARE = 0.25
"""The same as a share of what the best reach, where they reach little."""
USUAL_NOISE = 0.2
"""Standard deviation of a difference in BLEU where no sentences are at hand to compute it from."""


@dataclass(frozen=True)
class Rivals:
    """What is known of the study's other trials.

    Attributes:
        complete: Curves of those that were trained to their end.
        tops: The best BLEU so far of every trial that was not lost: complete, stopped or running.
        noise: Standard deviation, over the choice of sentences, of a difference in BLEU.
    """

    complete: Sequence[Curve]
    tops: Sequence[float]
    noise: float = USUAL_NOISE


@dataclass(frozen=True)
class Aim:
    """What a trial is wanted for.

    Attributes:
        top: How many of the study's trials are the best.
        num_trials: How many trials the study will have in the end.
    """

    top: int
    num_trials: int

    def keeps(self, rank: int, trials: int) -> float:
        """The chance that a trial of this rank, the best being 1, is among the best in the end.

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
class Outlook:
    """How a trial will end, as far as can be told.

    Attributes:
        step: Optimizer steps done.
        bleu: Its best BLEU so far.
        likely: The BLEU that it ends with in half of all cases, if it goes on.
        hopeful: The BLEU that it exceeds in one of twenty.
        top: How many are the best.
        marks: The best BLEU so far of that many others, the highest first.
        rivals: How many others there are.
        chance: Probability that it ends as the best so far, or among the best of the study.
    """

    step: int
    bleu: float
    likely: float
    hopeful: float
    top: int
    marks: tuple[float, ...]
    rivals: int
    chance: float

    def words(self) -> str:
        """The outlook with the numbers that decide."""
        marks = ", ".join(f"{mark:.2f}" for mark in self.marks)
        return (
            f"chance of ending among the best {self.top} is {100 * self.chance:.1f} %: "
            f"best BLEU {self.bleu:.2f} by step {self.step} is expected to end at "
            f"{self.likely:.2f} (above {self.hopeful:.2f} in 1 of 20 cases); "
            f"the best of {self.rivals} others: {marks}"
        )


def outlook(curve: Curve, rivals: Rivals, max_steps: int, aim: Aim, shapes: Shapes) -> Outlook:
    """How a trial will end.

    Args:
        curve: Its curve so far.
        rivals: The other trials; at least one.
        max_steps: Optimizer steps of the whole trial.
        aim: What it is wanted for.
        shapes: How curves go on in general.
    """
    marks = sorted(rivals.tops, reverse=True)[: aim.top]
    ends_N, weights_N = _ends(curve, rivals.complete, max_steps, shapes)
    chance = _among_best(ends_N, weights_N, rivals, aim)
    low = min(TAKEN_OFF, TAKEN_OFF_SHARE * marks[0])
    if curve.now < low:
        started_M = np.array([top for top in rivals.tops if top >= low])
        as_good = _among_best(started_M, np.full(len(started_M), 1 / len(started_M)), rivals, aim)
        late = _late_start(curve.last, rivals.complete, low, _doublings(curve.last, max_steps))
        chance = max(chance, (1 - late) * chance + late * as_good)
    return Outlook(
        step=round(curve.last),
        bleu=curve.top,
        likely=_quantile(ends_N, weights_N, 0.5),
        hopeful=_quantile(ends_N, weights_N, HOPEFUL),
        top=aim.top,
        marks=tuple(marks),
        rivals=len(rivals.tops),
        chance=chance,
    )


def _among_best(ends_N: Array, weights_N: Array, rivals: Rivals, aim: Aim) -> float:
    """The chance of ending among the best with these ends, each as likely as it weighs."""
    marks = sorted(rivals.tops, reverse=True)
    chance = 0.0
    for rank in range(1, aim.top + 1):
        # Each rank counts by how much more it is worth than the next.
        worth = aim.keeps(rank, len(marks) + 1) - aim.keeps(rank + 1, len(marks) + 1)
        reached = 1.0
        if rank <= len(marks):
            reached = float(weights_N @ ndtr((ends_N - marks[rank - 1]) / rivals.noise))
        chance += worth * reached
    return chance


def _doublings(step: float, end: float) -> float:
    """Doublings of the steps from one to the end, if that is later."""
    return max(0.0, float(np.log2(end / step)))


def _ends(
    curve: Curve, complete: Sequence[Curve], max_steps: float, shapes: Shapes
) -> tuple[Array, Array]:
    """The BLEU that a trial may end with, and how much each possibility weighs (one in all)."""
    gains_N, weights_N = _gains(curve, complete, max_steps, shapes)
    return np.maximum(curve.top, curve.now + gains_N), weights_N


def _gains(
    curve: Curve, complete: Sequence[Curve], max_steps: float, shapes: Shapes
) -> tuple[Array, Array]:
    """What the trial may still gain, and how much each possibility weighs (one in all)."""
    step = curve.last
    passed = [rival for rival in complete if rival.last > step]
    general_Q = _foretold_gains(curve, step, max_steps, shapes)
    general_weights_Q = SHAPES_WEIGHT * _trust(passed, step, shapes) * shapes.weights()
    own_N, own_weights_N = _own_gains(curve, passed, max_steps)
    weights_N = np.concatenate([general_weights_Q, own_weights_N])
    return np.concatenate([general_Q, own_N]), weights_N / weights_N.sum()


def _own_gains(curve: Curve, passed: Sequence[Curve], max_steps: float) -> tuple[Array, Array]:
    """What the trial may gain if it goes on as others of the study did, which weigh up to one."""
    step = curve.last
    rises_N = SLACK + np.array([rival.rise(step) for rival in passed])
    stalenesses_N = np.array([rival.staleness(step) for rival in passed])
    rests_N = np.array([rival.at(max_steps) - rival.at(step) for rival in passed])
    ratio_N = (SLACK + curve.rise(step)) / rises_N
    unlike_N = (np.log(ratio_N) / RISE_LIKENESS) ** 2
    unlike_N += ((curve.staleness(step) - stalenesses_N) / STALENESS_LIKENESS) ** 2
    weights_N = np.exp(-unlike_N / 2) / len(DEPARTURES)
    gains_N = rests_N * np.sqrt(ratio_N)
    return np.outer(gains_N, DEPARTURES).ravel(), np.repeat(weights_N, len(DEPARTURES))


def _foretold_gains(curve: Curve, step: float, end: float, shapes: Shapes) -> Array:
    """What the shapes say that a curve gains from a step to the end, one value a quantile."""
    return shapes.gains(curve.rise(step), curve.staleness(step), _doublings(step, end))


def _trust(passed: Sequence[Curve], step: float, shapes: Shapes) -> float:
    """The probability that the study's curves go on as the shapes foretell, and no further."""
    places_N = np.array([_place(curve, step, shapes) for curve in passed])
    further_N = (1 + FURTHER_POWER) * places_N**FURTHER_POWER
    log_odds = np.log(SURPRISE + (1 - SURPRISE) * further_N).sum() + np.log(FURTHER_ODDS)
    return float(expit(-log_odds))


def _place(curve: Curve, step: float, shapes: Shapes) -> float:
    """The share of the shapes' ways to go on from a step that gain less than a curve did."""
    gains_Q = _foretold_gains(curve, step, curve.last, shapes)
    return float(shapes.weights() @ (gains_Q < curve.now - curve.at(step)))


def _late_start(step: float, complete: Sequence[Curve], low: float, doublings: float) -> float:
    """The chance that a trial whose BLEU is next to nothing still takes off.

    Of the trials that ever do, as many as the square of the usual step over this one are still to
    do it: survival falls as after Pareto. The others never do.
    """
    taken_off = [at for rival in complete if (at := rival.first_at(low)) is not None]
    ever = (1 + len(taken_off)) / (2 + len(complete))
    usual = float(np.median(taken_off)) if taken_off else step
    waiting = ever * min(1.0, usual / step) ** 2
    will = waiting / (waiting + 1 - ever)
    return float(will * (1 - 4.0**-doublings))


def _quantile(values_N: Array, weights_N: Array, share: float) -> float:
    order = np.argsort(values_N)
    place = int(np.searchsorted(np.cumsum(weights_N[order]), share))
    return float(values_N[order][min(place, len(order) - 1)])
