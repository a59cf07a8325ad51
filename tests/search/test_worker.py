"""Claiming: the budget, the queue, and several processes at once."""

from pathlib import Path
from queue import SimpleQueue

import pytest
from optuna.trial import TrialState, create_trial

from automl_tf.config.space import Choices
from automl_tf.search.events import Event
from automl_tf.search.samplers.build import distribution, grid
from automl_tf.search.schema import INFEASIBLE, StudyRecord
from automl_tf.search.worker import MAX_INFEASIBLE_IN_A_ROW
from tests.search.making import (
    GRID,
    SPACE,
    bench,
    claim,
    claim_all,
    claimed_by,
    definition,
    finish,
    pause,
)

WORKERS = 4


def claimed_alone(home: Path, made: StudyRecord, pauses: int = 0) -> list[tuple[int, dict]]:
    claimed: SimpleQueue = SimpleQueue()
    claim_all(home, made, claimed, pauses=pauses)
    return sorted((claimed.get() for _ in range(claimed.qsize())), key=lambda pair: pair[0])


@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_claim_at_once_never_share_a_trial_or_exceed_the_budget(
    tmp_path: Path, attempt: int
) -> None:
    made = definition(
        sampler={"kind": "random"},
        budget={"trials": 9},
        start_with=[{"model.d_model": width} for width in (64, 128, 256)],
        seed=attempt,
    )
    claimed = claimed_by(WORKERS, tmp_path, made)
    assert [number for number, _ in claimed] == list(range(9))
    study = bench(tmp_path, made).study
    assert len(study.trials) == 9
    assert all(trial.state.is_finished() for trial in study.trials)
    assert {trial.number: trial.params for trial in study.trials} == dict(claimed)


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_the_points_are_the_same_whoever_claims_them(tmp_path: Path, kind: str) -> None:
    made = definition(sampler={"kind": kind}, budget={"trials": 6}, start_with_base=False)
    alone = claimed_alone(tmp_path / "alone", made)
    assert len(alone) == 6
    assert claimed_by(2, tmp_path / "together", made) == alone
    assert claimed_alone(tmp_path / "interrupted", made, pauses=2) == alone


def test_a_sequence_of_points_has_none_twice(tmp_path: Path) -> None:
    made = definition(sampler={"kind": "qmc"}, budget={"trials": 8}, start_with_base=False)
    claimed = claimed_alone(tmp_path, made)
    rates = [params["training.learning_rate"] for _, params in claimed]
    assert len(set(rates)) == 8
    # Of a sequence that is even in each direction, half of the points lie below the middle.
    assert sum(rate < 1e-3 for rate in rates) == 4
    assert {params["model.norm"] for _, params in claimed} == {"pre", "post"}


@pytest.mark.parametrize("way", ["alone", "interrupted", "two processes"])
def test_a_grid_visits_every_combination_once(tmp_path: Path, way: str) -> None:
    made = definition(GRID, sampler={"kind": "grid"}, budget={"trials": 99})
    match way:
        case "alone":
            claimed = claimed_alone(tmp_path, made)
        case "interrupted":
            claimed = claimed_alone(tmp_path, made, pauses=3)
        case _:
            claimed = claimed_by(2, tmp_path, made)
    points = [tuple(params[name] for name in sorted(GRID)) for _, params in claimed]
    sizes = [len(values) for values in grid(made.space).values()]
    assert len(points) == len(set(points)) == sizes[0] * sizes[1] * sizes[2]


def test_a_grid_is_cut_by_the_budget(tmp_path: Path) -> None:
    made = definition(GRID, sampler={"kind": "grid"}, budget={"trials": 5})
    assert len(claimed_alone(tmp_path, made)) == 5
    more = definition(GRID, sampler={"kind": "grid"}, budget={"trials": 8})
    assert [number for number, _ in claimed_alone(tmp_path, more)] == [5, 6, 7]


def test_the_base_and_the_starts_come_first_and_leave_the_rest_to_the_sampler(
    tmp_path: Path,
) -> None:
    starts = [
        {"model.d_model": 64, "model.norm": "pre"},
        {"training.learning_rate": 5e-4},
        {"training.learning_rate": 6e-4},
    ]
    made = definition(start_with=starts, sampler={"kind": "random"}, budget={"trials": 6})
    params = [params for _, params in claimed_alone(tmp_path, made)]
    assert all(set(point) == set(SPACE) for point in params)
    assert params[0]["model.norm"] == "post"
    for start, point in zip(starts, params[1:], strict=False):
        assert start.items() <= point.items()
    # What the starts leave open is drawn for each trial anew.
    rates = [point["training.learning_rate"] for point in params]
    assert len(set(rates)) == len(rates)
    assert len({(point["model.dropout"], point["model.encoder_layers"]) for point in params}) > 3


def test_a_paused_trial_is_claimed_again_as_what_it_was(tmp_path: Path) -> None:
    made = definition(sampler={"kind": "tpe"}, budget={"trials": 3})
    first = bench(tmp_path, made)
    trial = claim(first)
    other = claim(first)
    other.set_user_attr("kept", 5)
    pause(first, other)
    second = bench(tmp_path, made)
    again = claim(second)
    assert again.number == other.number == 1
    assert again.params == other.params
    assert again.user_attrs["kept"] == 5
    assert claim(second).number == 2
    assert claim(second) is None
    finish(first, trial)
    finish(second, again)
    assert [trial.state for trial in second.study.trials[:2]] == [TrialState.COMPLETE] * 2


def test_what_waits_beyond_the_budget_stays_in_the_queue(tmp_path: Path) -> None:
    starts = [{"model.d_model": width} for width in (64, 128, 256)]
    made = definition(start_with=starts, budget={"trials": 2})
    assert [number for number, _ in claimed_alone(tmp_path, made)] == [0, 1]
    states = [trial.state for trial in bench(tmp_path, made).study.trials]
    assert states[2:] == [TrialState.WAITING] * 2


def test_a_larger_budget_goes_on_where_the_study_ended(tmp_path: Path) -> None:
    assert len(claimed_alone(tmp_path, definition(budget={"trials": 3}))) == 3
    more = claimed_alone(tmp_path, definition(budget={"trials": 5}))
    assert [number for number, _ in more] == [3, 4]
    assert claimed_alone(tmp_path, definition(budget={"trials": 2})) == []


def test_trials_that_broke_a_constraint_cost_no_budget_but_do_not_go_on_for_ever(
    tmp_path: Path,
) -> None:
    made = definition(
        {"model.d_model": Choices(choices=(64, 128))}, budget={"trials": 2}, start_with_base=False
    )
    events: list[Event] = []
    worker = bench(tmp_path, made, events.append)
    broken = create_trial(
        state=TrialState.PRUNED,
        params={"model.d_model": 64},
        distributions={"model.d_model": distribution(made.space.domains["model.d_model"])},
        user_attrs={INFEASIBLE: True},
    )
    worker.study.add_trials([broken] * (MAX_INFEASIBLE_IN_A_ROW - 1))
    trial = claim(worker)
    assert trial.number == MAX_INFEASIBLE_IN_A_ROW - 1
    for name, value in broken.user_attrs.items():
        trial.set_user_attr(name, value)
    worker.study.tell(trial, state=TrialState.PRUNED)
    assert not events
    assert claim(worker) is None
    assert "Loosen the constraints" in events[0].text
