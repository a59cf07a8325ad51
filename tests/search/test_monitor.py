"""What a search learns of its study from the storage alone, claimed and told there by others."""

import dataclasses
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.search.context import WorkerContext
from automl_tf.search.events import (
    Event,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.monitor import StudyMonitor
from automl_tf.search.ownership import LivenessMonitor, requeue_lost_trials, this_process
from automl_tf.search.schema import (
    ATTEMPT,
    INFEASIBLE,
    NUM_PARAMETERS,
    OWNER,
    PROGRESS,
    REASON,
    SECONDS,
    VALIDATIONS,
    WORKER,
)
from tests.search.making import bench, claim, definition, finish, pause

STEPS = 900


@pytest.fixture
def worker(tmp_path: Path) -> WorkerContext:
    """A worker that nobody listens to; the watch looks at the same storage."""
    return bench(tmp_path, definition(fixed={"training.max_steps": STEPS}, budget={"trials": 9}))


def begin(worker: WorkerContext) -> optuna.Trial:
    trial = claim(worker)
    trial.set_user_attr(NUM_PARAMETERS, 1234)
    trial.set_user_attr(ATTEMPT, 1)
    return trial


def validate(trial: optuna.Trial, step: int, bleu: float, **given: int) -> None:
    told = trial.user_attrs.get(VALIDATIONS, {})
    scores = {"bleu": bleu, "chrf": 40.0, "loss": 2.0, **given}
    pace = {"train_loss": 2.5, "tokens_per_second": 900.0}
    trial.set_user_attr(VALIDATIONS, {**told, str(step): {**scores, **pace}})


def watch(worker: WorkerContext) -> StudyMonitor:
    return StudyMonitor(worker.study, lambda _name: None)


def events(found: StudyMonitor) -> list[Event]:
    return [event for _, event in found.look()]


def news(found: StudyMonitor) -> list[Event]:
    """What is told beside the standing."""
    return [event for event in events(found) if not isinstance(event, StudyProgress)]


def stand(found: StudyMonitor) -> StudyProgress:
    (last,) = [event for event in events(found) if isinstance(event, StudyProgress)]
    return last


def hand_over(trial: optuna.Trial, **changes: object) -> None:
    """Has a trial owned by another process."""
    owner = dataclasses.asdict(dataclasses.replace(this_process(), **changes))
    reached = [trial.user_attrs[ATTEMPT], max(map(int, trial.user_attrs[VALIDATIONS]), default=0)]
    trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **owner, "reached": reached})
    trial.set_user_attr(WORKER, dataclasses.replace(this_process(), **changes).name)


