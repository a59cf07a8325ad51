"""The Gaussian process against scikit-learn's, and what its models do with a prior."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from automl_tf.search.samplers.gp import (
    LEVEL_VARIANCE,
    NO_PRIOR,
    PRIOR_HYPOTHESES,
    Trials,
    clip_low_scores,
    fit_posterior,
    matern_kernel,
)

DRAW = np.random.default_rng(7)
POINTS_ND = DRAW.random((12, 3)) * 2
CANDIDATES_CD = DRAW.random((30, 3)) * 2


def shape(points_ND: np.ndarray) -> np.ndarray:
    return -((points_ND - 0.7) ** 2).sum(1)


def trials(scores_N: np.ndarray, expected_N: np.ndarray | None = None) -> Trials:
    count = len(scores_N)
    prior_N = np.zeros(count) if expected_N is None else expected_N
    return Trials(POINTS_ND[:count], prior_N, scores_N, np.full(count, 0.1), decades=5.0)


def alone(scores_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    posterior = fit_posterior(trials(scores_N), [], CANDIDATES_CD, np.zeros(30), NO_PRIOR)
    return posterior.mean(), posterior.spreads[0]


def test_without_prior_it_is_the_process_of_scikit_learn() -> None:
    scores_N = 20 + shape(POINTS_ND)
    mean_C, spread_C = alone(scores_N)
    kernel = Matern(length_scale=1.0, nu=2.5) + ConstantKernel(LEVEL_VARIANCE)
    reference = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None)
    level = clip_low_scores(scores_N).mean()
    reference.fit(POINTS_ND, clip_low_scores(scores_N) - level)
    want_C, want_spread_C = reference.predict(CANDIDATES_CD, return_std=True)
    np.testing.assert_allclose(mean_C, level + want_C)
    # The scale of the scores is ours; the shape of the spread is not.
    ratio_C = spread_C / want_spread_C
    np.testing.assert_allclose(ratio_C, ratio_C[0])


def test_the_kernel_is_that_of_scikit_learn() -> None:
    want = Matern(nu=2.5)(POINTS_ND, CANDIDATES_CD)
    np.testing.assert_allclose(matern_kernel(POINTS_ND, CANDIDATES_CD), want, rtol=1e-6)


def test_the_level_of_the_scores_moves_the_means_alone() -> None:
    scores_N = shape(POINTS_ND)
    mean_C, spread_C = alone(scores_N)
    higher_C, same_C = alone(scores_N + 17)
    np.testing.assert_allclose(higher_C, mean_C + 17)
    np.testing.assert_allclose(same_C, spread_C)


def test_before_any_trial_the_prior_decides() -> None:
    expected_C = shape(CANDIDATES_CD)
    posterior = fit_posterior(trials(np.zeros(0)), [], CANDIDATES_CD, expected_C)
    assert posterior.mean().argmax() == expected_C.argmax()
    assert posterior.best == -np.inf


def test_a_prior_that_is_right_is_trusted_and_one_that_is_wrong_is_left() -> None:
    truth_N, truth_C = shape(POINTS_ND), shape(CANDIDATES_CD)
    wrong_N, wrong_C = np.sin(9 * POINTS_ND).sum(1), np.sin(9 * CANDIDATES_CD).sum(1)
    errors = {}
    for name, expected_N, expected_C in [
        ("right", truth_N, truth_C),
        ("wrong", wrong_N, wrong_C),
        ("none", 0 * truth_N, 0 * truth_C),
    ]:
        models = NO_PRIOR if name == "none" else PRIOR_HYPOTHESES
        posterior = fit_posterior(
            trials(20 + 1.5 * truth_N, expected_N), [], CANDIDATES_CD, expected_C, models
        )
        errors[name] = np.abs(posterior.mean() - (20 + 1.5 * truth_C)).mean()
    assert errors["right"] < errors["none"]
    assert errors["wrong"] < 2 * errors["none"]


def test_an_earlier_study_tells_where_not_how_high() -> None:
    truth_C = shape(CANDIDATES_CD)
    own = trials(30 + 2 * shape(POINTS_ND)[:2])
    places_ND = DRAW.random((40, 3)) * 2
    for level, scale in [(5.0, 0.5), (40.0, 3.0)]:
        earlier = Trials(
            places_ND, np.zeros(40), level + scale * shape(places_ND), np.full(40, 0.1), decades=5.0
        )
        posterior = fit_posterior(own, [earlier], CANDIDATES_CD, np.zeros(30), PRIOR_HYPOTHESES)
        assert np.corrcoef(posterior.mean(), truth_C)[0, 1] > 0.8
        assert abs(posterior.mean().mean() - 30) < 10


def test_trials_narrow_the_spread_where_they_are() -> None:
    posterior = fit_posterior(
        trials(20 + shape(POINTS_ND)), [], np.concatenate([POINTS_ND, POINTS_ND + 9]), np.zeros(24)
    )
    for spread_C in posterior.spreads:
        assert spread_C[:12].max() < spread_C[12:].min()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_scores_keep_their_depths(count: int) -> None:
    scores_N = np.array([20.0, 3.0, 21.0])[:count]
    assert (clip_low_scores(scores_N) == scores_N).all()


def test_one_disaster_does_not_hide_what_the_others_say() -> None:
    scores_N = np.array([20.0, 20.5, 21.0, 21.5, 22.0, 1.0])
    raised_N = clip_low_scores(scores_N)
    assert (raised_N[:5] == scores_N[:5]).all()
    assert 15 < raised_N[5] < 20
