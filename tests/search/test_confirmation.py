"""The round of confirmation by claims: what is queued, for whom, and who does not see it."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.errors import UserError
from automl_tf.search.confirmation import candidates, confirmation_study
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import Event, LogMessage
from automl_tf.search.monitor import progress_of
from automl_tf.search.opening import study_names
from automl_tf.search.ownership import this_process
from automl_tf.search.schema import (
    CONFIRMS,
    OWNER,
    SMALLER_BATCHES,
    StudyRecord,
)
from automl_tf.search.study_view import StudyView
from tests.search.confirmations import end, repeated, run_round, search, study
from tests.search.making import PATIENCE_SECONDS, bench, claim, claimed_by, new_home, pause


def confirmed(claimed: list[optuna.Trial]) -> list[int]:
    return [trial.user_attrs[CONFIRMS] for trial in claimed]


def contexts(made: WorkerContext) -> tuple[WorkerContext, WorkerContext]:
    """The search, and its confirmations."""
    study = confirmation_study(made.storage, made.study)
    return made, dataclasses.replace(made, study=study)


def test_the_best_configurations_are_trained_again_in_turn(tmp_path: Path) -> None:
    told: list[Event] = []
    made = bench(tmp_path, study(), told.append)
    search(made)
    claimed = run_round(made, {1: 0.8, 3: 0.7})
    assert confirmed(claimed) == [1, 3, 1, 3]
    trials = made.study.trials
    for trial in claimed:
        assert trial.params == trials[trial.user_attrs[CONFIRMS]].params
    configs = [
        one.trial_config(trial.number, trial.params)
        for one in contexts(made)
        for trial in one.study.trials
    ]
    assert len({config.seed for config in configs}) == 8
    (notice,) = [event.text for event in told if isinstance(event, LogMessage)]
    assert "2 fresh seeds" in notice
    assert claim(made) is None


def test_a_study_that_asks_for_none_has_none(tmp_path: Path) -> None:
    made = bench(tmp_path, study(confirm=None))
    search(made)
    assert claim(made) is None
    assert len(made.study.trials) == 4


def test_nothing_is_confirmed_where_nothing_is_complete(tmp_path: Path) -> None:
    made = bench(tmp_path, study(budget={"trials": 1}))
    made.study.tell(claim(made), state=TrialState.FAIL)
    assert claim(made) is None


def test_equal_configurations_are_one_and_judged_by_their_mean(tmp_path: Path) -> None:
    entry = {"model.d_model": 64, "model.norm": "pre", "model.encoder_layers": 1}
    entry |= {"model.dropout": 0.0, "training.learning_rate": 1e-3}
    made = bench(tmp_path, study(start_with=[entry], budget={"trials": 3}))
    first = end(made, claim(made), 0.8)
    made.study.enqueue_trial(entry)
    second = end(made, claim(made), 0.3)
    between = end(made, claim(made), 0.7)
    ranked = candidates(made.study.trials)
    assert second < (first + second) / 2 < between
    assert [(one.trial.number, one.bleu) for one in ranked] == [
        (2, pytest.approx(between)),
        (0, pytest.approx((first + second) / 2)),
    ]


def test_a_round_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    end(made, claim(made), 0.8)
    paused = claim(made)
    pause(contexts(made)[1], paused)
    again = bench(tmp_path, study())
    claimed = run_round(again, {1: 0.8, 3: 0.7})
    assert claimed[0].number == paused.number
    assert claimed[0].params == paused.params
    assert [trial.state for trial in repeated(again)] == [TrialState.COMPLETE] * 4


def test_a_trial_of_a_dead_worker_goes_back_to_the_queue(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    lost = claim(made)
    gone = dataclasses.replace(this_process(), started=0)
    lost.set_user_attr(OWNER, {**lost.user_attrs[OWNER], **dataclasses.asdict(gone)})
    claimed = run_round(made, {1: 0.8, 3: 0.7})
    assert claimed[0].number == lost.number
    assert len(repeated(made)) == 4


def test_what_waits_beyond_the_budget_stays_in_the_queue(tmp_path: Path) -> None:
    """A lower number, which Optuna would take first."""
    given = [{"model.d_model": width} for width in (64, 128, 256)]
    made = bench(tmp_path, study(start_with=given, budget={"trials": 2}))
    search(made, (0.5, 0.8))
    claimed = run_round(made, {0: 0.5, 1: 0.8})
    assert confirmed(claimed) == [1, 0, 1, 0]
    assert made.study.trials[2].state == TrialState.WAITING


def test_a_failed_seed_is_not_tried_again(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    failed = claim(made)
    failed.study.tell(failed, state=TrialState.FAIL)
    assert len(run_round(made, {1: 0.8, 3: 0.7})) == 3


def test_smaller_batches_belong_to_the_configuration(tmp_path: Path) -> None:
    made = bench(tmp_path, study(budget={"trials": 1}))
    trial = claim(made)
    smaller = {"training.batch_tokens": 512}
    trial.set_user_attr(SMALLER_BATCHES, smaller)
    end(made, trial, 0.5)
    for again in run_round(made, {0: 0.5}):
        assert again.user_attrs[SMALLER_BATCHES] == smaller


def test_a_raised_budget_confirms_the_new_best_and_no_one_twice(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    run_round(made, {1: 0.8, 3: 0.7})
    more = bench(tmp_path, study(budget={"trials": 5}))
    better = claim(more)
    assert CONFIRMS not in better.user_attrs
    end(more, better, 0.9)
    claimed = run_round(more, {better.number: 0.9, 1: 0.8})
    assert confirmed(claimed) == [better.number] * 2


def test_a_worker_begins_with_what_is_sure_while_others_still_search(tmp_path: Path) -> None:
    made = bench(tmp_path, study(budget={"trials": 4}))
    search(made, (0.5, 0.8, 0.4))
    running = claim(made)
    claimed = [claim(made), claim(made)]
    assert confirmed(claimed) == [1, 1]
    assert claim(made) is None
    end(made, running, 0.7)
    assert confirmed([claim(made), claim(made)]) == [3, 3]
    assert claim(made) is None


def test_nothing_of_the_search_changes_while_its_best_are_confirmed(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    trials, before = made.study.trials, progress_of(StudyView.read(made.study))
    bleu = end(made, claim(made), 0.95)
    assert bleu > before.best_bleu
    view = StudyView.read(made.study)
    assert progress_of(view) == before
    assert made.study.trials == trials
    assert view.best == [1]
    assert [row.number for row in view.ranked()] == [1, 3, 0, 2]
    assert study_names(made.storage) == ["made"]


@pytest.mark.parametrize("kind", ["tpe", "auto", "gp", "qmc", "nsgaii", "cmaes"])
def test_samplers_learn_nothing_from_confirmations(tmp_path: Path, kind: str) -> None:
    sampler = {"kind": kind}
    if kind in ("tpe", "gp", "cmaes"):
        sampler["startup_trials"] = 1
    proposed = []
    for name, confirm in (("with", {"top": 2, "seeds": 2}), ("without", None)):
        made = bench(tmp_path / name, study(sampler=sampler, confirm=confirm))
        search(made)
        run_round(made, {trial.number: 0.9 for trial in made.study.trials})
        more = study(sampler=sampler, budget={"trials": 5}, confirm=confirm)
        proposed.append(claim(bench(tmp_path / name, more)).params)
    assert proposed[0] == proposed[1]


def test_confirmations_that_are_wanted_no_more_are_not_trained(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    assert claim(made) is not None
    without = bench(tmp_path, study(confirm=None))
    assert claim(without) is None
    assert StudyView.read(without.study).confirmation is None


def test_the_confirmations_of_another_study_of_the_name_are_refused(tmp_path: Path) -> None:
    made = bench(tmp_path, study())
    search(made)
    assert claim(made) is not None
    optuna.delete_study(study_name="made", storage=made.storage)
    again = bench(tmp_path, study())
    search(again)
    with pytest.raises(UserError, match="confirms another study made"):
        claim(again)


def _confirm(home: Path, made: StudyRecord, claimed: Any, barrier: Any) -> None:
    worker = bench(home, made)
    barrier.wait(PATIENCE_SECONDS)
    while (trial := claim(worker)) is not None:
        claimed.put((trial.number, trial.user_attrs[CONFIRMS]))
        end(worker, trial, 0.6)


@pytest.mark.slow
def test_workers_that_finish_at_once_queue_nothing_twice(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    made = study(confirm={"top": 3, "seeds": 3})
    search(bench(home, made))
    found = claimed_by(4, home, made, _confirm)
    assert [number for number, _ in found] == list(range(9))
    assert Counter(number for _, number in found) == {0: 3, 1: 3, 3: 3}
