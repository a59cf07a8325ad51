"""Hypervolume by trial, against its definition."""

import numpy as np
import optuna
import pytest

from automl_tf.search.volume import completed, hypervolumes

TWO = ("bleu", "latency")


def share(values: list[list[float]]) -> float:
    """Share of points, drawn from the box of all that two trials may cover, that one betters."""
    draw = np.random.default_rng(0)
    bleu = draw.uniform(10, 50, 200_000)
    latency = draw.uniform(0, 16, 200_000)
    covered = np.zeros(len(bleu), dtype=bool)
    for quality, cost in values:
        covered |= (bleu < quality) & (latency > cost)
    # In units of what the first covers: 10 BLEU, 8 ms.
    return float(covered.mean()) * (40 * 16) / (10 * 8)


def test_the_first_trial_covers_one_and_what_is_no_better_adds_nothing() -> None:
    assert hypervolumes([], TWO) == []
    values = [[20.0, 8.0], [19.0, 9.0], [30.0, 8.0], [20.0, 4.0], [9.0, 1.0], [45.0, 20.0]]
    found = hypervolumes(values, TWO)
    assert found[0] == pytest.approx(1)
    assert found[1] == found[0]
    assert found == sorted(found)
    # Twice as far from the reference in one objective is twice as much.
    assert found[2] == pytest.approx(2)
    assert found[-1] == found[3]


def test_it_is_the_area_that_the_front_covers() -> None:
    values = [[20.0, 8.0], [34.0, 11.0], [18.0, 3.0], [41.0, 15.0]]
    for count in range(1, len(values) + 1):
        assert hypervolumes(values, TWO)[count - 1] == pytest.approx(share(values[:count]), 0.02)


def test_any_objectives_and_a_first_trial_without_bleu() -> None:
    names = ("bleu", "chrf", "num_parameters", "latency", "train_hours")
    values = [[0.0, 0.0, 1e6, 10.0, 0.1], [10.0, 20.0, 1e6, 9.0, 0.1]]
    found = hypervolumes(values, names)
    assert 0 <= found[0] < found[1]


def test_trials_count_in_the_order_in_which_they_ended() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    first, second, third = study.ask(), study.ask(), study.ask()
    study.tell(second, [20.0, 8.0])
    study.tell(third, state=optuna.trial.TrialState.PRUNED)
    study.tell(first, [25.0, 9.0])
    assert [trial.number for trial in completed(study.trials)] == [1, 0]
