"""The curves of a study's trials, read from the storage."""

import math
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap
from automl_tf.search.pruners.levels import Levels
from automl_tf.search.pruners.outlook import USUAL_NOISE, Rivals
from automl_tf.search.schema import sentences_at, validations

RESAMPLES = 200
"""Of a paired bootstrap: a standard deviation is known to 5 % by them."""
LEAST_NOISE = 0.01
"""BLEU: a trial that repeats another one sentence by sentence is still not sure to go on so."""


def rivals_of(trial: FrozenTrial, trials: Sequence[FrozenTrial], levels: Levels) -> Rivals:
    """What is known of the others that a trial is compared with.

    A failed trial has no system to show, whatever BLEU it once had.

    Args:
        trial: The judged trial.
        trials: All trials of the study.
        levels: What brings their curves to one level.
    """
    others = [
        other
        for other in trials
        if other.number != trial.number
        and other.state != TrialState.FAIL
        and other.intermediate_values
    ]
    curves = [levels.curve(other) for other in others]
    return Rivals(
        complete=[
            curve
            for other, curve in zip(others, curves, strict=True)
            if other.state == TrialState.COMPLETE
        ],
        tops=[curve.top for curve in curves],
        noise=noise(trial, others),
    )


def noise(trial: FrozenTrial, others: Sequence[FrozenTrial]) -> float:
    """How far sentences drawn anew would move the trial against the incumbents at its step.

    The storage keeps the sentences of the incumbents. What makes a sentence hard is hard for both,
    so that the difference moves less than either BLEU. Where one was validated on fewer sentences,
    both are compared on those.

    Args:
        trial: The judged trial, validated at least once.
        others: The other trials.

    Returns:
        Standard deviation of the difference in BLEU of as many sentences as the trial's.
    """
    step = max(trial.intermediate_values or validations(trial))
    ours = sentences_at(trial, step)
    if ours is None:
        return USUAL_NOISE
    theirs = [
        statistics
        for other in others
        if other.state == TrialState.COMPLETE
        and (statistics := sentences_at(other, step)) is not None
    ]
    spreads = [_spread(ours, those) for those in theirs]
    return max(float(np.mean(spreads)), LEAST_NOISE) if spreads else USUAL_NOISE


def _spread(ours: SentenceStatistics, theirs: SentenceStatistics) -> float:
    """The standard deviation of the difference on as many sentences as ours."""
    common = min(len(ours), len(theirs))
    found = paired_bootstrap(ours.first(common), theirs.first(common), RESAMPLES)
    return found.spread * math.sqrt(common / len(ours))
