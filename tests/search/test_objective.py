"""Trials of real trainings: attempts, endings with their causes, and faults around them."""

import dataclasses
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
import sqlalchemy
import torch
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from automl_tf.device import is_out_of_memory
from automl_tf.errors import UserError
from automl_tf.search import objective, steering
from automl_tf.search.context import WorkerContext
from automl_tf.search.export import export
from automl_tf.search.objective import MAX_IO_ERRORS, run_trial
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import Heartbeat, Ownership
from automl_tf.search.run import OpenStudy, logger_of
from automl_tf.search.schema import (
    ATTEMPT,
    ATTEMPTS,
    FAILURE,
    REASON,
    SENTENCES,
    SMALLER_BATCHES,
    VALIDATIONS,
    FailureKind,
    validations,
)
from automl_tf.search.study_view import StudyView
from automl_tf.search.worker import Worker
from automl_tf.training.events import FitResult, Outcome
from automl_tf.training.fit import fit
from automl_tf.training.footprint import smaller_batches
from tests.conftest import small_config
from tests.search.making import worker_of
from tests.search.searching import EVERY, Fit, Search

pytestmark = pytest.mark.slow

MORE_THAN_THERE_IS = 2**44


@pytest.fixture
def search(reversal: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    return Search(tmp_path, reversal, monkeypatch)


def messages(search: Search) -> list[str]:
    return [event.text for event in search.listener.told if hasattr(event, "text")]


def fit_in_memory(most_tokens: int, tried: list[tuple[int, int]], validations_before: int) -> Fit:
    """Trainings that lack memory above so many tokens at once, after some validations."""

    def fit_or_fail(
        config: Any, data: Any, directory: Any, observe: Any, *rest: Any, **named: Any
    ) -> FitResult:
        tried.append((config.training.batch_tokens, config.training.accumulate))
        seen = []

        def observe_and_fail(validation: Any) -> Any:
            decision = observe(validation)
            seen.append(validation)
            if config.training.batch_tokens > most_tokens and len(seen) >= validations_before:
                torch.empty(MORE_THAN_THERE_IS)
            return decision

        if config.training.batch_tokens > most_tokens and not validations_before:
            torch.empty(MORE_THAN_THERE_IS)
        return fit(config, data, directory, observe_and_fail, *rest, **named)

    return fit_or_fail


@pytest.mark.parametrize("validations_before", [0, 2])
def test_out_of_memory_begins_again_with_smaller_batches_as_a_new_attempt(
    search: Search, validations_before: int
) -> None:
    tried: list[tuple[int, int]] = []
    search.replace_fit(fit_in_memory(128, tried, validations_before))
    study = search.run(search.open("budget.trials=1"))
    assert tried == [(256, 1), (128, 2)]
    (trial,) = study.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[ATTEMPT] == 2
    (earlier,) = trial.user_attrs[ATTEMPTS]
    assert earlier["attempt"] == 1
    assert earlier["reason"].startswith("out of memory")
    assert earlier["last_step"] == EVERY * validations_before
    assert "training.batch_tokens = 128, training.accumulate = 2" in messages(search)[0]

    # What the second attempt alone would have left.
    alone = search.open(
        "name=alone",
        "budget.trials=1",
        "training.batch_tokens=128",
        "training.accumulate=2",
    )
    search.replace_fit(fit)
    (other,) = search.run(alone).trials
    assert trial.params == other.params
    assert trial.intermediate_values == other.intermediate_values
    assert validations(trial).keys() == validations(other).keys() == {10, 20, 30}
    assert trial.values == other.values

    exported = export(study, number=0)
    assert "batch_tokens: 128" in exported
    client = mlflow.MlflowClient(search.locations.tracking)
    experiment = client.get_experiment_by_name("tour")
    runs = client.search_runs([experiment.experiment_id], "tags.`automl_tf.kind` = 'trial'")
    status = {run.data.tags["automl_tf.attempt"]: run.info.status for run in runs}
    assert status == {"1": "FAILED", "2": "FINISHED"}
    shown = StudyView.read(study).trials[0].mlflow_run_id
    assert client.get_run(shown).data.tags["automl_tf.attempt"] == "2"


def test_smaller_batches_are_tried_once_and_the_worker_lives_on(search: Search) -> None:
    tried: list[tuple[int, int]] = []
    search.replace_fit(fit_in_memory(64, tried, 0))
    study = search.run(search.open("budget.trials=2"))
    assert tried == [(256, 1), (128, 2)] * 2
    for trial in study.trials:
        assert trial.state == TrialState.FAIL
        assert trial.user_attrs[REASON].startswith("out of memory")
        assert trial.user_attrs[FAILURE] == FailureKind.OUT_OF_MEMORY


def test_what_diverged_costs_one_training_and_is_known(search: Search) -> None:
    tried = []

    def fit_that_diverges(config: Any, *_args: Any, **_named: Any) -> FitResult:
        tried.append(config.training.batch_tokens)
        return FitResult(Outcome.DIVERGED, 10, None, None, None, seconds=1.0)

    search.replace_fit(fit_that_diverges)
    given = {"model.d_model": 16, "model.num_heads": 1, "model.dropout": 0.1}
    given |= {"training.learning_rate": 0.01}
    opened = search.open("budget.trials=2", start_with=[given])
    # Queued twice on purpose: a study skips what it has queued already.
    opened.study.enqueue_trial(given)
    first, second = search.run(opened).trials
    assert tried == [256]
    assert first.user_attrs[REASON].startswith("diverged")
    assert second.params == first.params
    assert second.user_attrs[REASON] == "not trained: trial 0 failed with these settings"
    for trial in (first, second):
        assert trial.state == TrialState.FAIL
        assert trial.user_attrs[FAILURE] == FailureKind.DIVERGED


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("some kernel is not there"), FailureKind.ERROR),
        (UserError("the vocabulary is too large", "Lower it."), FailureKind.INVALID),
        (MemoryError(), FailureKind.OUT_OF_MEMORY),
    ],
)
def test_an_error_of_a_training_is_the_trials(
    search: Search, error: Exception, kind: FailureKind
) -> None:
    def fit_that_fails(*_args: Any, **_named: Any) -> FitResult:
        raise error

    search.replace_fit(fit_that_fails)
    study = search.run(search.open("budget.trials=2"))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert {trial.user_attrs[FAILURE] for trial in study.trials} == {kind}


