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
SLACK = 0.3
"""BLEU that a rise is taken to be larger than it is: less is noise, and from zero nothing grows."""
RISING, RESTING, STALLED = "rising", "resting", "stalled"
LONG = 1 / 3
"""Staleness from which a curve counts as stalled."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Learning curve: the best BLEU so far; after a collapse, the best since then.

    Attributes:
        steps: Optimizer steps of the validations (since the last collapse), ascending, after a
            zero.
        best: Best BLEU up to each of them, after a zero.
        top: BLEU of the best validation of all: the final value of the trial.
    """

    steps: Array
    best: Array
    top: float

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
        top = Merit(0, 0.0)
        for step, value in sorted(bleu.items()):
            if math.isnan(value):
                continue
            top = max(top, Merit(sentences[step] if sentences else 0, value))
            if value < COLLAPSE * points[-1][1]:
                points = [(0.0, 0.0), (step, value)]
            else:
                points.append((step, max(points[-1][1], value)))
        steps, best = np.array(points, dtype=float).T
        return cls(steps, best, top.bleu)

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

    def first_at(self, bleu: float) -> float | None:
        """Returns the first step with such a BLEU, if any."""
        index = int(np.searchsorted(self.best, bleu, side="left"))
        return float(self.steps[index]) if index < len(self.steps) else None


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
        ratios: The ratio below which such a share of the curves lies, for curves that are rising,
            resting and stalled.
    """

    quantiles: Sequence[float]
    ratios: Mapping[str, Sequence[float]]

    def gains(self, rise: float, staleness: float, doublings: float) -> Array:
        """Returns the remaining gain of a curve, in BLEU: one value a quantile.

        Args:
            rise: What its last doubling added, in BLEU.
            staleness: Share of its steps since it last improved.
            doublings: Doublings of its steps that are left.
        """
        ratio_Q = np.array(self.ratios[state(staleness)])
        # A geometric series: each doubling adds the ratio times what the one before it added.
        ratio_Q = np.where(np.abs(ratio_Q - 1) < 1e-6, 1 - 1e-6, ratio_Q)  # noqa: PLR2004
        gains_Q: Array = (rise + SLACK) * ratio_Q * (1 - ratio_Q**doublings) / (1 - ratio_Q)
        return gains_Q

    def weights(self) -> Array:
        """Returns the weight of each quantile; the weights sum to one."""
        ends = (np.array(self.quantiles[1:]) + np.array(self.quantiles[:-1])) / 2
        return np.diff(np.concatenate([[0.0], ends, [1.0]]))


def state(staleness: float) -> str:
    """Returns the name of what a curve does."""
    if staleness == 0:
        return RISING
    return RESTING if staleness < LONG else STALLED


@functools.cache
def shipped_curve_prior() -> CurvePrior:
    """Returns the shapes of ``shapes.yaml``."""
    text = importlib.resources.files("automl_tf.search.pruners").joinpath("shapes.yaml").read_text()
    content = YAML(typ="safe").load(text)
    return CurvePrior(content.pop("quantiles"), content)
