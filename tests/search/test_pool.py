"""Workers that die, refuse, stand still or are asked to leave, and how the search ends then."""

import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from automl_tf.errors import ExitCode
from automl_tf.search.events import (
    Event,
    LogMessage,
    TrialProgress,
    WorkerError,
    WorkerReady,
    encode,
)
from automl_tf.search.pool import (
    INTERRUPTS_TO_KILL,
    MAX_EARLY_DEATHS,
    READ_SECONDS,
    OutcomeKind,
    Patience,
    SearchOutcome,
    WorkerExit,
    WorkerOutput,
    WorkerPool,
)
from automl_tf.signals import StopRequest

READY = encode(WorkerReady("host:1"))
REFUSED = encode(WorkerError("The corpus is gone.", "Bring it back."))
IMPATIENT = Patience(seconds=1.0, cpu_seconds=1.0, message_seconds=0.2)
Life = tuple[Sequence[str], int | None]
"""Lines of a worker and its exit status; None: it stays until it is asked to leave."""


@dataclass
class FakeHandle:
    """A worker that leaves when it is asked to, unless it is stubborn."""

    worker: int
    output: WorkerOutput
    is_stubborn: bool = False
    cpu_per_look: float = 0.0
    used: float = 0.0
    killed: int = 0

    def ask_to_leave(self) -> None:
        if not self.is_stubborn:
            self.output.put((self.worker, WorkerExit(ExitCode.INTERRUPTED, "")))

    def kill(self) -> None:
        self.killed += 1
        self.output.put((self.worker, WorkerExit(-9, "")))

    def cpu_seconds(self) -> float:
        self.used += self.cpu_per_look
        return self.used


@dataclass
class FakeLauncher:
    """Each start of a worker plays the next of some lives, the last one for ever."""

    lives: Sequence[Life]
    is_stubborn: bool = False
    cpu_per_look: float = 0.0
    started: list[int] = field(default_factory=list)
    handles: list[FakeHandle] = field(default_factory=list)

    def start(self, worker: int, output: WorkerOutput) -> FakeHandle:
        lines, status = self.lives[min(len(self.started), len(self.lives) - 1)]
        self.started.append(worker)
        for line in lines:
            output.put((worker, line))
        if status is not None:
            output.put((worker, WorkerExit(status, "see its log")))
        self.handles.append(FakeHandle(worker, output, self.is_stubborn, self.cpu_per_look))
        return self.handles[-1]


@dataclass
class Played:
    """What a pool has told, and how its search ended."""

    pool: WorkerPool
    events: list[Event]
    outcome: SearchOutcome

    @property
    def messages(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogMessage)]


def played(
    launcher: FakeLauncher,
    size: int = 1,
    *,
    deadline: float | None = None,
    has_progress: bool = True,
    has_open_trials: bool = False,
    patience: Patience | None = None,
    on_silence: Callable[[StopRequest], None] = lambda stop: None,
) -> Played:
    pool = WorkerPool(launcher, size, deadline, patience)
    stop = StopRequest()
    events = []
    for told in pool.events(stop, lambda name: has_progress):
        if told is None:
            on_silence(stop)
        else:
            events.append(told[1])
    return Played(pool, events, pool.outcome(stop, has_open_trials=has_open_trials))


def test_a_worker_that_died_after_some_progress_is_restarted_however_often() -> None:
    launcher = FakeLauncher([*[([READY], -9)] * 10, ([], 0)])
    found = played(launcher)
    assert len(launcher.started) == 11
    assert found.messages == ["worker 0 died with status -9; see its log"] * 10
    assert found.outcome.kind is OutcomeKind.BUDGET_SPENT


@pytest.mark.parametrize("lines", [[], [READY]])
@pytest.mark.parametrize("size", [1, 3])
def test_workers_that_die_without_progress_are_given_up(lines: list[str], size: int) -> None:
    launcher = FakeLauncher([(lines, 1)])
    found = played(launcher, size, has_progress=False)
    assert len(launcher.started) == MAX_EARLY_DEATHS * size
    assert found.outcome.kind is OutcomeKind.GAVE_UP
    assert found.outcome.exit_code == 1
    assert "see its log" in found.outcome.reason


def test_many_workers_may_die_at_once() -> None:
    launcher = FakeLauncher([*[([READY], -9)] * 8, ([], 0)])
    played(launcher, size=8, has_progress=False)
    assert sorted(launcher.started) == sorted([*range(8), *range(8)])


@pytest.mark.parametrize(
    ("lives", "has_open_trials", "kind"),
    [
        ([([READY], 0)], False, OutcomeKind.BUDGET_SPENT),
        # Workers of another process may have left a trial.
        ([([READY], 0)], True, OutcomeKind.BUDGET_SPENT),
        ([([REFUSED], 2)], False, OutcomeKind.REFUSED),
        ([([], 2)], False, OutcomeKind.REFUSED),
        ([([REFUSED], 2), ([READY], 0)], False, OutcomeKind.BUDGET_SPENT),
        ([([REFUSED], 2), ([READY], 0)], True, OutcomeKind.REFUSED),
        ([([READY], 130)], True, OutcomeKind.INTERRUPTED),
        ([([READY], 130), ([READY], 0)], True, OutcomeKind.INTERRUPTED),
        ([([READY], 0), ([READY], -9)], False, OutcomeKind.BUDGET_SPENT),
        ([([READY], 0), ([READY], -9)], True, OutcomeKind.GAVE_UP),
    ],
)
def test_the_outcome_follows_from_the_exits_and_the_storage(
    *, lives: list[Life], has_open_trials: bool, kind: OutcomeKind
) -> None:
    found = played(FakeLauncher(lives), size=2, has_progress=False, has_open_trials=has_open_trials)
    assert found.outcome.kind is kind


