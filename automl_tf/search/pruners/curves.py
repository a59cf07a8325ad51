"""Learning curves: BLEU by optimizer step, its calibration, and a prior on how it continues.

Early validations take few sentences, which may be easier or harder than the rest, by a BLEU or so
for all trials alike. The sentence statistics of complete trials give BLEU on any part of the split,
and so the calibration. BLEU of a Transformer gains nearly the same share less with each doubling of
its steps: one ratio describes how a curve continues. The distribution of that ratio is in
``shapes.yaml``, derived by ``benchmarks/derive_shapes.py``. Shape letters: Q quantiles.
"""

import functools
import importlib.resources
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from ruamel.yaml import YAML

from automl_tf.scoring.sentences import Merit, SentenceStatistics
from automl_tf.search.schema import BEST_SENTENCES, best_bleu, num_validated

Array = NDArray[np.float64]
Points = tuple[tuple[int, float, int], ...]
"""Step, BLEU and sentences of each validation."""

COLLAPSE = 0.25
"""Share of its best below which BLEU has collapsed: what comes then is another curve."""
MAX_REFERENCES = 5
"""Complete trials, the best, that are asked: what is hard for one is hard for all."""
SLACK = 0.6
"""BLEU that a rise is taken to be larger than it is: less is noise, and from zero nothing grows."""
STARTING, RISING, RESTING, STALLED = "starting", "rising", "resting", "stalled"
STATES = (STARTING, RISING, RESTING, STALLED)
LONG = 1 / 3
"""Staleness from which a curve counts as stalled."""
TAKEN_OFF = 2.0
"""BLEU below which hardly any n-gram of four words is right: such a curve says nothing yet."""
USUAL_WIGGLE = 0.15
"""Standard deviation of a validation about its neighbours, in BLEU, until a curve shows its own."""
WIGGLE_WEIGHT = 4
"""Validations that the usual wiggle weighs like."""
WIGGLE_VALIDATIONS = 10
"""Validations, the latest, that tell a curve's own."""
MAD_TO_DEVIATION = 1.4826
"""Standard deviation of normal values over the median of their distances from the center."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Learning curve: the best BLEU so far; after a collapse, the best since then.

    Attributes:
        steps: Optimizer steps of the validations (since the last collapse), ascending, after a
            zero.
        best: Best BLEU up to each of them, after a zero.
        top: BLEU of the best validation of all: the final value of the trial.
        wiggle: Standard deviation of a validation about its neighbours, in BLEU.
        shortfall: Standard deviation by which a validation falls short of the best so far, in BLEU.
    """

    steps: Array
    best: Array
    top: float
    wiggle: float = USUAL_WIGGLE
    shortfall: float = 0.0

    @classmethod
    def of(
        cls, bleu: Mapping[int, float], sentences: Mapping[int, int] | None = None
    ) -> "LearningCurve":
        """Returns the curve of these validations.

        Args:
            bleu: BLEU by step; those that are not numbers say nothing.
            sentences: Sentences of each validation, where they are not all the same.
        """
        points = [(0.0, 0.0)]
        plain: list[float] = []
        top = Merit(0, 0.0)
        for step, value in sorted(bleu.items()):
            if math.isnan(value):
                continue
            top = max(top, Merit(sentences[step] if sentences else 0, value))
            if value < COLLAPSE * points[-1][1]:
                points = [(0.0, 0.0), (step, value)]
            else:
                points.append((step, max(points[-1][1], value)))
            plain.append(value)
        steps, best = np.array(points, dtype=float).T
        short_N = np.maximum.accumulate(plain) - plain if plain else np.zeros(0)
        return cls(
            steps,
            best,
            top.bleu,
            wiggle=_wiggle(np.array(plain[-WIGGLE_VALIDATIONS:])),
            shortfall=_typical(short_N[-WIGGLE_VALIDATIONS:]),
        )

    @property
    def now(self) -> float:
        """Returns the best BLEU since the last collapse."""
        return float(self.best[-1])

    @property
    def last(self) -> float:
        """Returns the step of the last validation."""
        return float(self.steps[-1])

    def at(self, step: float) -> float:
        """Returns the best BLEU up to a step, between validations in proportion."""
        return float(np.interp(step, self.steps, self.best))

    def rise(self, step: float) -> float:
        """Returns what the last doubling of the steps added to BLEU."""
        return self.at(step) - self.at(step / 2)

    def staleness(self, step: float) -> float:
        """Returns the share of the steps up to this one since BLEU last improved."""
        latest = int(np.searchsorted(self.steps, step, side="right")) - 1
        if latest == 0:
            return 0.0
        improved = int(np.searchsorted(self.best, self.best[latest], side="left"))
        return float(1 - self.steps[improved] / self.steps[latest])

    def state(self, step: float) -> str:
        """Returns the name of what the curve does at a step."""
        if self.at(step) < TAKEN_OFF:
            return STARTING
        staleness = self.staleness(step)
        if staleness == 0:
            return RISING
        return RESTING if staleness < LONG else STALLED

    def first_at(self, bleu: float) -> float | None:
        """Returns the first step with such a BLEU, if any."""
        index = int(np.searchsorted(self.best, bleu, side="left"))
        return float(self.steps[index]) if index < len(self.steps) else None


