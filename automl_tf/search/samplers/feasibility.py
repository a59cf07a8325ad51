"""Probability that a configuration can be trained at all, learnt from failed trials.

A training fails beyond a threshold of something: it diverges above some product of learning rate
and width, it runs out of memory above some size. The model is a Bayesian average over all such
hypotheses: each axis, each threshold on it, failures above or below. A few failures decide between
them, and each failure rules out all that lies further in the same direction. Causes are modelled
apart from each other. Shape letters: N trials, C candidates, D coordinates, A axes, T thresholds, H
hypotheses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from scipy.special import ndtr

from automl_tf.search.samplers.priors import (
    LEARNING_RATE,
    PRODUCT_LENGTHSCALE,
    WIDTH,
    Array,
    Configuration,
    columns,
    featurize,
    negative_log_cost,
    shipped_costs,
)
from automl_tf.search.schema import NUM_PARAMETERS, FailureKind

Memory = Callable[[Configuration], float]
"""Estimated memory of a training, in any unit."""

NUM_THRESHOLDS = 64
"""Thresholds of each axis. Prior probability grows with them: most of a space is feasible."""
SHARPNESS = 0.03
"""Standard deviation of a threshold between similar configurations, in length scales of an axis."""
UNEXPLAINED = 0.005
"""Share of outcomes that no threshold explains."""
BELOW_WEIGHT = 0.2
"""Prior odds of failures below a threshold over failures above it."""
MIN_WEIGHT = 1e-3
"""Posterior odds to the likeliest hypothesis below which another one is left out."""
KNOWN_CAUSE_WEIGHT = 20.0
"""Prior odds of the axis along which trainings of a cause are known to fail over any other axis."""


@dataclass(eq=False)
class FeasibilityModel:
    """Model of which configurations fail.

    Attributes:
        space: The searched settings.
        fixed: Values of settings that are not searched.
        trained: Configurations that could be trained.
        failed: Configurations that failed, by cause.
        sample: Configurations from all over the space.
        memory: Estimated memory of a training; the number of parameters if None.
    """

    space: Mapping[str, BaseDistribution]
    fixed: Mapping[str, Any]
    trained: Sequence[Mapping[str, Any]]
    failed: Mapping[str, Sequence[Mapping[str, Any]]]
    sample: Sequence[Configuration]
    memory: Memory | None = None

    def __post_init__(self) -> None:
        self._causes: list[ThresholdMixture] = []
        if not self.failed:
            return
        sample_RA, known = self._axes(self.sample)
        ends_2A = np.stack([sample_RA.min(0), sample_RA.max(0)])
        # In a space of one configuration there is nothing to choose.
        if (ends_2A[1] > ends_2A[0]).any():
            trained_NA, _ = self._axes(self.trained)
            names = [""] * (sample_RA.shape[1] - len(known)) + known
            for cause, failed in self.failed.items():
                weights_A = np.where(np.array(names) == cause, KNOWN_CAUSE_WEIGHT, 1.0)
                failed_NA, _ = self._axes(failed)
                self._causes.append(ThresholdMixture(ends_2A, weights_A, trained_NA, failed_NA))

    def log_probability(self, candidates: Sequence[Configuration]) -> Array:
        """Returns the log probability that each candidate can be trained; zeros before failures."""
        log_C = np.zeros(len(candidates))
        if self._causes:
            candidates_CA, _ = self._axes(candidates)
            for cause in self._causes:
                log_C += np.log(cause.probability(candidates_CA))
            if self.memory is not None:
                log_C += np.log(self._memory_bound(self.memory, candidates))
        return log_C

    def _memory_bound(self, memory: Memory, candidates: Sequence[Configuration]) -> Array:
        """Returns the share of trials that fitted into memory, of those that tell: Laplace's rule.

        What needs as much memory as a training that ran out of it runs out of it as well, closer
        to the limit than thresholds can tell, unless as large a one was trained.
        """
        failed = self.failed.get(FailureKind.OUT_OF_MEMORY.value, ())
        failed_N, trained_N = (
            [memory(dict(one)) for one in those] for those in (failed, self.trained)
        )
        needs_C1 = np.array([memory(candidate) for candidate in candidates])[:, None]
        failures_C = (needs_C1 >= np.array(failed_N)).sum(1)
        fits_C = (needs_C1 <= np.array(trained_N)).sum(1)
        return np.where(failures_C, (1 + fits_C) / (2 + fits_C + failures_C), 1.0)

    def _axes(self, configurations: Sequence[Mapping[str, Any]]) -> tuple[Array, list[str]]:
        """Returns the features, then known causes of failures (shape N, A), and their names."""
        settings = columns(configurations, self.space, self.fixed)
        if self.memory is None:
            size_N = -negative_log_cost(shipped_costs()[NUM_PARAMETERS], settings)
        else:
            size_N = np.log2([self.memory(dict(one)) for one in configurations])
        axes = {FailureKind.OUT_OF_MEMORY.value: size_N / PRODUCT_LENGTHSCALE}
        if LEARNING_RATE in settings and WIDTH in settings:
            product_N = np.log2(settings[LEARNING_RATE] * settings[WIDTH])
            axes[FailureKind.DIVERGED.value] = product_N / PRODUCT_LENGTHSCALE
        return np.column_stack([featurize(settings, self.space), *axes.values()]), list(axes)


class ThresholdMixture:
    """Bayesian average over thresholds beyond which trainings fail.

    Args:
        ends_2A: The least and the greatest value of each axis.
        weights_A: Prior weight of each axis.
        trained_NA: Configurations that could be trained.
        failed_NA: Configurations that failed.
    """

    def __init__(
        self, ends_2A: Array, weights_A: Array, trained_NA: Array, failed_NA: Array
    ) -> None:
        share_T = (np.arange(NUM_THRESHOLDS) + 0.5) / NUM_THRESHOLDS
        varying = np.flatnonzero(ends_2A[1] > ends_2A[0])
        low_A, high_A = ends_2A[:, varying]
        num_axes = len(varying)
        # One hypothesis for each side, axis and threshold, in this order.
        self._axis_H = np.tile(np.repeat(varying, NUM_THRESHOLDS), 2)
        self._threshold_H = np.tile((low_A[:, None] + np.outer(high_A - low_A, share_T)).ravel(), 2)
        self._side_H = np.repeat([1.0, -1.0], num_axes * NUM_THRESHOLDS)
        prior_H = np.repeat(weights_A[varying], NUM_THRESHOLDS)
        above_H = prior_H * np.tile(share_T, num_axes)
        below_H = prior_H * np.tile(1 - share_T, num_axes)
        log_H = np.log(np.concatenate([above_H, BELOW_WEIGHT * below_H]))
        log_H += np.log(self._feasible(trained_NA)).sum(0)
        log_H += np.log1p(-self._feasible(failed_NA)).sum(0)
        weight_H = np.exp(log_H - np.logaddexp.reduce(log_H))
        kept = np.flatnonzero(weight_H >= MIN_WEIGHT * weight_H.max())
        self._axis_H, self._side_H = self._axis_H[kept], self._side_H[kept]
        self._threshold_H = self._threshold_H[kept]
        self._weight_H = weight_H[kept] / weight_H[kept].sum()

    def probability(self, candidates_CA: Array) -> Array:
        """Returns the probability that each candidate is feasible."""
        probability_C: Array = self._feasible(candidates_CA) @ self._weight_H
        return probability_C

    def _feasible(self, points_NA: Array) -> Array:
        """Returns the probability under each hypothesis, of shape N, H."""
        margin_NH = self._side_H * (self._threshold_H - points_NA[:, self._axis_H]) / SHARPNESS
        feasible_NH: Array = UNEXPLAINED + (1 - 2 * UNEXPLAINED) * ndtr(margin_NH)
        return feasible_NH
