"""Sends an outbox to MLflow, at once or by a background thread, and keeps how much arrived.

Beside the journals lies a cursor for each run and server. So a server that comes back, or another
one, gets what it lacks from whichever process is there to send it.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from filelock import FileLock, Timeout

from automl_tf.redaction import redact_message, redact_url
from automl_tf.tracking.client import PARENT, RunKey, TrackingTarget
from automl_tf.tracking.outbox import Entry, Journal, Operation, now, written_keys
from automl_tf.tracking.stored_runs import StudyRuns
from automl_tf.tracking.verification import Expected

MAX_TRIES = 6
"""Times that an operation is tried on a server that answers everything else."""

MAX_RESTORATIONS = 2
"""Times in a round that a run is restored or created again which somebody has deleted."""

BUSY_SECONDS = 1.0
"""Wait for another process that sends the same run, before other runs have their turn."""

MIN_PAUSE_SECONDS = 2.0
"""Between the first two attempts while the server is away; each pause is twice the one before."""

MAX_PAUSE_SECONDS = 30.0
"""Between two attempts while the server is away for long."""

MAX_PROBLEM = 300
"""Characters of an error that are shown."""

# Without those that pass: a missing password, a time-out, too many calls.
_FINAL_ERRORS = {*range(400, 500)} - {401, 403, 408, 429}

_logger = logging.getLogger(__name__)


class Delivered(NamedTuple):
    """Progress of the delivery of one run to one server.

    Attributes:
        position: Position in the journal at which the unsent part starts, in bytes.
        run_id: MLflow's id of the run.
    """

    position: int = 0
    run_id: str | None = None


class DeliveryCursor:
    """Stored position up to which a target's server has the journal of one run."""

    def __init__(self, target: TrackingTarget, key: RunKey) -> None:
        stem = f"{key}.{target.server}"
        self._path = target.outbox / f"{stem}.sent"
        self.lock = FileLock(target.outbox / f"{stem}.lock")
        """Held by the one process that sends."""

    def read(self) -> Delivered:
        """Returns the position; the start if it is unknown, as sending twice does no harm."""
        try:
            return Delivered(**json.loads(self._path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return Delivered()

    def write(self, delivered: Delivered) -> None:
        """Stores the position; whoever reads it meanwhile gets the old one or the new one."""
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(delivered._asdict()), encoding="utf-8")
        partial.replace(self._path)


def delivered_run_ids(target: TrackingTarget) -> dict[RunKey, str]:
    """Returns MLflow's ids of the runs of an outbox that were delivered, without asking MLflow."""
    found = {key: DeliveryCursor(target, key).read().run_id for key in written_keys(target)}
    return {key: run_id for key, run_id in found.items() if run_id is not None}


@dataclass(frozen=True)
class SendResult:
    """Result of one round of sending.

    Attributes:
        unsent: Runs of which something is still unsent.
        problem: Error that kept them from it, without credentials; None if nothing is unsent but
            what another process is sending.
        repaired: Runs that MLflow had lost, in whole or in part, and that were sent again.
        lacking: What MLflow lacks although it was sent, in words, by run. It is only known of a
            delivery that verifies.
    """

    unsent: tuple[RunKey, ...] = ()
    problem: str | None = None
    repaired: tuple[RunKey, ...] = ()
    lacking: Mapping[RunKey, list[str]] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """True unless another process has something left to send."""
        return self.problem is not None or not self.unsent

    def describe_lacks(self) -> str | None:
        """Returns what MLflow lacks of the first run that is not whole; None if all are."""
        for key, lacks in self.lacking.items():
            if lacks:
                return f"{', '.join(lacks)} of {key}"
        return None


def deliver(target: TrackingTarget) -> SendResult:
    """Sends all of an outbox that the server lacks; others may write it, or send it, meanwhile.

    Every run is looked up and compared with what was sent, whatever is known of earlier deliveries.
    """
    return Delivery(target, verifies=True).send_all(written_keys(target))


class Delivery:
    """Sender of journals to one server, in order, for use by one thread.

    A run that the server has lost is sent again from its start. One that was deleted is restored as
    soon as there is something to send to it.

    Args:
        target: The study and where its runs go.
        own: Runs that this process writes. Others are left to whoever sends them.
        verifies: Whether each run is compared with its journal, and restored if it was deleted.
    """

    def __init__(
        self, target: TrackingTarget, own: Container[RunKey] = (), *, verifies: bool = False
    ) -> None:
        self._target = target
        self._own = own
        self._verifies = verifies
        self._runs = StudyRuns(target)
        self._failures: Counter[tuple[RunKey, int]] = Counter()
        self._looked_up: set[RunKey] = set()
        self._repaired: list[RunKey] = []
        self._lacking: dict[RunKey, list[str]] = {}

    def send_all(self, keys: Iterable[RunKey]) -> SendResult:
        """Sends the journals of some runs; never raises for what the server does."""
        if self._runs.has_lost_database():
            self._start_again()
            keys = written_keys(self._target)
        waiting = sorted(keys, key=lambda key: key != PARENT)
        unsent: list[RunKey] = []
        problem = None
        while waiting:
            key = waiting.pop(0)
            try:
                self._send(key)
            except Timeout:
                if key in self._own or self._verifies:
                    unsent.append(key)
            except Exception as error:  # noqa: BLE001  (drivers and servers raise what they like)
                problem = self._describe(error)
                unsent.append(key)
                if not self._server_answers():
                    self._start_again()
                    break
        return SendResult((*unsent, *waiting), problem, tuple(self._repaired), dict(self._lacking))

    def _start_again(self) -> None:
        """Forgets what the server had, which may come back without it."""
        self._runs = StudyRuns(self._target)
        self._looked_up.clear()

    def _send(self, key: RunKey) -> None:
        cursor = DeliveryCursor(self._target, key)
        is_patient = key in self._own or self._verifies
        with cursor.lock.acquire(timeout=BUSY_SECONDS if is_patient else 0):
            self._look_up(key, cursor)
            tries = 0
            while not self._send_entries(key, cursor, is_last=tries == MAX_RESTORATIONS):
                tries += 1
            if self._verifies:
                self._lacking[key] = self._missing(key, cursor)

    def _look_up(self, key: RunKey, cursor: DeliveryCursor) -> None:
        """Starts again from the beginning if the server has lost what was sent before."""
        run_id = cursor.read().run_id
        if run_id is None or key in self._looked_up:
            return
        is_whole = self._is_whole if self._verifies else self._is_known
        if not is_whole(key, cursor, run_id):
            cursor.write(Delivered(0, run_id))
            self._repaired.append(key)
        self._looked_up.add(key)

    def _is_known(self, key: RunKey, _cursor: DeliveryCursor, run_id: str) -> bool:
        """Returns whether the server has a run, at the cost of one call for all runs."""
        if run_id in self._runs.all_ids:
            return True
        # Another process may just have created it; or its parent is another one now.
        return self._runs.stored(run_id) is not None and self._runs.resolve(key, now()) == run_id

    def _is_whole(self, key: RunKey, cursor: DeliveryCursor, run_id: str) -> bool:
        """Returns whether the server has all of a run that was sent; restores a deleted one."""
        if self._runs.stored(run_id) is None:
            return False
        was_active = self._runs.is_active(run_id)
        if self._runs.resolve(key, now()) != run_id or self._missing(key, cursor):
            return False
        if not was_active:
            self._repaired.append(key)
        return True

    def _missing(self, key: RunKey, cursor: DeliveryCursor) -> list[str]:
        """Returns what MLflow lacks of the part of a journal that was sent."""
        position, run_id = cursor.read()
        run = None if run_id is None else self._runs.stored(run_id)
        if run is None:
            return ["the run"]
        entries = Journal(self._target, key).read(0)
        sent = (operation for operation, end in entries if end <= position)
        return Expected.of(sent).missing(self._runs.client, run)

    def _send_entries(self, key: RunKey, cursor: DeliveryCursor, *, is_last: bool) -> bool:
        """Sends what is unsent; returns False if the run was found to be gone meanwhile."""
        position, sent_to = cursor.read()
        for operation, end in merged(Journal(self._target, key).read(position)):
            run_id = self._runs.resolve(key, operation.time)
            if position and run_id != sent_to:
                # Another run than the one that has the beginning: that one is lost.
                cursor.write(Delivered(0, run_id))
                return False
            sent_to = run_id
            try:
                operation.send(self._runs.client, run_id)
            except Exception as error:
                if not is_last and self._is_gone(run_id):
                    self._runs.forget(key)
                    return False
                if not self._is_refused(key, position, error):
                    raise
                kind = type(operation).__name__
                _logger.warning("MLflow refuses %s of %s: %s", kind, key, self._describe(error))
            position = end
            cursor.write(Delivered(position, run_id))
        return True

    def _is_gone(self, run_id: str) -> bool:
        """Returns whether a run was deleted or lost; False if the server does not say."""
        try:
            return not self._runs.is_active(run_id)
        except Exception:  # noqa: BLE001  (drivers and servers raise what they like)
            return False

    def _server_answers(self) -> bool:
        try:
            self._runs.client.search_experiments(max_results=1)
        except Exception:  # noqa: BLE001  (drivers and servers raise what they like)
            return False
        return True

    def _is_refused(self, key: RunKey, position: int, error: Exception) -> bool:
        """Returns True if the operation must be skipped, so that the later ones arrive."""
        if not self._server_answers():
            return False
        self._failures[key, position] += 1
        return _is_final(error) or self._failures[key, position] >= MAX_TRIES

    def _describe(self, error: Exception) -> str:
        text = redact_message(f"{type(error).__name__}: {error}", self._target.tracking_uri)
        return " ".join(text.split())[:MAX_PROBLEM]


class OutboxSender:
    """Background thread that sends an outbox, and the way to put operations into it.

    What other processes of the study left behind is sent first.
    """

    def __init__(self, target: TrackingTarget) -> None:
        self.target = target
        self._journals: dict[RunKey, Journal] = {}
        self._delivery = Delivery(target, own=self._journals)
        self._changed = threading.Condition()
        self._due = set(written_keys(target))
        self._result = SendResult()
        self._pause = 0.0
        self._rounds_begun = 0
        self._rounds_done = 0
        self._hurry = False
        self._closed = False
        threading.Thread(target=self._work, name="outbox-sender", daemon=True).start()

    def post(self, key: RunKey, operation: Operation) -> None:
        """Adds an operation, which is on disk when this returns and in MLflow some time later."""
        with self._changed:
            if key not in self._journals:
                self._journals[key] = Journal(self.target, key)
            self._journals[key].append(operation)
            self._due.add(key)
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Tries at once to send everything that was posted before.

        Returns True if MLflow has it. The wait of at most ``timeout`` seconds ends earlier if the
        server is away.
        """
        with self._changed:
            wanted = self._rounds_begun + 1
            self._hurry = True
            self._changed.notify_all()
            wait = self._changed.wait_for
            is_done = wait(lambda: self._rounds_done >= wanted and self._result.is_final, timeout)
            return is_done and not self._result.problem

    def close(self, timeout: float) -> bool:
        """Flushes and ends the thread; the next process sends what is left."""
        is_sent = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return is_sent

    def _work(self) -> None:
        while self._wait_for_work():
            with self._changed:
                due, self._due = self._due, set()
                self._hurry = False
                self._rounds_begun += 1
            self._note(self._delivery.send_all(due))

    def _wait_for_work(self) -> bool:
        """Waits until there is something to send; returns False if the thread must end."""
        is_away = self._result.problem is not None
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._hurry or (bool(self._due) and not is_away),
                timeout=self._pause if is_away else None,
            )
            return not self._closed

    def _note(self, result: SendResult) -> None:
        server = redact_url(self.target.tracking_uri)
        if result.problem and not self._result.problem:
            _logger.warning(
                "Cannot reach MLflow at %s. Training continues; unsent data is kept in %s and "
                "retried. (%s)",
                server,
                self.target.outbox,
                result.problem,
            )
        elif self._result.problem and not result.problem:
            _logger.info("MLflow at %s has everything again.", server)
        with self._changed:
            longer = max(MIN_PAUSE_SECONDS, min(2 * self._pause, MAX_PAUSE_SECONDS))
            self._pause = longer if result.problem else 0.0
            self._result = result
            self._due.update(result.unsent)
            self._rounds_done += 1
            self._changed.notify_all()


def merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yields as few operations as have the same effect.

    Neighbours are joined where they can be, and of operations that overwrite each other the last is
    left.
    """
    waiting = list(entries)
    last = {operation.place: end for operation, end in waiting if operation.place}
    held: Entry | None = None
    for operation, end in waiting:
        if operation.place and last[operation.place] != end:
            continue
        joined = held[0].joined(operation) if held else None
        if held and not joined:
            yield held
        held = (joined or operation, end)
    if held:
        yield held


def _is_final(error: Exception) -> bool:
    """Returns True if the server will never accept the operation."""
    from mlflow import MlflowException

    return isinstance(error, FileNotFoundError) or (
        isinstance(error, MlflowException) and error.get_http_status_code() in _FINAL_ERRORS
    )
