"""How much a candidate is worth trying."""

from collections.abc import Sequence

import numpy as np
from scipy.special import log_ndtr, ndtr

from automl_tf.search.samplers.axes import Array
from automl_tf.search.samplers.process import Belief

FAR_BELOW = -5.0
"""Standard deviations below the best from which the improvement's asymptote is exact enough."""


def log_improvement(belief: Belief) -> Array:
    """Logarithm of the expected improvement on the best score, over all models.

    Before any trial it is the expected score: there is nothing to improve on.
    """
    if not np.isfinite(belief.best):
        return belief.mean()
    logs: Sequence[Array] = [
        np.log(weight) + _log_improvement(mean_C, spread_C, belief.best)
        for weight, mean_C, spread_C in zip(
            belief.weights, belief.means, belief.spreads, strict=True
        )
    ]
    total_C: Array = np.logaddexp.reduce(logs)
    return total_C


def _log_improvement(mean_C: Array, spread_C: Array, best: float) -> Array:
    """Of normal scores (Jones et al. 1998), precise where it is tiny (Ament et al. 2023)."""
    ahead_C = (mean_C - best) / spread_C
    density_C = np.exp(-0.5 * ahead_C**2) / np.sqrt(2 * np.pi)
    near_C = np.log(np.maximum(density_C + ahead_C * ndtr(ahead_C), np.finfo(float).tiny))
    far_C = log_ndtr(ahead_C) - np.log(np.maximum(-ahead_C, 1.0))
    log_C: Array = np.where(ahead_C > FAR_BELOW, near_C, far_C) + np.log(spread_C)
    return log_C
