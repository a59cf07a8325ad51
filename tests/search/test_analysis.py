"""Importances of settings, against known shares, and the hypervolume against its definition."""

import subprocess
import sys

import numpy as np
import optuna
import pytest

from automl_tf.search.analysis import (
    completed,
    hypervolume,
    hypervolume_history,
    importances,
)

TWO = ("bleu", "latency")
Trials = list[dict[str, bool | int | float | str]]


def trials(number: int, seed: int = 0) -> Trials:
    draw = np.random.default_rng(seed)
    return [
        {
            "rate": float(10 ** draw.uniform(-4, -2)),
            "layers": int(draw.integers(1, 7)),
            "norm": str(draw.choice(["pre", "post"])),
            "idle": float(draw.uniform()),
            "fixed": 3,
        }
        for _ in range(number)
    ]


def bleu(trial: dict[str, bool | int | float | str]) -> float:
    return -10 * (np.log10(trial["rate"]) + 3) ** 2 + 0.5 * trial["layers"]


@pytest.mark.parametrize("number", [24, 60])
@pytest.mark.parametrize("seed", range(4))
def test_shares_sum_to_one_and_rank_the_settings(number: int, seed: int) -> None:
    made = trials(number, seed)
    shares = importances(made, [bleu(trial) for trial in made])
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == sorted(shares, key=lambda name: -shares[name])
    assert next(iter(shares)) == "rate"
    assert shares["fixed"] == 0


@pytest.mark.parametrize("effect", [("rate", "layers"), ("layers", "norm"), ("norm", "rate")])
def test_shares_approach_the_variances_of_the_effects(effect: tuple[str, str]) -> None:
    made = trials(80)
    parts = {
        "rate": [10 * float(np.sin(np.log10(trial["rate"]))) for trial in made],
        "layers": [float(trial["layers"]) for trial in made],
        "norm": [3.0 * (trial["norm"] == "pre") for trial in made],
    }
    first, second = (np.array(parts[name]) for name in effect)
    shares = importances(made, list(first + second))
    expected = first.var() / (first.var() + second.var())
    assert shares[effect[0]] == pytest.approx(expected, abs=0.08)
    assert shares["idle"] < 0.02


def test_a_unit_or_a_scale_of_scores_and_settings_does_not_matter() -> None:
    made = trials(20)
    scores = [bleu(trial) for trial in made]
    shares = importances(made, scores)
    other = [{**trial, "rate": np.log10(trial["rate"])} for trial in made]
    assert importances(other, [100 + 7 * score for score in scores]) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("made", "scores"),
    [
        ([], []),
        (trials(1), [3.0]),
        (trials(9), [5.0] * 9),
        ([{"norm": "pre"}] * 9, list(range(9))),
        ([{} for _ in range(9)], list(range(9))),
    ],
)
def test_nothing_is_said_where_nothing_varies(made: Trials, scores: list[float]) -> None:
    assert importances(made, scores) == {}


def test_a_setting_that_some_trials_lack_is_left_out() -> None:
    made = [*trials(9), {"rate": 1e-3}]
    assert list(importances(made, [float(number) for number in range(10)])) == ["rate"]


def test_neither_analyses_nor_optunas_figures_import_what_takes_a_second() -> None:
    program = (
        "import sys, optuna.visualization, plotly.colors, automl_tf.search.analysis; "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    heavy = {"sklearn", "scipy.stats", "pandas", "torch", "mlflow", "plotly.express"}
    assert not heavy & set(done.stdout.split())


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
    assert hypervolume_history([], TWO) == []
    values = [[20.0, 8.0], [19.0, 9.0], [30.0, 8.0], [20.0, 4.0], [9.0, 1.0], [45.0, 20.0]]
    found = hypervolume_history(values, TWO)
    assert found[0] == pytest.approx(1)
    assert found[1] == found[0]
    assert found == sorted(found)
    # Twice as far from the reference in one objective is twice as much.
    assert found[2] == pytest.approx(2)
    assert found[-1] == found[3]


def test_it_is_the_area_that_the_front_covers() -> None:
    values = [[20.0, 8.0], [34.0, 11.0], [18.0, 3.0], [41.0, 15.0]]
    for count in range(1, len(values) + 1):
        expected = pytest.approx(share(values[:count]), 0.02)
        assert hypervolume_history(values, TWO)[count - 1] == expected
        assert hypervolume(values[:count], TWO) == expected


def test_any_objectives_and_a_first_trial_without_bleu() -> None:
    names = ("bleu", "chrf", "num_parameters", "latency", "train_hours")
    values = [[0.0, 0.0, 1e6, 10.0, 0.1], [10.0, 20.0, 1e6, 9.0, 0.1]]
    found = hypervolume_history(values, names)
    assert 0 <= found[0] < found[1]


def test_trials_count_in_the_order_in_which_they_ended() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    first, second, third = study.ask(), study.ask(), study.ask()
    study.tell(second, [20.0, 8.0])
    study.tell(third, state=optuna.trial.TrialState.PRUNED)
    study.tell(first, [25.0, 9.0])
    assert [trial.number for trial in completed(study.trials)] == [1, 0]


@pytest.mark.parametrize("names", [TWO, ("bleu", "latency", "num_parameters")])
def test_the_history_is_the_hypervolume_of_each_prefix(names: tuple[str, ...]) -> None:
    values = np.random.default_rng(3).uniform(5, 40, (40, len(names))).tolist()
    history = hypervolume_history(values, names)
    prefixes = [hypervolume(values[:count], names) for count in range(1, len(values) + 1)]
    assert history == pytest.approx(prefixes)
