"""The thread that brings journals to MLflow while the work goes on."""

import logging
import threading

from automl_tf.tracking.delivery import Delivery, Outcome
from automl_tf.tracking.home import RunKey, TrackingTarget, redacted
from automl_tf.tracking.journal import Journal, written_keys
from automl_tf.tracking.operations import Operation

SHORTEST_PAUSE_SECONDS = 2.0
"""Between the first two attempts while the server is away; each pause is twice the one before."""

LONGEST_PAUSE_SECONDS = 30.0
"""Between two attempts while the server is away for long."""

_logger = logging.getLogger(__name__)


class Courier:
    """Takes operations, keeps them in journals and delivers them in the background.

    What other processes of the study left behind is delivered first.

    Args:
        destination: The study and where its runs go.
    """

    def __init__(self, destination: TrackingTarget) -> None:
        self.destination = destination
        self._journals: dict[RunKey, Journal] = {}
        self._delivery = Delivery(destination, mine=self._journals)
        self._changed = threading.Condition()
        self._due = set(written_keys(destination.outbox))
        self._outcome = Outcome()
        self._pause = 0.0
        self._rounds_begun = 0
        self._rounds_done = 0
        self._hurry = False
        self._closed = False
        threading.Thread(target=self._work, name="mlflow-courier", daemon=True).start()

    @property
    def problem(self) -> str | None:
        """Why MLflow does not have everything yet, if the last attempt failed."""
        return self._outcome.problem

    def run_id(self, key: RunKey) -> str | None:
        """The run's id in MLflow, once it is known."""
        return self._delivery.run_id(key)

    @property
    def experiment_id(self) -> str | None:
        """The experiment's id in MLflow, once it is known."""
        return self._delivery.experiment_id

    def post(self, key: RunKey, operation: Operation) -> None:
        """Takes an operation; it is on disk when this returns and in MLflow some time later."""
        with self._changed:
            if key not in self._journals:
                self._journals[key] = Journal(self.destination.outbox, key)
            self._journals[key].append(operation)
            self._due.add(key)
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Tries at once to deliver all that was posted before.

        Args:
            timeout: Longest wait in seconds; a server that is away ends it earlier.

        Returns:
            Whether MLflow has everything.
        """
        with self._changed:
            wanted = self._rounds_begun + 1
            self._hurry = True
            self._changed.notify_all()
            is_done = self._changed.wait_for(lambda: self._rounds_done >= wanted, timeout)
            return is_done and not self._outcome.left

    def close(self, timeout: float) -> bool:
        """Flushes and ends the thread; what is left is delivered by the next process."""
        is_delivered = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return is_delivered

    def _work(self) -> None:
        while self._wait_for_work():
            with self._changed:
                due, self._due = self._due, set()
                self._hurry = False
                self._rounds_begun += 1
            outcome = self._delivery.send_all(due)
            self._note(outcome)

    def _wait_for_work(self) -> bool:
        """Waits until something is to be delivered; False if the thread shall end."""
        is_away = self._outcome.problem is not None
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._hurry or (bool(self._due) and not is_away),
                timeout=self._pause if is_away else None,
            )
            return not self._closed

    def _note(self, outcome: Outcome) -> None:
        if bool(outcome.problem) != bool(self._outcome.problem):
            self._say(outcome)
        with self._changed:
            longer = max(SHORTEST_PAUSE_SECONDS, min(2 * self._pause, LONGEST_PAUSE_SECONDS))
            self._pause = longer if outcome.problem else 0.0
            self._outcome = outcome
            self._due.update(outcome.left)
            self._rounds_done += 1
            self._changed.notify_all()

    def _say(self, outcome: Outcome) -> None:
        server = redacted(self.destination.tracking_uri)
        if outcome.problem:
            _logger.warning(
                "MLflow at %s does not take its news, which wait in %s. The work goes on. (%s)",
                server,
                self.destination.outbox,
                outcome.problem,
            )
        else:
            _logger.info("MLflow at %s has everything again.", server)
