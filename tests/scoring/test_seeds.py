"""Intervals over sentences and seeds against a simulation in which the truth is known."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from automl_tf.scoring.seeds import Trainings
from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap

LENGTH = 12
SIZE = 150


def translations(
    ease_N: NDArray[np.float64], skill: float, rng: np.random.Generator
) -> SentenceStatistics:
    """Counts of translations by a training of that skill, of sentences of that ease."""
    right_N = 1 / (1 + np.exp(-(ease_N + skill)))
    words_N = np.full(len(ease_N), LENGTH)
    matches = [rng.binomial(LENGTH - order, right_N ** (order + 1)) for order in range(4)]
    return SentenceStatistics(np.stack([words_N, words_N, *matches], axis=1))


def trainings(
    skills: list[float], num_seeds: int, rng: np.random.Generator, spread: float = 0.05
) -> list[list[SentenceStatistics]]:
    """Systems of those skills, each with some seeds that move it, on sentences drawn anew."""
    ease_N = rng.normal(0.5, 0.8, SIZE)
    return [
        [translations(ease_N, skill + rng.normal(0, spread), rng) for _ in range(num_seeds)]
        for skill in skills
    ]


def test_the_means_and_deviations_are_those_of_the_trainings() -> None:
    systems = trainings([0.5, 0.4], 3, np.random.default_rng(1))
    found = Trainings.of(systems)
    bleus = [[one.bleu for one in system] for system in systems]
    for system, values in enumerate(bleus):
        assert found.mean(system).bleu == pytest.approx(np.mean(values))
        assert found.deviation(system) == pytest.approx(np.std(values, ddof=1))
    assert found.difference(0, 1).bleu == pytest.approx(np.mean(bleus[0]) - np.mean(bleus[1]))
    assert found.size == SIZE


def test_the_other_way_round_is_the_same_with_another_sign() -> None:
    found = Trainings.of(trainings([0.5, 0.4], 3, np.random.default_rng(1)))
    there, back = found.difference(0, 1), found.difference(1, 0)
    assert there.bleu == pytest.approx(-back.bleu)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_without_sentences_to_draw_it_is_the_pooled_t_interval() -> None:
    """Equal sentences leave the seeds alone: then the textbook's interval is known."""
    rng = np.random.default_rng(3)
    line = [[LENGTH, LENGTH, *(max(LENGTH - 2 - 2 * order, 0) for order in range(4))]]
    systems = []
    for _ in range(2):
        systems.append([])
        for _ in range(3):
            counts = np.array(line)
            counts[0, 2] -= rng.integers(0, 4)
            systems[-1].append(SentenceStatistics(np.repeat(counts, 30, axis=0)))
    found = Trainings.of(systems)
    bleus = [[one.bleu for one in system] for system in systems]
    known = stats.ttest_ind(*bleus).confidence_interval(0.95)
    assert found.difference(0, 1).interval == pytest.approx(tuple(known), rel=1e-6)


def test_seeds_that_change_nothing_leave_the_bootstrap_over_sentences() -> None:
    rng = np.random.default_rng(4)
    (ours,), (theirs,) = trainings([0.6, 0.4], 1, rng)
    found = Trainings.of([[ours] * 3, [theirs] * 3]).difference(0, 1)
    known = paired_bootstrap(ours, theirs)
    assert found.bleu == pytest.approx(known.bleu)
    half = (found.interval[1] - found.interval[0]) / 2
    assert half == pytest.approx(known.spread * stats.t.ppf(0.975, SIZE - 1), rel=1e-6)


def test_one_training_each_has_no_interval() -> None:
    found = Trainings.of(trainings([0.5, 0.4], 1, np.random.default_rng(5)))
    assert found.difference(0, 1).interval is None
    assert found.deviation(0) is None


def test_the_interval_of_equals_holds_zero_as_often_as_it_says() -> None:
    """Where a bootstrap over the sentences of single trainings finds differences too often."""
    rng = np.random.default_rng(6)
    both, sentences_alone = [], []
    for _ in range(300):
        systems = trainings([0.5, 0.5, 0.5], 3, rng)
        low, high = Trainings.of(systems, resamples=100).difference(0, 1).interval
        both.append(low <= 0 <= high)
        single = paired_bootstrap(systems[0][0], systems[1][0], resamples=100)
        sentences_alone.append(single.low <= 0 <= single.high)
    # Of 300 draws 93 % is two standard deviations below 95 %.
    assert np.mean(both) >= 0.93
    assert np.mean(both) < 1.0
    assert np.mean(sentences_alone) < np.mean(both)


def test_more_seeds_make_it_narrower() -> None:
    widths = []
    for num_seeds in (2, 4, 12):
        rng = np.random.default_rng(7)
        found = [
            Trainings.of(trainings([0.5, 0.4], num_seeds, rng), resamples=100).difference(0, 1)
            for _ in range(10)
        ]
        widths.append(np.mean([one.interval[1] - one.interval[0] for one in found]))
    assert all(wide > narrow for wide, narrow in itertools.pairwise(widths))
