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


def ema_factor(step: int, config: TrainingConfig) -> float:
    """Returns what ``training.ema`` is multiplied by at an optimizer step.

    What is averaged shrinks with the learning rate of the cool-down, which does to the noise of the
    weights what averaging does (Hägele et al. 2024, section 4.1): a full cool-down ends with the
    weights themselves.

    Args:
        step: The optimizer step, counted from one.
        config: Kind of the schedule and its lengths.
    """
    return 1.0 if step <= config.warmup_steps else _remaining_share(step, config)


def first_cooldown_step(config: TrainingConfig) -> int:
    """Returns the first optimizer step that another ``training.max_steps`` would change.

    All steps before take the same course whatever the length of the training: until then it can be
    shortened or extended. After the warm-up `cosine` and `linear` are one long cool-down. The last
    step always depends on the length, because its validation takes the whole split.

    Args:
        config: Kind of the schedule and its lengths.
    """
    return min(config.max_steps, config.max_steps + 2 - math.ceil(_cooldown_steps(config)))


def _inverse_sqrt(step: int, config: TrainingConfig) -> float:
    """Decays with the inverse square root of the step (Vaswani et al. 2017, section 5.3)."""
    return math.sqrt(config.warmup_steps / step) * _remaining_share(step, config)


def _cosine(step: int, config: TrainingConfig) -> float:
    """Decays to zero along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 - math.cos(math.pi * _remaining_share(step, config)))


def _remaining_share(step: int, config: TrainingConfig) -> float:
    """Share of the cool-down that is not done before this step: one, then linearly to zero."""
    cooldown_steps = _cooldown_steps(config)
    remaining = max(0, config.max_steps - step + 1)
    return remaining / cooldown_steps if remaining < cooldown_steps else 1.0


def _cooldown_steps(config: TrainingConfig) -> float:
    """Last steps, in which the learning rate falls to zero.

    A warm-up that reaches into the cool-down shortens it: the learning rate falls from where the
    warm-up ends.
    """
    decay_steps = config.max_steps - config.warmup_steps
    if config.schedule in ("cosine", "linear"):
        return decay_steps
    return min(config.cooldown * config.max_steps, decay_steps)


DECAYS: Mapping[str, Decay] = {
    "inverse_sqrt": _inverse_sqrt,
    # Warm-up, stable, decay (Hägele et al. 2024).
    "constant": _remaining_share,
    "cosine": _cosine,
    "linear": _remaining_share,
}
"""The decays by the name of ``training.schedule``."""
