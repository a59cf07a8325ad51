"""The worker processes of a search: started, read from, restarted and stopped."""

import enum
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from automl_tf.errors import ExitCode, UserError
from automl_tf.search.events import LogMessage, WorkerError, WorkerEvent, WorkerReady, decode
from automl_tf.signals import StopRequest

MAX_EARLY_DEATHS = 3
"""Deaths in a row of one worker without any progress, after which it is not restarted."""
INTERRUPTS_TO_KILL = 3
"""The first Ctrl-C stops the workers, the last one kills them."""
READ_SECONDS = 0.5


class OutcomeKind(enum.StrEnum):
    """Ways in which a search ends."""

    BUDGET_SPENT = "budget_spent"
    """Nothing is left to do."""
    TIME_OVER = "time_over"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    """The workers met an error that only the user can mend."""
    GAVE_UP = "gave_up"
    """The workers died, again and again."""


_EXIT_CODES = {
    OutcomeKind.BUDGET_SPENT: ExitCode.SUCCESS,
    OutcomeKind.TIME_OVER: ExitCode.SUCCESS,
    OutcomeKind.INTERRUPTED: ExitCode.INTERRUPTED,
    OutcomeKind.REFUSED: ExitCode.USER_ERROR,
    OutcomeKind.GAVE_UP: ExitCode.FAILURE,
}


