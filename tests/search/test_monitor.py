"""What a search learns of its study from the storage alone, claimed and told there by others."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from automl_tf.search.context import WorkerContext
from automl_tf.search.events import (
    Event,
    Notice,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
    WorkerJoined,
    encode,
)
from automl_tf.search.monitor import Watch
from automl_tf.search.opening import pause_trial, requeue_stale_trials, this_worker
from automl_tf.search.pool import Lines, WorkerExit, WorkerHandle, WorkerPool
from automl_tf.search.schema import (
    INFEASIBLE,
    NUM_PARAMETERS,
    REASON,
    SECONDS,
    VALIDATIONS,
    WORKER,
)
from automl_tf.search.worker import claim
from tests.search.making import bench, definition, finish

STEPS = 900


def others(name: str) -> bool:
    return False


def ours(name: str) -> bool:
    return True


@pytest.fixture
def worker(tmp_path: Path) -> WorkerContext:
    """A worker that nobody listens to; the watch looks at the same storage."""
    return bench(tmp_path, definition(fixed={"training.max_steps": STEPS}, budget={"trials": 9}))


def begin(worker: WorkerContext) -> optuna.Trial:
    trial = claim(worker)
    trial.set_user_attr(NUM_PARAMETERS, 1234)
    return trial


def validate(trial: optuna.Trial, step: int, bleu: float, **given: int) -> None:
    told = trial.user_attrs.get(VALIDATIONS, {})
    scores = {"bleu": bleu, "chrf": 40.0, "loss": 2.0, **given}
    pace = {"train_loss": 2.5, "tokens_per_second": 900.0}
    trial.set_user_attr(VALIDATIONS, {**told, str(step): {**scores, **pace}})


def watch(worker: WorkerContext, speaks: Callable[[str], bool] = others) -> Watch:
    return Watch(worker.study, speaks)


def news(found: Watch) -> list[Event]:
    """What is told beside the standing."""
    return [event for event in found.look() if not isinstance(event, StudyProgress)]


def stand(found: Watch) -> StudyProgress:
    (last,) = [event for event in found.look() if isinstance(event, StudyProgress)]
    return last


def dead_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time() - 3600:.0f}"


def test_the_course_of_anothers_trial_is_told_once(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = claim(worker)
    assert news(found) == []
    trial.set_user_attr(NUM_PARAMETERS, 1234)
    started = TrialStarted(0, trial.params, 1234, STEPS, resumed=False)
    assert news(found) == [started]
    assert news(found) == []
    validate(trial, 300, 5.0)
    assert news(found) == [TrialProgress(0, 300, 2.5, 900.0), TrialValidated(0, 300, 5.0, 40.0)]
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
    validate(running, 600, 4.0)
    told = news(watch(worker))
    assert [type(event) for event in told] == [TrialStarted, TrialProgress, TrialValidated]
    assert told[0].resumed
    assert told[2].step == 600


def test_workers_that_speak_for_themselves_are_not_spoken_for(worker: WorkerContext) -> None:
    found = watch(worker, ours)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    assert news(found) == []
    finish(worker, trial)
    assert news(found) == []


def test_an_end_is_told_if_its_worker_died_before_it_could(worker: WorkerContext) -> None:
    alive = True
    found = watch(worker, lambda name: alive)
    heard, unheard = begin(worker), begin(worker)
    for trial in (heard, unheard):
        finish(worker, trial)
    found.heard(TrialEnded(heard.number, "complete", 20.0, None, 1.0))
    alive = False
    assert [event.trial for event in news(found)] == [unheard.number]


def test_a_trial_whose_worker_is_gone_is_lost_until_another_takes_it_over(
    worker: WorkerContext,
) -> None:
    found = watch(worker)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    trial.set_user_attr(WORKER, dead_worker())
    standing = stand(found)
    assert (standing.running, standing.lost) == ([0], [0])
    assert requeue_stale_trials(worker.storage, worker.study) == [0]
    standing = stand(found)
    assert (standing.running, standing.lost, standing.counts["waiting"]) == ([], [], 1)
    again = claim(worker)
    assert again.number == trial.number
    assert [type(event) for event in news(found)] == [TrialStarted, TrialProgress, TrialValidated]
    assert stand(watch(worker)).running == [0]


def test_a_trial_that_changes_hands_is_told_to_go_on(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    validate(trial, 300, 5.0)
    assert news(found)
    trial.set_user_attr(WORKER, f"elsewhere.example:{os.getpid()}:1")
    (started, *_) = news(found)
    assert isinstance(started, TrialStarted)
    assert started.resumed


def test_a_trial_that_another_has_paused_is_told_to_wait(worker: WorkerContext) -> None:
    found = watch(worker)
    trial = begin(worker)
    assert news(found)
    trial.set_user_attr(REASON, "paused at step 20")
    pause_trial(worker.storage, trial._trial_id)
    assert news(found) == [TrialEnded(0, "waiting", None, "paused at step 20", 0.0)]
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
    told = [event for event in watch(worker).look() if isinstance(event, TrialValidated)]
    assert {event.sentences for event in told} == {1000}


def test_the_standing_counts_what_the_storage_holds(worker: WorkerContext) -> None:
    found = watch(worker, ours)
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
    assert [event for event in found.look() if isinstance(event, StudyProgress)] == []


def test_the_storage_is_asked_now_and_then_and_after_what_was_heard(worker: WorkerContext) -> None:
    found = watch(worker, ours)
    assert list(found.news())
    trial = begin(worker)
    assert list(found.news()) == []
    found.heard(TrialStarted(trial.number, {}, 1, 1, resumed=False))
    (standing,) = found.news()
    assert standing.running == [trial.number]


def test_the_name_of_a_worker_is_that_of_its_process() -> None:
    assert this_worker().split(":")[1] == str(os.getpid())


class Threads:
    """A site whose workers are threads that say their name, then nothing, and leave when asked."""

    def __init__(self) -> None:
        self.may_leave = threading.Event()

    def start(self, worker: int, lines: Lines) -> WorkerHandle:
        def work() -> None:
            lines.put((worker, encode(WorkerJoined(f"host:{worker}"))))
            lines.put((worker, encode(Notice("hello"))))
            self.may_leave.wait(60)
            lines.put((worker, WorkerExit(0, "")))

        threading.Thread(target=work, daemon=True).start()
        return self

    def ask_to_leave(self) -> None:
        self.may_leave.set()

    def kill(self) -> None:
        self.may_leave.set()


def test_a_crew_speaks_for_its_workers_from_their_first_word_to_their_last() -> None:
    site = Threads()
    crew = WorkerPool(site, size=2, deadline=None)
    assert not crew.speaks("host:0")
    silences = 0
    for told in crew.events(threading.Event()):
        if told is not None:
            worker, event = told
            assert event == Notice("hello")
            assert crew.speaks(f"host:{worker}")
            assert not crew.speaks("host:2")
        else:
            silences += 1
            site.may_leave.set()
    assert silences > 0
    assert not crew.speaks("host:0")
    assert not crew.speaks("host:1")