def test_errors_of_a_disk_cost_no_budget_and_end_a_worker_that_meets_nothing_else(
    search: Search,
) -> None:
    tried = []

    def fit_that_cannot_read(*_args: Any, **_named: Any) -> FitResult:
        tried.append(1)
        raise OSError(errno.EIO, "Input/output error")

    search.replace_fit(fit_that_cannot_read)
    opened = search.open("budget.trials=2")
    with pytest.raises(UserError, match="Input/output error"):
        search.run(opened)
    assert len(tried) == MAX_IO_ERRORS
    view = StudyView.read(opened.study)
    assert view.spent == 0
    assert view.trials[0].failure == FailureKind.IO_ERROR
    search.replace_fit(fit)
    search.run(opened)
    assert StudyView.read(opened.study).counts["complete"] == 2


def test_a_single_error_of_a_disk_is_got_over(search: Search) -> None:
    tried = []

    def fit_at_second(*args: Any, **named: Any) -> FitResult:
        tried.append(1)
        if len(tried) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return fit(*args, **named)

    search.replace_fit(fit_at_second)
    study = search.run(search.open("budget.trials=1"))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


@pytest.mark.parametrize("loss", ["the checkpoint", "the whole home", "its format"])
def test_a_paused_trial_without_a_checkpoint_of_its_own_is_a_new_attempt(
    search: Search, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = search.open("budget.trials=1")

    def fit_half(config: Any, data: Any, directory: Path, observe: Any, *rest: Any, **named: Any):
        steps = []

        def should_pause() -> bool:
            return bool(steps)

        def observe_and_stop(validation: Any) -> Any:
            steps.append(validation.step)
            return observe(validation)

        progress, _ = rest
        return fit(config, data, directory, observe_and_stop, progress, should_pause, **named)

    search.replace_fit(fit_half)
    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_may_yet_claim", lambda _: False)
        worker = _context(search, opened)
        with logger_of(opened, search.locations) as logger:
            context = dataclasses.replace(worker, tracking=logger.run)
            claimed = worker_of(context).claim()
            with Heartbeat(claimed.ownership) as heartbeat:
                result = run_trial(claimed.trial, claimed.ownership, heartbeat, context)
    assert result.state == TrialState.WAITING
    opened.storage.set_trial_state_values(trial_id_of(claimed.trial), TrialState.WAITING)
    (paused,) = opened.study.trials
    assert list(paused.intermediate_values) == [EVERY]
    directory = context.directory(0)
    assert directory.is_dir()
    if loss == "the checkpoint":
        (directory / "last.ckpt").unlink()
    elif loss == "its format":
        torch.save({"state_dict": {}}, directory / "last.ckpt")
    else:
        shutil.rmtree(directory.parent)
    search.replace_fit(fit)
    (trial,) = search.run(opened).trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[ATTEMPT] == 2
    assert list(trial.intermediate_values) == [10, 20, 30]
    (earlier,) = trial.user_attrs[ATTEMPTS]
    reason = "earlier version" if loss == "its format" else "checkpoint is gone"
    assert reason in earlier["reason"]
    assert set(trial.user_attrs[SENTENCES]) <= {"10", "20", "30"}
    assert set(trial.user_attrs[VALIDATIONS]) == {"10", "20", "30"}


def _context(search: Search, opened: OpenStudy) -> WorkerContext:
    return WorkerContext(
        storage=opened.storage,
        study=opened.study,
        record=opened.record,
        home=search.locations.home,
        tracking=None,
        tell=search.listener.tell,
        should_pause=lambda: False,
    )


def test_a_worker_that_has_lost_its_trial_writes_nothing_more(search: Search) -> None:
    opened = search.open("budget.trials=1")
    with logger_of(opened, search.locations) as logger:
        context = dataclasses.replace(_context(search, opened), tracking=logger.run)
        claimed = worker_of(context).claim()
        trial_id = trial_id_of(claimed.trial)

        def fit_and_be_robbed(
            config: Any, data: Any, directory: Any, observe: Any, *rest: Any, **named: Any
        ) -> FitResult:
            def observe_and_be_robbed(validation: Any) -> Any:
                decision = observe(validation)
                Ownership.take(opened.storage, trial_id)
                return decision

            return fit(config, data, directory, observe_and_be_robbed, *rest, **named)

        search.replace_fit(fit_and_be_robbed)
        with Heartbeat(claimed.ownership) as heartbeat:
            result = run_trial(claimed.trial, claimed.ownership, heartbeat, context)
    assert result.state == TrialState.RUNNING
    (trial,) = opened.study.trials
    assert trial.state == TrialState.RUNNING
    assert list(trial.intermediate_values) == [EVERY]
    assert REASON not in trial.user_attrs


@pytest.mark.parametrize("part", ["storage", "judgement", "mlflow"])
def test_an_error_while_reporting_pauses_the_training_and_loses_no_validation(
    search: Search, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = search.open("budget.trials=1")
    calls = []

    def fail_once(original: Callable[..., Any], error: Exception) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                raise error
            return original(*args, **named)

        return call

    runner = objective._TrialRunner
    gone = StorageInternalError()
    gone.__cause__ = sqlalchemy.exc.OperationalError("x", {}, Exception("gone"))
    if part == "storage":
        error: Exception = gone
        monkeypatch.setattr(
            runner, "_record_validation", fail_once(runner._record_validation, error)
        )
    elif part == "judgement":
        error = gone
        monkeypatch.setattr(runner, "_judge", fail_once(runner._judge, error))
    else:
        error = OSError(errno.ENOSPC, "No space left on device")
        logged = objective.TrialLogger.validated
        monkeypatch.setattr(objective.TrialLogger, "validated", fail_once(logged, error))
    with pytest.raises((StorageInternalError, UserError)):
        search.run(opened)
    (trial,) = opened.study.trials
    assert trial.state == TrialState.WAITING
    (trial,) = search.run(opened).trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[ATTEMPT] == 1
    assert list(trial.intermediate_values) == [10, 20, 30]
    assert SMALLER_BATCHES not in trial.user_attrs


def test_batches_hold_the_longest_sentence(reversal: dict) -> None:
    config = small_config(reversal, training__batch_tokens=100, data__max_length=49)
    assert smaller_batches(config) == {"training.batch_tokens": 50, "training.accumulate": 2}
    longer = small_config(reversal, training__batch_tokens=100, data__max_length=50)
    assert smaller_batches(longer) is None


def test_want_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as lacking:
        torch.empty(MORE_THAN_THERE_IS)
    assert is_out_of_memory(lacking.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_running_trial_that_a_person_stops_is_pruned_after_its_validation(search: Search) -> None:
    opened = search.open("budget.trials=1")

    def stopped_meanwhile(*arguments: Any, **named: Any) -> FitResult:
        storage = optuna.storages.RDBStorage(search.locations.storage)  # of another process
        steering.stop(storage, optuna.load_study(study_name="tour", storage=storage), 0)
        return fit(*arguments, **named)

    search.replace_fit(stopped_meanwhile)
    (trial,) = search.run(opened).trials
    assert trial.state == TrialState.PRUNED
    assert sorted(trial.intermediate_values) == [EVERY]
    assert trial.user_attrs[REASON] == steering.STOPPED
