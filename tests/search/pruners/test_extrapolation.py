"""Extrapolations of learning curves."""

import numpy as np
import pytest

from automl_tf.search.pruners.curves import LearningCurve, shipped_curve_prior
from automl_tf.search.pruners.extrapolation import Extrapolation, extrapolate

STEPS = range(100, 1700, 100)


def risen(top: float, until: int = 1600, share: float = 0.6) -> LearningCurve:
    """A curve that rises by a fixed share less with each doubling of its steps."""
    return LearningCurve.of(
        {step: top * (1 - share * (step / 100) ** -0.5) for step in STEPS if step <= until}
    )


def test_the_numbers_of_a_distribution_are_those_of_its_draws() -> None:
    rng = np.random.default_rng(1)
    bleu_N, weights_N = rng.normal(25, 2, 60), rng.dirichlet(np.ones(60))
    told = Extrapolation(bleu_N, weights_N)
    draws = rng.choice(bleu_N, 200_000, p=weights_N)
    assert told.mean == pytest.approx(draws.mean(), abs=0.02)
    assert told.spread == pytest.approx(draws.std(), abs=0.02)
    for share in (0.05, 0.5, 0.95):
        assert (draws <= told.quantile(share)).mean() >= share - 0.01
        assert (draws < told.quantile(share)).mean() <= share + 0.01
    assert told.gain_over(26.0) == pytest.approx(np.maximum(draws - 26, 0).mean(), abs=0.02)
    assert told.chance_above(26.0) == pytest.approx((draws > 26).mean(), abs=0.01)


def test_an_extrapolation_is_wider_the_further_and_the_noisier() -> None:
    def width(curve: LearningCurve, step: float) -> float:
        told = extrapolate(curve, [], step, shipped_curve_prior())
        return told.quantile(0.95) - told.quantile(0.05)

    calm = risen(20.0, 800)
    widths = [width(calm, step) for step in (800, 1200, 1600, 6400)]
    assert widths == sorted(widths)
    noise = np.random.default_rng(1).normal(scale=0.5, size=8)
    bleu = dict(zip(calm.steps[1:], calm.best[1:] + noise, strict=True))
    assert width(LearningCurve.of(bleu), 800) > 2 * widths[0]


def test_a_curve_that_falls_may_fall_on_and_none_is_expected_below_its_best() -> None:
    falling = LearningCurve.of({100: 15.0, 200: 20.0, 300: 19.0, 400: 18.0, 500: 17.0, 600: 16.0})
    level = LearningCurve.of({100: 15.0, 200: 20.0, 300: 20.0, 400: 20.0, 500: 20.0, 600: 20.0})
    told, other = (
        extrapolate(curve, [], 1200, shipped_curve_prior()) for curve in (falling, level)
    )
    assert told.quantile(0.05) < 17.5 < other.quantile(0.05)
    assert told.quantile(0.5) >= 20.0


def test_other_trials_of_the_study_make_an_extrapolation_surer_and_better() -> None:
    curve, known = risen(21.0, 400), [risen(top) for top in (18.0, 20.0, 22.0, 24.0, 26.0)]
    alone, taught = (
        extrapolate(curve, others, 1600, shipped_curve_prior()) for others in ([], known * 3)
    )
    assert taught.spread < alone.spread
    end = risen(21.0).top
    assert abs(taught.quantile(0.5) - end) < max(0.5, abs(alone.quantile(0.5) - end))