def _typical(apart_N: Array) -> float:
    """Returns the standard deviation of distances from zero, by their median: collapses are few."""
    return MAD_TO_DEVIATION * float(np.median(np.abs(apart_N))) if len(apart_N) else 0.0


def _wiggle(bleu_N: Array) -> float:
    """Returns the standard deviation of successive validations about the line of their neighbours.

    It is drawn towards the usual one.
    """
    if len(bleu_N) < 3:  # noqa: PLR2004 - one between two others
        return USUAL_WIGGLE
    apart_N = bleu_N[1:-1] - (bleu_N[:-2] + bleu_N[2:]) / 2
    # Of independent errors, one and twice a half of them.
    own = _typical(apart_N) / math.sqrt(1.5)
    squares = len(apart_N) * own**2 + WIGGLE_WEIGHT * USUAL_WIGGLE**2
    return math.sqrt(squares / (len(apart_N) + WIGGLE_WEIGHT))


class SubsetCalibration:
    """Calibration of BLEU on the first sentences to BLEU on the whole split.

    Args:
        trials: All trials of a study.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        told = (
            trial
            for trial in trials
            if trial.state == TrialState.COMPLETE and BEST_SENTENCES in trial.user_attrs
        )
        best = sorted(told, key=lambda trial: -(best_bleu(trial) or 0.0))[:MAX_REFERENCES]
        self._texts = tuple(trial.user_attrs[BEST_SENTENCES] for trial in best)

    def curve(self, trial: FrozenTrial, bleu: Mapping[int, float] | None = None) -> LearningCurve:
        """Returns a trial's curve on the level of the whole split.

        Args:
            trial: The trial.
            bleu: BLEU of its validations by step; what it has reported if None.
        """
        told = trial.intermediate_values if bleu is None else bleu
        sizes = num_validated(trial)
        points = tuple((step, value, sizes.get(step, 0)) for step, value in told.items())
        return _curve(points, self._texts)


@functools.lru_cache(maxsize=1024)
def _curve(points: Points, texts: tuple[str, ...]) -> LearningCurve:
    """Returns a calibrated curve; cached, as each validation of other trials asks for it."""
    raised = {step: bleu * _ratio(size, texts) for step, bleu, size in points}
    return LearningCurve.of(raised, {step: size for step, _, size in points})


@functools.lru_cache(maxsize=64)
def _ratio(size: int, texts: tuple[str, ...]) -> float:
    """Returns BLEU of all sentences over BLEU of the first, from complete trials."""
    whole = [SentenceStatistics.from_text(text) for text in texts]
    parts = sum(statistics.first(size).bleu for statistics in whole)
    return sum(statistics.bleu for statistics in whole) / parts if parts > 0 else 1.0


@dataclass(frozen=True)
class CurvePrior:
    """Prior on the gain of one doubling over the gain of the doubling before.

    Attributes:
        quantiles: Shares of the curves, ascending.
        ratios: The ratio below which such a share of the curves lies, by what a curve does.
    """

    quantiles: Sequence[float]
    ratios: Mapping[str, Sequence[float]]

    def gains(self, rise: float, state: str, doublings: float) -> Array:
        """Returns the remaining gain of a curve, in BLEU: one value a quantile.

        Args:
            rise: What its last doubling added, in BLEU.
            state: What it does.
            doublings: Doublings of its steps that are left.
        """
        ratio_Q = np.array(self.ratios[state])
        # A geometric series: each doubling adds the ratio times what the one before it added. A
        # doubling that adds more than the one before is not followed by one that adds still more.
        further_Q = np.minimum(ratio_Q, 1 - 1e-6)
        gains_Q: Array = (rise + SLACK) * ratio_Q * (1 - further_Q**doublings) / (1 - further_Q)
        return gains_Q

    def weights(self) -> Array:
        """Returns the weight of each quantile; the weights sum to one."""
        ends = (np.array(self.quantiles[1:]) + np.array(self.quantiles[:-1])) / 2
        return np.diff(np.concatenate([[0.0], ends, [1.0]]))


@functools.cache
def shipped_curve_prior() -> CurvePrior:
    """Returns the shapes of ``shapes.yaml``."""
    text = importlib.resources.files("automl_tf.search.pruners").joinpath("shapes.yaml").read_text()
    content = YAML(typ="safe").load(text)
    return CurvePrior(content.pop("quantiles"), content)
