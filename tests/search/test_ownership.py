"""Who owns a trial, who is gone, and what becomes of the trials of those who are."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import sqlalchemy
from optuna.trial import TrialState

from automl_tf.errors import UserError
from automl_tf.search import ownership
from automl_tf.search.context import WorkerContext
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import (
    MAX_LOSSES,
    WATCHED_HEARTBEATS,
    Heartbeat,
    LivenessMonitor,
    Ownership,
    Process,
    lost_trials,
    owner_of,
    requeue_lost_trials,
    this_process,
)
from automl_tf.search.run import OpenStudy, _save_trials_of
from automl_tf.search.schema import (
    FAILURE,
    OWNER,
    PROGRESS,
    REASON,
    VALIDATIONS,
    WORKER,
    FailureKind,
    StudyRecord,
)
from automl_tf.search.storage import GRACE_SECONDS, GRACE_VARIABLE, HEARTBEATS_PER_GRACE
from automl_tf.search.trial_result import TrialResult
from tests.search.making import (
    PATIENCE_SECONDS,
    bench,
    claim,
    definition,
    finish,
    processes,
    worker_of,
)

WATCH_SECONDS = WATCHED_HEARTBEATS * GRACE_SECONDS / HEARTBEATS_PER_GRACE


@pytest.fixture
def worker(tmp_path: Path) -> WorkerContext:
    """A worker of this process."""
    return bench(tmp_path, definition(budget={"trials": 5}))


@contextlib.contextmanager
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is ended."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def identity_of(pid: int) -> Process:
    started = ownership._started(pid)
    assert started is not None
    return dataclasses.replace(this_process(), pid=pid, started=started)


def disguise(trial: optuna.Trial, process: Process) -> None:
    """Has a trial owned by another process."""
    trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **dataclasses.asdict(process)})


def elsewhere() -> Process:
    return dataclasses.replace(this_process(), boot_id="another machine")


def silence(worker: WorkerContext, trial: optuna.Trial, seconds: int = 3600) -> None:
    """Has the last heartbeat of a trial lie so long ago."""
    with worker.storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "UPDATE trial_heartbeats SET heartbeat = datetime('now', :ago) "
                "WHERE trial_id = :trial"
            ),
            {"trial": trial_id_of(trial), "ago": f"-{seconds} seconds"},
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the time that ownership is judged by forward."""
    now = [1000.0]
    monkeypatch.setattr(ownership.time, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_this_process_is_alive_and_an_ended_one_is_gone() -> None:
    assert this_process().is_gone() is False
    with other_process() as process:
        identity = identity_of(process.pid)
        assert identity.is_gone() is False
        os.kill(process.pid, signal.SIGSTOP)
        assert identity.is_gone() is False, "a stopped process lives"
        os.kill(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not identity.is_gone() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert identity.is_gone() is True, "a process that nobody has waited for is gone, too"
    assert identity.is_gone() is True


@pytest.mark.parametrize("field", ["boot_id", "pid_namespace"])
def test_of_other_machines_and_containers_the_process_tells_nothing(field: str) -> None:
    # Two containers may share a host's name and count their processes from one.
    assert dataclasses.replace(this_process(), **{field: "other"}).is_gone() is None


def test_a_process_that_has_the_number_of_an_ended_one_is_another() -> None:
    mine = this_process()
    assert dataclasses.replace(mine, started=mine.started - 1).is_gone() is True


def test_a_living_worker_of_this_machine_is_never_lost_however_long_it_was_silent(
    worker: WorkerContext, clock: Callable[[float], None]
) -> None:
    trial = claim(worker)
    silence(worker, trial, seconds=10**6)
    monitor = LivenessMonitor(worker.storage, worker.study)
    for _ in range(3):
        assert monitor.lost() == []
        clock(10 * WATCH_SECONDS)
    assert lost_trials(worker.study) == []
    assert not monitor.suspects()


def test_a_step_of_the_clock_declares_nobody_elsewhere_dead(
    worker: WorkerContext, clock: Callable[[float], None]
) -> None:
    trial = claim(worker)
    disguise(trial, elsewhere())
    monitor = LivenessMonitor(worker.storage, worker.study)
    for _ in range(5):
        # The database's clock says that it is overdue, and yet it beats.
        silence(worker, trial, seconds=3600 - round(time.time()) % 7)
        assert monitor.lost() == []
        assert monitor.suspects()
        clock(WATCH_SECONDS / 2)
        worker.storage.record_heartbeat(trial_id_of(trial))
        assert monitor.lost() == []
        assert not monitor.suspects()
        clock(WATCH_SECONDS)


def test_a_worker_elsewhere_is_lost_once_its_heart_was_watched_to_stand_still(
    worker: WorkerContext, clock: Callable[[float], None]
) -> None:
    trial = claim(worker)
    disguise(trial, elsewhere())
    monitor = LivenessMonitor(worker.storage, worker.study)
    clock(10 * WATCH_SECONDS)
    assert monitor.lost() == [], "it beats by the database's clock"
    silence(worker, trial)
    assert monitor.lost() == []
    clock(WATCH_SECONDS + 1)
    assert [lost.number for lost in monitor.lost()] == [trial.number]


def test_nobody_is_suspected_once_the_suspected_have_ended(worker: WorkerContext) -> None:
    trial = claim(worker)
    disguise(trial, elsewhere())
    silence(worker, trial)
    monitor = LivenessMonitor(worker.storage, worker.study)
    assert monitor.lost() == []
    assert monitor.suspects()
    worker.study.tell(trial.number, 1.0)
    assert monitor.lost() == []
    assert not monitor.suspects()


def test_a_worker_proves_its_claim_until_another_has_taken_the_trial(
    worker: WorkerContext, clock: Callable[[float], None]
) -> None:
    claimed = worker_of(worker).claim()
    assert claimed.ownership.holds()
    disguise(claimed.trial, elsewhere())
    silence(worker, claimed.trial)
    taking = worker_of(worker)
    assert taking.claim().trial.number == 1
    clock(WATCH_SECONDS + 1)
    taken = taking.claim()
    assert taken.trial.number == claimed.trial.number
    assert taken.trial.params == claimed.trial.params
    assert taken.ownership.holds()
    assert not claimed.ownership.holds()


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.FAIL])
def test_a_trial_that_runs_no_more_belongs_to_nobody(
    worker: WorkerContext, state: TrialState
) -> None:
    claimed = worker_of(worker).claim()
    worker.storage.set_trial_state_values(claimed.ownership.trial_id, state)
    assert not claimed.ownership.holds()