@dataclass(frozen=True)
class SearchOutcome:
    """End of a search, explained in one sentence unless its kind says it all.

    If the search was refused, it has the workers' error.
    """

    kind: OutcomeKind
    reason: str = ""
    error: UserError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of the command."""
        return _EXIT_CODES[self.kind]

    @property
    def is_resumable(self) -> bool:
        """Whether work is left that the same command takes up."""
        return self.kind in (OutcomeKind.TIME_OVER, OutcomeKind.INTERRUPTED)


BUDGET_SPENT = SearchOutcome(OutcomeKind.BUDGET_SPENT)


@dataclass(frozen=True)
class WorkerExit:
    """Exit status of a worker, None if it is not known, and what is known of the cause."""

    status: int | None
    details: str


# Not SimpleQueue: in Python 3.11 a signal whose handling outlasts the timeout of its `get` makes it
# wait for ever.
WorkerOutput = queue.Queue[tuple[int, str | WorkerExit]]
"""Lines that workers print, and their exits, by the number of the worker."""


class WorkerHandle(Protocol):
    """A worker process, wherever it runs."""

    def ask_to_leave(self) -> None:
        """Makes the worker save its trial and exit."""

    def kill(self) -> None:
        """Ends the worker at once."""

    def cpu_seconds(self) -> float:
        """Returns the CPU time of the worker and its children so far; 0 if it is not known."""


class Launcher(Protocol):
    """Starts workers in one kind of place."""

    def start(self, worker: int, output: WorkerOutput) -> WorkerHandle:
        """Starts a worker whose lines and exit are put into the queue."""


@dataclass(frozen=True)
class Patience:
    """How long workers that were asked to leave may take.

    A worker in a long validation or in front of a slow disk takes its time and uses the processor.
    Only one that stands still is killed. Nothing is lost by that but the steps since the last
    checkpoint.

    Attributes:
        seconds: Time in which a worker has to use `cpu_seconds` of CPU time.
        cpu_seconds: More than the heartbeat of a frozen worker uses in that time.
        message_seconds: Time between two messages about workers that are waited for.
    """

    seconds: float = 120.0
    cpu_seconds: float = 1.0
    message_seconds: float = 30.0


class WorkerPool:
    """Worker processes, whose events are read as they come.

    At the deadline, a time on the monotonic clock, they are asked to leave; ``patience`` says how
    long they may take then.
    """

    def __init__(
        self,
        launcher: Launcher,
        size: int,
        deadline: float | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.size = size
        self._launcher = launcher
        self._deadline = deadline
        self._output: WorkerOutput = queue.Queue()
        self._handles: dict[int, WorkerHandle] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._errors: dict[int, UserError] = {}
        self._exits: dict[int, WorkerExit] = {}
        self._early_deaths: Counter[int] = Counter()
        self._stopped = False
        self._stop = _Stop(self._handles, patience or Patience())

    def number_of(self, name: str) -> int | None:
        """Returns the number of the worker that the storage knows by a name, if it is of here."""
        return self._numbers.get(name)

    def events(
        self, stop: StopRequest, has_progress: Callable[[str], bool]
    ) -> Iterator[tuple[int | None, WorkerEvent] | None]:
        """Starts the workers and yields what they print, until the last one has left.

        Once ``stop`` is set, they are asked to leave. ``has_progress`` tells whether the worker of
        a name has validated or finished any trial.

        Yields:
            An event with the number of its worker, or None while all are silent.
        """
        for worker in range(self.size):
            self._start(worker)
        try:
            while self._handles:
                yield from self._stop_when_due(stop)
                yield from self._read(has_progress)
        finally:
            # The consumer has failed: nobody would ever stop the workers that are left.
            for handle in self._handles.values():
                handle.ask_to_leave()

    def killed(self) -> list[str]:
        """Returns the names of workers that this pool has killed."""
        return [self._names[worker] for worker in self._stop.killed if worker in self._names]

    def outcome(self, stop: StopRequest, *, has_open_trials: bool) -> SearchOutcome:
        """Returns how the search has ended, once all workers have left.

        Trials that were begun and that nobody runs are open. ``stop`` is that of ``events``.
        """
        statuses = [left.status for left in self._exits.values()]
        found_no_work = [status == ExitCode.SUCCESS for status in statuses]
        if all(found_no_work) or (any(found_no_work) and not has_open_trials):
            return BUDGET_SPENT
        if len(self._errors) == self.size:
            return _refused(self._errors.values())
        if stop.is_set():
            return SearchOutcome(OutcomeKind.INTERRUPTED)
        if self._stopped:
            return SearchOutcome(OutcomeKind.TIME_OVER)
        if self._errors:
            return _refused(self._errors.values())
        if ExitCode.INTERRUPTED in statuses:
            return SearchOutcome(OutcomeKind.INTERRUPTED, "the workers were asked to leave")
        return SearchOutcome(OutcomeKind.GAVE_UP, self._last_deaths())

    def _start(self, worker: int) -> None:
        self._names.pop(worker, None)
        self._handles[worker] = self._launcher.start(worker, self._output)

    def _stop_when_due(self, stop: StopRequest) -> Iterator[tuple[None, LogMessage]]:
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        if not self._stopped and (stop.is_set() or is_late):
            self._stopped = True
            yield None, LogMessage("the workers save their trials and leave")
            self._stop.begin()
        if self._stopped:
            for text in self._stop.proceed(stop.num_interrupts):
                yield None, LogMessage(text)

    def _read(
        self, has_progress: Callable[[str], bool]
    ) -> Iterator[tuple[int | None, WorkerEvent] | None]:
        try:
            worker, line = self._output.get(timeout=READ_SECONDS)
        except queue.Empty:
            yield None
            return
        if isinstance(line, WorkerExit):
            yield from self._note_exit(worker, line, has_progress)
            return
        event = decode(line)
        if isinstance(event, WorkerError):
            self._errors[worker] = UserError(event.rule, event.remedy)
        if isinstance(event, WorkerReady):
            self._names[worker] = event.name
            self._numbers[event.name] = worker
        if isinstance(event, WorkerEvent):
            yield worker, event

    def _note_exit(
        self, worker: int, left: WorkerExit, has_progress: Callable[[str], bool]
    ) -> Iterator[tuple[int, WorkerEvent]]:
        """Restarts a worker that died, unless that is all that it does."""
        del self._handles[worker]
        self._exits[worker] = left
        if left.status == ExitCode.USER_ERROR:
            rule, remedy = f"Worker {worker} has met an error.", f"{left.details}.".capitalize()
            self._errors.setdefault(worker, UserError(rule, remedy))
        if left.status in set(ExitCode) - {ExitCode.FAILURE} or self._stopped:
            return
        name = self._names.get(worker)
        is_early = name is None or not has_progress(name)
        self._early_deaths[worker] = self._early_deaths[worker] + 1 if is_early else 0
        yield worker, LogMessage(f"worker {worker} {_death(left)}")
        if self._early_deaths[worker] < MAX_EARLY_DEATHS:
            self._start(worker)

    def _last_deaths(self) -> str:
        worker, num_deaths = self._early_deaths.most_common(1)[0]
        return (
            f"no worker is left: worker {worker} {_death(self._exits[worker])}; "
            f"it died {num_deaths} times in a row before it had validated a trial"
        )


class _Stop:
    """Workers that were asked to leave, and those of them that stand still.

    ``handles`` are at any time those that have not left, by number.
    """

    def __init__(self, handles: dict[int, WorkerHandle], patience: Patience) -> None:
        self._handles = handles
        self._patience = patience
        self._last_used: dict[int, tuple[float, float]] = {}
        self._next_message = 0.0
        self._next_look = 0.0
        self._num_interrupts = 0
        self.killed: set[int] = set()

    def begin(self) -> None:
        """Asks all workers to leave."""
        now = time.monotonic()
        self._next_message = now + self._patience.message_seconds
        for worker, handle in self._handles.items():
            self._last_used[worker] = now, handle.cpu_seconds()
            handle.ask_to_leave()

    def proceed(self, num_interrupts: int) -> Iterator[str]:
        """Kills workers that stand still, or all after so many SIGINTs; yields messages."""
        now = time.monotonic()
        if num_interrupts >= INTERRUPTS_TO_KILL:
            self._kill(self._handles)
        elif num_interrupts > max(1, self._num_interrupts):
            yield f"{self._waiting()}; press Ctrl-C once more to kill them at once"
        self._num_interrupts = num_interrupts
        if now >= self._next_message:
            self._next_message = now + self._patience.message_seconds
            yield self._waiting()
        if now >= self._next_look:
            self._next_look = now + self._patience.seconds / 20
            still = [worker for worker in self._handles if self._stands_still(worker, now)]
            for worker in still:
                yield f"worker {worker} stands still and is killed; its trial can be resumed"
            self._kill(still)

    def _waiting(self) -> str:
        numbers = ", ".join(str(worker) for worker in sorted(self._handles))
        return f"waiting for workers to save their trials: {numbers}"

    def _stands_still(self, worker: int, now: float) -> bool:
        used = self._handles[worker].cpu_seconds()
        since, before = self._last_used[worker]
        if used - before >= self._patience.cpu_seconds:
            self._last_used[worker] = now, used
            return False
        return worker not in self.killed and now - since >= self._patience.seconds

    def _kill(self, workers: Iterable[int]) -> None:
        for worker in set(workers) - self.killed:
            self.killed.add(worker)
            self._handles[worker].kill()


def _refused(errors: Iterable[UserError]) -> SearchOutcome:
    error = next(iter(errors))
    return SearchOutcome(OutcomeKind.REFUSED, str(error), error)


def _death(left: WorkerExit) -> str:
    status = "" if left.status is None else f" with status {left.status}"
    return f"died{status}; {left.details}"
