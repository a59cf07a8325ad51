"""The hypervolume of a study's Pareto front, which one number tells of several objectives.

The reference point stands still while a study lives: half the BLEU (or chrF) and twice the costs of
the trial that was complete first. The unit is what that trial covers alone, so that a study begins
at 1. Shape letters: N trials, K objectives.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS

HALF, TWICE = 0.5, 2.0
LEAST_QUALITY, LEAST_COST = 1.0, 1e-9
"""What the first complete trial is taken to have at least."""
REFERENCE = "half the BLEU and twice the costs of the trial that was complete first"


def completed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The complete trials in the order in which they ended."""
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(ended, key=lambda trial: (trial.datetime_complete is None, _ended(trial)))


def hypervolumes(values: Sequence[Sequence[float]], objectives: Sequence[str]) -> list[float]:
    """The hypervolume after each of the trials.

    Args:
        values: Their values, in the order in which they ended.
        objectives: The names of the two or more objectives.
    """
    if not values:
        return []
    losses_NK = np.array([_losses(trial, values[0], objectives) for trial in values])
    corner_K = np.ones(len(objectives))
    within_NK = np.minimum(losses_NK, corner_K)
    return [
        float(compute_hypervolume(within_NK[:count], corner_K))
        for count in range(1, len(values) + 1)
    ]


def _losses(
    values: Sequence[float], first: Sequence[float], objectives: Sequence[str]
) -> NDArray[np.float64]:
    """Values with the reference point at 1 and the trial that was complete first at 0."""
    losses = []
    for name, value, start in zip(objectives, values, first, strict=True):
        if DIRECTIONS[name] == "maximize":
            unit = max(start, LEAST_QUALITY) * HALF
            losses.append(1 - (value - start + unit) / unit)
        else:
            unit = max(start, LEAST_COST) * (TWICE - 1)
            losses.append(1 - (start + unit - value) / unit)
    return np.array(losses)


def _ended(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0
