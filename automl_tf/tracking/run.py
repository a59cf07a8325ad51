"""What every run can do: nothing here waits for MLflow, and nothing raises when it is away."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_tf.tracking.courier import Courier
from automl_tf.tracking.home import RunKey, TrackingTarget
from automl_tf.tracking.operations import (
    NOTE_TAG,
    Begin,
    Corpus,
    End,
    File,
    Metrics,
    Rename,
    RunState,
    Tags,
    Text,
    now,
)
from automl_tf.versions import git_commit, versions


class Run:
    """One run, whether MLflow knows it yet or not.

    Args:
        courier: Who delivers what is logged.
        key: Which run of the study this is.
    """

    def __init__(self, courier: Courier, key: RunKey) -> None:
        self._courier = courier
        self._key = key

    @property
    def destination(self) -> TrackingTarget:
        """The study and where its runs go."""
        return self._courier.destination

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow; None until the run was delivered."""
        return self._courier.run_id(self._key)

    def begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Starts the run, or lets it go on where it had stopped.

        Args:
            name: What a person reads in the list of runs.
            params: The settings by dotted path. They cannot change later.
            tags: Whatever else is known of the run, beside the program's versions.
        """
        texts = {key: str(value) for key, value in params.items()}
        self._courier.post(self._key, Begin(name, texts, {**_origin(), **tags}))

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs a point of each metric.

        Args:
            step: Where the points stand on the curves' axis.
            metrics: A value for each name; one that is not finite becomes a gap.
        """
        time = now()
        points = [(name, float(value), step, time) for name, value in metrics.items()]
        self._courier.post(self._key, Metrics(points))

    def log_text(self, text: str, path: str) -> None:
        """Keeps a short text as an artifact, in place of an older one of that path."""
        self._courier.post(self._key, Text(text, path))

    def log_artifact(self, file: Path, directory: str = "") -> None:
        """Keeps a file as an artifact, in place of an older one of that name.

        Args:
            file: The file. It is read when it is delivered and must stay until then.
            directory: Directory among the run's artifacts.
        """
        self._courier.post(self._key, File(str(file.absolute()), directory))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags, in place of older ones of these names."""
        self._courier.post(self._key, Tags(dict(tags)))

    def log_corpus(
        self, name: str, fingerprint: str, source: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> None:
        """Names the text that the run is trained on: a dataset on its page.

        Args:
            name: What a person calls the corpus.
            fingerprint: Hash of its text.
            source: Where it comes from, in JSON's types.
            sizes: Sentence pairs of each split.
        """
        self._courier.post(self._key, Corpus(name, fingerprint, dict(source), dict(sizes)))

    def describe(self, text: str) -> None:
        """Sets the description that the run's page shows, in Markdown."""
        self.set_tags({NOTE_TAG: text})

    def rename(self, name: str) -> None:
        """Gives the run another name."""
        self._courier.post(self._key, Rename(name))

    def finish(self, state: str, reason: str | None = None) -> None:
        """Ends or pauses the run.

        Args:
            state: How it ended: a `RunState` or its value.
            reason: Why, in a sentence for a person.
        """
        self._courier.post(self._key, End(RunState(state), reason or ""))

    def flush(self, timeout: float) -> bool:
        """Tries at once to deliver all that was logged, by this and the study's other runs.

        Args:
            timeout: Longest wait in seconds; a server that is away ends it earlier.

        Returns:
            Whether MLflow has everything.
        """
        return self._courier.flush(timeout)


def _origin() -> dict[str, str]:
    """What makes the run's results, as tags; MLflow's page shows the commit."""
    tags = {f"version.{name}": version for name, version in versions().items()}
    commit = git_commit()
    return tags if commit is None else {**tags, "mlflow.source.git.commit": commit}
