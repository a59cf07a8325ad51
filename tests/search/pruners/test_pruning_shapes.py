"""The shipped shapes and what they extrapolate."""

import itertools

import numpy as np
import pytest

from automl_tf.search.pruners.shapes import (
    LONG,
    RESTING,
    RISING,
    SLACK,
    STALLED,
    Shapes,
    shipped_shapes,
    state,
)


def test_states_follow_staleness() -> None:
    assert state(0.0) == RISING
    assert state(LONG / 2) == RESTING
    assert state(LONG) == state(0.9) == STALLED


def test_shipped_shapes_are_ordered_and_complete() -> None:
    shapes = shipped_shapes()
    assert set(shapes.ratios) == {RISING, RESTING, STALLED}
    assert list(shapes.quantiles) == sorted(shapes.quantiles)
    for row in shapes.ratios.values():
        assert len(row) == len(shapes.quantiles)
        assert list(row) == sorted(row)
    # The longer a curve has not risen, the less it will.
    for better, worse in ((RISING, RESTING), (RESTING, STALLED)):
        assert np.mean(shapes.ratios[better]) > np.mean(shapes.ratios[worse])
    assert shapes.weights().sum() == pytest.approx(1.0)
    assert (shapes.weights() > 0).all()


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 1.3])
def test_gains_are_the_sum_of_doublings_that_each_add_the_ratio(ratio: float) -> None:
    shapes = Shapes([0.5], {RISING: [ratio]})
    added, total = 2.0 + SLACK, 0.0
    for doublings in range(1, 5):
        added *= ratio
        total += added
        (gain,) = shapes.gains(2.0, 0.0, doublings)
        assert gain == pytest.approx(total, rel=1e-4)


def test_a_finished_curve_gains_nothing_and_more_steps_never_gain_less() -> None:
    shapes = shipped_shapes()
    for staleness in (0.0, 0.1, 0.5):
        gains = [shapes.gains(3.0, staleness, doublings) for doublings in (0.0, 0.3, 1.0, 4.0)]
        assert gains[0] == pytest.approx(0.0)
        assert all((later >= earlier).all() for earlier, later in itertools.pairwise(gains))
        assert (shapes.gains(6.0, staleness, 1.0) >= gains[2]).all()
