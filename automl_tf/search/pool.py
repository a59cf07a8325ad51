"""The worker processes of a search: started, listened to, started again, asked to leave."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from automl_tf.errors import UserError
from automl_tf.search.events import Event, Notice, Refusal, TrialStarted, WorkerJoined, decode

MOST_EARLY_DEATHS = 3
"""Workers that may die in a row before they have begun a trial; then the search gives up."""
PATIENCE_SECONDS = 60
"""Time that workers have to save their trials after they were asked to leave."""
MISTAKE = 2
"""Status of a worker that met what only a person can mend."""


@dataclass(frozen=True)
class WorkerExit:
    """A worker is gone.

    Attributes:
        status: What its process ended with, or None if nobody can tell.
        account: Where it says why, or what is known of it.
    """

    status: int | None
    account: str


Lines = queue.SimpleQueue[tuple[int, str | WorkerExit]]
"""What workers print, by the number of the worker, and that they have left."""


class WorkerHandle(Protocol):
    """A worker process, wherever it runs."""

    def ask_to_leave(self) -> None:
        """Makes it save its trial and end."""

    def kill(self) -> None:
        """Ends it at once."""


class Launcher(Protocol):
    """Where workers run."""

    def start(self, worker: int, lines: Lines) -> WorkerHandle:
        """Starts a worker, whose lines and whose end are put into the queue."""


class WorkerPool:
    """Workers whose events are read as they come.

    Args:
        site: Where they run.
        size: Number of workers.
        deadline: Time, on the monotonic clock, at which they are asked to leave.
    """

    def __init__(self, site: Launcher, size: int, deadline: float | None) -> None:
        self._site = site
        self._size = size
        self._deadline = deadline
        self._lines: Lines = queue.SimpleQueue()
        self._hands: dict[int, WorkerHandle] = {}
        self._names: dict[int, str] = {}
        self._refusals: dict[int, Refusal] = {}
        self._have_begun: set[int] = set()
        self._early_deaths = 0
        self._dismissed_at: float | None = None

    def speaks(self, name: str) -> bool:
        """Whether a worker of that name belongs to the crew and has more to tell."""
        return name in self._names.values()

    def events(self, asked: threading.Event) -> Iterator[tuple[int, Event] | None]:
        """What the workers tell, until the last one has left; None while they are silent."""
        for worker in range(self._size):
            self._start(worker)
        while self._hands:
            self._dismiss_in_time(asked)
            try:
                worker, told = self._lines.get(timeout=0.5)
            except queue.Empty:
                yield None
                continue
            if isinstance(told, WorkerExit):
                yield from self._left(worker, told)
            else:
                yield from self._heard(worker, told)

    @property
    def refusal(self) -> UserError | None:
        """What only a person can mend, if every worker has met it."""
        if len(self._refusals) < self._size:
            return None
        refusal = next(iter(self._refusals.values()))
        return UserError(refusal.rule, refusal.remedy)

    def _dismiss_in_time(self, asked: threading.Event) -> None:
        """Asks the workers to leave once it is time, and ends those that do not."""
        now = time.monotonic()
        is_late = self._deadline is not None and now >= self._deadline
        if self._dismissed_at is None and (asked.is_set() or is_late):
            self._dismissed_at = now
            for hand in self._hands.values():
                hand.ask_to_leave()
        elif self._dismissed_at is not None and now - self._dismissed_at > PATIENCE_SECONDS:
            for hand in self._hands.values():
                hand.kill()

    def _start(self, worker: int) -> None:
        self._have_begun.discard(worker)
        self._hands[worker] = self._site.start(worker, self._lines)

    def _heard(self, worker: int, line: str) -> Iterator[tuple[int, Event]]:
        event = decode(line)
        if isinstance(event, TrialStarted):
            self._have_begun.add(worker)
            self._early_deaths = 0
        if isinstance(event, Refusal):
            self._refusals[worker] = event
        if isinstance(event, WorkerJoined):
            self._names[worker] = event.name
        elif event is not None:
            yield worker, event

    def _left(self, worker: int, left: WorkerExit) -> Iterator[tuple[int, Event]]:
        """Starts a worker again that died, unless that is all that workers do here."""
        del self._hands[worker]
        self._names.pop(worker, None)
        if left.status in (0, MISTAKE) or self._dismissed_at is not None:
            return
        self._early_deaths += worker not in self._have_begun
        status = "" if left.status is None else f" with status {left.status}"
        yield worker, Notice(f"worker {worker} died{status}; {left.account}")
        if self._early_deaths < MOST_EARLY_DEATHS:
            self._start(worker)
