"""Workers that die, refuse or are dismissed."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from automl_tf.search.events import Event, Notice, Refusal, TrialStarted, encode
from automl_tf.search.pool import MOST_EARLY_DEATHS, Lines, WorkerExit, WorkerPool

BEGUN = encode(TrialStarted(0, {}, 1000, 10, resumed=False))
REFUSED = encode(Refusal("The corpus is gone.", "Bring it back."))


@dataclass
class Told:
    """A worker that stays until it is asked to leave."""

    worker: int
    lines: Lines

    def ask_to_leave(self) -> None:
        self.lines.put((self.worker, WorkerExit(0, "")))

    def kill(self) -> None:
        self.lines.put((self.worker, WorkerExit(-9, "")))


@dataclass
class Stage:
    """Where each start of a worker plays the next of some lives: lines and a status."""

    lives: Sequence[tuple[Sequence[str], int | None]]
    started: list[int] = field(default_factory=list)

    def start(self, worker: int, lines: Lines) -> Told:
        life = self.lives[min(len(self.started), len(self.lives) - 1)]
        self.started.append(worker)
        said, status = life
        for line in said:
            lines.put((worker, line))
        if status is not None:
            lines.put((worker, WorkerExit(status, "see its log")))
        return Told(worker, lines)


def played(
    stage: Stage, size: int = 1, deadline: float | None = None
) -> tuple[WorkerPool, list[Event]]:
    crew = WorkerPool(stage, size, deadline)
    told = crew.events(threading.Event())
    return crew, [pair[1] for pair in told if pair is not None]


def test_a_worker_that_died_in_a_trial_is_started_again_however_often() -> None:
    stage = Stage([*[([BEGUN], -9)] * 10, ([], 0)])
    _, events = played(stage)
    assert len(stage.started) == 11
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["worker 0 died with status -9; see its log"] * 10


def test_workers_that_die_before_their_first_trial_are_given_up() -> None:
    stage = Stage([([], 1)])
    played(stage)
    assert len(stage.started) == MOST_EARLY_DEATHS


def test_many_workers_may_die_at_once() -> None:
    stage = Stage([*[([BEGUN], -9)] * 8, ([], 0)])
    played(stage, size=8)
    assert sorted(stage.started) == sorted([*range(8), *range(8)])


def test_what_only_a_person_can_mend_is_told_and_not_tried_again() -> None:
    stage = Stage([([REFUSED], 2)])
    crew, events = played(stage, size=2)
    assert stage.started == [0, 1]
    assert [type(event) for event in events] == [Refusal, Refusal]
    assert str(crew.refusal) == "The corpus is gone. Bring it back."


def test_others_go_on_without_a_worker_that_refused() -> None:
    crew, _ = played(Stage([([REFUSED], 2), ([BEGUN], 0)]), size=2)
    assert crew.refusal is None


def test_workers_leave_when_the_time_is_over() -> None:
    stage = Stage([([BEGUN], None)])
    played(stage, size=2, deadline=time.monotonic())
    assert stage.started == [0, 1]
