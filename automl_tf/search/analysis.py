"""Analyses of a study's complete trials: the hypervolume of their front, and what mattered.

Shape letters: N trials, D settings, K objectives.
"""

import math
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS
from automl_tf.search.optuna_compat import compute_hypervolume

Array = NDArray[np.float64]

HALF, TWICE = 0.5, 2.0
MIN_QUALITY, MIN_COST = 1.0, 1e-9
"""Smallest values of the first complete trial from which a reference point is made."""
REFERENCE: Final = "half the BLEU and twice the costs of the trial that was complete first"
"""Reference point of the hypervolume. It is fixed for the life of a study."""

LENGTHSCALE: Final = 0.5
"""Distance, as a share of the tried values, over which a setting's effect stays alike."""
NOISE_TO_SIGNAL: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Ratios of variances of which the marginal likelihood chooses."""


def completed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Returns the complete trials in the order in which they ended."""
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(ended, key=attrgetter("datetime_complete"))


def hypervolume(values: Sequence[Sequence[float]], objectives: Sequence[str]) -> float:
    """Returns the hypervolume of trials, in units of what the first of them covers alone.

    Args:
        values: Values of one or more trials, in the order in which they ended.
        objectives: Names of the two or more objectives.
    """
    return compute_hypervolume(_losses(values, objectives), np.ones(len(objectives)))


def hypervolume_history(
    values: Sequence[Sequence[float]], objectives: Sequence[str]
) -> list[float]:
    """Returns the hypervolume after each of the trials.

    Args:
        values: Values of the trials, in the order in which they ended.
        objectives: Names of the two or more objectives.
    """
    front_NK = np.empty((0, len(objectives)))
    history: list[float] = []
    for loss_K in _losses(values, objectives):
        if (front_NK <= loss_K).all(axis=1).any():
            history.append(history[-1])
            continue
        is_kept_N = (front_NK < loss_K).any(axis=1)
        front_NK = np.concatenate([front_NK[is_kept_N], loss_K[None]])
        history.append(compute_hypervolume(front_NK, np.ones(len(objectives))))
    return history


def _losses(values: Sequence[Sequence[float]], objectives: Sequence[str]) -> Array:
    """Returns losses with the reference point at 1, the first trial at 0, and no loss above 1."""
    is_maximized_K = np.array([DIRECTIONS[name] == "maximize" for name in objectives])
    values_NK = np.reshape(np.asarray(values, dtype=np.float64), (-1, len(objectives)))
    first_1K = values_NK[:1]
    quality_1K = np.maximum(first_1K, MIN_QUALITY) * HALF
    cost_1K = np.maximum(first_1K, MIN_COST) * (TWICE - 1)
    unit_1K = np.where(is_maximized_K, -quality_1K, cost_1K)
    losses_NK: Array = np.minimum((values_NK - first_1K) / unit_1K, 1.0)
    return losses_NK


def importances(params: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> dict[str, float]:
    """Returns the share of the explained variance that each setting accounts for, largest first.

    The model is an additive Gaussian process, a sum of one smooth function for each setting
    (Duvenaud et al. 2011). Optuna's evaluators are not used: importing any of them imports
    scikit-learn and scipy.stats (a second of CPU). On tables of trained Transformers this model and
    fANOVA come equally near to the importances over all configurations; PED-ANOVA stays further
    away.

    Args:
        params: Settings of the trials by dotted path; those that not all trials have are ignored.
        scores: Scores of the same trials, in any unit.

    Returns:
        Shares that sum to 1. Empty if the scores or the settings do not vary.
    """
    names = [name for name in params[0] if all(name in trial for trial in params)] if params else []
    kernels_DNN = [_kernel([trial[name] for trial in params]) for name in names]
    score_N = np.asarray(scores, dtype=np.float64)
    if not kernels_DNN or not np.ptp(score_N):
        return {}
    score_N = (score_N - score_N.mean()) / score_N.std()
    weight_N = _weights(np.sum(kernels_DNN, axis=0), score_N)
    effects = {
        name: float(np.var(k @ weight_N)) for name, k in zip(names, kernels_DNN, strict=True)
    }
    total = sum(effects.values())
    ranked = sorted(effects, key=lambda name: -effects[name])
    return {name: effects[name] / total for name in ranked} if total else {}


def _kernel(values: Sequence[Any]) -> Array:
    """Returns the kernel of one setting, centred so that its effect has mean zero."""
    if any(isinstance(value, bool | str) for value in values):
        similarity_NN = np.array([[float(a == b) for b in values] for a in values])
    else:
        # Ranks among the distinct values, from 0 to 1, need no scale.
        distinct, place_N = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
        rank_N = place_N / max(len(distinct) - 1, 1)
        similarity_NN = np.exp(-0.5 * ((rank_N[:, None] - rank_N) / LENGTHSCALE) ** 2)
    centred_NN: Array = similarity_NN - similarity_NN.mean(axis=0)
    centred_NN -= centred_NN.mean(axis=1, keepdims=True)
    return centred_NN


def _weights(kernel_NN: Array, score_N: Array) -> Array:
    """Returns the trials' weights in the posterior mean, at the likeliest level of noise."""
    mean_variance = max(float(np.trace(kernel_NN)) / len(score_N), 1e-12)
    values_N, vectors_NN = np.linalg.eigh(kernel_NN / mean_variance)
    spectrum_N, rotated_N = np.maximum(values_N, 0.0), vectors_NN.T @ score_N
    likelihoods = [_log_likelihood(spectrum_N + noise, rotated_N) for noise in NOISE_TO_SIGNAL]
    noise = NOISE_TO_SIGNAL[int(np.argmax(likelihoods))]
    weight_N: Array = vectors_NN @ (rotated_N / (spectrum_N + noise))
    return weight_N


def _log_likelihood(variance_N: Array, rotated_N: Array) -> float:
    """Returns the marginal likelihood up to a constant, at the best scale of the signal."""
    scale = float(np.mean(rotated_N**2 / variance_N))
    return -0.5 * (len(rotated_N) * math.log(scale) + float(np.log(variance_N).sum()))
