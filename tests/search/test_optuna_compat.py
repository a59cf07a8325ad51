"""The adapter's contract: each function against what Optuna itself does on a real database."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.search.optuna_compat import (
    compute_hypervolume,
    database_url,
    delete_intermediate_values,
    fixed_params,
    heartbeats,
    non_dominated_box_bounds,
    overdue_trials,
    reserve_trial,
    sampled,
    start_waiting,
    storage_of,
    study_attributes,
    trial_id_of,
)

SPACE: dict[str, BaseDistribution] = {
    "width": CategoricalDistribution((64, 128, 256)),
    "layers": IntDistribution(1, 6),
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
}
GRACE_SECONDS = 60
Make = Callable[..., optuna.Study]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


@pytest.fixture
def storage(database: Path) -> Iterator[RDBStorage]:
    made = RDBStorage(f"sqlite:///{database}", heartbeat_interval=30, grace_period=GRACE_SECONDS)
    yield made
    made.engine.dispose()


@pytest.fixture
def make(storage: RDBStorage) -> Make:
    """Makes a study in the database."""

    def study_of(name: str = "made", **settings: Any) -> optuna.Study:
        return optuna.create_study(
            storage=storage, study_name=name, direction="maximize", **settings
        )

    return study_of


SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=1),
    "tpe": lambda: optuna.samplers.TPESampler(n_startup_trials=3, seed=1),
    "grid": lambda: optuna.samplers.GridSampler(
        {"width": [64, 128], "layers": [1, 2, 3, 4]}, seed=1
    ),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(population_size=2, seed=1),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_that_is_reserved_and_then_sampled_is_the_one_that_ask_gives(
    make: Make, sampler: str
) -> None:
    space = {name: SPACE[name] for name in ("width", "layers")} if sampler == "grid" else SPACE
    asked, reserved = make("asked"), make("reserved")
    asked.sampler, reserved.sampler = SAMPLERS[sampler](), SAMPLERS[sampler]()
    for score in (1.0, 3.0, 2.0, 5.0, 4.0):
        first = asked.ask(space)
        second = sampled(reserved, reserve_trial(reserved), space)
        assert second.params == first.params
        asked.tell(first, score)
        reserved.tell(second, score)
    for one, other in zip(asked.trials, reserved.trials, strict=True):
        assert (one.number, one.state, one.values) == (other.number, other.state, other.values)
        assert (one.params, one.distributions) == (other.params, other.distributions)
        assert set(one.system_attrs) == set(other.system_attrs)


def test_a_reserved_trial_runs_and_its_sampler_sees_what_ended_since(make: Make) -> None:
    study = make()
    reserved = reserve_trial(study)
    [trial] = study.get_trials()
    assert (trial.state, trial.params, trial_id_of(trial)) == (TrialState.RUNNING, {}, reserved)
    seen = []

    class Watching(optuna.samplers.RandomSampler):
        def sample_independent(self, study: optuna.Study, *asked: Any) -> Any:
            seen.append([one.state for one in study._get_trials(deepcopy=False, use_cache=True)])
            return super().sample_independent(study, *asked)

    study.tell(study.ask(), 1.0)
    study.sampler = Watching(seed=0)
    assert set(sampled(study, reserved, SPACE).params) == set(SPACE)
    assert seen[0] == [TrialState.RUNNING, TrialState.COMPLETE]


def test_the_chosen_waiting_trial_starts_with_what_it_was_given(make: Make) -> None:
    study = make()
    for layers in (1, 2, 3):
        study.enqueue_trial({"layers": layers})
    chosen = study.get_trials()[1]
    assert fixed_params(chosen) == {"layers": 2}
    start_waiting(study, chosen)
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.WAITING, TrialState.RUNNING, TrialState.WAITING]
    assert study.get_trials()[1].datetime_start is not None
    trial = sampled(study, trial_id_of(chosen), SPACE)
    assert (trial.number, trial.params["layers"], set(trial.params)) == (1, 2, set(SPACE))
    # Optuna goes on with the others.
    assert [study.ask(SPACE).params["layers"] for _ in range(2)] == [1, 3]
    study.ask(SPACE)
    assert fixed_params(study.get_trials()[-1]) == {}


def test_heartbeats_are_those_of_the_running_trials_of_a_study(
    make: Make, storage: RDBStorage
) -> None:
    study, other = make("own"), make("other")
    ids = [trial_id_of(study.ask()) for _ in range(3)]
    for trial_id in (*ids[:2], trial_id_of(other.ask())):
        storage.record_heartbeat(trial_id)
    assert set(heartbeats(storage, study)) == set(ids[:2])
    study.tell(0, 1.0)
    before = heartbeats(storage, study)
    assert set(before) == {ids[1]}
    storage.record_heartbeat(ids[1])
    assert (
        timedelta(0) <= heartbeats(storage, study)[ids[1]] - before[ids[1]] < timedelta(minutes=1)
    )


def test_overdue_trials_are_those_that_optuna_would_fail(
    make: Make, storage: RDBStorage, database: Path
) -> None:
    study = make()
    lost, late, alive, ended = (trial_id_of(study.ask()) for _ in range(4))
    for trial_id in (lost, late, alive, ended):
        storage.record_heartbeat(trial_id)
    study.tell(3, 1.0)
    assert overdue_trials(study) == set()
    with sqlite3.connect(database) as connection:
        for trial_id, seconds in ((lost, 3600), (late, 2 * GRACE_SECONDS), (ended, 3600)):
            connection.execute(
                "UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, ?) WHERE trial_id = ?",
                (f"-{seconds} seconds", trial_id),
            )
    assert overdue_trials(study) == {lost, late}
    optuna.storages.fail_stale_trials(study)
    failed = study.get_trials(states=(TrialState.FAIL,))
    assert {trial_id_of(trial) for trial in failed} == {lost, late}
    assert overdue_trials(study) == set()


def test_a_deleted_curve_can_be_reported_anew(make: Make, storage: RDBStorage) -> None:
    study = make()
    again, other = study.ask(), study.ask()
    for trial in (again, other):
        for step in (100, 200):
            trial.report(step / 10, step)
    # Optuna itself keeps the first report of a step.
    with pytest.warns(UserWarning, match="already reported"):
        again.report(99.0, 100)
    delete_intermediate_values(storage, trial_id_of(again))
    fresh = optuna.load_study(study_name="made", storage=storage)
    assert [t.intermediate_values for t in fresh.get_trials()] == [{}, {100: 10.0, 200: 20.0}]
    optuna.Trial(fresh, trial_id_of(again)).report(7.0, 100)
    assert fresh.get_trials()[0].intermediate_values == {100: 7.0}


def test_identifiers_storage_and_url_are_those_of_the_database(
    make: Make, storage: RDBStorage, database: Path
) -> None:
    study = make()
    study.ask()
    trial = study.ask()
    assert trial_id_of(trial) == trial_id_of(study.get_trials()[1])
    assert storage.get_trial(trial_id_of(trial)).number == 1
    assert optuna.get_all_study_names(storage_of(study)) == ["made"]
    assert database_url(study) == f"sqlite:///{database}"


@pytest.mark.parametrize("pruner", [None, optuna.pruners.HyperbandPruner(1, 100)])
def test_samplers_can_read_the_attributes_of_any_study_that_they_are_shown(
    make: Make, pruner: optuna.pruners.BasePruner | None
) -> None:
    found: list[tuple[bool, dict[str, Any]]] = []

    class Reading(optuna.samplers.RandomSampler):
        def sample_independent(self, study: optuna.Study, *asked: Any) -> Any:
            found.append((type(study) is optuna.Study, study_attributes(study)))
            return super().sample_independent(study, *asked)

    study = make(pruner=pruner, sampler=Reading(seed=0))
    study.set_user_attr("languages", ["en", "de"])
    study.tell(study.ask(SPACE), 1.0)
    study.ask(SPACE)
    # Hyperband shows a part of the study in a class of its own.
    assert {is_plain for is_plain, _ in found} == {pruner is None}
    assert all(attributes == study.user_attrs for _, attributes in found)
    assert study_attributes(study) == {"languages": ["en", "de"]}


FRONTS = [
    # Steps of 3 x 1, 2 x 1 and 1 x 1; the last two points add nothing.
    ([[1, 3], [2, 2], [3, 1], [3, 3], [4, 4]], [4, 4], 6.0),
    ([[1, 1, 1]], [2, 3, 4], 1 * 2 * 3),
    # Two boxes of 2 x 1 x 1 that share a unit cube.
    ([[0, 1, 1], [1, 0, 1]], [2, 2, 2], 2 + 2 - 1),
]


@pytest.mark.parametrize(("points", "reference", "volume"), FRONTS)
def test_hypervolumes_are_those_reckoned_by_hand(
    points: list[list[float]], reference: list[float], volume: float
) -> None:
    losses_NK, reference_K = np.array(points, dtype=float), np.array(reference, dtype=float)
    assert compute_hypervolume(losses_NK, reference_K) == pytest.approx(volume)
    # What is not dominated is the rest, above zero.
    lower_BK, upper_BK = non_dominated_box_bounds(losses_NK, reference_K)
    sides_BK = np.minimum(upper_BK, reference_K) - np.maximum(lower_BK, 0.0)
    rest = np.maximum(sides_BK, 0.0).prod(axis=1).sum()
    assert rest == pytest.approx(reference_K.prod() - volume)
