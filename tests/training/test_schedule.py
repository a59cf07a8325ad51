"""Learning rate schedules: their peak, their ends, and that they never jump."""

import itertools
import math
from typing import get_args

import pytest

from automl_tf.config.settings import TrainingConfig
from automl_tf.training.schedule import DECAYS, first_cooldown_step, learning_rate_factor


def config(**changes: object) -> TrainingConfig:
    return TrainingConfig(**{"warmup_steps": 100, "max_steps": 1000, "cooldown": 0.25, **changes})


def test_every_kind_of_the_setting_has_a_decay() -> None:
    assert set(DECAYS) == set(get_args(TrainingConfig.model_fields["schedule"].annotation))


@pytest.mark.parametrize("cooldown", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("max_steps", [2, 3, 10, 1000])
@pytest.mark.parametrize("schedule", DECAYS)
def test_the_peak_is_one_and_no_step_is_steeper_than_the_slopes(
    schedule: str, max_steps: int, cooldown: float
) -> None:
    shares = (0.001, 0.05, 0.5, 0.7, 0.75, 0.76, 0.8, 0.9, 0.99)
    warmups = {min(max(1, round(share * max_steps)), max_steps - 1) for share in shares}
    for warmup in sorted(warmups | {max_steps - 1}):
        given = config(
            schedule=schedule, max_steps=max_steps, warmup_steps=warmup, cooldown=cooldown
        )
        factors = [learning_rate_factor(step, given) for step in range(1, max_steps + 1)]
        assert factors[warmup - 1] == 1.0 == max(factors)
        assert factors[:warmup] == sorted(factors[:warmup])
        assert factors[warmup - 1 :] == sorted(factors[warmup - 1 :], reverse=True)
        assert min(factors) > 0
        falling = max_steps - warmup
        slopes = {
            "linear": 1 / falling,
            "cosine": math.pi / 2 / falling,
            "constant": 1 / max(1, min(cooldown * max_steps, falling)),
            # The paper's curve is steepest where it begins; the cool-down adds its own slope.
            "inverse_sqrt": 1 / (2 * warmup) + 1 / max(1, min(cooldown * max_steps, falling)),
        }
        steepest = max(1 / warmup, slopes[schedule])
        changes = [abs(after - before) for before, after in itertools.pairwise(factors)]
        assert max(changes) <= steepest + 1e-12


@pytest.mark.parametrize("schedule", DECAYS)
def test_ends_near_zero(schedule: str) -> None:
    assert learning_rate_factor(1000, config(schedule=schedule)) < 0.01


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


@pytest.mark.parametrize("cooldown", [0.0, 0.05, 0.21, 0.5, 1.0])
@pytest.mark.parametrize("schedule", DECAYS)
def test_steps_before_the_cooldown_are_those_of_any_length(schedule: str, cooldown: float) -> None:
    kinds = [
        config(schedule=schedule, warmup_steps=warmup, max_steps=steps, cooldown=cooldown)
        for warmup in (1, 9)
        for steps in (10, 11, 24, 57)
    ]
    for one, other in itertools.permutations(kinds, 2):
        if one.warmup_steps != other.warmup_steps:
            continue
        shared = min(first_cooldown_step(one), first_cooldown_step(other))
        for step in range(1, shared):
            assert learning_rate_factor(step, one) == learning_rate_factor(step, other)


@pytest.mark.parametrize("schedule", DECAYS)
def test_the_cooldown_begins_where_the_learning_rate_leaves_that_of_a_long_training(
    schedule: str,
) -> None:
    for warmup, cooldown, steps in itertools.product((1, 5, 9), (0.0, 0.05, 0.21, 1.0), (10, 37)):
        given = config(schedule=schedule, warmup_steps=warmup, max_steps=steps, cooldown=cooldown)
        long = given.model_copy(update={"max_steps": 1_000_000, "cooldown": 0.0})
        differing = [
            step
            for step in range(1, steps + 1)
            if learning_rate_factor(step, given) < learning_rate_factor(step, long) * (1 - 1e-3)
        ]
        # The validation of the last step takes the whole split.
        assert first_cooldown_step(given) == min([*differing, steps])


def test_constant_is_warm_up_stable_decay() -> None:
    given = config(schedule="constant", warmup_steps=4, max_steps=20, cooldown=0.25)
    factors = [learning_rate_factor(step, given) for step in range(1, 21)]
    assert factors == [0.25, 0.5, 0.75, *[1.0] * 13, 0.8, 0.6, 0.4, 0.2]
    assert first_cooldown_step(given) == 17