def test_the_course_of_anothers_trial_is_told_once(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = claim(worker)
    assert news(found) == []
    trial.set_user_attr(NUM_PARAMETERS, 1234)
    trial.set_user_attr(ATTEMPT, 1)
    started = TrialStarted(0, trial.params, 1234, STEPS, resumed=False)
    assert news(found) == [started]
    assert news(found) == []
    validate(trial, 300, 5.0)
    assert news(found) == [TrialValidated(0, 300, 5.0, 40.0)]
    assert news(found) == []
    trial.set_user_attr(REASON, "too low")
    trial.set_user_attr(SECONDS, 7.5)
    worker.study.tell(trial, state=TrialState.PRUNED)
    assert news(found) == [TrialEnded(0, "pruned", 5.0, "too low", 7.5)]
    assert news(found) == []


def test_what_had_ended_before_is_not_told_and_what_runs_is(worker: WorkerContext) -> None:
    finish(worker, begin(worker))
    running = begin(worker)
    validate(running, 300, 5.0)
    told = news(watch(worker))
    assert [type(event) for event in told] == [TrialStarted, TrialValidated]
    assert not told[0].resumed
    pause(worker, running)
    again = claim(worker)
    validate(again, 600, 6.0)
    told = news(watch(worker))
    assert [type(event) for event in told] == [TrialStarted, TrialValidated]
    assert told[0].resumed
    assert told[1].step == 600


def test_a_trial_whose_worker_is_gone_is_lost_until_another_takes_it_over(
    worker: WorkerContext,
) -> None:
    found = watch(worker)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    hand_over(trial, started=1)
    standing = stand(found)
    assert (standing.running, standing.lost) == ([0], [0])
    monitor = LivenessMonitor(worker.storage, worker.study)
    assert requeue_lost_trials(monitor, worker.storage) == [0]
    standing = stand(found)
    assert (standing.running, standing.lost, standing.counts["waiting"]) == ([], [], 1)
    again = claim(worker)
    assert again.number == trial.number
    assert [type(event) for event in news(found)] == [TrialStarted]
    assert stand(watch(worker)).running == [0]


def test_a_trial_that_changes_hands_is_told_to_go_on(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    assert news(found)
    hand_over(trial, host="elsewhere", boot_id="elsewhere")
    (started, *_) = news(found)
    assert isinstance(started, TrialStarted)
    assert started.resumed


def test_a_trial_that_another_has_paused_is_told_to_wait(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    assert news(found)
    trial.set_user_attr(REASON, "paused at step 20")
    pause(worker, trial)
    assert news(found) == [TrialEnded(0, "paused", None, "paused at step 20", 0.0)]
    assert news(found) == []


def test_the_best_of_the_standing_is_none_of_fewer_sentences(worker: WorkerContext) -> None:
    found = watch(worker)
    lucky, whole = begin(worker), begin(worker)
    validate(lucky, 100, 30.0, sentences=500)
    assert (stand(found).best_trial, stand(watch(worker)).best_bleu) == (0, 30.0)
    validate(whole, 200, 20.0, sentences=1000)
    standing = stand(found)
    assert (standing.best_trial, standing.best_bleu, standing.best_sentences) == (1, 20.0, 1000)
    validate(lucky, 200, 25.0, sentences=1000)
    assert (stand(found).best_trial, stand(watch(worker)).best_bleu) == (0, 25.0)


def test_the_standing_counts_what_the_storage_holds(worker: WorkerContext) -> None:
    found = watch(worker)
    bleus = (20.0, 30.0, 30.0)
    for bleu in bleus:
        finish(worker, begin(worker), bleu=bleu, steps=(300, 600))
    failed = begin(worker)
    validate(failed, 300, 99.0)
    worker.study.tell(failed, state=TrialState.FAIL)
    infeasible = claim(worker)
    infeasible.set_user_attr(INFEASIBLE, value=True)
    worker.study.tell(infeasible, state=TrialState.PRUNED)
    running = begin(worker)
    assert stand(found) == StudyProgress(
        counts={"complete": 3, "pruned": 1, "failed": 1, "running": 1, "waiting": 0},
        spent=4,
        running=[running.number],
        lost=[],
        best_trial=1,
        best_bleu=30.0,
    )
    assert [event for event in events(found) if isinstance(event, StudyProgress)] == []


def test_the_storage_is_asked_now_and_then(worker: WorkerContext) -> None:
    found = watch(worker)
    assert list(found.news())
    begin(worker)
    assert list(found.news()) == []


def test_events_name_the_worker_of_the_search(worker: WorkerContext) -> None:
    numbers = {this_process().name: 3}
    found = StudyMonitor(worker.study, numbers.get)
    begin(worker)
    told = {type(event): number for number, event in found.look()}
    assert told == {TrialStarted: 3, StudyProgress: None}


def test_a_trial_that_ends_between_two_looks_is_told_from_its_start(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    for step, bleu in ((300, 5.0), (600, 7.0)):
        validate(trial, step, bleu)
    worker.study.tell(trial, 7.0)
    told = news(found)
    assert [type(event) for event in told] == [
        TrialStarted,
        TrialValidated,
        TrialValidated,
        TrialEnded,
    ]
    assert not told[0].resumed


def test_a_new_attempt_is_told_from_its_start(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    assert news(found)
    trial.set_user_attr(VALIDATIONS, {})
    trial.set_user_attr(ATTEMPT, 2)
    assert [(type(event), event.resumed) for event in news(found)] == [(TrialStarted, False)]
    validate(trial, 300, 6.0)
    assert [event.bleu for event in news(found)] == [6.0]


def test_progress_between_validations_is_told(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    assert news(found)
    trial.set_user_attr(PROGRESS, {"step": 50, "loss": 3.5, "tokens_per_second": 900.0})
    assert news(found) == [TrialProgress(0, 50, 3.5, 900.0)]
    assert news(found) == []
    validate(trial, 300, 5.0)
    trial.set_user_attr(PROGRESS, {"step": 300, "loss": 3.0, "tokens_per_second": 800.0})
    assert news(found) == [TrialValidated(0, 300, 5.0, 40.0), TrialProgress(0, 300, 3.0, 800.0)]
    assert news(found) == []
