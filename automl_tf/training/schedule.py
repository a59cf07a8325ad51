"""Learning rate schedules: the learning rate of each step as a share of the peak.

A schedule is a linear warm-up followed by one of the decays in ``DECAYS``. Where the warm-up ends
the factor is 1, and it changes from step to step by no more than its slopes: there are no jumps.
"""

import math
from collections.abc import Callable, Mapping

from automl_tf.config.settings import TrainingConfig

Decay = Callable[[int, TrainingConfig], float]
"""The factor at a step after the warm-up, counted from one."""


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Returns the learning rate of an optimizer step divided by the peak learning rate.

    Args:
        step: The optimizer step, counted from one.
        config: Kind of the schedule and its lengths.
    """
    if step <= config.warmup_steps:
        return step / config.warmup_steps
    return DECAYS[config.schedule](step, config)


def _inverse_sqrt(step: int, config: TrainingConfig) -> float:
    """Decays with the inverse square root of the step, then linearly to zero in the cool-down.

    The first part is Vaswani et al. 2017, section 5.3. A warm-up that reaches into the cool-down
    shortens it: the learning rate falls linearly from where the warm-up ends.
    """
    cooldown_steps = min(config.cooldown * config.max_steps, _decay_steps(config))
    remaining = _remaining_steps(step, config)
    cooling = remaining / cooldown_steps if remaining < cooldown_steps else 1.0
    return math.sqrt(config.warmup_steps / step) * cooling


def _cosine(step: int, config: TrainingConfig) -> float:
    """Decays to zero along half a cosine (Loshchilov and Hutter 2017)."""
    remaining = _remaining_steps(step, config) / _decay_steps(config)
    return 0.5 * (1.0 - math.cos(math.pi * remaining))


def _linear(step: int, config: TrainingConfig) -> float:
    """Decays linearly to zero."""
    return _remaining_steps(step, config) / _decay_steps(config)


def _decay_steps(config: TrainingConfig) -> int:
    return config.max_steps - config.warmup_steps


def _remaining_steps(step: int, config: TrainingConfig) -> int:
    """Steps of the training that are not done before this one."""
    return max(0, config.max_steps - step + 1)


DECAYS: Mapping[str, Decay] = {
    "inverse_sqrt": _inverse_sqrt,
    "cosine": _cosine,
    "linear": _linear,
}
"""The decays by the name of ``training.schedule``."""
