"""The curves of a study's trials, read from the storage."""

import functools
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from automl_tf.scoring.sentences import paired_bootstrap
from automl_tf.search.pruning.curve import Curve
from automl_tf.search.pruning.outlook import USUAL_NOISE, Rivals
from automl_tf.search.record import sentences_at

RESAMPLES = 200
"""Of a paired bootstrap: a standard deviation is known to 5 % by them."""
LEAST_NOISE = 0.01
"""BLEU: a trial that repeats another one sentence by sentence is still not sure to go on so."""


def curve_of(trial: FrozenTrial) -> Curve:
    """The curve that a trial has reported."""
    return _curve(tuple(trial.intermediate_values.items()))


@functools.lru_cache(maxsize=1024)
def _curve(bleu: tuple[tuple[int, float], ...]) -> Curve:
    """Curves of ended trials are asked for at each validation of the others."""
    return Curve.of(dict(bleu))


def rivals_of(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Rivals:
    """What is known of the others that a trial is compared with.

    A failed trial has no system to show, whatever BLEU it once had.

    Args:
        trial: The judged trial.
        trials: All trials of the study.
    """
    others = [
        other
        for other in trials
        if other.number != trial.number
        and other.state != TrialState.FAIL
        and other.intermediate_values
    ]
    curves = [curve_of(other) for other in others]
    return Rivals(
        complete=[
            curve
            for other, curve in zip(others, curves, strict=True)
            if other.state == TrialState.COMPLETE
        ],
        tops=[curve.top for curve in curves],
        noise=_noise(trial, others),
    )


def _noise(trial: FrozenTrial, others: Sequence[FrozenTrial]) -> float:
    """How far sentences drawn anew would move the trial against the incumbents at its step.

    The storage keeps the sentences of the incumbents. What makes a sentence hard is hard for both,
    so that the difference moves less than either BLEU.
    """
    step = max(trial.intermediate_values)
    ours = sentences_at(trial, step)
    if ours is None:
        return USUAL_NOISE
    theirs = [
        statistics
        for other in others
        if other.state == TrialState.COMPLETE
        and (statistics := sentences_at(other, step)) is not None
        and len(statistics) == len(ours)
    ]
    spreads = [paired_bootstrap(ours, those, RESAMPLES).spread for those in theirs]
    return max(float(np.mean(spreads)), LEAST_NOISE) if spreads else USUAL_NOISE
