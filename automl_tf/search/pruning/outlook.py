"""The chance that a trial ends among the best, from its learning curve and those of others.

What the trial may still gain is drawn from two sources that are weighed against each other: the
curves of the study's own trials that went on from the same step, each in proportion to its rise
there and weighing the more the more alike it was (so that whatever the study's schedule does to a
curve is known after a few trials), and the shipped shapes, which weigh like a few trials. Shape
letters: N ways in which the curve may go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from automl_tf.search.pruning.curve import Array, Curve
from automl_tf.search.pruning.shapes import SLACK, Shapes

SHAPES_WEIGHT = 6.0
"""Trials exactly like the judged one that the shipped shapes weigh as much as."""
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
class Outlook:
    """How a trial will end, as far as can be told.

    Attributes:
        step: Optimizer steps done.
        bleu: Its best BLEU so far.
        likely: The BLEU that it ends with in half of all cases, if it goes on.
        hopeful: The BLEU that it exceeds in one of twenty.
        top: How many are the best.
        mark: What the last of the best has so far.
        rivals: How many they are chosen from.
        chance: Probability that it ends among them.
    """

    step: int
    bleu: float
    likely: float
    hopeful: float
    top: int
    mark: float
    rivals: int
    chance: float

    def words(self) -> str:
        """The outlook with the numbers that decide."""
        return (
            f"chance of ending among the best {self.top} is {100 * self.chance:.1f} %: "
            f"best BLEU {self.bleu:.2f} by step {self.step} is expected to end at "
            f"{self.likely:.2f} (above {self.hopeful:.2f} in 1 of 20 cases), and the best "
            f"{self.top} of {self.rivals} others have {self.mark:.2f} or more"
        )


def outlook(
    curve: Curve, rivals: Rivals, max_steps: int, top: int, shapes: Shapes
) -> Outlook | None:
    """How a trial will end.

    Args:
        curve: Its curve so far.
        rivals: The other trials.
        max_steps: Optimizer steps of the whole trial.
        top: How many are the best.
        shapes: How curves go on in general.

    Returns:
        The outlook, or None while fewer than ``top`` others have a BLEU: any end is among the best.
    """
    if len(rivals.tops) < top:
        return None
    mark = float(np.sort(rivals.tops)[-top])
    doublings = max(0.0, float(np.log2(max_steps / curve.last)))
    gains_N, weights_N = _gains(curve, rivals.complete, doublings, shapes)
    ends_N = curve.top + gains_N
    chance = float(weights_N @ ndtr((ends_N - mark) / rivals.noise))
    low = min(TAKEN_OFF, TAKEN_OFF_SHARE * mark)
    if curve.top < low:
        late = _late_start(curve.last, rivals.complete, low, doublings)
        started = [rival.top for rival in rivals.complete if rival.top >= low]
        good = sum(reached >= mark for reached in started) / max(1, len(started))
        chance = (1 - late) * chance + late * good
    return Outlook(
        step=round(curve.last),
        bleu=curve.top,
        likely=_quantile(ends_N, weights_N, 0.5),
        hopeful=_quantile(ends_N, weights_N, 0.95),
        top=top,
        mark=mark,
        rivals=len(rivals.tops),
        chance=chance,
    )


def _gains(
    curve: Curve, complete: Sequence[Curve], doublings: float, shapes: Shapes
) -> tuple[Array, Array]:
    """What the trial may still gain, and how much each possibility weighs (one in all)."""
    step, rise, staleness = curve.last, curve.rise(curve.last), curve.staleness(curve.last)
    passed = [rival for rival in complete if rival.last > step]
    rises_N = SLACK + np.array([rival.rise(step) for rival in passed])
    stalenesses_N = np.array([rival.staleness(step) for rival in passed])
    rests_N = np.array([rival.top - rival.at(step) for rival in passed])
    scale_N = (SLACK + rise) / rises_N
    unlike_N = (np.log(scale_N) / RISE_LIKENESS) ** 2
    unlike_N += ((staleness - stalenesses_N) / STALENESS_LIKENESS) ** 2
    gains_N = np.concatenate([shapes.gains(rise, staleness, doublings), rests_N * scale_N])
    weights_N = np.concatenate([SHAPES_WEIGHT * shapes.weights(), np.exp(-unlike_N / 2)])
    return gains_N, weights_N / weights_N.sum()


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
