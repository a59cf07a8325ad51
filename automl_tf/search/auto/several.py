"""Several objectives as one: another weighing of them for each trial (Knowles 2006, ParEGO)."""

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from automl_tf.search.auto.history import NOISE, Scored, fixed_settings, num_pairs
from automl_tf.search.auto.process import USUAL_SCALE

SUM_SHARE = 0.05
"""Share of the weighted sum, so that of two equal worst objectives the rest decides."""


def weighed(study: optuna.Study, trials: Sequence[FrozenTrial], rng: np.random.Generator) -> Scored:
    """The complete trials with one score each: how near they come to the best of everything.

    Weights are drawn anew, so that one trial after another looks elsewhere on the Pareto front.

    Args:
        study: A study of several objectives.
        trials: Its trials.
        rng: Source of the weights.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    weights_K = rng.dirichlet(np.ones(len(study.directions)))
    if not complete:
        return Scored([], [], [], fixed_settings(study), num_pairs(study))
    signs_K = [1.0 if way == StudyDirection.MAXIMIZE else -1.0 for way in study.directions]
    values_NK = np.array([trial.values for trial in complete]) * signs_K
    missed_NK = values_NK.max(0) - values_NK
    missed_NK = weights_K * missed_NK / np.maximum(missed_NK.max(0), np.finfo(float).tiny)
    score_N = -(missed_NK.max(1) + SUM_SHARE * missed_NK.sum(1))
    score_N *= USUAL_SCALE / max(float(score_N.std()), np.finfo(float).eps)
    return Scored(
        [trial.params for trial in complete],
        score_N.tolist(),
        [NOISE] * len(complete),
        fixed_settings(study),
        num_pairs(study),
    )
