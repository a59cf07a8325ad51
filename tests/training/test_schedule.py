"""Learning rates at the corners of their schedules."""

import math

import pytest

from automl_tf.config.settings import TrainingConfig
from automl_tf.training.schedule import learning_rate_factor


def config(**changes: object) -> TrainingConfig:
    return TrainingConfig(**{"warmup_steps": 100, "max_steps": 1000, "cooldown": 0.25, **changes})


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "linear"])
def test_rises_to_the_peak_and_never_leaves_its_bounds(schedule: str) -> None:
    factors = [learning_rate_factor(step, config(schedule=schedule)) for step in range(1, 1001)]
    assert factors[:100] == sorted(factors[:100])
    assert factors[99] == 1.0
    assert factors[99:] == sorted(factors[99:], reverse=True)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[-1] < 0.01


def test_follows_the_paper_without_cooldown() -> None:
    """Vaswani et al. 2017, equation 3, is d^-0.5 min(s^-0.5, s w^-1.5)."""
    d_model, warmup = 512, 100
    peak = (d_model * warmup) ** -0.5
    for step in (1, 50, 100, 101, 400, 1000):
        paper = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        ours = peak * learning_rate_factor(step, config(cooldown=0.0))
        assert math.isclose(ours, paper)


def test_cooldown_changes_the_last_share_alone() -> None:
    plain, cooled = config(cooldown=0.0), config(cooldown=0.25)
    for step in (1, 100, 500, 750):
        assert learning_rate_factor(step, plain) == learning_rate_factor(step, cooled)
    assert learning_rate_factor(900, cooled) < learning_rate_factor(900, plain) / 2