@pytest.mark.parametrize(
    "ending",
    [TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, OSError("full")],
    ids=str,
)
def test_no_ending_moves_a_trial_that_another_worker_has_taken(
    worker: WorkerContext, ending: TrialState | OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    robbed = worker_of(worker)
    claimed = robbed.claim()

    def be_robbed(*_args: Any) -> TrialResult:
        Ownership.take(worker.storage, claimed.ownership.trial_id)
        if isinstance(ending, OSError):
            raise ending
        return TrialResult(ending, (1.0,) if ending == TrialState.COMPLETE else ())

    monkeypatch.setattr("automl_tf.search.worker.run_trial", be_robbed)
    with contextlib.suppress(OSError):
        robbed._run(claimed)
    assert worker.study.trials[claimed.trial.number].state == TrialState.RUNNING


def test_trials_of_killed_workers_are_queued_unless_another_worker_has_them(
    worker: WorkerContext,
) -> None:
    mine, others = worker_of(worker).claim(), worker_of(worker).claim()
    others.trial.set_user_attr(WORKER, dataclasses.replace(this_process(), host="other").name)
    opened = OpenStudy(worker.storage, worker.study, worker.record, "")
    _save_trials_of(opened, {this_process().name})
    states = {trial.number: trial.state for trial in worker.study.trials}
    assert states[mine.trial.number] == TrialState.WAITING
    assert states[others.trial.number] == TrialState.RUNNING


def die(home: Path, made: StudyRecord, told: Any) -> None:
    """A worker that is killed while it trains."""
    trial = claim(bench(home, made))
    told.put((trial.number, trial.params))
    os._exit(9)


def test_a_dead_workers_trial_is_queued_again_and_fails_after_some_losses_in_a_row(
    tmp_path: Path,
) -> None:
    made = definition(budget={"trials": 2})
    context = processes()
    told = context.SimpleQueue()
    points = []
    for _ in range(MAX_LOSSES):
        process = context.Process(target=die, args=(tmp_path, made, told))
        process.start()
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 9
        points.append(told.get())
    assert all(point == points[0] for point in points)
    worker = bench(tmp_path, made)
    after = claim(worker)
    assert after.number == 1
    lost = worker.study.trials[0]
    assert lost.state == TrialState.FAIL
    assert lost.user_attrs[FAILURE] == FailureKind.WORKER_LOST
    assert "died 3 times" in lost.user_attrs[REASON]
    # Machines that fail cost no budget.
    finish(worker, after)
    assert claim(worker).number == 2


def test_losses_with_progress_between_never_fail_a_trial(worker: WorkerContext) -> None:
    gone = dataclasses.replace(this_process(), started=1)
    for step in range(1, 3 * MAX_LOSSES):
        trial = claim(worker)
        assert trial.number == 0
        trial.set_user_attr(VALIDATIONS, {str(step): {"bleu": 1.0, "chrf": 1.0, "loss": 1.0}})
        disguise(trial, gone)
        monitor = LivenessMonitor(worker.storage, worker.study)
        assert requeue_lost_trials(monitor, worker.storage) == [0]
        assert worker.study.trials[0].state == TrialState.WAITING


def test_signs_of_life_carry_the_progress_and_never_raise(
    worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "PROGRESS_SECONDS", 0.01)
    worker.storage.heartbeat_interval = 1
    claimed = worker_of(worker).claim()
    failures = []

    def fail(*_args: object) -> None:
        failures.append(1)
        raise ConnectionError

    with Heartbeat(claimed.ownership) as heartbeat:
        monkeypatch.setattr(type(worker.storage), "set_trial_user_attr", fail)
        heartbeat.note_progress({"step": 7})
        deadline = time.monotonic() + 10
        while not failures and time.monotonic() < deadline:
            time.sleep(0.01)
        monkeypatch.undo()
        monkeypatch.setattr(ownership, "PROGRESS_SECONDS", 0.01)
        heartbeat.note_progress({"step": 8})
        while time.monotonic() < deadline:
            if worker.study.trials[0].user_attrs.get(PROGRESS) == {"step": 8}:
                break
            time.sleep(0.01)
    assert failures
    assert worker.study.trials[0].user_attrs[PROGRESS] == {"step": 8}


def test_the_owner_is_read_as_it_was_written(worker: WorkerContext) -> None:
    claim(worker)
    assert owner_of(worker.study.trials[0]) == this_process()
    assert owner_of(optuna.trial.create_trial(state=TrialState.RUNNING)) is None
    assert isinstance(Ownership(worker.storage, 1, "x"), Ownership)


FROZEN = """
import sys
from pathlib import Path
from tests.search.making import bench, claim, definition
from tests.search.test_ownership import MADE, hold

hold(Path(sys.argv[1]))
"""
MADE = definition(sampler={"kind": "random"}, budget={"trials": 1})


def hold(home: Path) -> None:
    """A worker that claims a trial, and says at each line of its input whether it still owns it."""
    claimed = worker_of(bench(home, MADE)).claim()
    with Heartbeat(claimed.ownership):
        sys.stdout.write(f"{claimed.trial.number}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(f"{claimed.ownership.holds()}\n")
            sys.stdout.flush()


@pytest.mark.slow
def test_a_worker_in_another_container_that_freezes_for_long_loses_its_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process namespaces may be made here")
    monkeypatch.setenv(GRACE_VARIABLE, "10")
    home = tmp_path / "home"
    context = bench(home, MADE)
    frozen = subprocess.Popen(
        [*namespace, sys.executable, "-c", FROZEN, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert frozen.stdout.readline().strip() == "0"
        (inner,) = psutil.Process(frozen.pid).children()
        taking = worker_of(context)
        # While it beats it keeps its trial, in another namespace of the same host.
        time.sleep(12)
        assert taking.claim() is None
        inner.suspend()
        deadline = time.monotonic() + 120
        while (taken := taking.claim()) is None and time.monotonic() < deadline:
            time.sleep(0.5)
        assert taken is not None
        assert taken.trial.number == 0
        inner.resume()
        frozen.stdin.write("still?\n")
        frozen.stdin.flush()
        assert frozen.stdout.readline().strip() == "False"
        assert taken.ownership.holds()
    finally:
        frozen.kill()
        frozen.wait()


@pytest.mark.parametrize("given", ["", "soon", "-5", "9", "1e3"])
def test_a_grace_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(GRACE_VARIABLE, given)
    with pytest.raises(UserError, match=GRACE_VARIABLE):
        bench(tmp_path, MADE)
