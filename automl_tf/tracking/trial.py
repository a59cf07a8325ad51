"""The run of one trial, and that of a training which belongs to no search."""

from collections.abc import Mapping, Sequence
from typing import Any

from automl_tf.tracking.courier import Courier
from automl_tf.tracking.home import RunKey, TrackingTarget
from automl_tf.tracking.operations import Metrics, RunState, Samples, now
from automl_tf.tracking.run import Run

CurvePoint = tuple[int, Mapping[str, float]]
"""A step and the metrics at that step."""


class TrialRun(Run):
    """The run of one trial, nested under its study; `StudyRun.trial` makes it."""

    def log_curve(self, points: Sequence[CurvePoint]) -> None:
        """Logs many points at once, which costs MLflow hardly more than one.

        Args:
            points: For each step the metrics, in the order of the steps.
        """
        time = now()
        values = [
            (name, float(value), step, time)
            for step, metrics in points
            for name, value in metrics.items()
        ]
        self._courier.post(self._key, Metrics(values))

    def log_samples(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds sample translations to the table that the run's page shows.

        Args:
            step: The optimizer step at which they were made; its older rows are replaced.
            rows: For each sentence ``source``, ``reference``, ``hypothesis`` and ``bleu``.
        """
        self._courier.post(self._key, Samples(step, [dict(row) for row in rows]))

    def finish(self, state: str, reason: str | None = None) -> None:
        """Ends or pauses the run and describes why.

        Args:
            state: How it ended: a `RunState` or its value.
            reason: Why, in a sentence for a person: the rule that pruned, the error that failed.
        """
        super().finish(state, reason)
        if reason:
            self.describe(f"**{RunState(state).capitalize()}**: {reason}")


class TrainingRun(TrialRun):
    """The run of a training from an export, beside the study's own."""

    @classmethod
    def open(
        cls,
        destination: TrackingTarget,
        label: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> "TrainingRun":
        """Starts the run, or lets it go on.

        Args:
            destination: The study whose experiment the run joins, and where that is kept.
            label: What tells this training from others of the study: letters, digits, ``._-``.
            name: What a person reads in the list of runs.
            params: The settings by dotted path.
            tags: Whatever else is known of the run.
        """
        run = cls(Courier(destination), RunKey("training", label))
        run.begin(name, params, tags)
        return run

    def close(self, timeout: float) -> bool:
        """Delivers what can be delivered within ``timeout`` seconds; whether that was all."""
        return self._courier.close(timeout)
