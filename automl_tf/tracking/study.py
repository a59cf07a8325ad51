"""The run of a study: the parent of its trials, the same for all workers."""

from collections.abc import Mapping
from typing import Any

from automl_tf.tracking.courier import Courier
from automl_tf.tracking.home import RunKey, TrackingTarget, redacted
from automl_tf.tracking.operations import STATE_TAG, ExperimentNote
from automl_tf.tracking.run import Run
from automl_tf.tracking.trial import TrialRun


class StudyRun(Run):
    """The run that a study's trials are nested under; `open` makes it.

    Args:
        destination: The study and where its runs go.
    """

    def __init__(self, destination: TrackingTarget) -> None:
        super().__init__(Courier(destination), RunKey("study", destination.study))

    @classmethod
    def open(
        cls, destination: TrackingTarget, description: str, tags: Mapping[str, str]
    ) -> "StudyRun":
        """Starts the study's run, or joins it where it was started before or by another worker.

        Args:
            destination: The study and where its runs go.
            description: The study's story in Markdown, for the pages of the experiment and the run.
            tags: Whatever else is known of the study.
        """
        run = cls(destination)
        run.begin(destination.study, {}, tags)
        run.describe(description)
        run._courier.post(run._key, ExperimentNote(description))
        return run

    @property
    def tracking_uri(self) -> str:
        """The MLflow server or database, without its password."""
        return redacted(self.destination.tracking_uri)

    @property
    def experiment_id(self) -> str | None:
        """The experiment's id in MLflow; None until something was delivered."""
        return self._courier.experiment_id

    @property
    def problem(self) -> str | None:
        """Why MLflow does not have everything yet, if the last delivery failed."""
        return self._courier.problem

    def trial(
        self, number: int, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> TrialRun:
        """Starts a trial's run, or lets it go on with an unbroken curve.

        Args:
            number: The trial's number in the study.
            name: What a person reads in the list of runs.
            params: The settings by dotted path.
            tags: Whatever else is known of the trial.
        """
        trial = TrialRun(self._courier, RunKey("trial", str(number)))
        trial.begin(name, params, tags)
        return trial

    def progress(self, number: int, best: Mapping[str, float]) -> None:
        """Logs how the study stands after a trial, as curves over the trials' numbers."""
        self.log_metrics(number, best)

    def set_state(self, state: str) -> None:
        """Tags the study with what it is doing now."""
        self.set_tags({STATE_TAG: state})

    def close(self, timeout: float) -> bool:
        """Delivers what can be delivered within ``timeout`` seconds; whether that was all.

        What is left waits in the outbox for the study's next process, or for `deliver`.
        """
        return self._courier.close(timeout)
