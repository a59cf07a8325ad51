"""The leaderboard agrees with Optuna and keeps the form that others rely on."""

import dataclasses
import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.space import Choices
from automl_tf.search.ownership import this_process
from automl_tf.search.schema import (
    BEST_STEP,
    INFEASIBLE,
    NUM_PARAMETERS,
    OWNER,
    REASON,
    RUN_ID,
    SECONDS,
    TRACKING,
)
from automl_tf.search.study_view import GONE, LEAST_FOR_IMPORTANCE, StudyView
from tests.search.making import SPACE, bench, claim, definition, finish, pause

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


TRACKED = {"tracking_uri": "sqlite:///x.db", "run_id": "parent", "trials": {"3": "late", "0": "x"}}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """A study with trials in every state."""
    start = [{"model.d_model": 64, "model.dropout": 0.2}]
    worker = bench(tmp_path_factory.mktemp("mixed"), definition(start_with=start))
    worker.study.set_user_attr(TRACKING, TRACKED)
    for bleu in (20.0, 31.5, 25.0):
        trial = claim(worker)
        trial.set_user_attr(NUM_PARAMETERS, 1000 + trial.number)
        trial.set_user_attr(SECONDS, 1.23456)
        trial.set_user_attr(RUN_ID, f"run-{trial.number}")
        trial.set_user_attr(BEST_STEP, 1000)
        finish(worker, trial, bleu=bleu, steps=(500, 1000))
    for state, reason in ((TrialState.PRUNED, "too low"), (TrialState.FAIL, "out of memory")):
        trial = claim(worker)
        trial.set_user_attr(REASON, reason)
        worker.study.tell(trial, state=state)
    infeasible = claim(worker)
    infeasible.set_user_attr(INFEASIBLE, value=True)
    worker.study.tell(infeasible, state=TrialState.PRUNED)
    paused, running = claim(worker), claim(worker)
    pause(worker, paused)
    assert running.number == 7
    worker.study.enqueue_trial({"model.d_model": 128})
    return worker.study


def test_the_json_has_the_keys_that_others_rely_on(mixed: optuna.Study) -> None:
    told = json.loads(json.dumps(StudyView.read(mixed).to_json(), allow_nan=False))
    assert set(told) >= {"study", "objectives", "counts", "trials", "best", "mlflow"}
    assert told["objectives"] == [{"name": "bleu", "direction": "maximize"}]
    assert set(told["counts"]) == set(STATES.values())
    for trial in told["trials"]:
        assert set(trial) >= {
            *("number", "state", "params", "values", "intermediate", "reason"),
            *("num_parameters", "seconds", "mlflow_run_id"),
        }
    assert told["mlflow"] == {
        "tracking_uri": "sqlite:///x.db",
        "experiment": mixed.study_name,
        "run_id": "parent",
    }


def test_it_agrees_with_optuna_trial_by_trial(mixed: optuna.Study) -> None:
    told = StudyView.read(mixed).to_json()
    assert told["study"] == mixed.study_name
    assert [trial["number"] for trial in told["trials"]] == list(range(len(mixed.trials)))
    for row, trial in zip(told["trials"], mixed.trials, strict=True):
        assert row["state"] == STATES[trial.state]
        assert row["values"] == (trial.values if trial.state == TrialState.COMPLETE else None)
        intermediate = {int(step): bleu for step, bleu in row["intermediate"].items()}
        assert intermediate == trial.intermediate_values
        assert row["reason"] == trial.user_attrs.get(REASON)
        assert row["num_parameters"] == trial.user_attrs.get(NUM_PARAMETERS)
        assert row["seconds"] == round(trial.user_attrs.get(SECONDS, 0.0), 3)
        if trial.params:
            assert row["params"] == trial.params
    assert told["trials"][-1]["params"] == {"model.d_model": 128}
    counts = dict.fromkeys(STATES.values(), 0)
    for trial in mixed.trials:
        counts[STATES[trial.state]] += 1
    assert told["counts"] == counts
    assert set(counts.values()).isdisjoint({0})
    assert told["best"] == [mixed.best_trial.number]


