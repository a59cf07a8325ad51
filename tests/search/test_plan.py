"""What a search says that it is about to take."""

import dataclasses
from pathlib import Path

import pytest

from automl_tf.search import plan as planning
from automl_tf.search.plan import LocalWorkers, SearchPlan, plan
from automl_tf.search.study_view import TrialView
from tests.search.making import definition

STEPS = 1000


def planned(
    path: Path, workers: int = 1, trials: list[TrialView] | None = None, **changes: object
) -> SearchPlan:
    record = definition(fixed={"training.max_steps": STEPS}, **changes)
    record = dataclasses.replace(record, precision="fp32")
    return plan(record, trials or [], LocalWorkers(workers, 1), path)


def trial(seconds: float, steps: int) -> TrialView:
    params = {
        "model.d_model": 128,
        "model.norm": "pre",
        "model.encoder_layers": 3,
        "model.dropout": 0.1,
        "training.learning_rate": 1e-3,
    }
    return TrialView(0, "paused", params, None, {steps: 1.0}, seconds=seconds)


def test_time_goes_by_trials_and_workers(tmp_path: Path) -> None:
    few, many, shared = (
        planned(tmp_path, workers, budget={"trials": trials})
        for workers, trials in ((1, 4), (1, 8), (4, 8))
    )
    assert few.seconds_a_training == many.seconds_a_training
    assert many.hours == pytest.approx(2 * few.hours)
    assert shared.hours == pytest.approx(many.hours / 4)
    assert (few.num_trainings, many.num_trainings, shared.num_trainings) == (4, 8, 8)
    assert shared.memory_mb == pytest.approx(4 * many.memory_mb)


def test_the_hours_of_the_budget_are_the_limit(tmp_path: Path) -> None:
    hours = 10 * planned(tmp_path).seconds_a_training / 3600
    found = planned(tmp_path, budget={"trials": 1000, "hours": hours})
    assert (found.hours, found.num_trainings) == (hours, 10)


def test_what_was_seen_counts_more_than_formulas(tmp_path: Path) -> None:
    slow, slower = (planned(tmp_path, trials=[trial(s, 500)]) for s in (1e4, 2e4))
    assert slower.seconds_a_training == pytest.approx(2 * slow.seconds_a_training)
    assert slow.seconds_a_training > 1e3


def test_a_freeze_thaw_training_fits_into_its_share(tmp_path: Path) -> None:
    found = planned(
        tmp_path,
        trials=[trial(1e5, 500)],
        sampler={"kind": "auto"},
        scheduler={"kind": "freeze_thaw", "finish": 0.5},
        budget={"trials": 9, "hours": 2},
    )
    assert found.seconds_a_training < 3600
    assert found.disk_mb > 2 * planned(tmp_path, budget={"trials": 9}).disk_mb


def test_on_a_gpu_only_trials_tell_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "core_flops", lambda *_: None)
    unknown = planned(tmp_path)
    assert (unknown.seconds_a_training, unknown.hours, unknown.num_trainings) == (None, None, None)
    assert unknown.memory_mb > 0
    assert planned(tmp_path, trials=[trial(100.0, 500)]).seconds_a_training > 0
