"""Curves: what they say at a step, and what a collapse makes of them."""

import math

import numpy as np
import pytest

from automl_tf.search.pruners.curve import Curve


def test_a_curve_is_the_best_so_far() -> None:
    curve = Curve.of({300: 12.0, 100: 10.0, 200: 14.0, 400: math.nan})
    assert curve.last == 300
    assert curve.now == curve.top == 14.0
    assert [curve.at(step) for step in (0, 100, 200, 300, 900)] == [0.0, 10.0, 14.0, 14.0, 14.0]
    assert curve.at(50) == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_doubling_adds_sums_up_to_the_best(seed: int) -> None:
    draws = np.random.default_rng(seed).uniform(5.0, 15.0, 32)
    curve = Curve.of(dict(enumerate(draws.tolist(), start=1)))
    rises = sum(curve.rise(2**power) for power in range(6))
    assert rises + curve.at(0.5) == pytest.approx(max(draws))


def test_staleness_is_the_share_of_steps_since_the_best() -> None:
    curve = Curve.of({100: 5.0, 200: 8.0, 300: 7.0, 400: 7.5})
    assert curve.staleness(100) == curve.staleness(200) == 0.0
    assert curve.staleness(300) == pytest.approx(1 / 3)
    assert curve.staleness(400) == pytest.approx(1 / 2)
    assert curve.staleness(50) == 0.0


def test_the_first_step_with_a_bleu_is_found_or_none() -> None:
    curve = Curve.of({100: 1.0, 200: 8.0, 300: 7.0, 400: 9.0})
    assert curve.first_at(0.5) == 100
    assert curve.first_at(8.0) == 200
    assert curve.first_at(8.5) == 400
    assert curve.first_at(9.5) is None


def test_a_collapsed_curve_begins_anew_and_keeps_its_best() -> None:
    curve = Curve.of({100: 8.0, 200: 0.5, 300: 1.5, 400: 3.0})
    assert curve.top == 8.0
    assert curve.now == 3.0
    assert curve.staleness(400) == 0.0
    assert curve.rise(400) == pytest.approx(3.0 - 0.5)
    fallen = Curve.of({100: 8.0, 200: 4.0})
    assert fallen.now == 8.0
