"""Brings what stands in the journals to MLflow."""

import logging
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from filelock import Timeout

from automl_tf.tracking.client import connect, mlflow
from automl_tf.tracking.home import RunKey, TrackingTarget, redacted
from automl_tf.tracking.journal import Entry, Journal, written_keys
from automl_tf.tracking.marks import LONGEST_LOCK_SECONDS, Delivered, Mark
from automl_tf.tracking.runs import Runs

ATTEMPTS = 6
"""How often an operation is tried on a server that answers everything else."""

# HTTP statuses of a client's errors, and those of them that pass: a missing password, a time-out,
# too many calls.
_CLIENT_ERRORS = range(400, 500)
_PASSING_ERRORS = (401, 403, 408, 429)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a round of delivery.

    Attributes:
        left: The runs of which something is still undelivered.
        problem: Why, in words that hold no password; None if nothing is left.
    """

    left: tuple[RunKey, ...] = ()
    problem: str | None = None


def deliver(destination: TrackingTarget) -> Outcome:
    """Sends all that a study's journals hold and the server lacks.

    Other processes may be writing to them, or delivering them, at the same time. A server that has
    none of the study's runs gets all of them.
    """
    return Delivery(destination).send_all(written_keys(destination.outbox))


class Delivery:
    """Sends journals to one server, in order. To be used by one thread.

    Args:
        destination: The study and where its runs go.
        mine: The runs that this process writes. Another's are left to it while it delivers them.
    """

    def __init__(self, destination: TrackingTarget, mine: Container[RunKey] = ()) -> None:
        self._destination = destination
        self._mine = mine
        self._client: mlflow.MlflowClient | None = None
        self._runs: Runs | None = None
        self._failures: Counter[tuple[RunKey, int]] = Counter()

    def run_id(self, key: RunKey) -> str | None:
        """The id of a run that this has delivered something of; any thread may ask."""
        return self._runs.known(key) if self._runs else None

    @property
    def experiment_id(self) -> str | None:
        """The id of the study's experiment once something was delivered; any thread may ask."""
        return self._runs.experiment_id if self._runs else None

    def send_all(self, keys: Iterable[RunKey]) -> Outcome:
        """Sends the journals of some runs; never raises for what the server does."""
        waiting = sorted(keys, key=lambda key: not key.is_parent)
        left: list[RunKey] = []
        problem = None
        while waiting:
            key = waiting.pop(0)
            try:
                self._send(key)
            except Exception as error:  # noqa: BLE001  (drivers and servers raise what they like)
                problem = _words(error)
                left.append(key)
                if not self._server_answers():
                    break
        return Outcome((*left, *waiting), problem)

    def _send(self, key: RunKey) -> None:
        mark = Mark(self._destination, key)
        is_mine = key in self._mine
        try:
            with mark.lock.acquire(timeout=LONGEST_LOCK_SECONDS if is_mine else 0):
                self._send_entries(key, mark)
        except Timeout:
            if is_mine:
                raise

    def _send_entries(self, key: RunKey, mark: Mark) -> None:
        position = mark.read().position
        for entry in _merged(Journal(self._destination.outbox, key).entries(position)):
            try:
                client, runs = self._connection()
                entry.operation.send(client, runs.resolve(key, entry.operation.time))
            except Exception as error:
                if not self._is_hopeless(key, position, error):
                    raise
                kind = type(entry.operation).__name__
                _logger.warning("MLflow refuses %s of %s: %s", kind, key, _words(error))
            position = entry.end
            mark.write(Delivered(position, self.run_id(key)))

    def _connection(self) -> tuple[mlflow.MlflowClient, Runs]:
        if self._client is None or self._runs is None:
            self._client = connect(self._destination.tracking_uri)
            self._runs = Runs(self._client, self._destination)
        return self._client, self._runs

    def _server_answers(self) -> bool:
        try:
            client, _ = self._connection()
            client.search_experiments(max_results=1)
        except Exception:  # noqa: BLE001  (drivers and servers raise what they like)
            return False
        return True

    def _is_hopeless(self, key: RunKey, position: int, error: Exception) -> bool:
        """Whether the operation at a position shall be given up, so that the later ones arrive."""
        if not self._server_answers():
            return False
        self._failures[key, position] += 1
        return _is_refusal(error) or self._failures[key, position] >= ATTEMPTS


def _merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """As few operations as come to the same.

    What follows each other is joined where it can be, and of what takes the place of something
    earlier the last is left.
    """
    waiting = list(entries)
    last = {entry.operation.place: entry for entry in waiting if entry.operation.place}
    held: Entry | None = None
    for entry in waiting:
        operation = entry.operation
        if operation.place and last[operation.place] is not entry:
            continue
        joined = held and held.operation.joined(operation)
        if held and not joined:
            yield held
        held = Entry(joined or operation, entry.end)
    if held:
        yield held


def _is_refusal(error: Exception) -> bool:
    """Whether the same operation will never be taken."""
    if isinstance(error, FileNotFoundError):
        return True
    if not isinstance(error, mlflow.MlflowException):
        return False
    status = error.get_http_status_code()
    return status in _CLIENT_ERRORS and status not in _PASSING_ERRORS


def _words(error: Exception) -> str:
    text = redacted(f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:300]