def test_an_error_of_all_workers_is_the_searchs_and_is_not_tried_again() -> None:
    launcher = FakeLauncher([([REFUSED], 2)])
    found = played(launcher, size=2)
    assert launcher.started == [0, 1]
    assert [type(event) for event in found.events] == [WorkerError, WorkerError]
    assert str(found.outcome.error) == "The corpus is gone. Bring it back."
    assert found.outcome.exit_code == ExitCode.USER_ERROR


def test_workers_leave_when_the_time_is_over() -> None:
    launcher = FakeLauncher([([READY], None)])
    found = played(launcher, size=2, deadline=time.monotonic())
    assert launcher.started == [0, 1]
    assert found.outcome.kind is OutcomeKind.TIME_OVER
    assert found.outcome.exit_code == 0


def test_workers_leave_when_they_are_asked_to() -> None:
    found = played(FakeLauncher([([READY], None)]), size=2, on_silence=StopRequest.interrupt)
    assert found.outcome.kind is OutcomeKind.INTERRUPTED
    assert found.outcome.exit_code == 130
    assert not found.pool.killed()


def test_a_worker_that_stands_still_is_killed_and_named() -> None:
    launcher = FakeLauncher([([READY], None)], is_stubborn=True)
    found = played(launcher, deadline=time.monotonic() + 0.1, patience=IMPATIENT)
    assert found.pool.killed() == ["host:1"]
    assert launcher.handles[0].killed == 1
    assert any("waiting for workers" in text for text in found.messages)
    assert any("stands still" in text for text in found.messages)
    assert found.outcome.kind is OutcomeKind.TIME_OVER


def test_a_worker_that_works_on_its_leaving_is_waited_for() -> None:
    launcher = FakeLauncher([([READY], None)], is_stubborn=True, cpu_per_look=1.0)
    began = time.monotonic()

    def leave_late(_stop: StopRequest) -> None:
        if time.monotonic() - began > 3 * IMPATIENT.seconds:
            launcher.handles[0].output.put((0, WorkerExit(ExitCode.INTERRUPTED, "")))

    found = played(launcher, deadline=time.monotonic(), patience=IMPATIENT, on_silence=leave_late)
    assert not launcher.handles[0].killed
    assert found.outcome.kind is OutcomeKind.TIME_OVER


def test_the_second_interrupt_is_answered_and_the_third_kills(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("automl_tf.signals.SECONDS_BETWEEN_INTERRUPTS", 0.0)
    launcher = FakeLauncher([([READY], None)], is_stubborn=True, cpu_per_look=1.0)
    patient = dataclasses.replace(IMPATIENT, message_seconds=60.0)
    found = played(launcher, size=2, patience=patient, on_silence=StopRequest.interrupt)
    assert [handle.killed for handle in launcher.handles] == [1, 1]
    assert len(found.messages) == INTERRUPTS_TO_KILL - 1
    assert "once more" in found.messages[-1]
    assert found.outcome.kind is OutcomeKind.INTERRUPTED


def test_workers_are_known_by_name_also_after_their_end() -> None:
    lives = [([encode(WorkerReady(f"host:{worker}"))], 0) for worker in range(2)]
    pool = played(FakeLauncher(lives), size=2).pool
    assert [pool.number_of(f"host:{worker}") for worker in range(3)] == [0, 1, None]


def test_a_workers_output_carries_no_events_of_trials() -> None:
    progress = encode(TrialProgress(0, 10, 4.0, 100.0))
    found = played(FakeLauncher([([READY, "a library's print", progress], 0)]))
    assert found.events == [WorkerReady("host:1")]


def test_workers_are_asked_to_leave_when_the_search_itself_fails() -> None:
    launcher = FakeLauncher([([READY], None)])
    pool = WorkerPool(launcher, 2)
    events = pool.events(StopRequest(), lambda name: True)
    next(events)
    events.close()
    left = [pool._output.get_nowait()[1] for _ in range(3)]
    assert sum(isinstance(line, WorkerExit) for line in left) == 2


def test_a_signal_whose_handling_takes_long_does_not_stop_the_search_for_ever() -> None:
    launcher = FakeLauncher([([READY], None)])
    asked: list[StopRequest] = []

    def handle(*_: object) -> None:
        time.sleep(2 * READ_SECONDS)
        asked[0].interrupt()

    def rescue() -> None:
        rescued.set()
        launcher.handles[0].kill()

    def on_silence(stop: StopRequest) -> None:
        if not asked:
            asked.append(stop)
            signal.setitimer(signal.ITIMER_REAL, READ_SECONDS / 2)

    rescued = threading.Event()
    rescuer = threading.Timer(30, rescue)
    before = signal.signal(signal.SIGALRM, handle)
    rescuer.start()
    try:
        found = played(launcher, on_silence=on_silence)
    finally:
        rescuer.cancel()
        signal.signal(signal.SIGALRM, before)
    assert not rescued.is_set()
    assert found.outcome.kind is OutcomeKind.INTERRUPTED