def test_runs_of_trials_that_mlflow_learned_of_later_are_shown(mixed: optuna.Study) -> None:
    rows = StudyView.read(mixed).trials
    assert rows[3].mlflow_run_id == "late"
    assert rows[0].mlflow_run_id == "run-0"


def test_trials_that_were_not_trained_are_marked(mixed: optuna.Study) -> None:
    rows = StudyView.read(mixed).trials
    assert [row.number for row in rows if not row.is_feasible] == [5]


def test_the_ranking_has_the_best_first_and_those_without_bleu_last(mixed: optuna.Study) -> None:
    ranked = StudyView.read(mixed).ranked()
    complete = sorted((trial for trial in mixed.trials if trial.values), key=lambda t: -t.value)
    assert [row.number for row in ranked[:3]] == [trial.number for trial in complete]
    assert all(row.best_bleu is None for row in ranked[3:])


def test_the_best_of_several_objectives_are_optunas_front(tmp_path: Path) -> None:
    worker = bench(tmp_path, definition(objectives=["bleu", "latency"], sampler={"kind": "random"}))
    for bleu in (20.0, 30.0, 10.0, 29.0, 35.0):
        finish(worker, claim(worker), bleu=bleu)
    board = StudyView.read(worker.study)
    assert board.best == sorted(trial.number for trial in worker.study.best_trials) == [0, 1, 4]
    assert board.objectives == [("bleu", "maximize"), ("latency", "minimize")]


def test_an_empty_study_has_a_leaderboard_too(tmp_path: Path) -> None:
    board = StudyView.read(bench(tmp_path, definition(start_with_base=False)).study)
    assert board.trials == board.best == []
    assert not board.importances
    assert set(board.counts.values()) == {0}
    assert board.to_json()["mlflow"]["run_id"] is None


@pytest.mark.parametrize("varied", [True, False])
def test_importances_are_shares_once_there_are_enough_trials(
    tmp_path: Path, *, varied: bool
) -> None:
    made = definition(sampler={"kind": "random"}, start_with_base=False, budget={"trials": 50})
    worker = bench(tmp_path, made)
    for number in range(LEAST_FOR_IMPORTANCE):
        assert not StudyView.read(worker.study).importances
        trial = claim(worker)
        finish(worker, trial, bleu=trial.params["model.dropout"] if varied else 5.0)
        assert trial.number == number
    shares = StudyView.read(worker.study).importances
    if varied:
        assert set(shares) == set(SPACE)
        assert sum(shares.values()) == pytest.approx(1)
        assert next(iter(shares)) == "model.dropout"
    else:
        assert not shares or sum(shares.values()) == pytest.approx(1)


def test_a_trial_that_goes_on_has_no_reason_of_its_pause(tmp_path: Path) -> None:
    worker = bench(tmp_path, definition())
    trial = claim(worker)
    trial.set_user_attr(REASON, "paused at step 420")
    pause(worker, trial)
    (row,) = StudyView.read(worker.study).trials
    assert (row.state, row.reason) == ("waiting", "paused at step 420")
    claim(worker)
    (row,) = StudyView.read(worker.study).trials
    assert (row.state, row.reason, row.worker) == ("running", None, this_process().name)


def test_a_trial_that_nobody_runs_says_so(tmp_path: Path) -> None:
    worker = bench(tmp_path, definition())
    gone = dataclasses.asdict(dataclasses.replace(this_process(), started=1))
    trial = claim(worker)
    trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **gone})
    (row,) = StudyView.read(worker.study).trials
    assert (row.state, row.reason) == ("running", GONE)


def test_the_length_of_a_trial_is_known_once_it_is_drawn(tmp_path: Path) -> None:
    fixed = bench(tmp_path / "fixed", definition(fixed={"training.max_steps": 900}))
    claim(fixed)
    assert StudyView.read(fixed.study).trials[0].max_steps == 900
    space = {**SPACE, "training.max_steps": Choices(choices=(5000, 6000))}
    searched = bench(tmp_path / "searched", definition(space))
    assert StudyView.read(searched.study).trials[0].max_steps is None
    params = claim(searched).params
    assert StudyView.read(searched.study).trials[0].max_steps == params["training.max_steps"]
