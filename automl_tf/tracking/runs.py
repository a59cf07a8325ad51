"""Runs of studies, trials and trainings: nothing here waits for MLflow or raises without it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_tf.redaction import redact_message
from automl_tf.tracking.client import PARENT, RunKey, TrackingTarget
from automl_tf.tracking.outbox import (
    NOTE_TAG,
    Corpus,
    EndRun,
    ExperimentNote,
    File,
    Metrics,
    Operation,
    Rename,
    RunState,
    Samples,
    StartRun,
    Tags,
    Text,
    now,
)
from automl_tf.tracking.sender import DeliveryCursor, OutboxSender
from automl_tf.versions import git_commit, versions

HURRIED_SECONDS = 3.0
"""Longest wait for MLflow after an interrupt."""


class Run:
    """One run, whether MLflow knows it yet or not.

    Args:
        sender: The outbox to log to.
        key: The run within its study.
    """

    def __init__(self, sender: OutboxSender, key: RunKey) -> None:
        self._sender = sender
        self._key = key
        self.target = sender.target

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None until this or another process has sent the run."""
        return DeliveryCursor(self.target, self._key).read().run_id

    def start(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Starts the run, or resumes it.

        Args:
            name: Name in the list of runs.
            params: Settings by dotted path. They cannot change later.
            tags: Further tags, beside the program's versions.
        """
        texts = {key: str(value) for key, value in params.items()}
        self._post(StartRun(name, texts, {**_origin(), **tags}))

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs a point of each metric.

        Args:
            step: Position of the points on the curves' axis.
            metrics: A value for each name; one that is not finite becomes a gap.
        """
        self.log_curve([(step, metrics)])

    def log_curve(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Logs the metrics of many steps at once, which costs MLflow hardly more than one."""
        time = now()
        each = [(step, *item) for step, metrics in points for item in metrics.items()]
        self._post(Metrics([(name, float(value), step, time) for step, name, value in each]))

    def log_text(self, text: str, path: str) -> None:
        """Keeps a short text as an artifact, in place of an older one of that path."""
        self._post(Text(text, path))

    def log_artifact(self, file: Path) -> None:
        """Keeps a file as an artifact, in place of an older one of that name.

        It is read when it is sent and must exist until then.
        """
        self._post(File(str(file.absolute())))

    def log_samples(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds sample translations to the table on the run's page.

        Args:
            step: Optimizer step of the translations; its older rows are replaced.
            rows: For each sentence ``source``, ``reference``, ``hypothesis`` and ``bleu``.
        """
        self._post(Samples(step, [dict(row) for row in rows]))

    def log_corpus(
        self, name: str, fingerprint: str, source: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> None:
        """Logs the corpus that the run is trained on: the dataset on its page.

        Args:
            name: Title of the corpus.
            fingerprint: Hash of its text.
            source: Definition of the corpus, in JSON's types.
            sizes: Sentence pairs of each split.
        """
        self._post(Corpus(name, fingerprint, dict(source), dict(sizes)))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags, in place of older ones of these names."""
        self._post(Tags(dict(tags)))

    def describe(self, text: str) -> None:
        """Sets the description on the run's page, in Markdown."""
        self.set_tags({NOTE_TAG: text})

    def rename(self, name: str) -> None:
        """Gives the run another name."""
        self._post(Rename(name))

    def finish(self, state: RunState, reason: str | None = None) -> None:
        """Ends or pauses the run.

        Args:
            state: Final or paused state.
            reason: Reason, in a sentence for a person.
        """
        self._post(EndRun(state, redact_message(reason or "")))

    def flush(self, timeout: float) -> bool:
        """Tries at once to send everything that was logged, by the study's other runs too.

        Returns True if MLflow has it. The wait of at most ``timeout`` seconds ends earlier if the
        server is away.
        """
        return self._sender.flush(timeout)

    def _post(self, operation: Operation) -> None:
        self._sender.post(self._key, operation)


class RootRun(Run):
    """A run with an outbox of its own, such as that of a training from an export.

    Args:
        target: The study and where its runs go.
        key: The run within its study; by default the one of the study itself.
    """

    def __init__(self, target: TrackingTarget, key: RunKey = PARENT) -> None:
        super().__init__(OutboxSender(target), key)
        self._longest_close = math.inf

    def hurry(self) -> None:
        """Has ``close`` take some seconds only, for a person who waits after Ctrl-C."""
        self._longest_close = HURRIED_SECONDS

    def close(self, timeout: float) -> bool:
        """Sends what can be sent within ``timeout`` seconds and returns True if that was all.

        What is left stays in the outbox for the next process, or for `deliver`.
        """
        return self._sender.close(min(timeout, self._longest_close))


class StudyRun(RootRun):
    """Run that a study's trials are nested under, the same for all workers."""

    @classmethod
    def open(cls, target: TrackingTarget, description: str, tags: Mapping[str, str]) -> "StudyRun":
        """Starts the study's run, or joins it where it or another worker started it before.

        Args:
            target: The study and where its runs go.
            description: Description of the study in Markdown, for experiment and run.
            tags: Further tags.
        """
        run = cls(target)
        run.start(target.title, {}, tags)
        run.describe(description)
        run._post(ExperimentNote(description))
        return run

    def trial(
        self,
        number: int,
        attempt: int,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> Run:
        """Starts the run of an attempt at a trial, or resumes it with an unbroken curve.

        The run of the attempt before ends as superseded, unless it has ended.

        Args:
            number: Number of the trial in the study.
            attempt: Number of the attempt, from 1.
            name: Name in the list of runs.
            params: Settings by dotted path.
            tags: Further tags.
        """
        if attempt > 1:
            reason = f"superseded by attempt {attempt}"
            former = RunKey("trial", str(number), attempt - 1)
            self._sender.post(former, EndRun(RunState.SUPERSEDED, reason))
        trial = Run(self._sender, RunKey("trial", str(number), attempt))
        trial.start(name, params, tags)
        return trial


def _origin() -> dict[str, str]:
    """Returns the versions of the program as tags; MLflow's page shows the commit."""
    tags = {f"version.{name}": version for name, version in versions().items()}
    commit = git_commit()
    return tags if commit is None else {**tags, "mlflow.source.git.commit": commit}
