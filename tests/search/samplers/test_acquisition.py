"""Expected improvement against its integral."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from automl_tf.search.samplers.acquisition import log_expected_improvement
from automl_tf.search.samplers.gp import MixturePosterior


@pytest.mark.parametrize(("mean", "spread"), [(21.0, 2.0), (18.0, 1.0), (15.0, 0.9), (13.0, 1.0)])
def test_it_is_the_expectation_of_the_improvement(mean: float, spread: float) -> None:
    best = 20.0
    posterior = MixturePosterior(np.array([1.0]), [np.array([mean])], [np.array([spread])], best)
    integral, _ = quad(
        lambda score: (score - best) * norm.pdf(score, mean, spread), best, best + 40, epsabs=0
    )
    # Far below the best the asymptote leaves a few percent of what is next to nothing.
    assert np.isclose(log_expected_improvement(posterior)[0], np.log(integral), atol=0.15)


def test_far_below_the_best_more_is_still_better() -> None:
    means_C = np.linspace(-2000, 19, 400)
    posterior = MixturePosterior(np.array([1.0]), [means_C], [np.full(400, 0.5)], 20.0)
    worth_C = log_expected_improvement(posterior)
    assert np.isfinite(worth_C).all()
    assert (np.diff(worth_C) > 0).all()


def test_models_count_by_their_weight() -> None:
    high, low, spread = np.array([22.0]), np.array([18.0]), np.array([1.0])
    parts = [
        np.exp(log_expected_improvement(MixturePosterior(np.array([1.0]), [mean], [spread], 20.0)))
        for mean in (high, low)
    ]
    both = MixturePosterior(np.array([0.25, 0.75]), [high, low], [spread, spread], 20.0)
    assert np.isclose(np.exp(log_expected_improvement(both)), 0.25 * parts[0] + 0.75 * parts[1])
