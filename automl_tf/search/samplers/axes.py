"""A search space as coordinates in which nearby configurations have similar BLEU.

Shape letters: N configurations, D coordinates.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from automl_tf.config.settings import BASE_WIDTH

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
"""Settings of N configurations by dotted path, each of shape N: floats, or objects for names."""

LEARNING_RATE, WIDTH = "training.learning_rate", "model.d_model"
RATE_SCALE = "training.learning_rate_scale"

REACH_DOUBLINGS = {
    "data.vocab_size": 2.2,
    WIDTH: 2.5,
    "model.d_ff": 4.5,
    "model.num_heads": 4.5,
    "model.encoder_layers": 3.5,
    "model.decoder_layers": 3.5,
    LEARNING_RATE: 2.5,
}
"""Doublings of a setting over which BLEU keeps its likeness: long for what matters little, as heads
and the feed-forward width do (Zhang and Duh 2020), short for what decides, as vocabularies do where
there is little text (Ding et al. 2019)."""
PRODUCT_REACH = 2.5
"""The same for the product of learning rate and width, along which training diverges."""
REACH_SHARE = 1.2
"""Reach of every other setting, in lengths of its range."""
REACH_SHARES = {"training.label_smoothing": 2.4}
"""The same of those that differ: label smoothing matters half as much as dropout (Vaswani et al.
2017, Table 3 D)."""
WIDE_RATIO = 8.0
"""Ratio between the ends of a range from which equal ratios count as equal steps."""
NAMES_APART = 1.0
"""Distance between two names, such as ``pre`` and ``post``."""


def is_number(value: Any) -> TypeGuard[int | float]:  # noqa: ANN401 - any setting
    """Whether a value has an order and a distance to others."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_numeric(distribution: BaseDistribution) -> bool:
    """Whether all values of a setting are numbers."""
    if isinstance(distribution, CategoricalDistribution):
        return all(is_number(choice) for choice in distribution.choices)
    return True


def ends(distribution: Any) -> tuple[float, float]:  # noqa: ANN401 - of three kinds
    """The smallest and the largest value of a numeric setting."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = [float(choice) for choice in distribution.choices if is_number(choice)]
        return min(numbers), max(numbers)
    return float(distribution.low), float(distribution.high)


def columns(
    configurations: Sequence[Mapping[str, Any]],
    space: Mapping[str, BaseDistribution],
    fixed: Mapping[str, Any],
) -> Columns:
    """The settings of configurations, searched and fixed.

    A setting that a configuration does not tell, as happens in other studies, is taken for the
    middle of its range. A learning rate that goes with the width is told as the one that a model's
    matrices have of it, so that either scale means the same.

    Args:
        configurations: Values by dotted path.
        space: The searched settings.
        fixed: Values of settings that are not searched.
    """
    count = len(configurations)
    found: dict[str, NDArray[Any]] = {
        name: np.full(count, float(value)) for name, value in fixed.items() if is_number(value)
    }
    for name, distribution in space.items():
        values = [configuration.get(name, fixed.get(name)) for configuration in configurations]
        if is_numeric(distribution):
            middle = _middle(*ends(distribution))
            found[name] = np.array([v if is_number(v) else middle for v in values], dtype=float)
        else:
            found[name] = np.array(values, dtype=object)
    if LEARNING_RATE in found and WIDTH in found:
        scales = [told.get(RATE_SCALE, fixed.get(RATE_SCALE)) for told in configurations]
        goes_with_width_N = np.array([scale == "width" for scale in scales], dtype=bool)
        ratios_N = np.where(goes_with_width_N, BASE_WIDTH / found[WIDTH], 1.0)
        found[LEARNING_RATE] = found[LEARNING_RATE] * ratios_N
    return found


def coordinates(settings: Columns, space: Mapping[str, BaseDistribution]) -> Array:
    """The place of each configuration, in units of the reach of each setting.

    Args:
        settings: Settings of N configurations.
        space: The searched settings.

    Returns:
        Coordinates of shape N, D.
    """
    axes: list[Array] = []
    for name, distribution in space.items():
        if is_numeric(distribution):
            axes.append(_scaled(name, settings[name], *ends(distribution)))
        else:
            assert isinstance(distribution, CategoricalDistribution)
            # Two different names lie this far apart along two axes each.
            apart = NAMES_APART * math.sqrt(0.5)
            axes += [
                np.array([apart * (value == choice) for value in settings[name]])
                for choice in distribution.choices
            ]
    if LEARNING_RATE in space and WIDTH in space:
        axes.append(np.log2(settings[LEARNING_RATE] * settings[WIDTH]) / PRODUCT_REACH)
    return np.stack(axes, axis=1)


def _scaled(name: str, values_N: Array, low: float, high: float) -> Array:
    if name in REACH_DOUBLINGS:
        return np.log2(values_N) / REACH_DOUBLINGS[name]
    if low == high:
        return np.zeros_like(values_N)
    share = REACH_SHARES.get(name, REACH_SHARE)
    if _is_wide(low, high):
        return np.log(np.maximum(values_N, low * low / high) / low) / (share * math.log(high / low))
    return (values_N - low) / (share * (high - low))


def _middle(low: float, high: float) -> float:
    return math.sqrt(low * high) if _is_wide(low, high) else (low + high) / 2


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high / low >= WIDE_RATIO
