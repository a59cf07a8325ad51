"""Learning rates over a training, relative to their peak."""

import math

from automl_tf.config.settings import TrainingConfig


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """The share of the peak learning rate that a step uses.

    Rises linearly over the warm-up, then falls: with the inverse square root of the step
    (Vaswani et al. 2017, section 5.3) and a linear end over the cool-down, with half a cosine, or
    linearly.

    Args:
        step: The optimizer step, counted from one.
        config: Shape and lengths.
    """
    if step <= config.warmup_steps:
        return step / config.warmup_steps
    left = max(0, config.max_steps - step + 1)
    falling_steps = config.max_steps - config.warmup_steps
    if config.schedule == "linear":
        return left / falling_steps
    if config.schedule == "cosine":
        return 0.5 * (1.0 - math.cos(math.pi * left / falling_steps))
    cooling_steps = config.cooldown * config.max_steps
    cooling = 1.0 if left >= cooling_steps else left / cooling_steps
    return math.sqrt(config.warmup_steps / step) * cooling
